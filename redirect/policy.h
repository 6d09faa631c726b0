/*
 * Which world a system call goes to. Each ABI has a table (policy_x86_64.def, policy_i386.def) with a row for each system call of
 * Linux 6.18, and the reason where it is not obvious. The principle for the user: the tool runs as if its process were in the product at
 * that moment; only its own code and memory are trusted.
 */
#ifndef XRAY86_REDIRECT_POLICY_H
#define XRAY86_REDIRECT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* policy_rules.def explains each. */
enum policy_rule {
#define RULE(name, ...) POLICY_##name,
#include "redirect/policy_rules.def"
#undef RULE
};
enum {
	POLICY_RULES = 0
#define RULE(...) +1
#include "redirect/policy_rules.def"
#undef RULE
};

/* policy_flags.def explains each. */
enum policy_flag {
#define FLAG(name, ...) POLICY_FLAG_##name,
#include "redirect/policy_flags.def"
#undef FLAG
	POLICY_FLAGS
};
enum {
#define FLAG(name, ...) POLICY_##name = 1 << POLICY_FLAG_##name,
#include "redirect/policy_flags.def"
#undef FLAG
};

/* What a call's row decides. */
enum verdict { VERDICT_TRUSTED, VERDICT_PRODUCT, VERDICT_REFUSED };

struct policy_row {
	const char *name; /* without sys_; NULL: no such call */
	uint8_t rule;
	uint8_t argument[4];
	uint32_t flags; /* POLICY_OPENS and the like */
	const char *why;
};

enum policy_abi { POLICY_X86_64, POLICY_I386, POLICY_ABIS };

/* The rows by system call number; *ret_count is one more than the highest. */
const struct policy_row *policy_table(enum policy_abi abi, size_t *ret_count);

/* The word of a rule in policy files, its arguments there, and what it does. */
struct policy_rule_info {
	const char *word, *arguments, *meaning;
};
const struct policy_rule_info *policy_rule_info(enum policy_rule rule);
/* How many argument numbers a row with this rule has. */
unsigned policy_rule_arguments(enum policy_rule rule);

struct policy_flag_info {
	const char *word;
	bool narrows; /* it narrows the rule; false: it says what the call does, whatever the rule is */
	const char *meaning;
};
const struct policy_flag_info *policy_flag_info(enum policy_flag flag);

/* The user's policy: copies of the tables, with changed rows. */
struct policy {
	struct policy_row *row[POLICY_ABIS];
	size_t count[POLICY_ABIS];
};

/* Returns false without memory. */
bool policy_init(struct policy *policy);
/*
 * Gives the system call row->name the rule and the arguments of `row`, in this ABI, or in both (POLICY_ABIS). If `flags` is set, it also
 * gets the flags of `row`; otherwise it keeps the flags that say what the call does. Returns false if there is no such call.
 */
bool policy_change(struct policy *policy, enum policy_abi abi, const struct policy_row *row, bool flags);
/* A zeroed one is allowed. */
void policy_deinit(struct policy *policy);

/* Whether argument n of the call is the address of a path. */
bool policy_is_path(const struct policy_row *row, unsigned n);

#endif
