/*
 * What `xray86 run` prints about its work: a line for each system call that went to the snapshot (--trace), and counters at the end
 * (--stats). Both are text, or JSON objects, one a line (--json).
 */
#ifndef XRAY86_CLI_TRACE_H
#define XRAY86_CLI_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "redirect/redirect.h"

struct trace {
	FILE *to; /* NULL: no trace */
	bool json;
	const char *path; /* of the file; NULL: it is stderr */
};

/* wanted: whether there shall be a trace. path: its file; NULL: stderr. */
struct error *trace_open(struct trace *trace, bool wanted, const char *path, bool json);
/* A zeroed one is allowed. The error is that of the first write that failed. */
struct error *trace_close(struct trace *trace);

/* redirect_config.trace; opaque: a struct trace. */
void trace_call(void *opaque, const struct redirect_call *call);

/* Prints the counters, also those of losses, to stderr. `instructions` is the count of the whole run. */
void trace_stats(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions, bool json);

#endif
