/*
 * Flagged calls: the system call whose body is entered or runs in product context; what becomes of it, and of those before it.
 *
 * A call that goes to the product ends in one of three ways: its body returns, it is given up (its effects are taken back, and it returns
 * an errno), or it is refused before it begins. In each case it is traced, and noted as getting the command somewhere or not.
 */
#ifndef XRAY86_REDIRECT_CALL_H
#define XRAY86_REDIRECT_CALL_H

#include "redirect/losses.h"
#include "redirect/policy.h"
#include "redirect/repetition.h"
#include "redirect/tools.h"

enum { CALL_ARGUMENTS = 6, REDIRECT_ARGUMENTS = 3 /* arguments that are told of */, CALL_PATCHES = 4 };

/* A system call that went to the snapshot, after its end. */
struct redirect_call {
	const char *name;
	uint64_t argument[REDIRECT_ARGUMENTS];
	const char *path[REDIRECT_ARGUMENTS]; /* what an argument points to if it is a path that could be read, else NULL */
	int64_t result;
	uint64_t instructions;      /* in all */
	struct tlb_traffic traffic; /* loads and stores that were redirected */
	size_t pages;               /* of the snapshot's, copied for being written */
	const char *aborted;        /* where and at what the call was given up, or NULL */
	unsigned causes;            /* bits of enum loss_cause: why, and what else was recorded of it */
};

struct redirect_stats {
	uint64_t endless;    /* calls given up for having spent the budget */
	uint64_t spins;      /* waits for a frozen CPU that were ended */
	uint64_t warnings;   /* WARN()s of the kernel that product context went past */
	uint64_t iterations; /* of REP string instructions that product context has done, beside its instructions */
	uint64_t flagged, aborted, restarted, stand_ins, user_faults, instructions;
};

/* 4 bytes in the tool's memory that the product is to see otherwise: a descriptor, as its own number, or a part of a path. */
struct call_patch {
	uint64_t address;
	uint32_t original, translated;
};

struct call {
	enum policy_abi abi;
	unsigned number;
	const struct policy_row *row;
	uint64_t regs;     /* trusted pt_regs */
	uint64_t rip, rsp; /* of the tool, after its SYSCALL or INT */
	uint64_t argument[CALL_ARGUMENTS];
	uint64_t translated[CALL_ARGUMENTS]; /* as the product is to see them */
	uint64_t started;
	struct tlb_traffic before; /* the product's traffic at its start */
	size_t pages;              /* copied */
	struct call_patch patch[CALL_PATCHES];
	unsigned patches;
	bool opens;
	bool shortened;  /* it reads less than it was to: call_short_reads.c */
	bool asked_disk; /* something was to be read from a disk */
	unsigned lost;   /* bits of enum loss_cause: what has been recorded of it */
};

struct calls {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct tools *tools;
	const struct policy *policy;                                   /* NULL: the default one */
	struct losses *losses;                                         /* what is lost is recorded there */
	uint64_t budget;                                               /* instructions that a call may take */
	void (*trace)(void *opaque, const struct redirect_call *call); /* or NULL */
	void *trace_opaque;
	uint64_t (*output)(void *opaque); /* bytes that the tools have put out so far; NULL: none ever */
	void *output_opaque;

	/* -- its state -- */
	struct call now;
	struct call_abort {
		enum loss_cause cause;
		const char *reason; /* NULL: none */
	} abort;                    /* why the running call, or one of ours within it, cannot go on */
	struct call_shorter {
		uint64_t regs, count; /* pt_regs of a call that begins anew, and the bytes that it is to read */
	} shorter;
	struct call_gaps {
		uint64_t holes, left_out, unreadable, unfinished;
	} recorded; /* of memory.count and context: as far as they are */
	struct repetition repetition;
	struct redirect_stats stats;
	struct error *failure; /* why introspection cannot go on: who sets it makes the CPU leave */
};

/* -- call.c: the tool's pt_regs and memory -- */

/* Sets calls->now, at the body's first instruction; false: its pt_regs cannot be read. */
bool call_read(struct calls *calls);
/* The product is to see other bytes, 4, at the user address. False: there is no room for that, or no such memory. */
bool call_patch(struct calls *calls, uint64_t address, const void *bytes);
/* The product sees the call's translated arguments and patches. In product context. */
bool call_put_translated(struct calls *calls);
/* The trusted pt_regs get back what the policy changed in them, when the body is done or will begin anew. */
void call_restore_arguments(struct calls *calls);
/* The body's effects are taken back: it is to begin anew, at its first instruction. */
void call_undo(struct calls *calls);

/* -- call_end.c -- */

/* Instructions that a call may take now. */
uint64_t call_budget(const struct calls *calls);
/* Records what the running call, or a call of ours, loses or leaves in doubt: each cause once for each call. */
void call_record_loss(struct calls *calls, enum loss_cause cause);
/* Likewise what it read that is not there, and what calls of ours did not tell, though it went on. */
void call_record_gaps(struct calls *calls);

/* What the body is about to return, as the tool is to get it. */
int64_t call_result(const struct calls *calls);
/* The body is at its return: its effects stay. call_finish() is to follow. */
void call_leave(struct calls *calls, int64_t result);
/* The call is done: it is told of. `vain`: why it got nowhere, or NULL. */
void call_finish(struct calls *calls, int64_t result, const char *vain);
/* Ends the running call with the errno of the cause, and records it. */
void call_abort(struct calls *calls, enum loss_cause cause, const char *reason);
/* Likewise, for having spent its budget. */
void call_abort_endless(struct calls *calls);
/* The same when the CPU came back by itself, as it does where it cannot be stopped in another way. */
void call_abort_stopped(struct calls *calls);
/* The body cannot go on: ends the running call, or the call of a kernel function within it (worlds_call() fails). */
void call_give_up(struct calls *calls, enum loss_cause cause, const char *reason);

void call_deinit(struct calls *calls);

/* -- call_progress.c -- */

/* calls->now has ended with `result`; given up, refused or not. Ends the command (calls->failure) if it goes in circles. */
void call_note_progress(struct calls *calls, int64_t result, const char *vain);

/* -- call_short_reads.c -- */

/*
 * calls->now needs what is not in memory: it begins anew, and will read less, if it is a call that reads bytes. False: it is not, or there
 * is no less.
 */
bool call_read_less(struct calls *calls);
/* calls->now is about to begin: if it is one that does so anew, it reads less. */
void call_shorten(struct calls *calls);

#endif
