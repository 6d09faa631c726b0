/*
 * Hardware task switches: all ways in and out, both TSS formats, faults before and after the point of no return (SDM vol. 3A chapter 7).
 */
#include "tests/unit/system_rig.h"

enum { NEW_TSS = 0x6000, TARGET = 0x11000, OTHER_STACK = 0x26000 };

static void put32(struct rig *rig, uint32_t address, uint32_t value)
{
	rig_write(rig, address, &value, 4);
}

static uint32_t get32(struct rig *rig, uint32_t address)
{
	return physmem_read(&rig->mem, address, 4);
}

static unsigned access_byte(struct rig *rig, uint16_t selector)
{
	return physmem_read(&rig->mem, RIG_GDT + (selector & ~7u) + 5, 1);
}

/* A 32-bit TSS at SEL_A, its task at TARGET with registers 0x100 + n. */
static void make_tss32(struct rig *rig, unsigned type)
{
	static const uint16_t selectors[6] = {RIG_DS0, RIG_CS0, RIG_DS0, RIG_DS0, 0, RIG_DS0};

	set_descriptor(rig, SEL_A, rig_descriptor(NEW_TSS, 0x67, 0x80 | type, 0));
	put32(rig, NEW_TSS, 0);
	put32(rig, NEW_TSS + 0x1c, RIG_TABLES);
	put32(rig, NEW_TSS + 0x20, TARGET);
	put32(rig, NEW_TSS + 0x24, FLAG_CF | 2);
	for (unsigned i = 0; i < 8; i++)
		put32(rig, NEW_TSS + 0x28 + 4 * i, i == RSP ? OTHER_STACK : 0x100 + i);
	for (unsigned i = 0; i < 6; i++)
		put32(rig, NEW_TSS + 0x48 + 4 * i, selectors[i]);
	put32(rig, NEW_TSS + 0x60, 0);
	put32(rig, NEW_TSS + 0x64, 0x680000);
	set_descriptor(rig, RIG_TSS, rig_descriptor(RIG_TSS_BASE, 0xff, 0x8b, 0));
}

static void far_code(struct rig *rig, uint8_t opcode, uint16_t selector)
{
	uint8_t code[7] = {opcode, 0, 0, 0, 0, selector, selector >> 8};

	rig_code(rig, code, sizeof(code));
}

static void assert_in_new_task(struct rig *rig)
{
	assert_int_equal(rig->cpu->rip, TARGET);
	assert_int_equal(rig->cpu->gpr[RAX], 0x100);
	assert_int_equal(rig->cpu->gpr[RDI], 0x107);
	assert_int_equal(rig->cpu->gpr[RSP], OTHER_STACK);
	assert_int_equal(rig->cpu->seg[SEG_TR].selector, SEL_A);
	assert_int_equal(rig->cpu->seg[SEG_TR].base, NEW_TSS);
	assert_int_equal(rig->cpu->seg[SEG_FS].attributes, 0);
	assert_int_equal(rig->cpu->seg[SEG_GS].selector, RIG_DS0);
	assert_true(rig->cpu->cr0 & CR0_TS);
	assert_int_equal(access_byte(rig, SEL_A), 0x8b);
}

static void jump_switches(void **state)
{
	(void)state;
	for (unsigned by_gate = 0; by_gate < 2; by_gate++)
		WITH_RIG(rig, RIG_PAGED32)
		{
			make_tss32(rig, 9);
			set_descriptor(rig, SEL_B, gate(TASK, 0, SEL_A, 0, 0));
			rig->cpu->gpr[RBX] = 0xb0b0b0b0;
			rig->cpu->dr[7] = 0x7ff;
			cpu_set_eflags(rig->cpu, FLAG_IF, FLAG_IF);
			far_code(rig, 0xea, by_gate ? SEL_B : SEL_A);
			rig_run(rig, 1);
			assert_in_new_task(rig);
			assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_CF | 2);
			assert_int_equal(access_byte(rig, RIG_TSS), 0x89);
			assert_int_equal(get32(rig, NEW_TSS), 0);
			assert_int_equal(rig->cpu->dr[7], 0x6aa);
			/* the old one's state */
			assert_int_equal(get32(rig, RIG_TSS_BASE + 0x20), RIG_CODE + 7);
			assert_int_equal(get32(rig, RIG_TSS_BASE + 0x24), FLAG_IF | 2);
			assert_int_equal(get32(rig, RIG_TSS_BASE + 0x34), 0xb0b0b0b0);
			assert_int_equal(get32(rig, RIG_TSS_BASE + 0x38), RIG_STACK);
			assert_int_equal(get32(rig, RIG_TSS_BASE + 0x4c) & 0xffff, RIG_CS0);
		}
}

