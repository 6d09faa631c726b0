/* An instruction that faults has not happened: flags that are computed late, registers stored one by one. */
#include "tests/unit/rig.h"

/* A long-mode interrupt gate to `handler` for `vector`. */
static void set_gate(struct rig *rig, unsigned vector, uint64_t handler)
{
	rig_write64(rig, RIG_IDT + 16 * vector, (handler & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48);
	rig_write64(rig, RIG_IDT + 16 * vector + 8, handler >> 32);
}

/* SSE instructions count as pure, but not where CR0.TS forbids them. */
static void test_flags_at_forbidden_instruction(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_gate(&rig, VECTOR_NM, RIG_CODE + 0x100);
	rig_write(&rig, RIG_CODE + 0x100, "\xeb\xfe", 2);
	rig.cpu->cr0 |= CR0_TS;
	cpu_update_mode(rig.cpu);
	rig.cpu->gpr[RAX] = 0xff;
	/* add al, 1; movaps xmm0, xmm1; sub ecx, 1 */
	RIG_RUN(&rig, "\x04\x01\x0f\x28\xc1\x83\xe9\x01\xeb\xfe", 10);
	assert_int_equal(rig.cpu->rip, RIG_CODE + 0x100);
	assert_int_equal(rig_read64(&rig, rig.cpu->gpr[RSP] + 16) & FLAGS_ARITHMETIC, FLAG_ZF | FLAG_CF | FLAG_AF | FLAG_PF);
	rig_deinit(&rig);
}

/* PUSHA that cannot store all of the registers stores none. */
static void test_pusha_is_all_or_nothing(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_PROT32);
	rig.cpu->seg[SEG_SS].limit = 0xffffffff;
	rig.cpu->seg[SEG_SS].attributes |= 4; /* expand-down: offsets above the limit are good */
	rig.cpu->seg[SEG_SS].limit = RIG_STACK - 0x10;
	cpu_update_mode(rig.cpu);
	rig.cpu->gpr[RAX] = 0x55;
	RIG_RUN(&rig, "\x60", 1);
	assert_int_equal(physmem_read(&rig.mem, RIG_STACK - 4, 4), 0);
	rig_deinit(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_at_forbidden_instruction),
		cmocka_unit_test(test_pusha_is_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
