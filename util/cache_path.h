/* Where the user's cache is (XDG Base Directory Specification). */
#ifndef XRAY86_UTIL_CACHE_PATH_H
#define XRAY86_UTIL_CACHE_PATH_H

#include <stddef.h>

#include "util/error.h"

/*
 * The path of the folder `name` in xray86's cache: $XDG_CACHE_HOME/xray86/name if that is absolute, or else $HOME/.cache/xray86/name. The
 * caller frees *ret. Unless ret_base is NULL, *ret_base is how many bytes of the path name a folder that nobody makes: HOME, or the parent
 * of XDG_CACHE_HOME.
 */
struct error *cache_path(const char *name, char **ret, size_t *ret_base);

#endif
