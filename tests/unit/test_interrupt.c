/*
 * Delivery of interrupts and exceptions: every kind of gate, frames, faults on the way, double faults (SDM vol. 3A chapter 6).
 */
#include "tests/unit/system_rig.h"

/* -- real mode -- */

static void real_int(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_REAL)
	{
		cpu_set_eflags(rig->cpu, FLAG_IF | FLAG_TF | FLAG_AC | FLAG_CF, FLAG_IF | FLAG_AC | FLAG_CF);
		RIG_RUN(rig, "\xcd\x21", 1);
		assert_int_equal(handler_reached(rig), 0x21);
		assert_int_equal(rig->cpu->gpr[RSP], 0xffea);
		assert_int_equal(stack_at(rig, 0, 2), 2);
		assert_int_equal(stack_at(rig, 1, 2), RIG_CODE >> 4);
		assert_int_equal(stack_at(rig, 2, 2), FLAG_IF | FLAG_CF | 2);
		assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_CF | 2);
	}
}

static void real_fault_has_no_error_code(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_REAL)
	{
		/* mov ax, [0xffff] crosses the limit: #GP */
		RIG_RUN(rig, "\xa1\xff\xff", 1);
		assert_int_equal(handler_reached(rig), 13);
		assert_int_equal(stack_at(rig, 0, 2), 0);
		assert_int_equal(rig->cpu->gpr[RSP], 0xffea);
	}
}

static void real_stack_wraps_to_shutdown(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_REAL)
	{
		rig->cpu->gpr[RSP] = 1;
		assert_int_equal(RIG_RUN(rig, "\xcd\x21", 5), CPU_EXIT_SHUTDOWN);
	}
}

static void real_vector_beyond_limit(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_REAL)
	{
		rig->cpu->idtr.limit = 0x3f;
		RIG_RUN(rig, "\xcd\x21", 1);
		assert_int_equal(handler_reached(rig), 13);
		assert_int_equal(stack_at(rig, 0, 2), 0);
	}
}

/* -- protected mode, 32 bits -- */

static void prot_interrupt_and_trap_gates(void **state)
{
	static const struct {
		unsigned type, size;
		bool clears_if;
	} cases[] = {{INT32, 4, true}, {TRAP32, 4, false}, {INT16, 2, true}, {TRAP16, 2, false}};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			uint32_t target = cases[i].size == 2 ? 0x4000 : HANDLERS;

			set_idt(rig, 0x30, gate(cases[i].type, 0, RIG_CS0, target, 0));
			cpu_set_eflags(rig->cpu, FLAG_IF | FLAG_NT, FLAG_IF | FLAG_NT);
			RIG_RUN(rig, "\xcd\x30", 1);
			assert_int_equal(rig->cpu->rip, target);
			assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK - 3 * cases[i].size);
			assert_int_equal(stack_at(rig, 0, cases[i].size), (RIG_CODE + 2) & (cases[i].size == 2 ? 0xffff : ~0));
			assert_int_equal(stack_at(rig, 1, cases[i].size), RIG_CS0);
			assert_int_equal(stack_at(rig, 2, cases[i].size), FLAG_IF | FLAG_NT | 2);
			assert_int_equal(cpu_get_eflags(rig->cpu), 2 | (cases[i].clears_if ? 0 : FLAG_IF));
		}
}

static void prot_to_inner(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		to_ring3(rig);
		set_idt(rig, 0x80, gate(TRAP32, 3, RIG_CS0, HANDLERS, 0));
		RIG_RUN(rig, "\xcd\x80", 1);
		assert_int_equal(rig->cpu->cpl, 0);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, RIG_DS0);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, RIG_CS0);
		assert_int_equal(rig->cpu->seg[SEG_DS].selector, RIG_DS3);
		assert_int_equal(rig->cpu->gpr[RSP], STACK0 - 20);
		assert_int_equal(stack_at(rig, 0, 4), RIG_CODE + 2);
		assert_int_equal(stack_at(rig, 1, 4), RIG_CS3);
		assert_int_equal(stack_at(rig, 3, 4), STACK3);
		assert_int_equal(stack_at(rig, 4, 4), RIG_DS3);
	}
}

