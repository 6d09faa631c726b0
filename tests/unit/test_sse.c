/*
 * SSE to SSE4.2 against the host's own: every row, both forms, random operands, rounding modes and exception masks.
 */
#include "simd_rig.h"

static bool is_state(const struct isa_row *row)
{
	return row->op == OP_FXSAVE || row->op == OP_FXSAVE64 || row->op == OP_FXRSTOR || row->op == OP_FXRSTOR64 || row->op == OP_LDMXCSR;
}

static void check_rows(enum simd_masks masks, uint32_t attributes, unsigned count)
{
	struct simd_rig s;

	if (!__builtin_cpu_supports("sse4.2"))
		skip();
	simd_rig_init(&s);
	for (size_t i = 0; i < isa_row_count; i++)
		if ((isa_rows[i].attributes & attributes) == attributes && !is_state(&isa_rows[i]))
			simd_check_row(&s, &isa_rows[i], masks, count);
	simd_rig_deinit(&s);
}

static void test_masked(void **state)
{
	(void)state;
	check_rows(SIMD_MASKED, A_SSE, 200);
}

static void test_unmasked(void **state)
{
	(void)state;
	check_rows(SIMD_UNMASKED, A_SSE | A_SIMD_FP, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_unmasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
