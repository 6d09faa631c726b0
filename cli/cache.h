/* The user's cache directory (XDG Base Directory Specification), where checkpoints are. */
#ifndef XRAY86_CLI_CACHE_H
#define XRAY86_CLI_CACHE_H

#include <stdbool.h>

#include "util/error.h"

/* The directory of checkpoints, made if it is not there; NULL, *ret_error set: there can be none. To be freed. */
char *cache_directory(struct error **ret_error);
/* The file for a key. To be freed; NULL: out of memory. */
char *cache_file(const char *directory, const char *key);

/* This very build of xray86, as keys begin. */
enum { CACHE_PROGRAM_MAX = 96 };
void cache_program(char ret[CACHE_PROGRAM_MAX]);

/* Whether a file of that name is a checkpoint, and finished. */
bool has_cache_suffix(const char *name);

#define CACHE_SUFFIX ".checkpoint"

#endif