/* At CPL 3 a software interrupt needs the gate's DPL; the fault is the instruction's: error code without EXT, its own RIP. */
static void prot_gate_privilege(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		to_ring3(rig);
		EXPECT_FAULT(rig, "\xcd\x30", 13, 0x30 * 8 + 2);
		assert_int_equal(rig->cpu->gpr[RSP], STACK0 - 24);
		assert_int_equal(stack_at(rig, 4, 4), STACK3);
	}
	WITH_RIG(rig, RIG_PROT32)
	{
		to_ring3(rig);
		EXPECT_FAULT(rig, "\xcc", 13, 3 * 8 + 2);
	}
	WITH_RIG(rig, RIG_PROT32) /* INT1 asks nobody */
	{
		to_ring3(rig);
		RIG_RUN(rig, "\xf1", 1);
		assert_int_equal(handler_reached(rig), 1);
		assert_int_equal(stack_at(rig, 0, 4), RIG_CODE + 1);
	}
}

/* What may be wrong with a gate. */
static void prot_bad_gates(void **state)
{
	static const struct {
		uint64_t gate, target;
		int vector;
		uint32_t error;
	} cases[] = {
		{0, 0, 13, 0x182},                                  /* not a gate */
		{0x00000e0000080000, 0, 11, 0x182},                 /* not present */
		{0x00008c0000080000, 0, 13, 0x182},                 /* call gate */
		{0x00008e0000000000, 0, 13, 0},                     /* null selector */
		{0x00008e0001000000, 0, 13, 0x100},                 /* beyond the GDT */
		{0x00008e0000100000, 0, 13, 0x10},                  /* data */
		{0x00008e0000500000, 0x00cffb000000ffff, 13, 0x50}, /* code of less privilege */
		{0x00008e0000500000, 0x00cf1b000000ffff, 11, 0x50}, /* not present */
		{0x00048e0000500000, 0x00409b000000ffff, 13, 0},    /* EIP beyond the limit */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			set_idt(rig, 0x30, cases[i].gate);
			set_descriptor(rig, SEL_A, cases[i].target);
			EXPECT_FAULT(rig, "\xcd\x30", cases[i].vector, cases[i].error);
		}
}

/* The same met by an exception: EXT is set. Two contributory ones would make #DF, so a #UD is the first. */
static void prot_bad_gate_ext(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		set_idt(rig, 6, 0);
		rig_code(rig, "\x0f\x0b", 2);
		rig_run(rig, 2);
		assert_int_equal(handler_reached(rig), 13);
		assert_int_equal(stack_at(rig, 0, 4), 6 * 8 + 3);
	}
}

static void prot_bad_inner_stacks(void **state)
{
	static const struct {
		uint16_t ss;
		uint64_t descriptor;
		int vector;
		uint32_t error;
	} cases[] = {
		{0, 0, 10, 0},
		{0x100, 0, 10, 0x100},
		{SEL_A | 3, 0x00cf93000000ffff, 10, SEL_A}, /* RPL */
		{SEL_A, 0x00cff3000000ffff, 10, SEL_A},     /* DPL */
		{SEL_A, 0x00cf91000000ffff, 10, SEL_A},     /* read-only */
		{SEL_A, 0x00cf9b000000ffff, 10, SEL_A},     /* code */
		{SEL_A, 0x00cf13000000ffff, 12, SEL_A},     /* not present */
		{SEL_A, 0x004093000000ffff, 12, SEL_A},     /* ESP beyond the limit */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			struct cpu *cpu = rig->cpu;

			/* The fault's handler is a conforming segment at CPL 3, as the inner stack is of no use. */
			set_descriptor(rig, SEL_B, rig_descriptor(0, 0xffffffff, 0x9f, 4));
			set_idt(rig, cases[i].vector, gate(INT32, 0, SEL_B, HANDLERS + 16 * cases[i].vector, 0));
			set_idt(rig, 0x30, gate(INT32, 3, RIG_CS0, HANDLERS, 0));
			set_descriptor(rig, SEL_A, cases[i].descriptor);
			rig_write(rig, RIG_TSS_BASE + 8, &cases[i].ss, 2);
			to_ring3(rig);
			EXPECT_FAULT(rig, "\xcd\x30", cases[i].vector, cases[i].error);
			assert_int_equal(cpu->cpl, 3);
			assert_int_equal(cpu->gpr[RSP], STACK3 - 16);
		}
}

