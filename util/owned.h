/*
 * Folders and files that nobody but this user can change: what they hold is this user's own word. (The super-user can, of course.)
 *
 * Looked at is what was opened, so that nobody can exchange it in between. Folders above need no such care: somebody who can write one of
 * them can put another folder in this one's place, but only one that is this user's own, too.
 */
#ifndef XRAY86_UTIL_OWNED_H
#define XRAY86_UTIL_OWNED_H

#include "util/error.h"

/* Opens a folder, which must be no symbolic link. The error names it and says what to do. */
struct error *owned_directory_open(const char *path, int *ret_fd);
/*
 * Opens a regular file in the folder for reading; it must be no symbolic link. Never waits, as for the other end of a FIFO. The error names
 * the file. *ret_fd is -1 without an error if there is no such file.
 */
struct error *owned_file_open(int directory, const char *name, int *ret_fd);

#endif
