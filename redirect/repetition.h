/*
 * Commands that will never end: who takes an error for no end asks again and again (netstat of a table that cannot be read), and so does
 * who waits for another process, which is frozen like all of them. Nothing in a snapshot ever changes, so a call that has come to the
 * same a great many times, with nothing new in between, will go on to do so.
 *
 * A call is vain if it was given up, refused, or found nothing yet (EAGAIN), or if the command slept before it and then made a call that it
 * knew. Vain calls are counted as long as all the command's calls are such as it has made before, with the same arguments, paths and
 * results; a call that is new, data that a call transferred, a file that was opened and output of the command begin the count anew.
 * So it is a matter of the calls alone, the same in every run.
 */
#ifndef XRAY86_REDIRECT_REPETITION_H
#define XRAY86_REDIRECT_REPETITION_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REPETITION_KINDS = 16,    /* different calls that a loop may have */
	REPETITION_LIMIT = 10000, /* vain calls: far more than who gives up after some tries makes */
};

struct repetition {
	uint64_t kind[REPETITION_KINDS]; /* digests of the last ones, in turn */
	unsigned kinds;                  /* how often one was entered */
	uint64_t vain;                   /* in a row */
	uint64_t output, idle;           /* at the last call that was noted */
};

/* A call that went to the snapshot, at its end. */
struct repeated_call {
	uint64_t digest; /* of what it was and came to */
	bool vain;       /* as said above, but for sleep */
	bool progress;   /* transferred data, or opened something */
	uint64_t output; /* bytes that the command has put out so far */
	uint64_t idle;   /* how long the machine has slept so far */
};

/* Whether the call has to be noted: if not, the digest need not be made. */
bool repetition_asks(const struct repetition *repetition, const struct repeated_call *call);
/* Notes it. True: the command is to be ended. */
bool repetition_note(struct repetition *repetition, const struct repeated_call *call);

/* Takes bytes into a digest, which begins as 0. */
uint64_t repetition_digest(uint64_t digest, const void *bytes, unsigned size);

#endif