static void prot_tss_too_short(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		set_descriptor(rig, SEL_B, rig_descriptor(0, 0xffffffff, 0x9f, 4));
		set_idt(rig, 10, gate(INT32, 0, SEL_B, HANDLERS + 160, 0));
		set_idt(rig, 0x30, gate(INT32, 3, RIG_CS0, HANDLERS, 0));
		rig->cpu->seg[SEG_TR].limit = 10;
		to_ring3(rig);
		EXPECT_FAULT(rig, "\xcd\x30", 10, RIG_TSS);
	}
}

static void prot_tss16_stack(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		uint16_t tss[] = {0, 0x7000, RIG_DS0};

		rig_write(rig, RIG_TSS_BASE, tss, sizeof(tss));
		rig->cpu->seg[SEG_TR].attributes = SEGMENT_P | 3;
		set_idt(rig, 0x30, gate(INT32, 3, RIG_CS0, HANDLERS, 0));
		to_ring3(rig);
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_int_equal(rig->cpu->gpr[RSP], 0x7000 - 20);
	}
}

/* -- virtual-8086 mode -- */

static void v86_to_protected(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		set_idt(rig, 0x30, gate(INT32, 3, RIG_CS0, HANDLERS, 0));
		enter_v86(rig, 3);
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_int_equal(rig->cpu->rip, HANDLERS);
		assert_int_equal(rig->cpu->cpl, 0);
		assert_int_equal(rig->cpu->gpr[RSP], STACK0 - 36);
		assert_int_equal(stack_at(rig, 0, 4), 2);
		assert_int_equal(stack_at(rig, 1, 4), RIG_CODE >> 4);
		assert_int_equal(stack_at(rig, 2, 4), FLAG_VM | FLAG_IOPL | FLAG_IF | 2);
		assert_int_equal(stack_at(rig, 3, 4), 0x8000);
		assert_int_equal(stack_at(rig, 4, 4), 0x1000 + 0x10 * SEG_SS);
		assert_int_equal(stack_at(rig, 5, 4), 0x1000 + 0x10 * SEG_ES);
		assert_int_equal(stack_at(rig, 6, 4), 0x1000 + 0x10 * SEG_DS);
		assert_int_equal(stack_at(rig, 7, 4), 0x1000 + 0x10 * SEG_FS);
		assert_int_equal(stack_at(rig, 8, 4), 0x1000 + 0x10 * SEG_GS);
		assert_int_equal(rig->cpu->seg[SEG_DS].selector, 0);
		assert_int_equal(rig->cpu->seg[SEG_GS].attributes, 0);
		assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_IOPL | 2);
		/* and back */
		RIG_RUN(rig, "\xcf", 0);
		rig_write(rig, HANDLERS, "\xcf", 1);
		rig->cpu->rip = HANDLERS;
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, 2);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->gpr[RSP], 0x8000);
		assert_int_equal(rig->cpu->seg[SEG_GS].base, (0x1000 + 0x10 * SEG_GS) << 4);
		assert_int_equal(rig->cpu->seg[SEG_SS].attributes, 0xf3);
		assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_VM | FLAG_IOPL | FLAG_IF | 2);
	}
}

static void v86_iopl(void **state)
{
	static const char *const sensitive[] = {"\xcd\x30", "\x9c", "\x9d", "\xfa", "\xfb", "\xcf"};

	(void)state;
	for (unsigned i = 0; i < sizeof(sensitive) / sizeof(sensitive[0]); i++)
		WITH_RIG(rig, RIG_PAGED32)
		{
			enter_v86(rig, 0);
			rig_code(rig, sensitive[i], 2);
			rig_run(rig, 1);
			assert_int_equal(handler_reached(rig), 13);
			assert_int_equal(stack_at(rig, 0, 4), 0);
			assert_int_equal(stack_at(rig, 1, 4), 0);
		}
	WITH_RIG(rig, RIG_PAGED32) /* a handler that is not of privilege 0 */
	{
		set_descriptor(rig, SEL_A, rig_descriptor(0, 0xffffffff, 0x9f, 4));
		set_idt(rig, 0x30, gate(INT32, 3, SEL_A, HANDLERS, 0));
		enter_v86(rig, 3);
		rig_code(rig, "\xcd\x30", 2);
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 13);
		assert_int_equal(stack_at(rig, 0, 4), SEL_A);
	}
}

