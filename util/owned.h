/*
 * Folders and files that only this user (and the super-user) can change, so that their contents are this user's own word.
 *
 * The checks look at the opened file, so that nobody can exchange it in between. Folders above need no check: who can write to one of them
 * can put another folder in this one's place, but only one that belongs to this user, too.
 */
#ifndef XRAY86_UTIL_OWNED_H
#define XRAY86_UTIL_OWNED_H

#include "util/error.h"

/* Opens a folder, which must be no symbolic link. The error names it and says what to do. */
struct error *owned_directory_open(const char *path, int *ret_fd);
/*
 * Opens a regular file in the folder for reading; it must be no symbolic link. Never waits for the other end of a FIFO. The error names the
 * file. If there is no such file, *ret_fd is -1, without an error.
 */
struct error *owned_file_open(int directory, const char *name, int *ret_fd);

#endif
