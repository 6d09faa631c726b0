/* The policy's tables: policy.h. */
#include "redirect/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A rule in a row: its name and the numbers of the arguments that it looks at. */
#define LIST(...)                                                                                                                          \
	{                                                                                                                                  \
		__VA_ARGS__                                                                                                                \
	}
#define TRUSTED POLICY_TRUSTED, LIST(0)
#define PRODUCT POLICY_PRODUCT, LIST(0)
#define REFUSED(error) POLICY_REFUSED, LIST(error)
#define FD(n) POLICY_FD, LIST(n)
#define FD2(n, m) POLICY_FD2, LIST(n, m)
#define PATH(n) POLICY_PATH, LIST(n)
#define PATH2(n, m) POLICY_PATH2, LIST(n, m)
#define AT(d, n) POLICY_AT, LIST(d, n)
#define AT2(d, n, e, m) POLICY_AT2, LIST(d, n, e, m)
#define PID(n) POLICY_PID, LIST(n)
#define HEADER(n) POLICY_HEADER, LIST(n)
#define HOST(n) POLICY_HOST, LIST(n)
#define CLOCK(n) POLICY_CLOCK, LIST(n)
#define SLEEP POLICY_SLEEP, LIST(0)
#define EXEC(n) POLICY_EXEC, LIST(n)
#define IOCTL POLICY_IOCTL, LIST(0)
#define FCNTL POLICY_FCNTL, LIST(0)
#define SOCKETCALL POLICY_SOCKETCALL, LIST(0)
#define IPC POLICY_IPC, LIST(0)
#define INOTIFY POLICY_INOTIFY, LIST(0)
#define BPF POLICY_BPF, LIST(0)
#define CLONE(n) POLICY_CLONE, LIST(n)
#define CLONE3(n) POLICY_CLONE3, LIST(n)
#define OPENS POLICY_OPENS
#define REFUSES POLICY_REFUSES
#define ONLY POLICY_ONLY
#define MOVES POLICY_MOVES

#define ROW(number, name, rule, flags, why) [number] = {#name, rule, flags, why},

static const struct policy_row x86_64[] = {
#include "redirect/policy_x86_64.def"
};

static const struct policy_row i386[] = {
#include "redirect/policy_i386.def"
};

const struct policy_row *policy_table(enum policy_abi abi, size_t *ret_count)
{
	*ret_count = abi == POLICY_X86_64 ? sizeof(x86_64) / sizeof(x86_64[0]) : sizeof(i386) / sizeof(i386[0]);
	return abi == POLICY_X86_64 ? x86_64 : i386;
}

bool policy_init(struct policy *policy)
{
	*policy = (struct policy){0};
	for (unsigned abi = 0; abi < POLICY_ABIS; abi++) {
		const struct policy_row *rows = policy_table(abi, &policy->count[abi]);

		policy->row[abi] = malloc(policy->count[abi] * sizeof(*rows));
		if (!policy->row[abi])
			return false;
		memcpy(policy->row[abi], rows, policy->count[abi] * sizeof(*rows));
	}
	return true;
}

bool policy_change(struct policy *policy, const char *name, enum policy_rule rule, int error)
{
	bool found = false;

	for (unsigned abi = 0; abi < POLICY_ABIS; abi++) {
		for (size_t i = 0; i < policy->count[abi]; i++) {
			struct policy_row *row = &policy->row[abi][i];

			if (!row->name || strcmp(row->name, name) != 0)
				continue;
			row->rule = rule;
			row->argument[0] = error;
			row->flags &= POLICY_OPENS; /* the others restrict the rule that is no more */
			found = true;
		}
	}
	return found;
}

void policy_deinit(struct policy *policy)
{
	for (unsigned abi = 0; abi < POLICY_ABIS; abi++)
		free(policy->row[abi]);
}

bool policy_is_path(const struct policy_row *row, unsigned n)
{
	switch (row->rule) {
	case POLICY_PATH:
	case POLICY_EXEC:
		return n == row->argument[0];
	case POLICY_PATH2:
		return n == row->argument[0] || n == row->argument[1];
	case POLICY_AT:
		return n == row->argument[1];
	case POLICY_AT2:
		return n == row->argument[1] || n == row->argument[3];
	default:
		return false;
	}
}
