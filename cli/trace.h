/*
 * What `xray86 run` tells about its work: a line for each system call that went to the snapshot (--trace), counters at the end (--stats),
 * both as text or as JSON objects, one a line (--json).
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
};

/* redirect_config.trace; opaque: a struct trace. */
void trace_call(void *opaque, const struct redirect_call *call);

/* The counters, to stderr, with those of the losses. instructions: of the whole run. */
void trace_stats(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions, bool json);

#endif
