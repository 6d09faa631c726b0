/* Writing to descriptors that are standard output and error: they may be full, slow, non-blocking, a terminal, or not there. */
#ifndef XRAY86_CLI_OUTPUT_H
#define XRAY86_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cancel.h"
#include "util/escape.h"

/* One use of a descriptor: what is written by it belongs together (a character may be cut between two writes). */
struct output {
	int fd;
	bool escaping;
	struct escape escape;
	struct cancel cancel; /* asked while there is no room: ECANCELED; set by the owner */
	int error;            /* errno of the first write that failed, after which nothing is written; 0 */
};

/* On a terminal, control characters are written escaped (util/escape.h) unless `raw`. */
void output_open(struct output *output, int fd, bool raw);

/* Writes it all, waits for room. false: output->error */
bool output_write(struct output *output, const uint8_t *bytes, size_t size);

/* Writes what output_write() kept back of an incomplete character. The descriptor stays open. false: output->error */
bool output_end(struct output *output);

/* stdio's stdout and stderr, made to write by these. */
struct streams {
	struct output out, err;
};

/*
 * First of all in main(): makes descriptors 0, 1 and 2 be there, so that no file of ours becomes one of them. A closed standard input
 * is empty; writing to a closed standard output fails as it does elsewhere (EBADF); what goes to a closed standard error is gone.
 */
void streams_complete(void);

/* Makes stdout and stderr write to `streams`, which must stay. Without memory they stay what they are. */
void streams_open(struct streams *streams);

/* Writes all that stdout has. Returns errno of the first of its writes that failed, or 0. */
int streams_finish(struct streams *streams);

#endif