/* VME: INT n by the redirection bitmap, VIF in place of IF. */
static void v86_vme(void **state)
{
	(void)state;
	for (unsigned iopl = 0; iopl <= 3; iopl += 3)
		WITH_RIG(rig, RIG_PAGED32)
		{
			rig->cpu->cr4 |= CR4_VME;
			rig_write(rig, RIG_TSS_BASE + 0x66, &(uint16_t){0x88}, 2); /* redirection bitmap: 0x68-0x87, all zeros */
			rig_write(rig, 0x30 * 4, &(uint32_t){0x12340056}, 4);
			enter_v86(rig, iopl);
			cpu_set_eflags(rig->cpu, FLAG_VIF, FLAG_VIF | (iopl ? 0 : FLAG_IF));
			RIG_RUN(rig, "\xcd\x30", 1);
			assert_int_equal(rig->cpu->rip, 0x56);
			assert_int_equal(rig->cpu->seg[SEG_CS].selector, 0x1234);
			assert_int_equal(rig->cpu->gpr[RSP], 0x7ffa);
			assert_int_equal(stack_at(rig, 2, 2), FLAG_IF | FLAG_IOPL | 2);
			assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_VM | 2 | (iopl ? FLAG_IOPL | FLAG_VIF : 0));
		}
	WITH_RIG(rig, RIG_PAGED32) /* bit set, IOPL 0: the monitor's */
	{
		rig->cpu->cr4 |= CR4_VME;
		rig_write(rig, RIG_TSS_BASE + 0x66, &(uint16_t){0x88}, 2);
		rig_write(rig, RIG_TSS_BASE + 0x68 + 6, "\x01", 1);
		enter_v86(rig, 0);
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_int_equal(handler_reached(rig), 13);
	}
	WITH_RIG(rig, RIG_PAGED32) /* CLI, STI, PUSHF, POPF, IRET of 16 bits */
	{
		rig->cpu->cr4 |= CR4_VME;
		enter_v86(rig, 0);
		RIG_RUN(rig, "\xfb\x9c\xfa\x9c\x9d\x9d", 2);
		assert_true(rig->cpu->eflags & FLAG_VIF);
		assert_int_equal(stack_at(rig, 0, 2), FLAG_IF | FLAG_IOPL | 2);
		rig_run(rig, 2);
		assert_false(rig->cpu->eflags & FLAG_VIF);
		assert_int_equal(stack_at(rig, 0, 2), FLAG_IOPL | 2);
		rig_run(rig, 2);
		assert_true(rig->cpu->eflags & FLAG_VIF);
		assert_true(rig->cpu->eflags & FLAG_IF);
	}
	WITH_RIG(rig, RIG_PAGED32) /* VIP: STI faults */
	{
		rig->cpu->cr4 |= CR4_VME;
		enter_v86(rig, 0);
		rig->cpu->eflags |= FLAG_VIP;
		RIG_RUN(rig, "\xfb", 1);
		assert_int_equal(handler_reached(rig), 13);
	}
}

/* -- IA-32e mode -- */

static void long_same_and_inner(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RSP] = RIG_STACK - 3; /* is aligned to 16 */
		cpu_set_eflags(rig->cpu, FLAG_IF, FLAG_IF);
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_int_equal(handler_reached(rig), 0x30);
		assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK - 16 - 40);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 2);
		assert_int_equal(stack_at(rig, 1, 8), RIG_CS0);
		assert_int_equal(stack_at(rig, 2, 8), FLAG_IF | 2);
		assert_int_equal(stack_at(rig, 3, 8), RIG_STACK - 3);
		assert_int_equal(stack_at(rig, 4, 8), RIG_DS0);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, RIG_DS0);
		assert_int_equal(cpu_get_eflags(rig->cpu), 2);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		to_ring3(rig);
		set_idt(rig, 0x30, gate(TRAP32, 3, RIG_CS0, HANDLERS, 0));
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_int_equal(rig->cpu->cpl, 0);
		assert_int_equal(rig->cpu->gpr[RSP], STACK0 - 40);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, 0);
		assert_int_equal(stack_at(rig, 3, 8), STACK3);
		assert_int_equal(stack_at(rig, 4, 8), RIG_DS3);
		/* IRETQ back */
		rig_write(rig, HANDLERS, "\x48\xcf", 2);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		assert_int_equal(rig->cpu->gpr[RSP], STACK3);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, RIG_DS3);
	}
	WITH_RIG(rig, RIG_LONG) /* IST */
	{
		set_idt(rig, 0x30, gate(INT32, 0, RIG_CS0, HANDLERS, 1));
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_int_equal(rig->cpu->gpr[RSP], IST1 - 40);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, RIG_DS0);
	}
	WITH_RIG(rig, RIG_LONG) /* error code */
	{
		rig->cpu->gpr[RAX] = 0x8000000000000000;
		EXPECT_FAULT(rig, "\x8a\x00", 13, 0);
		assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK - 48);
	}
}

