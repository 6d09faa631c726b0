/* Whole files in memory, read-only. They are mapped where that is possible, and read otherwise. */
#ifndef XRAY86_LOADER_FILE_H
#define XRAY86_LOADER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct file {
	const uint8_t *data; /* not NULL, also if empty */
	size_t size;
	bool mapped;
};

/* On success *ret owns the contents until file_close(). The error names the file. Only regular files: others may keep the caller waiting.
 */
struct error *file_open(const char *path, struct file *ret);
/* The same for pipes and devices, too: for what the user has named, as a shell's <(command) does. */
struct error *file_open_any(const char *path, struct file *ret);
/* A descriptor of a regular file, for reading; -1, errno: EACCES if it is no regular file, as execve() says. */
int file_open_descriptor(const char *path);
/* A zeroed struct file is allowed. */
void file_close(struct file *file);

#endif
