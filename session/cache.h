/* Folders in the user's cache directory (XDG Base Directory Specification): of checkpoints, and of kernels (session/kernel_store.h). */
#ifndef XRAY86_SESSION_CACHE_H
#define XRAY86_SESSION_CACHE_H

#include <stdbool.h>

#include "util/error.h"

struct cache {
	int directory; /* -1: there is none */
	char *path;    /* its name */
};

/*
 * Opens the directory of checkpoints (NULL: the user's own), and makes it if it is missing. The error says why there can be none; *ret is
 * an empty cache then.
 */
struct error *cache_open(const char *path, struct cache *ret);
/* The same for another folder in the user's cache directory. */
struct error *cache_open_folder(const char *name, struct cache *ret);
/* An empty one is allowed. */
void cache_close(struct cache *cache);

/* The name of the file for a key, in the directory. The caller frees it. NULL: out of memory. */
char *cache_file(const char *key);

/* Names this very build of xray86. Keys begin with it. */
enum { CACHE_PROGRAM_MAX = 96 };
void cache_program(char ret[CACHE_PROGRAM_MAX]);

/* Whether a file of that name is a finished checkpoint. */
bool cache_has_suffix(const char *name);

/*
 * Calls fn with the names of all checkpoints in the directory, also unfinished ones, until fn returns an error or says that it has seen
 * enough.
 */
struct error *cache_for_each(const struct cache *cache, struct error *(*fn)(void *opaque, const char *name, bool *ret_enough),
			     void *opaque);

#define CACHE_SUFFIX ".checkpoint"

#endif