static void long_bad_gates(void **state)
{
	static const struct {
		uint64_t low, high, target;
		int vector;
		uint32_t error;
	} cases[] = {
		{0, 0, 0, 13, 0x182},
		{0x0000850000080000, 0, 0, 13, 0x182}, /* task gate */
		{0x0000860000080000, 0, 0, 13, 0x182}, /* 16-bit gate */
		{0x00000e0000080000, 0, 0, 11, 0x182},
		{0x00008e0000000000, 0, 0, 13, 0},
		{0x00008e0000380000, 0, 0, 13, RIG_CODE32},             /* not 64-bit code */
		{0x00008e0000500000, 0, 0x00ef9b000000ffff, 13, SEL_A}, /* L and D */
		{0x00008e0000500000, 0, 0x00af1b000000ffff, 11, SEL_A},
		{0x00008e0000080000, 0x8000, 0, 13, 0}, /* not canonical */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_LONG)
		{
			rig_write64(rig, RIG_IDT + 0x300, cases[i].low);
			rig_write64(rig, RIG_IDT + 0x308, cases[i].high);
			set_descriptor(rig, SEL_A, cases[i].target);
			EXPECT_FAULT(rig, "\xcd\x30", cases[i].vector, cases[i].error);
		}
}

/* Compatibility mode enters 64-bit handlers. */
static void compat_to_long(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_COMPAT)
	{
		RIG_RUN(rig, "\xcd\x30", 1);
		assert_int_equal(handler_reached(rig), 0x30);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, RIG_CODE64);
		assert_int_equal(stack_at(rig, 1, 8), RIG_CS0);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 2);
		rig_write(rig, HANDLERS + 16 * 0x30, "\x48\xcf", 2);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, RIG_CS0);
		assert_int_equal(rig->cpu->mode & 3, 2);
	}
}

/* -- combinations of exceptions (table 6-5) -- */

/* A #PF whose handler's gate is bad in a contributory way is #DF; with the #DF gate bad as well, shutdown. */
static void double_faults(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		set_idt(rig, 14, 0);
		RIG_RUN(rig, "\xa1\x00\x00\x00\x80", 2);
		assert_int_equal(handler_reached(rig), 8);
		assert_int_equal(stack_at(rig, 0, 4), 0);
		assert_int_equal(stack_at(rig, 1, 4), RIG_CODE);
		assert_int_equal(rig->cpu->cr2, 0x80000000);
	}
	WITH_RIG(rig, RIG_PAGED32) /* contributory, then contributory */
	{
		set_idt(rig, 13, 0);
		RIG_RUN(rig, "\x0f\x20\xc0\xcd\x30", 1);
		set_idt(rig, 0x30, 0);
		rig_run(rig, 2);
		assert_int_equal(handler_reached(rig), 8);
	}
	WITH_RIG(rig, RIG_PAGED32)
	{
		set_idt(rig, 14, 0);
		set_idt(rig, 8, 0);
		assert_int_equal(RIG_RUN(rig, "\xa1\x00\x00\x00\x80", 5), CPU_EXIT_SHUTDOWN);
	}
	WITH_RIG(rig, RIG_PAGED32) /* contributory, then page fault: one after the other */
	{
		rig->cpu->idtr.limit = 0x3ff;
		set_descriptor(rig, SEL_A, 0);
		set_idt(rig, 13, gate(INT32, 0, RIG_CS0, HANDLERS, 0));
		/* the #GP frame goes to an unmapped stack, the #PF one too: #PF on #PF is #DF, that again #PF: shutdown */
		rig->cpu->gpr[RSP] = 0x80000000;
		assert_int_equal(RIG_RUN(rig, "\x8e\xc0", 0), CPU_EXIT_DEADLINE);
		rig->cpu->gpr[RAX] = 0xfff8;
		assert_int_equal(rig_run(rig, 9), CPU_EXIT_SHUTDOWN);
	}
}