static void call_and_iret(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		make_tss32(rig, 9);
		put32(rig, RIG_TSS_BASE + 0x1c, RIG_TABLES);
		far_code(rig, 0x9a, SEL_A);
		rig_run(rig, 1);
		assert_in_new_task(rig);
		assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_NT | FLAG_CF | 2);
		assert_int_equal(get32(rig, NEW_TSS), RIG_TSS);
		assert_int_equal(access_byte(rig, RIG_TSS), 0x8b);
		rig_write(rig, TARGET, "\xcf", 1);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 7);
		assert_int_equal(rig->cpu->seg[SEG_TR].selector, RIG_TSS);
		assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK);
		assert_int_equal(access_byte(rig, RIG_TSS), 0x8b);
		assert_int_equal(access_byte(rig, SEL_A), 0x89);
		assert_int_equal(get32(rig, NEW_TSS + 0x24), FLAG_CF | 2); /* NT cleared in the image */
		assert_int_equal(get32(rig, NEW_TSS + 0x20), TARGET + 1);
		assert_int_equal(cpu_get_eflags(rig->cpu), 2);
	}
}

static void interrupt_by_task_gate(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32) /* INT n */
	{
		make_tss32(rig, 9);
		set_idt(rig, 0x30, gate(TASK, 0, SEL_A, 0, 0));
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_in_new_task(rig);
		assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_NT | FLAG_CF | 2);
		assert_int_equal(get32(rig, RIG_TSS_BASE + 0x20), RIG_CODE + 2);
	}
	WITH_RIG(rig, RIG_PAGED32) /* a fault, with its error code on the new stack */
	{
		make_tss32(rig, 9);
		set_idt(rig, 14, gate(TASK, 0, SEL_A, 0, 0));
		RIG_RUN(rig, "\xa1\x00\x00\x00\x80", 1);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->gpr[RSP], OTHER_STACK - 4);
		assert_int_equal(stack_at(rig, 0, 4), 0);
		assert_int_equal(get32(rig, RIG_TSS_BASE + 0x20), RIG_CODE);
		assert_true(get32(rig, RIG_TSS_BASE + 0x24) & FLAG_RF);
	}
	WITH_RIG(rig, RIG_PAGED32) /* double fault, the classic use */
	{
		make_tss32(rig, 9);
		set_idt(rig, 14, 0);
		set_idt(rig, 8, gate(TASK, 0, SEL_A, 0, 0));
		RIG_RUN(rig, "\xa1\x00\x00\x00\x80", 2);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(stack_at(rig, 0, 4), 0);
	}
}

static void tss16(void **state)
{
	static const uint16_t tss[] = {
		0,      0,           0,     0,     0,      0,     0,                                                /* link, stacks */
		0x4000, FLAG_ZF | 2,                                                                                /* IP, FLAGS */
		0x100,  0x101,       0x102, 0x103, 0x7000, 0x105, 0x106, 0x107, RIG_DS0, RIG_CS0, RIG_DS0, RIG_DS0, /* ES CS SS DS */
		0,                                                                                                  /* LDT */
	};

	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		make_tss32(rig, 9);
		set_descriptor(rig, SEL_A, rig_descriptor(NEW_TSS, 0x2b, 0x81, 0));
		rig_write(rig, NEW_TSS, tss, sizeof(tss));
		far_code(rig, 0x9a, SEL_A);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, 0x4000);
		/* the upper halves, which it does not hold, are ones, as the 386 has them */
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(rig->cpu->gpr[i], 0xffff0000 | tss[9 + i]);
		assert_int_equal(rig->cpu->seg[SEG_FS].attributes, 0);
		assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_NT | FLAG_ZF | 2);
		assert_int_equal(access_byte(rig, SEL_A), 0x83);
		rig_write(rig, 0x4000, "\xcf", 1);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 7);
		assert_int_equal(access_byte(rig, SEL_A), 0x81);
		assert_int_equal(physmem_read(&rig->mem, NEW_TSS + 0x0e, 2), 0x4001);
	}
}

