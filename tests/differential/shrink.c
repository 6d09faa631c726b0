/*
 * Shortens a mismatching sequence: takes away one instruction after the other, from the end, and keeps what still mismatches, until nothing
 * more can go.
 */
#include <string.h>

#include "tests/differential/compare.h"
#include "tests/differential/harness.h"

static void remove_instruction(struct test_case *test, unsigned n)
{
	memmove(&test->instruction[n], &test->instruction[n + 1], (test->count - n - 1u) * sizeof(test->instruction[0]));
	test->count--;
	for (unsigned i = 0; i < test->count; i++) {
		if (test->instruction[i].target > n)
			test->instruction[i].target--;
	}
	generate_assemble(test);
}

static struct error *mismatches(struct harness *harness, const struct test_case *test, bool *ret)
{
	unsigned a, b;
	struct error *err;

	native_batch(harness->native)->test[0] = *test;
	err = harness_run_one(harness);
	*ret = !err && !compare_is_void(&harness->outcome[harness->emulator[0] ? 0 : 1][0]) && harness_compare(harness, 0, &a, &b) != 0;
	return err;
}

struct error *harness_shrink(struct harness *harness, struct test_case *test)
{
	bool shorter = true;

	while (shorter) {
		shorter = false;
		for (unsigned n = test->count; test->count > 1 && n-- > 0;) {
			struct test_case candidate = *test;
			struct error *err;
			bool still;

			remove_instruction(&candidate, n);
			err = mismatches(harness, &candidate, &still);
			if (err)
				return err;
			if (still) {
				*test = candidate;
				shorter = true;
			}
		}
	}
	return NULL;
}
