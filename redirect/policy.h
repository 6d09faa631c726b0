/*
 * Which world a system call goes to: one table per ABI (policy_x86_64.def, policy_i386.def), a row per system call of Linux 6.18, with the
 * reason where it is not plain. The rule that a user can hold in mind: the tool runs as if its process were in the product at that
 * moment; only its own code and memory are trusted.
 */
#ifndef XRAY86_REDIRECT_POLICY_H
#define XRAY86_REDIRECT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum policy_rule {
	POLICY_TRUSTED,
	POLICY_PRODUCT,
	POLICY_REFUSED,    /* in neither world; argument[0]: errno */
	POLICY_FD,         /* where the descriptor argument[0] belongs */
	POLICY_FD2,        /* two descriptors: of one world, or EINVAL */
	POLICY_PATH,       /* where the path argument[0] belongs */
	POLICY_PATH2,      /* two paths: of one world, or EXDEV */
	POLICY_AT,         /* the path argument[1], relative to the descriptor argument[0] */
	POLICY_AT2,        /* twice: argument[0] and [1], [2] and [3] */
	POLICY_PID,        /* where the process argument[0] lives: 0 and the tool's own are trusted */
	POLICY_HEADER,     /* where the process lives that the header at argument[0] names */
	POLICY_HOST,       /* the product; the process argument[0] is the host task if it is the tool's own */
	POLICY_CLOCK,      /* the clock argument[0]: those of processes and threads are trusted */
	POLICY_SLEEP,      /* trusted; until a time of a clock of the product's: done at once */
	POLICY_EXEC,       /* trusted; the path argument[0] may be of a program that is still to be delivered */
	POLICY_IOCTL,      /* like POLICY_FD */
	POLICY_FCNTL,      /* duplicates and flags of the descriptor: trusted; the rest like POLICY_FD */
	POLICY_SOCKETCALL, /* i386: by the call that argument[0] names */
	POLICY_IPC,        /* i386: likewise */
	POLICY_INOTIFY,    /* the path argument[1]: refused if it is the product's */
	POLICY_BPF,        /* the product, for commands that list and look; others are refused */
	POLICY_CLONE,      /* trusted; refused if the child is to have namespaces of its own, by the flags argument[0] */
	POLICY_CLONE3,     /* likewise, by the flags at the address argument[0] */
};

enum {
	POLICY_OPENS = 1,   /* the result is a new descriptor */
	POLICY_REFUSES = 2, /* in the product: EINVAL */
	POLICY_ONLY = 4,    /* in the trusted VM: EXDEV */
	POLICY_MOVES = 8,   /* in the product: changes the caller's namespaces, and no other process's */
};

/* What the row of a call comes to. */
enum verdict { VERDICT_TRUSTED, VERDICT_PRODUCT, VERDICT_REFUSED };

struct policy_row {
	const char *name; /* without sys_; NULL: no such call */
	uint8_t rule;
	uint8_t argument[4];
	uint8_t flags;
	const char *why;
};

enum policy_abi { POLICY_X86_64, POLICY_I386, POLICY_ABIS };

/* The rows by system call number; *ret_count is one more than the highest. */
const struct policy_row *policy_table(enum policy_abi abi, size_t *ret_count);

/* A policy of the user's: copies of the tables, with rows changed. */
struct policy {
	struct policy_row *row[POLICY_ABIS];
	size_t count[POLICY_ABIS];
};

/* False: out of memory. */
bool policy_init(struct policy *policy);
/* Gives the system call of that name, in both ABIs, a rule that looks at no argument; refused ones fail with that errno. False: no such
 * call. */
bool policy_change(struct policy *policy, const char *name, enum policy_rule rule, int error);
/* A zeroed one is allowed. */
void policy_deinit(struct policy *policy);

/* Whether argument n of the call is the address of a path. */
bool policy_is_path(const struct policy_row *row, unsigned n);

#endif
