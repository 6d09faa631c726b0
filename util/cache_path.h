/* Where the user's cache is (XDG Base Directory Specification). */
#ifndef XRAY86_UTIL_CACHE_PATH_H
#define XRAY86_UTIL_CACHE_PATH_H

#include <stddef.h>

#include "util/error.h"

/*
 * The path of the folder `name` in xray86's cache: $XDG_CACHE_HOME/xray86/name if that is absolute, else $HOME/.cache/xray86/name. *ret is
 * the caller's to free. *ret_base, unless ret_base is NULL: how many bytes of it name a folder that nobody makes: HOME, or the one that
 * XDG_CACHE_HOME is in.
 */
struct error *cache_path(const char *name, char **ret, size_t *ret_base);

#endif
