/*
 * Recognises commands that will never end. A command that does not take an error for the end asks again and again (netstat of a table that
 * cannot be read). So does a command that waits for another process, since all processes are frozen. Nothing in a snapshot ever changes: if
 * a call has had the same result a great many times, with nothing new in between, it will go on to have it.
 *
 * A call is vain if it was given up, refused, or found nothing yet (EAGAIN), or if the command slept and then made a call that it had made
 * before. Vain calls are counted while the command makes only calls that it has made before, with the same arguments, paths and results. A
 * new call, data that a call transferred, an opened file, and output of the command begin the count anew. So the calls alone decide, and
 * every run is the same.
 */
#ifndef XRAY86_REDIRECT_REPETITION_H
#define XRAY86_REDIRECT_REPETITION_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REPETITION_KINDS = 16,    /* different calls that a loop may have */
	REPETITION_LIMIT = 10000, /* vain calls: far more than a command makes that gives up after some tries */
};

struct repetition {
	uint64_t kind[REPETITION_KINDS]; /* digests of the last calls, in turn */
	unsigned kinds;                  /* how many have been entered */
	uint64_t vain;                   /* in a row */
	uint64_t output, idle;           /* at the last call that was noted */
};

/* A call that went to the snapshot, at its end. */
struct repeated_call {
	uint64_t digest; /* of the call and its result */
	bool vain;       /* as above, apart from sleep */
	bool progress;   /* it transferred data, or opened something */
	uint64_t output; /* bytes that the command has put out so far */
	uint64_t idle;   /* how long the machine has slept so far */
};

/* Whether the call must be noted. If not, its digest is not needed. */
bool repetition_asks(const struct repetition *repetition, const struct repeated_call *call);
/* Notes it. Returns true if the command must be ended. */
bool repetition_note(struct repetition *repetition, const struct repeated_call *call);

/* Takes bytes into a digest, which begins as 0. */
uint64_t repetition_digest(uint64_t digest, const void *bytes, unsigned size);

#endif
