/*
 * ENTER, LEAVE and PUSH ESP on stacks of 16 bits, with operands of 16 and 32 bits: SP wraps within the segment, and the upper half of ESP
 * stays as it is, in the frame pointer too (SDM vol. 2A, ENTER: FrameTemp is ESP after the first push).
 */
#include "tests/unit/rig.h"

enum { STACK_SEGMENT = 0x50000, DISPLAY = 0x11110000 };

/* A CPU in 32-bit code with a stack segment of 64 KiB at STACK_SEGMENT, B = 0. */
static void stack16_init(struct rig *rig)
{
	rig_init(rig, RIG_PROT32);
	rig->cpu->seg[SEG_SS] = rig_segment(RIG_DS0, rig_descriptor(STACK_SEGMENT, 0xffff, 0x93, 0));
	cpu_update_mode(rig->cpu);
}

struct frame_case {
	const char *code;
	unsigned size;
	uint32_t esp, ebp, esp_after, ebp_after;
	struct {
		uint16_t at;
		uint32_t value;
	} memory[5]; /* doublewords on the stack afterwards; 0: no more */
};

#define CODE(literal) literal, sizeof(literal) - 1

static const struct frame_case cases[] = {
	/* enter 8, 0 */
	{CODE("\xc8\x08\0\0"), 0x12340100, 0x56788000, 0x123400f4, 0x123400fc, {{0xfc, 0x56788000}}},
	{CODE("\xc8\x08\0\0"), 0x12340000, 0x56788000, 0x1234fff4, 0x1234fffc, {{0xfffc, 0x56788000}}},
	{CODE("\xc8\x08\0\0"), 0x12340004, 0x56788000, 0x1234fff8, 0x12340000, {{0, 0x56788000}}},
	/* enter 8, 1: the frame pointer is pushed whole */
	{CODE("\xc8\x08\0\x01"), 0x12340100, 0x56788000, 0x123400f0, 0x123400fc, {{0xfc, 0x56788000}, {0xf8, 0x123400fc}}},
	{CODE("\xc8\x08\0\x01"), 0x12340000, 0x56788000, 0x1234fff0, 0x1234fffc, {{0xfffc, 0x56788000}, {0xfff8, 0x1234fffc}}},
	/* enter 8, 4: three display entries below BP are copied; SP wraps at once */
	{CODE("\xc8\x08\0\x04"),
	 0x00010000,
	 0x0001ffec,
	 0x0001ffe4,
	 0x0001fffc,
	 {{0xfffc, 0x0001ffec}, {0xfff8, DISPLAY + 1}, {0xfff4, DISPLAY + 2}, {0xfff0, DISPLAY + 3}, {0xffec, 0x0001fffc}}},
	/* enter 8, 3: BP wraps */
	{CODE("\xc8\x08\0\x03"),
	 0x12340100,
	 0x56780004,
	 0x123400e8,
	 0x123400fc,
	 {{0xfc, 0x56780004}, {0xf8, DISPLAY + 1}, {0xf4, DISPLAY + 2}, {0xf0, 0x123400fc}}},
	/* o16 enter 8, 1 */
	{CODE("\x66\xc8\x08\0\x01"), 0x12340100, 0x56788000, 0x123400f4, 0x567800fe, {{0xfc, 0x800000fe}}},
	{CODE("\x66\xc8\x08\0\x01"), 0x12340000, 0x56788000, 0x1234fff4, 0x5678fffe, {{0xfffc, 0x8000fffe}}},
	/* leave, o16 leave */
	{CODE("\xc9"), 0x12340100, 0x56788000, 0x12348004, DISPLAY, {{0}}},
	{CODE("\x66\xc9"), 0x12340100, 0x56788000, 0x12348002, 0x56780000, {{0}}},
	/* push esp */
	{CODE("\x54"), 0x12340000, 0, 0x1234fffc, 0, {{0xfffc, 0x12340000}}},
};

static uint64_t on_stack(uint32_t offset)
{
	return STACK_SEGMENT + (offset & 0xffff);
}

static void run_frame_case(const struct frame_case *test)
{
	struct rig rig;

	stack16_init(&rig);
	for (unsigned i = 0; i < 4; i++)
		rig_write(&rig, on_stack(test->ebp - 4 * i), &(uint32_t){DISPLAY + i}, 4);
	rig.cpu->gpr[RSP] = test->esp;
	rig.cpu->gpr[RBP] = test->ebp;
	rig_code(&rig, test->code, test->size);
	rig_run(&rig, 1);
	assert_int_equal(rig.cpu->rip, RIG_CODE + test->size);
	assert_int_equal(rig.cpu->gpr[RSP], test->esp_after);
	assert_int_equal(rig.cpu->gpr[RBP], test->ebp_after);
	for (unsigned i = 0; i < 5 && test->memory[i].value; i++)
		assert_int_equal(physmem_read(&rig.mem, on_stack(test->memory[i].at), 4), test->memory[i].value);
	rig_deinit(&rig);
}

static void test_frames(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_frame_case(&cases[i]);
}

/* 16-bit code: a prefix makes the operand 32 bits wide, the stack stays. */
static void test_prefix_in_16_bit_code(void **state)
{
	struct rig rig;

	(void)state;
	stack16_init(&rig);
	rig.cpu->seg[SEG_CS] = rig_segment(RIG_CODE16, rig_descriptor(RIG_CODE, 0xffff, 0x9b, 0));
	cpu_update_mode(rig.cpu);
	rig.cpu->gpr[RSP] = 0x12340000;
	rig.cpu->gpr[RBP] = 0x56788000;
	RIG_RUN(&rig, "\x66\xc8\x08\0\x01", 1);
	assert_int_equal(rig.cpu->gpr[RSP], 0x1234fff0);
	assert_int_equal(rig.cpu->gpr[RBP], 0x1234fffc);
	assert_int_equal(physmem_read(&rig.mem, on_stack(0xfff8), 4), 0x1234fffc);
	rig_deinit(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_prefix_in_16_bit_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
