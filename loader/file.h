/* Whole files in memory, read-only (mapped where possible, read where not: pipes). */
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

/* On success *ret owns the contents until file_close(). The error names the file. */
struct error *file_open(const char *path, struct file *ret);
/* A zeroed struct file is allowed. */
void file_close(struct file *file);

#endif
