/* Writes to standard output and error. These may be full, slow, non-blocking, a terminal, or closed. */
#ifndef XRAY86_CLI_OUTPUT_H
#define XRAY86_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cancel.h"
#include "util/escape.h"

/* One use of a descriptor. Its writes belong together: a character may be cut between two of them. */
struct output {
	int fd;
	bool escaping;
	struct escape escape;
	struct cancel cancel; /* asked while there is no room, for ECANCELED; the owner sets it */
	int error;            /* errno of the first write that failed, or 0; nothing is written after it */
};

/* On a terminal, control characters are escaped (util/escape.h), unless raw is set. */
void output_open(struct output *output, int fd, bool raw);

/* Writes all bytes, and waits for room. Returns false after an error, which is in output->error. */
bool output_write(struct output *output, const uint8_t *bytes, size_t size);

/* Writes an incomplete character that output_write() has kept back. The descriptor stays open. Returns as output_write() does. */
bool output_end(struct output *output);

/* What stdio's stdout and stderr write through. */
struct streams {
	struct output out, err;
};

/*
 * To be called first in main(): opens descriptors 0, 1 and 2 if they are closed, so that no file of ours becomes one of them. A closed
 * standard input is empty then. Writing to a closed standard output fails as elsewhere (EBADF). Output to a closed standard error is
 * dropped.
 */
void streams_complete(void);

/* Makes stdout and stderr write through `streams`, which must outlive them. Without memory they stay as they are. */
void streams_open(struct streams *streams);

/* Flushes stdout. Returns errno of the first of its writes that failed, or 0. */
int streams_finish(struct streams *streams);

#endif