/* -- external interrupts, shadows, debug traps -- */

static uint8_t acknowledge(void *opaque)
{
	struct rig *rig = opaque;

	cpu_set_interrupt_line(rig->cpu, false);
	return 0x55;
}

static void external(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->bus = (struct cpu_bus){.opaque = rig, .interrupt_acknowledge = acknowledge};
		cpu_set_interrupt_line(rig->cpu, true);
		/* STI; NOP; NOP: taken after the first NOP */
		RIG_RUN(rig, "\xfb\x90\x90", 2);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 0x55);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 2);
	}
	WITH_RIG(rig, RIG_LONG) /* MOV SS holds it off likewise */
	{
		rig->cpu->bus = (struct cpu_bus){.opaque = rig, .interrupt_acknowledge = acknowledge};
		rig->cpu->gpr[RAX] = RIG_DS0;
		cpu_set_eflags(rig->cpu, FLAG_IF, FLAG_IF);
		RIG_RUN(rig, "\x8e\xd0\x90\x90", 1);
		cpu_set_interrupt_line(rig->cpu, true);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 0x55);
	}
	WITH_RIG(rig, RIG_LONG) /* HLT is left */
	{
		rig->cpu->bus = (struct cpu_bus){.opaque = rig, .interrupt_acknowledge = acknowledge};
		cpu_set_eflags(rig->cpu, FLAG_IF, FLAG_IF);
		assert_int_equal(RIG_RUN(rig, "\xf4", 5), CPU_EXIT_HALT);
		cpu_set_interrupt_line(rig->cpu, true);
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 0x55);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 1);
		assert_false(rig->cpu->halted);
	}
}

static void nmi_blocks_until_iret(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig_code(rig, "\x90\x90", 2);
		rig_write(rig, HANDLERS + 32, "\x48\xcf", 2);
		cpu_raise_nmi(rig->cpu);
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 2);
		assert_true(rig->cpu->nmi_blocked);
		rig_run(rig, 1);
		assert_false(rig->cpu->nmi_blocked);
		assert_int_equal(rig->cpu->rip, RIG_CODE);
	}
}

static void single_step(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		cpu_set_eflags(rig->cpu, FLAG_TF, FLAG_TF);
		RIG_RUN(rig, "\x90\x90", 2);
		assert_int_equal(handler_reached(rig), 1);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 1);
		assert_int_equal(stack_at(rig, 2, 8), FLAG_TF | 2);
		assert_true(rig->cpu->dr[6] & (1 << 14));
	}
}

/* INT n clears TF and takes no trap itself; the IRET that sets TF again traps after the instruction behind it. */
static void single_step_over_int(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		cpu_set_eflags(rig->cpu, FLAG_TF, FLAG_TF);
		rig_write(rig, HANDLERS + 16 * 0x30, "\x48\xcf", 2);
		RIG_RUN(rig, "\xcd\x30\x90\x90", 1);
		assert_int_equal(handler_reached(rig), 0x30);
		assert_int_equal(stack_at(rig, 2, 8), FLAG_TF | 2);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
		rig_run(rig, 2);
		assert_int_equal(handler_reached(rig), 1);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 3);
	}
}

/* INT1 is a #DB that nobody may be kept from, and which leaves DR6 alone. */
static void int1(void **state)
{
	(void)state;
	for (unsigned mode = RIG_PROT32; mode <= RIG_LONG; mode++)
		for (unsigned ring = 0; ring < 4; ring += 3)
			WITH_RIG(rig, mode)
			{
				uint32_t dr6 = rig->cpu->dr[6];

				if (ring)
					to_ring3(rig); /* the gate's DPL is 0 */
				RIG_RUN(rig, "\xf1", 1);
				assert_int_equal(handler_reached(rig), 1);
				assert_int_equal(stack_at(rig, 0, rig_is_long(rig) ? 8 : 4), RIG_CODE + 1);
				assert_int_equal(rig->cpu->dr[6], dr6);
			}
	WITH_RIG(rig, RIG_PAGED32) /* IOPL does not matter to it in V86 mode either */
	{
		enter_v86(rig, 0);
		RIG_RUN(rig, "\xf1", 1);
		assert_int_equal(handler_reached(rig), 1);
		assert_int_equal(stack_at(rig, 0, 4), 1);
	}
}

