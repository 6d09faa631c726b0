/*
 * Reports of a command's work, as text and as JSON, made in memory. The caller decides where they go, and says what the user types to get
 * more. The caller frees the strings. NULL: out of memory.
 */
#ifndef XRAY86_SESSION_REPORT_H
#define XRAY86_SESSION_REPORT_H

#include "redirect/redirect.h"

/* What the user can ask for, in the words of his interface. */
struct report_words {
	const char *product_code; /* "--code product" */
	const char *verified;     /* "--code verified"; NULL: modules are proven already, or their code runs unproven */
	const char *trust_module; /* "--trust-module ", before a name */
	const char *trace;        /* "--trace"; NULL: there is a trace already */
};

/* One line for all losses: what they mean for the answer, how often and why, and what to type. There must be some. */
char *report_losses(const struct losses *losses, const struct report_words *words);
/* A line for a module whose code was missing; it names one of the calls that needed it. product_code: the snapshot's own code ran. */
char *report_code(const struct loss_code *code, bool product_code, const struct report_words *words);
/* Both as a JSON object. */
char *report_losses_json(const struct losses *losses);

/* A system call that went to the snapshot, as a JSON object. */
char *report_call_json(const struct redirect_call *call);

/* Calls fn with each counter, also those of losses. `instructions` is the count of the whole run. */
struct report_counter {
	const char *name, *what;
	uint64_t value;
};
void report_counters(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions,
		     void (*fn)(void *opaque, const struct report_counter *counter), void *opaque);
/* The same as a JSON object. */
char *report_stats_json(const struct redirect_stats *stats, const struct losses *losses, uint64_t instructions);

/* That the snapshot's own kernel code has answered, and on which kernel the command ran. */
char *report_unproven_json(const char *release);

#endif
