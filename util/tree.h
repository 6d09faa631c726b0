/* Trees of files: all that is below a folder. Links are taken as links. */
#ifndef XRAY86_UTIL_TREE_H
#define XRAY86_UTIL_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Calls fn with each file and folder of the tree, a folder after what is in it and `path` itself last, until fn returns false. Returns
 * false then, and if something could not be looked at (see errno).
 */
bool tree_walk(const char *path, bool (*fn)(void *opaque, const char *path, const struct stat *status), void *opaque);

/* Deletes the tree, or a file. Returns false if something of it is left (see errno). What is not there is deleted. */
bool tree_remove(const char *path);
/* Bytes that it takes on the disk. */
uint64_t tree_size(const char *path);

#endif
