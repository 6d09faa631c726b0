/*
 * Losses: what a run could not find out, or not for certain, counted by cause. An answer that lacks something and does not say so is worse
 * than none. So whatever gives a call up, finds nothing where the snapshot should have something, or goes on in spite of a doubt, records
 * its cause here. Whoever runs the command reports it at the end.
 *
 * Some causes are no losses: the machine itself would have given the same answer. They are counted, too, and the table has the reason.
 */
#ifndef XRAY86_REDIRECT_LOSSES_H
#define XRAY86_REDIRECT_LOSSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum loss_cause {
	LOSS_NONE,
	LOSS_NOT_IN_MEMORY, /* a disk would have had it */
	LOSS_CODE,          /* losses_record_code() knows whose */
	LOSS_LOCK,
	LOSS_DAMAGED,
	LOSS_BUDGET,
	LOSS_LIMIT,
	LOSS_OUTSIDE,
	LOSS_LEFT_OUT,
	LOSS_UNREADABLE,
	LOSS_TRUNCATED,
	LOSS_CHANGED,
	LOSS_LOCK_PASSED,
	LOSS_WARNING,
	LOSS_INSTRUCTION,
	LOSS_WAIT, /* from here on: no losses */
	LOSS_MODULE_LOAD,
	LOSS_CAUSES,
};

struct loss_row {
	const char *name;       /* for --trace, --stats and --json: one word */
	int error;              /* what a call that is given up for it returns; 0: no call is given up for it */
	bool normal;            /* no loss */
	const char *one, *many; /* what is counted, as the line at the end begins: "call"; NULL: it is not counted, it is or it is not */
	const char *text;       /* and goes on */
	const char *advice;     /* what to do about it; NULL: nothing helps */
	const char *why;        /* that it is a loss, or is none */
};

/* The table; the rows are in the order of the causes. */
const struct loss_row *loss_row(enum loss_cause cause);

/* Whose the missing code was, by the snapshot's list of modules. */
enum loss_owner { LOSS_OWNER_UNKNOWN, LOSS_OWNER_NONE, LOSS_OWNER_MODULE };

enum { LOSS_NAME = 128, LOSS_CALLER = 160, LOSS_REASON = 400 /* bytes */ };

/* Code that calls needed: one entry for each module. What is said besides the count is of the first call. */
struct loss_code {
	enum loss_owner owner;
	char module[LOSS_NAME]; /* as quote() has it; empty unless it is a module's */
	const char *call;       /* the system call's name */
	uint64_t address;
	char caller[LOSS_CALLER]; /* "function+0x12", or empty */
	bool there;               /* the snapshot has code there, which --code product runs */
	uint64_t count;           /* of calls */
	char reason[LOSS_REASON]; /* why the module could not be proven (modules.h), or empty */
};

enum { LOSS_CODES = 32 };

/* All zeros: nothing was lost. */
struct losses {
	uint64_t count[LOSS_CAUSES];
	struct loss_code code[LOSS_CODES]; /* what is beyond them is counted only */
	size_t codes;
};

void losses_record(struct losses *losses, enum loss_cause cause);
/* For a call that is recorded with LOSS_CODE, too: whose code it needed. code->count does not matter. */
void losses_record_code(struct losses *losses, const struct loss_code *code);
/* Whether anything was lost. */
bool losses_any(const struct losses *losses);

#endif
