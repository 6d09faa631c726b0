/*
 * Flagged calls: the system call whose body begins or runs in product context, how it ends, and what is known of the calls before it.
 *
 * A call that goes to the product ends in one of three ways: its body returns; it is given up (its effects are taken back, and it returns
 * an errno); or it is refused before it begins. In each case the call is traced, and it is noted whether it brought the command further.
 */
#ifndef XRAY86_REDIRECT_CALL_H
#define XRAY86_REDIRECT_CALL_H

#include "redirect/losses.h"
#include "redirect/policy.h"
#include "redirect/repetition.h"
#include "redirect/tools.h"

enum { CALL_ARGUMENTS = 6, REDIRECT_ARGUMENTS = 3 /* arguments in the trace */, CALL_PATCHES = 4, CALL_PATHS = 2 };

/* A system call that went to the snapshot, after its end. */
struct redirect_call {
	const char *name;
	uint64_t argument[REDIRECT_ARGUMENTS];
	const char *path[REDIRECT_ARGUMENTS]; /* the path that an argument points to; NULL if it is none, or cannot be read */
	int64_t result;
	uint64_t instructions;      /* in all */
	struct tlb_traffic traffic; /* loads and stores that were redirected */
	size_t pages;               /* pages of the snapshot that were copied because the call wrote to them */
	const char *aborted;        /* where and at what the call was given up, or NULL */
	unsigned causes;            /* bits of enum loss_cause: all that was recorded of the call */
};

struct redirect_stats {
	uint64_t endless;    /* calls that were given up because they spent the budget */
	uint64_t spins;      /* waits for a frozen CPU that were ended */
	uint64_t warnings;   /* WARN()s of the kernel that product context went past */
	uint64_t iterations; /* iterations of REP string instructions in product context */
	uint64_t flagged, aborted, restarted, stand_ins, user_faults, instructions;
};

/* A descriptor in the tool's memory that the product sees by its own number. */
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
	uint64_t translated[CALL_ARGUMENTS]; /* as the product sees them */
	uint64_t started;
	struct tlb_traffic before; /* the product's traffic at its start */
	size_t pages;              /* copied */
	struct call_patch patch[CALL_PATCHES];
	unsigned patches;
	unsigned paths; /* in calls->path */
	bool opens;
	bool own;        /* it is about the tool's own descriptors: the product sees them as those of the host's process */
	bool opens_own;  /* what it opens is about them, too */
	bool shortened;  /* it reads less than the tool asked for: call_short_reads.c */
	bool asked_disk; /* it has asked a disk for something */
	bool direct;     /* it is direct I/O: another count would not help */
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
	uint64_t (*output)(void *opaque); /* bytes that the tools have put out so far; NULL: always 0 */
	void *output_opaque;
	bool (*reconsider)(void *opaque); /* before a call is given up: whether it is to begin anew instead; NULL: never */
	void *reconsider_opaque;

	/* -- its state -- */
	struct call now;
	struct call_abort {
		enum loss_cause cause;
		const char *reason; /* NULL: none */
	} abort;                    /* why the running call, or one of ours within it, cannot go on */
	struct call_path {
		uint64_t address;
		char text[TOOL_PATH];
	} path[CALL_PATHS]; /* of calls->now: what the product reads at a user address as a path */
	struct call_shorter {
		uint64_t regs, count; /* pt_regs of a call that begins anew, and the bytes that it is to read */
	} shorter;
	struct call_gaps {
		uint64_t holes, left_out, unreadable, unfinished;
	} recorded; /* counts of memory.count and context up to which losses have been recorded */
	bool tries; /* a call of ours reads what may not be in memory: if it is not, that is no loss yet */
	struct repetition repetition;
	struct redirect_stats stats;
	struct error *failure; /* why introspection cannot go on. Whoever sets it also makes the CPU leave */
};

/* -- call.c: the tool's pt_regs and memory -- */

/* Sets calls->now, at the body's first instruction. Returns false if its pt_regs cannot be read. */
bool call_read(struct calls *calls);
/* Puts the call's translated arguments and patches in place for the product. In product context. */
bool call_put_translated(struct calls *calls);
/* Restores what the policy changed in the trusted pt_regs, when the body is done or will begin anew. */
void call_restore_arguments(struct calls *calls);
/* Takes the body's effects back. It will begin anew at its first instruction. */
void call_undo(struct calls *calls);

/* -- call_end.c -- */

/* How many instructions a call may take now. */
uint64_t call_budget(const struct calls *calls);
/* Records what the running call, or a call of ours, loses or leaves in doubt. A call records each cause once. */
void call_record_loss(struct calls *calls, enum loss_cause cause);
/* Records likewise that it read memory that is not there, and that calls of ours did not come back, although it went on. */
void call_record_gaps(struct calls *calls);

/* The body's result, as the tool gets it. */
int64_t call_result(const struct calls *calls);
/* Ends the body at its return; its effects stay. Call call_finish() afterwards. */
void call_leave(struct calls *calls, int64_t result);
/* Traces and notes the call, which is done. `vain` says why it was without success, or is NULL. */
void call_finish(struct calls *calls, int64_t result, const char *vain);
/* Ends the running call with the errno of the cause, and records it. */
void call_abort(struct calls *calls, enum loss_cause cause, const char *reason);
/* Ends the running call because it has spent its budget. */
void call_abort_endless(struct calls *calls);
/* Ends the running call after the CPU has left the run by itself, as it does where it cannot be stopped in another way. */
void call_abort_stopped(struct calls *calls);
/* The body cannot go on. Ends the running call, or the call of a kernel function within it (worlds_call() then fails). */
void call_give_up(struct calls *calls, enum loss_cause cause, const char *reason);

void call_deinit(struct calls *calls);

/* -- call_paths.c -- */

/* Lets the product read another path at the user address: `first` and `rest`. Returns false if that is too long, or cannot be done. */
bool call_put_path(struct calls *calls, uint64_t address, const char *first, const char *rest);
struct error *call_mark_paths(struct calls *calls);

/* -- call_progress.c -- */

/* Notes that calls->now has ended with `result`. Ends the command (calls->failure) if it goes in circles. */
void call_note_progress(struct calls *calls, int64_t result, const char *vain);

/* -- call_short_reads.c -- */

/*
 * calls->now needs data that are not in memory. If it is a call that reads bytes, makes it begin anew and read less. Returns false if it is
 * none, or cannot read less.
 */
bool call_read_less(struct calls *calls);
/* To be called before calls->now begins: shortens it if it begins anew for that purpose. */
void call_shorten(struct calls *calls);

#endif
