/*
 * What the emulator makes of flags that the SDM leaves undefined, as rules of our own: they tell whether the host does the same, and the
 * unit tests hold the emulator to them.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_FLAG_RULE_H
#define XRAY86_TESTS_DIFFERENTIAL_FLAG_RULE_H

#include "tests/differential/case.h"

enum flag_group {
	GROUP_LOGIC,
	GROUP_MULTIPLY,
	GROUP_DIVIDE,
	GROUP_SHIFT,
	GROUP_ROTATE,
	GROUP_DOUBLE_SHIFT,
	GROUP_BIT,
	GROUP_BIT_SCAN,
	GROUP_DECIMAL,
	GROUP_AAA,
	GROUP_AAM,
	GROUP_AAD,
	FLAG_GROUPS
};

struct flag_group_info {
	const char *name;
	const char *rule; /* for people */
};
extern const struct flag_group_info flag_groups[FLAG_GROUPS];

struct operands {
	unsigned size;
	uint64_t a, c, d; /* rAX, rCX, rDX */
	uint64_t flags;   /* before */
};

/* One encoding of one of the group's operations, with registers. */
struct flag_probe {
	uint8_t group, code32, length, size;
	const char *code;
	uint16_t undefined; /* flags that the rule is about */
	uint64_t (*rule)(const struct operands *operands);
};
extern const struct flag_probe flag_probes[];
extern const unsigned flag_probe_count;

enum { FLAG_VECTORS = 24 }; /* operands that each is run with */

void flag_probe_prepare(const struct flag_probe *probe, unsigned vector, bool fsgsbase, struct test_case *ret);
/* The arithmetic flags after it, right in `undefined`. */
uint64_t flag_probe_expected(const struct flag_probe *probe, const struct test_case *test);

#endif
