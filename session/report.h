/*
 * What is told of a command's work, as text and as JSON. It is made in memory; where it goes is the caller's to say, and so is what one
 * types to get more. Strings are to be freed; NULL: out of memory.
 */
#ifndef XRAY86_SESSION_REPORT_H
#define XRAY86_SESSION_REPORT_H

#include "redirect/redirect.h"

/* What the user can ask for, in the words of the interface that he has. */
struct report_words {
	const char *product_code; /* "--code product" */
	const char *trace;        /* "--trace"; NULL: there is a trace already */
};

/* One line for all that was lost: what that means for the answer, how often and why, and what to type. Something was. */
char *report_losses(const struct losses *losses, const struct report_words *words);
/* A line for a module whose code was missing: one of the calls that needed it tells for all. product_code: the snapshot's own is run. */
char *report_code(const struct loss_code *code, bool product_code, const struct report_words *words);
/* Both as an object. */
char *report_losses_json(const struct losses *losses);

/* A system call that went to the snapshot, as an object. */
char *report_call_json(const struct redirect_call *call);

/* The counters, and those of the losses. instructions: of the whole run. */
struct report_counter {
	const char *name, *what;
	uint64_t value;
};
void report_counters(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions,
		     void (*fn)(void *opaque, const struct report_counter *counter), void *opaque);
/* The same as an object. */
char *report_stats_json(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions);

#endif
