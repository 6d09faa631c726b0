/* Commands that go in circles (redirect/repetition.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "redirect/repetition.h"

/* Notes the call n times, as its owner does; how often until the command is to be ended, or 0. */
static unsigned note(struct repetition *repetition, const struct repeated_call *call, unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		if (repetition_asks(repetition, call) && repetition_note(repetition, call))
			return i;
	}
	return 0;
}

static void test_the_same_again(void **state)
{
	const struct repeated_call call = {.digest = 1, .vain = true};
	struct repetition repetition = {0};

	(void)state;
	assert_int_equal(note(&repetition, &call, 2 * REPETITION_LIMIT), REPETITION_LIMIT);
}

static void test_what_begins_anew(void **state)
{
	static const struct repeated_call vain = {.digest = 1, .vain = true}, others[] = {
										      {.digest = 2},               /* something new */
										      {.digest = 3, .vain = true}, /* likewise */
										      {.digest = 1, .progress = true},
									      };
	struct repetition repetition = {0};
	struct repeated_call call = vain;

	(void)state;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(note(&repetition, &vain, REPETITION_LIMIT - 2), 0);
		assert_int_equal(note(&repetition, &others[i], 1), 0);
	}
	for (call.output = 1; call.output < 5; call.output++)
		assert_int_equal(note(&repetition, &call, REPETITION_LIMIT - 1), 0);
}

/* A loop of several calls, of which one is vain. A loop of more kinds than are kept is none. */
static void test_loops(void **state)
{
	(void)state;
	for (unsigned kinds = REPETITION_KINDS; kinds <= REPETITION_KINDS + 1; kinds++) {
		struct repetition repetition = {0};
		unsigned rounds = 0, ended = 0;

		for (; !ended && rounds < 2 * REPETITION_LIMIT; rounds++) {
			for (unsigned i = 0; !ended && i < kinds; i++) {
				const struct repeated_call call = {.digest = i + 1, .vain = i == 0};

				ended = note(&repetition, &call, 1);
			}
		}
		assert_int_equal(!!ended, kinds == REPETITION_KINDS);
		if (ended)
			assert_in_range(rounds, REPETITION_LIMIT, REPETITION_LIMIT + REPETITION_KINDS); /* until all are known */
	}
}

/* Who sleeps and looks again finds the same for ever; who looks again and again without sleep may be counting. */
static void test_sleep(void **state)
{
	struct repetition repetition = {0};
	struct repeated_call call = {.digest = 1};
	unsigned naps = 0;

	(void)state;
	assert_int_equal(note(&repetition, &call, 10 * REPETITION_LIMIT), 0);
	do
		call.idle += 1000;
	while (!note(&repetition, &call, 1) && ++naps < 2 * REPETITION_LIMIT);
	assert_int_equal(naps, REPETITION_LIMIT);
}

static void test_digest(void **state)
{
	uint64_t one = repetition_digest(0, "ab", 2);

	(void)state;
	assert_int_equal(repetition_digest(repetition_digest(0, "a", 1), "b", 1), one);
	assert_int_not_equal(repetition_digest(0, "ba", 2), one);
	assert_int_not_equal(repetition_digest(0, "ab\0", 3), one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_again), cmocka_unit_test(test_what_begins_anew), cmocka_unit_test(test_loops),
		cmocka_unit_test(test_sleep),          cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