/* Faults of the old task: nothing has happened. */
static void faults_before(void **state)
{
	static const struct {
		uint64_t descriptor;
		uint16_t selector;
		int vector;
		uint32_t error;
	} cases[] = {
		{0x00008b0060000067, SEL_A, 13, SEL_A},                                           /* busy */
		{0x0000090060000067, SEL_A, 11, SEL_A},                                           /* not present */
		{0x0000890060000066, SEL_A, 10, SEL_A},                                           /* too short */
		{0x0000810060000000, SEL_A, 10, SEL_A}, {0x0000850000000000, SEL_A, 13, 0},       /* task gate to null */
		{0x0000850001000000, SEL_A, 13, 0x100}, {0x0000850000080000, SEL_A, 13, RIG_CS0}, /* task gate to code */
		{0x0000050000500000, SEL_A, 11, SEL_A},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			make_tss32(rig, 9);
			set_descriptor(rig, SEL_A, cases[i].descriptor);
			far_code(rig, 0xea, cases[i].selector);
			rig_run(rig, 1);
			assert_int_equal(handler_reached(rig), cases[i].vector);
			assert_int_equal(stack_at(rig, 0, 4), cases[i].error);
			assert_int_equal(stack_at(rig, 1, 4), RIG_CODE);
			assert_int_equal(rig->cpu->seg[SEG_TR].selector, RIG_TSS);
			assert_int_equal(access_byte(rig, RIG_TSS), 0x8b);
		}
	WITH_RIG(rig, RIG_PROT32) /* IRET to a task that is not busy */
	{
		make_tss32(rig, 9);
		put32(rig, RIG_TSS_BASE, SEL_A);
		cpu_set_eflags(rig->cpu, FLAG_NT, FLAG_NT);
		EXPECT_FAULT(rig, "\xcf", 10, SEL_A);
	}
	WITH_RIG(rig, RIG_PROT32) /* IRET along a link that is no TSS */
	{
		put32(rig, RIG_TSS_BASE, RIG_DS0);
		cpu_set_eflags(rig->cpu, FLAG_NT, FLAG_NT);
		EXPECT_FAULT(rig, "\xcf", 10, RIG_DS0);
	}
}