static void breakpoint(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->dr[0] = RIG_CODE + 1;
		rig->cpu->dr[7] = 0x402;
		rig_write(rig, HANDLERS + 16, "\x80\x4c\x24\x12\x01\x48\xcf", 7); /* or byte [rsp+18], 1 (RF); iretq */
		RIG_RUN(rig, "\x90\x90\x90", 2);
		assert_int_equal(handler_reached(rig), 1);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 1);
		assert_int_equal(stack_at(rig, 2, 8), 2);
		assert_int_equal(rig->cpu->dr[6] & 0xf, 1);
		rig_run(rig, 4);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
	}
}

/* An instruction breakpoint just after MOV SS or POP SS does not fire, as if RF were set; the one after it does. */
static void breakpoint_after_mov_ss(void **state)
{
	static const struct {
		const char *code;
		unsigned size;
		bool shadows;
	} codes[] = {
		{"\x8e\xd0\x90\x90", 2, true},      /* mov ss, ax */
		{"\x17\x90\x90", 1, true},          /* pop ss */
		{"\x8e\xd8\x90\x90", 2, false},     /* mov ds, ax */
		{"\x0f\xb2\x23\x90\x90", 3, false}, /* lss esp, [ebx] */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		for (unsigned at = 0; at < 2; at++)
			WITH_RIG(rig, RIG_PROT32)
			{
				uint32_t pointer[] = {RIG_STACK - 4, RIG_DS0};
				bool hit = at == 1 || !codes[i].shadows;

				rig_write(rig, RIG_DATA, pointer, sizeof(pointer));
				rig_write(rig, RIG_STACK - 4, &pointer[1], 4);
				rig->cpu->gpr[RSP] = RIG_STACK - 4;
				rig->cpu->gpr[RAX] = RIG_DS0;
				rig->cpu->gpr[RBX] = RIG_DATA;
				rig->cpu->dr[0] = RIG_CODE + codes[i].size + at;
				rig->cpu->dr[7] = 0x402;
				rig_code(rig, codes[i].code, codes[i].size + 2);
				rig_run(rig, hit ? 2 + at : 3);
				if (hit) {
					assert_int_equal(handler_reached(rig), 1);
					assert_int_equal(stack_at(rig, 0, 4), RIG_CODE + codes[i].size + at);
				} else {
					assert_int_equal(rig->cpu->rip, RIG_CODE + codes[i].size + 2);
				}
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_int),
		cmocka_unit_test(real_fault_has_no_error_code),
		cmocka_unit_test(real_stack_wraps_to_shutdown),
		cmocka_unit_test(real_vector_beyond_limit),
		cmocka_unit_test(prot_interrupt_and_trap_gates),
		cmocka_unit_test(prot_to_inner),
		cmocka_unit_test(prot_gate_privilege),
		cmocka_unit_test(prot_bad_gates),
		cmocka_unit_test(prot_bad_gate_ext),
		cmocka_unit_test(prot_bad_inner_stacks),
		cmocka_unit_test(prot_tss_too_short),
		cmocka_unit_test(prot_tss16_stack),
		cmocka_unit_test(v86_to_protected),
		cmocka_unit_test(v86_iopl),
		cmocka_unit_test(v86_vme),
		cmocka_unit_test(long_same_and_inner),
		cmocka_unit_test(long_bad_gates),
		cmocka_unit_test(compat_to_long),
		cmocka_unit_test(double_faults),
		cmocka_unit_test(external),
		cmocka_unit_test(nmi_blocks_until_iret),
		cmocka_unit_test(single_step),
		cmocka_unit_test(single_step_over_int),
		cmocka_unit_test(breakpoint),
		cmocka_unit_test(breakpoint_after_mov_ss),
		cmocka_unit_test(int1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
