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
#define MMAP POLICY_MMAP, LIST(0)
#define POLL POLICY_POLL, LIST(0)
#define PPOLL POLICY_PPOLL, LIST(0)
#define SELECT POLICY_SELECT, LIST(0)
#define EPOLL POLICY_EPOLL, LIST(0)
#define SOCKETCALL POLICY_SOCKETCALL, LIST(0)
#define IPC POLICY_IPC, LIST(0)
#define INOTIFY POLICY_INOTIFY, LIST(0)
#define BPF POLICY_BPF, LIST(0)
#define CLONE(n) POLICY_CLONE, LIST(n)
#define CLONE3(n) POLICY_CLONE3, LIST(n)

/* The flags in a row. */
enum {
#define FLAG(name, ...) name = POLICY_##name,
#include "redirect/policy_flags.def"
#undef FLAG
};

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

/* -- rules and flags in words -- */

static const struct policy_rule_info rules[] = {
#define RULE(name, ...) [POLICY_##name] = {__VA_ARGS__},
#include "redirect/policy_rules.def"
#undef RULE
};

const struct policy_rule_info *policy_rule_info(enum policy_rule rule)
{
	return &rules[rule];
}

unsigned policy_rule_arguments(enum policy_rule rule)
{
	const char *arguments = rules[rule].arguments;
	unsigned count = 0;

	if (rule == POLICY_REFUSED) /* an errno */
		return 0;
	while (*arguments) {
		count++;
		arguments += strcspn(arguments, " ");
		arguments += strspn(arguments, " ");
	}
	return count;
}

enum { POLICY_FLAG_OF_CALL, POLICY_FLAG_OF_RULE };

static const struct policy_flag_info flags[] = {
#define FLAG(name, word, of, meaning) [POLICY_FLAG_##name] = {word, POLICY_FLAG_OF_##of, meaning},
#include "redirect/policy_flags.def"
#undef FLAG
};

const struct policy_flag_info *policy_flag_info(enum policy_flag flag)
{
	return &flags[flag];
}

/* The flags that stay when the rule is changed. */
static uint32_t flags_of_call(uint32_t all)
{
	uint32_t kept = 0;

	for (unsigned i = 0; i < POLICY_FLAGS; i++)
		kept |= flags[i].narrows ? 0 : all & 1u << i;
	return kept;
}

/* -- a policy of the user's -- */

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

bool policy_change(struct policy *policy, enum policy_abi abi, const struct policy_row *row, bool flags)
{
	bool found = false;

	for (unsigned i = 0; i < POLICY_ABIS; i++) {
		for (size_t n = 0; (abi == i || abi == POLICY_ABIS) && n < policy->count[i]; n++) {
			struct policy_row *now = &policy->row[i][n];

			if (!now->name || strcmp(now->name, row->name) != 0)
				continue;
			now->rule = row->rule;
			memcpy(now->argument, row->argument, sizeof(now->argument));
			now->flags = flags ? row->flags : flags_of_call(now->flags);
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
	if (row->flags & POLICY_NAMES && n == 0)
		return true;
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