/* Faults of the new task: the switch has happened, the saved EIP is the new task's. */
static void faults_after(void **state)
{
	static const struct {
		uint16_t place, selector;
		uint64_t descriptor; /* at SEL_B */
		int vector;
		uint32_t error;
	} cases[] = {
		{0x60, SEL_B, 0x00cf93000000ffff, 10, SEL_B}, /* LDT: not one */
		{0x60, SEL_B, 0x0000020000000fff, 10, SEL_B}, /* not present */
		{0x60, 0x100, 0, 10, 0x100},
		{0x4c, 0, 0, 10, 0}, /* CS null */
		{0x4c, RIG_DS0, 0, 10, RIG_DS0},
		{0x4c, SEL_B, 0x00cffb000000ffff, 10, SEL_B}, /* DPL != RPL */
		{0x4c, SEL_B, 0x00cf1b000000ffff, 11, SEL_B},
		{0x54, SEL_B, 0x00cf13000000ffff, 11, SEL_B}, /* DS not present */
		{0x54, RIG_CS3 & ~3, 0x00cf99000000ffff, 0, 0},
		{0x54, SEL_B, 0x00cf99000000ffff, 10, SEL_B}, /* execute-only */
		{0x48, 0x100, 0, 10, 0x100},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			make_tss32(rig, 9);
			set_descriptor(rig, SEL_B, cases[i].descriptor);
			put32(rig, NEW_TSS + cases[i].place, cases[i].selector);
			if (cases[i].place == 0x60 || cases[i].place == 0x4c) {
				/* the stack segment is not loaded yet: the handler must have its own task */
				static const uint8_t hlt = 0xf4;

				rig_write(rig, RIG_DATA, &hlt, 1);
				set_descriptor(rig, SEL_C, rig_descriptor(0x7000, 0x67, 0x89, 0));
				for (unsigned n = 0; n < 0x68; n += 4)
					put32(rig, 0x7000 + n, get32(rig, NEW_TSS + n));
				put32(rig, 0x7000 + 0x20, RIG_DATA);
				put32(rig, 0x7000 + 0x4c, RIG_CS0);
				put32(rig, 0x7000 + 0x60, 0);
				set_idt(rig, cases[i].vector, gate(TASK, 0, SEL_C, 0, 0));
				far_code(rig, 0xea, SEL_A);
				rig_run(rig, 1);
				assert_int_equal(rig->cpu->rip, RIG_DATA);
				assert_int_equal(stack_at(rig, 0, 4), cases[i].error);
				assert_int_equal(get32(rig, 0x7000), SEL_A);
				assert_int_equal(get32(rig, NEW_TSS + 0x20), TARGET);
				continue;
			}
			far_code(rig, 0xea, SEL_A);
			rig_run(rig, 1);
			if (!cases[i].vector)
				continue;
			assert_int_equal(handler_reached(rig), cases[i].vector);
			assert_int_equal(stack_at(rig, 0, 4), cases[i].error);
			assert_int_equal(stack_at(rig, 1, 4), TARGET);
			assert_int_equal(rig->cpu->seg[SEG_TR].selector, SEL_A);
			assert_int_equal(access_byte(rig, RIG_TSS), 0x89);
		}
	WITH_RIG(rig, RIG_PROT32) /* EIP beyond the limit */
	{
		make_tss32(rig, 9);
		set_descriptor(rig, SEL_B, rig_descriptor(0, 0xfff, 0x9b, 4));
		put32(rig, NEW_TSS + 0x4c, SEL_B);
		far_code(rig, 0xea, SEL_A);
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 13);
		assert_int_equal(stack_at(rig, 0, 4), 0);
		assert_int_equal(stack_at(rig, 1, 4), TARGET);
	}
}

static void to_ring3_and_v86(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		make_tss32(rig, 9);
		put32(rig, NEW_TSS + 0x4c, RIG_CS3);
		put32(rig, NEW_TSS + 0x50, RIG_DS3);
		put32(rig, NEW_TSS + 0x48, RIG_DS3);
		put32(rig, NEW_TSS + 0x54, RIG_DS3);
		put32(rig, NEW_TSS + 0x5c, RIG_DS3);
		far_code(rig, 0xea, SEL_A);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, RIG_DS3);
	}
	WITH_RIG(rig, RIG_PAGED32)
	{
		make_tss32(rig, 9);
		put32(rig, NEW_TSS + 0x24, FLAG_VM | 2);
		put32(rig, NEW_TSS + 0x20, 0x1234);
		put32(rig, NEW_TSS + 0x4c, 0x2345);
		far_code(rig, 0xea, SEL_A);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->seg[SEG_CS].base, 0x23450);
		assert_int_equal(rig->cpu->seg[SEG_CS].attributes, 0xf3);
		assert_int_equal(rig->cpu->rip, 0x1234);
	}
}

static void debug_trap(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		make_tss32(rig, 9);
		put32(rig, NEW_TSS + 0x64, 0x680001);
		far_code(rig, 0xea, SEL_A);
		rig_run(rig, 2);
		assert_int_equal(handler_reached(rig), 1);
		assert_int_equal(stack_at(rig, 0, 4), TARGET);
		assert_true(rig->cpu->dr[6] & (1 << 15));
	}
}

static void none_in_long_mode(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_COMPAT)
	{
		set_descriptor(rig, SEL_A, rig_descriptor(NEW_TSS, 0x67, 0x89, 0));
		far_code(rig, 0xea, SEL_A);
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 13);
		assert_int_equal(stack_at(rig, 0, 8), SEL_A);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jump_switches),          cmocka_unit_test(call_and_iret),
		cmocka_unit_test(interrupt_by_task_gate), cmocka_unit_test(tss16),
		cmocka_unit_test(faults_before),          cmocka_unit_test(faults_after),
		cmocka_unit_test(to_ring3_and_v86),       cmocka_unit_test(debug_trap),
		cmocka_unit_test(none_in_long_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
