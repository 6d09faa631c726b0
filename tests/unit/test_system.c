/*
 * System instructions: segment register loads, descriptor tables, control and debug registers, looking at descriptors, flags of
 * privilege (SDM vol. 2; vol. 3A chapters 2 and 5). Ports have test_port.c; what is short and privileged has test_privileged.c.
 */
#include "tests/unit/system_rig.h"

#include "emu/cpuid.h"

/* -- segment registers -- */

static void load_checks(void **state)
{
	static const struct {
		bool stack;
		bool ring3;
		uint16_t selector;
		uint64_t descriptor; /* at SEL_A */
		int vector;          /* 0: loads */
		uint32_t error;
	} cases[] = {
		{false, false, 0, 0, 0, 0},
		{false, false, 3, 0, 0, 0},
		{false, false, 0x100, 0, 13, 0x100},
		{false, false, SEL_A | 4, 0, 13, SEL_A | 4}, /* no LDT */
		{false, false, SEL_A, 0x00cf93000000ffff, 0, 0},
		{false, false, SEL_A, 0x00cf92000000ffff, 0, 0},
		{false, false, SEL_A, 0x00cf9b000000ffff, 0, 0},          /* readable code */
		{false, false, SEL_A, 0x00cf99000000ffff, 13, SEL_A},     /* execute-only */
		{false, false, SEL_A, 0x0000820000000fff, 13, SEL_A},     /* LDT */
		{false, false, SEL_A | 3, 0x00cf93000000ffff, 13, SEL_A}, /* DPL < RPL */
		{false, false, SEL_A | 3, 0x00cf9f000000ffff, 0, 0},      /* conforming: no privilege */
		{false, true, SEL_A, 0x00cf93000000ffff, 13, SEL_A},      /* DPL < CPL */
		{false, false, SEL_A, 0x00cf13000000ffff, 11, SEL_A},
		{true, false, 0, 0, 13, 0},
		{true, false, 0x100, 0, 13, 0x100},
		{true, false, SEL_A, 0x00cf93000000ffff, 0, 0},
		{true, false, SEL_A | 1, 0x00cf93000000ffff, 13, SEL_A}, /* RPL != CPL */
		{true, false, SEL_A, 0x00cff3000000ffff, 13, SEL_A},     /* DPL != CPL */
		{true, false, SEL_A, 0x00cf91000000ffff, 13, SEL_A},     /* read-only */
		{true, false, SEL_A, 0x00cf9b000000ffff, 13, SEL_A},
		{true, false, SEL_A, 0x00cf13000000ffff, 12, SEL_A},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			struct cpu *cpu = rig->cpu;
			struct segment before;

			set_descriptor(rig, SEL_A, cases[i].descriptor);
			if (cases[i].ring3)
				to_ring3(rig);
			cpu->gpr[RAX] = cases[i].selector;
			before = cpu->seg[SEG_ES];
			if (cases[i].vector && cases[i].stack) {
				EXPECT_FAULT(rig, "\x8e\xd0", cases[i].vector, cases[i].error);
			} else if (cases[i].vector) {
				EXPECT_FAULT(rig, "\x8e\xc0", cases[i].vector, cases[i].error);
				assert_memory_equal(&before, &cpu->seg[SEG_ES], sizeof(before));
			} else if (cases[i].stack) {
				RIG_RUN(rig, "\x8e\xd0", 1);
				assert_int_equal(cpu->seg[SEG_SS].selector, cases[i].selector);
			} else {
				RIG_RUN(rig, "\x8e\xc0", 1);
				assert_int_equal(cpu->rip, RIG_CODE + 2);
				assert_int_equal(cpu->seg[SEG_ES].selector, cases[i].selector);
				if (cases[i].selector & ~3) {
					assert_int_equal(rig_read64(rig, RIG_GDT + SEL_A), cases[i].descriptor | 1ull << 40);
					assert_int_equal(cpu->seg[SEG_ES].attributes & 1, 1);
				} else {
					assert_int_equal(cpu->seg[SEG_ES].attributes, 0);
				}
			}
		}
}

/* An access through an unusable segment; limits of expand-up and expand-down ones. */
static void limits(void **state)
{
	static const struct {
		uint64_t descriptor;
		uint32_t offset;
		bool faults;
	} cases[] = {
		{0x0040930000000fff, 0xffc, false},     {0x0040930000000fff, 0xffd, true},
		{0x0040970000000fff, 0x1000, false},    {0x0040970000000fff, 0xfff, true}, /* expand-down */
		{0x0040970000000fff, 0xfffffffd, true}, {0x0000970000000fff, 0xfffd, true},
		{0x0000970000000fff, 0xfffc, false},    {0x00cf93000000ffff, 0xfffffff0, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			set_descriptor(rig, SEL_A, cases[i].descriptor);
			rig->cpu->gpr[RAX] = SEL_A;
			rig->cpu->gpr[RBX] = cases[i].offset;
			RIG_RUN(rig, "\x8e\xd8\x8b\x03", 2);
			if (cases[i].faults)
				assert_int_equal(handler_reached(rig), 13);
			else
				assert_int_equal(rig->cpu->rip, RIG_CODE + 4);
		}
	WITH_RIG(rig, RIG_PROT32)
	{
		rig->cpu->seg[SEG_ES] = (struct segment){0};
		cpu_update_mode(rig->cpu);
		EXPECT_FAULT(rig, "\x26\x8b\x03", 13, 0);
	}
}

static void ldt_segments(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		set_descriptor(rig, SEL_A, rig_descriptor(LDT, 0x1f, 0x82, 0));
		set_descriptor(rig, 0xc, rig_descriptor(0x123000, 0xfff, 0x93, 4));
		rig->cpu->gpr[RAX] = SEL_A;
		rig->cpu->gpr[RBX] = 0xc;
		RIG_RUN(rig, "\x0f\x00\xd0\x8e\xc3", 2); /* lldt ax; mov es, bx */
		assert_int_equal(rig->cpu->seg[SEG_ES].base, 0x123000);
		rig->cpu->gpr[RBX] = 0x24;
		EXPECT_FAULT(rig, "\x8e\xc3", 13, 0x24);
	}
}

static void pop_and_pointers(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		static const uint8_t pointer[] = {0x78, 0x56, 0x34, 0x12, RIG_DS0, 0};

		rig_write(rig, RIG_DATA, pointer, sizeof(pointer));
		rig->cpu->gpr[RBX] = RIG_DATA;
		rig->cpu->seg[SEG_FS].selector = 0;
		RIG_RUN(rig, "\x0f\xb4\x0b\x0f\xa0\x07", 3); /* lfs ecx, [ebx]; push fs; pop es */
		assert_int_equal(rig->cpu->gpr[RCX], 0x12345678);
		assert_int_equal(rig->cpu->seg[SEG_FS].selector, RIG_DS0);
		assert_int_equal(rig->cpu->seg[SEG_ES].selector, RIG_DS0);
		assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK);
	}
	WITH_RIG(rig, RIG_PROT32) /* POP SS that faults leaves ESP */
	{
		rig_write(rig, RIG_STACK, "\0\0\0\0", 4);
		EXPECT_FAULT(rig, "\x17", 13, 0);
		assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK - 16);
	}
	WITH_RIG(rig, RIG_LONG) /* a null FS has base 0 */
	{
		rig->cpu->seg[SEG_FS].base = 0x123456789;
		rig->cpu->gpr[RAX] = 0;
		RIG_RUN(rig, "\x8e\xe0\x8e\xd0", 2); /* and a null SS is fine at CPL 0 */
		assert_int_equal(rig->cpu->seg[SEG_FS].base, 0);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, 0);
	}
	WITH_RIG(rig, RIG_REAL)
	{
		rig->cpu->gpr[RAX] = 0x1234;
		rig->cpu->seg[SEG_ES].limit = 0xffffffff;
		RIG_RUN(rig, "\x8e\xc0\x8c\xc3", 2);
		assert_int_equal(rig->cpu->seg[SEG_ES].base, 0x12340);
		assert_int_equal(rig->cpu->seg[SEG_ES].limit, 0xffffffff);
		assert_int_equal(rig->cpu->gpr[RBX], 0x1234);
	}
}

/* -- privilege -- */

static void privileged_instructions(void **state)
{
	static const char codes[][4] = {
		"\x0f\x20\xc0", "\x0f\x22\xc0", "\x0f\x21\xc0", "\x0f\x23\xc0",             /* MOV CR, DR */
		"\x0f\x06",     "\x0f\x01\xf0", "\x0f\x01\x10", "\x0f\x01\x18",             /* CLTS, LMSW, LGDT, LIDT */
		"\x0f\x00\xd0", "\x0f\x00\xd8", "\x0f\x01\x38", "\x0f\x08",     "\x0f\x09", /* LLDT, LTR, INVLPG, INVD, WBINVD */
		"\x0f\x30",     "\x0f\x32",     "\xf4",         "\xfa",         "\xfb",     "\x0f\x33", /* MSRs, HLT, CLI, STI, RDPMC */
		"\xec",         "\xee",         "\xe4\x10",     "\xe7\x10",     "\x6c",     "\x6e",     /* ports */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		WITH_RIG(rig, RIG_PAGED32)
		{
			to_ring3(rig);
			expect_fault(rig, codes[i], 3, 13, 0);
		}
	WITH_RIG(rig, RIG_LONG)
	{
		to_ring3(rig);
		EXPECT_FAULT(rig, "\x0f\x01\xf8", 13, 0); /* SWAPGS */
	}
	WITH_RIG(rig, RIG_LONG)
	{
		to_ring3(rig);
		EXPECT_PLAIN_FAULT(rig, "\x0f\x01\xcb", 6); /* STAC is #UD */
	}
}

static void undefined_outside_protected_mode(void **state)
{
	static const char codes[][4] = {"\x0f\x00\xd0", "\x0f\x00\xd8", "\x0f\x00\xc0", "\x0f\x00\xc8", "\x0f\x02\xc0",
					"\x0f\x03\xc0", "\x0f\x00\xe0", "\x0f\x00\xe8", "\x63\xc0"};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		WITH_RIG(rig, RIG_REAL)
		{
			rig_code(rig, codes[i], 3);
			rig_run(rig, 1);
			assert_int_equal(handler_reached(rig), 6);
			assert_int_equal(stack_at(rig, 0, 2), 0);
		}
}

static void umip(void **state)
{
	static const char codes[][4] = {"\x0f\x01\x03", "\x0f\x01\x0b", "\x0f\x01\xe0", "\x0f\x00\xc0", "\x0f\x00\xc8"};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		WITH_RIG(rig, RIG_LONG)
		{
			to_ring3(rig);
			rig->cpu->gpr[RBX] = RIG_DATA;
			rig_code(rig, codes[i], 3);
			rig_run(rig, 1);
			assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
			rig->cpu->cr4 |= CR4_UMIP;
			expect_fault(rig, codes[i], 3, 13, 0);
		}
}

/* -- tables -- */

static void tables(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RBX] = RIG_DATA;
		rig_write(rig, RIG_DATA, "\xff\x01\x88\x77\x66\x55\x44\x33\x00\x00", 10);
		RIG_RUN(rig, "\x0f\x01\x1b\x48\x83\xc3\x10\x0f\x01\x0b", 3); /* lidt; sidt */
		assert_int_equal(rig->cpu->idtr.limit, 0x1ff);
		assert_int_equal(rig->cpu->idtr.base, 0x334455667788);
		assert_int_equal(rig_read64(rig, RIG_DATA + 0x12), 0x334455667788);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RBX] = RIG_DATA;
		rig_write(rig, RIG_DATA, "\xff\x01\x88\x77\x66\x55\x44\x33\x00\x80", 10);
		EXPECT_FAULT(rig, "\x0f\x01\x1b", 13, 0);
	}
	WITH_RIG(rig, RIG_PROT32) /* 16-bit operands: 24 bits of base */
	{
		rig->cpu->gpr[RBX] = RIG_DATA;
		rig_write(rig, RIG_DATA, "\xff\x01\x88\x77\x66\x55", 6);
		RIG_RUN(rig, "\x66\x0f\x01\x13", 1);
		assert_int_equal(rig->cpu->gdtr.base, 0x667788);
	}
}

static void task_register(void **state)
{
	static const struct {
		uint64_t descriptor;
		uint16_t selector;
		int vector;
		uint32_t error;
	} cases[] = {
		{0, 0, 13, 0},
		{0, 0x100, 13, 0x100},
		{0, SEL_A | 4, 13, SEL_A | 4},
		{0x00008b0060000067, SEL_A, 13, SEL_A},
		{0x0000090060000067, SEL_A, 11, SEL_A},
		{0x00cf93000000ffff, SEL_A, 13, SEL_A},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned mode = RIG_PROT32; mode <= RIG_LONG; mode += RIG_LONG - RIG_PROT32)
			WITH_RIG(rig, mode)
			{
				set_descriptor(rig, SEL_A, cases[i].descriptor);
				set_descriptor(rig, SEL_B, 0);
				rig->cpu->gpr[RAX] = cases[i].selector;
				EXPECT_FAULT(rig, "\x0f\x00\xd8", cases[i].vector, cases[i].error);
			}
	WITH_RIG(rig, RIG_LONG)
	{
		set_descriptor(rig, SEL_A, 0xff00890060000067);
		set_descriptor(rig, SEL_B, 0xffff8888);
		rig->cpu->gpr[RAX] = SEL_A;
		RIG_RUN(rig, "\x0f\x00\xd8\x0f\x00\xcb", 2); /* ltr ax; str ebx */
		assert_int_equal(rig->cpu->seg[SEG_TR].base, 0xffff8888ff006000);
		assert_int_equal(rig->cpu->gpr[RBX], SEL_A);
		assert_int_equal(physmem_read(&rig->mem, RIG_GDT + SEL_A + 5, 1), 0x8b);
	}
}

static void lar_lsl_verr(void **state)
{
	static const struct {
		uint64_t descriptor;
		unsigned rpl;
		uint32_t rights; /* 0: ZF clear */
		uint64_t limit;  /* all-ones: ZF clear */
		bool verr, verw;
	} cases[] = {
		{0x00cf93000000ffff, 0, 0x00cf9300, 0xffffffff, true, true},
		{0x00cf93000000ffff, 3, 0, ~0ull, false, false},
		{0x00cf91000000ffff, 0, 0x00cf9100, 0xffffffff, true, false},
		{0x0040990000001234, 0, 0x00409900, 0x1234, false, false},
		{0x00409f0000001234, 3, 0x00409f00, 0x1234, true, false},
		{0x0000820000001234, 0, 0x00008200, 0x1234, false, false},
		{0x00008c0000081234, 0, 0x00008c00, ~0ull, false, false},
		{0x0000850000081234, 0, 0x00008500, ~0ull, false, false},
		{0x00008e0000081234, 0, 0, ~0ull, false, false},
		{0, 0, 0, ~0ull, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			struct cpu *cpu = rig->cpu;

			set_descriptor(rig, SEL_A, cases[i].descriptor);
			cpu->gpr[RAX] = SEL_A | cases[i].rpl;
			cpu->gpr[RBX] = 0x5555;
			RIG_RUN(rig, "\x0f\x02\xd8\x0f\x03\xd8\x0f\x00\xe0\x0f\x00\xe8", 1);
			assert_int_equal(!!(cpu_get_eflags(cpu) & FLAG_ZF), cases[i].rights != 0);
			assert_int_equal(cpu->gpr[RBX], cases[i].rights ? cases[i].rights : 0x5555);
			rig_run(rig, 1);
			assert_int_equal(!!(cpu_get_eflags(cpu) & FLAG_ZF), cases[i].limit != ~0ull);
			if (cases[i].limit != ~0ull)
				assert_int_equal(cpu->gpr[RBX], cases[i].limit);
			rig_run(rig, 1);
			assert_int_equal(!!(cpu_get_eflags(cpu) & FLAG_ZF), cases[i].verr);
			rig_run(rig, 1);
			assert_int_equal(!!(cpu_get_eflags(cpu) & FLAG_ZF), cases[i].verw);
		}
	WITH_RIG(rig, RIG_PROT32) /* ARPL */
	{
		rig->cpu->gpr[RAX] = 0x1231;
		rig->cpu->gpr[RCX] = 3;
		RIG_RUN(rig, "\x63\xc8\x63\xc8", 1);
		assert_int_equal(rig->cpu->gpr[RAX], 0x1233);
		assert_true(cpu_get_eflags(rig->cpu) & FLAG_ZF);
		rig_run(rig, 1);
		assert_false(cpu_get_eflags(rig->cpu) & FLAG_ZF);
	}
}

/* -- control registers -- */

static void control_checks(void **state)
{
	static const struct {
		enum rig_mode mode;
		const char *code; /* mov crN, rax */
		uint64_t value;
		bool faults;
	} cases[] = {
		{RIG_PROT32, "\x0f\x22\xc0", 0x80000010, true}, /* PG without PE */
		{RIG_PROT32, "\x0f\x22\xc0", 0x20000011, true}, /* NW without CD */
		{RIG_PROT32, "\x0f\x22\xc0", 0x60000011, false},
		{RIG_LONG, "\x0f\x22\xc0", 0x180000011, true},
		{RIG_LONG, "\x0f\x22\xc0", 0x00000011, true}, /* PG off in 64-bit code */
		{RIG_LONG, "\x0f\x22\xe0", 0x00000600, true}, /* PAE off in IA-32e mode */
		{RIG_LONG, "\x0f\x22\xe0", 0x000006a0, false},
		{RIG_LONG, "\x0f\x22\xe0", 0x000016a0, true}, /* LA57: not offered */
		{RIG_LONG, "\x0f\x22\xe0", 0x000406a0, true}, /* OSXSAVE: not offered */
		{RIG_LONG, "\x0f\x22\xe0", 0x1000006a0, true},
		{RIG_LONG, "\x0f\x22\xe0", 0x000206a0, false},        /* PCIDE */
		{RIG_PAE, "\x0f\x22\xe0", 0x000206a0, true},          /* PCIDE outside IA-32e mode */
		{RIG_LONG, "\x0f\x22\xd8", 0x8000000000080000, true}, /* no-flush without PCIDE */
		{RIG_LONG, "\x0f\x22\xd8", 0x0000400000080000, true}, /* beyond MAXPHYADDR */
		{RIG_LONG, "\x0f\x22\xd8", 0x0000000000080fff, false},
		{RIG_PAE, "\x0f\x22\xd8", 0x80000, false},
		{RIG_PAE, "\x0f\x22\xd8", 0x81000, true}, /* PDPTEs with reserved bits there */
		{RIG_LONG, "\x44\x0f\x22\xc0", 16, true}, /* CR8 */
		{RIG_LONG, "\x44\x0f\x22\xc0", 15, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, cases[i].mode)
		{
			unsigned length = strlen(cases[i].code);

			rig->cpu->gpr[RAX] = cases[i].value;
			if (cases[i].faults) {
				expect_fault(rig, cases[i].code, length, 13, 0);
			} else {
				rig_code(rig, cases[i].code, length);
				rig_run(rig, 1);
				assert_int_equal(rig->cpu->rip, RIG_CODE + length);
			}
		}
}

/* From 32-bit protected mode to 64-bit code, as a boot loader goes; and a CPU without long mode refuses EFER.LME. */
static void enter_long_mode(void **state)
{
	static const uint8_t code[] = {
		0x0f, 0x20, 0xe0, 0x83, 0xc8, 0x20,       0x0f, 0x22, 0xe0,                            /* cr4 |= PAE */
		0xb8, 0,    0,    0x08, 0,    0x0f,       0x22, 0xd8,                                  /* cr3 = tables */
		0xb9, 0x80, 0,    0,    0xc0, 0x0f,       0x32, 0x0d, 0,    1,    0,    0, 0x0f, 0x30, /* efer |= LME */
		0x0f, 0x20, 0xc0, 0x0d, 0,    0,          0,    0x80, 0x0f, 0x22, 0xc0,                /* cr0 |= PG */
		0xea, 0,    0,    0x02, 0,    RIG_CODE64, 0,                                           /* jmp code64:0x20000 */
	};

	(void)state;
	for (unsigned lm = 0; lm < 2; lm++)
		WITH_RIG(rig, RIG_PROT32)
		{
			rig_fill_tables(rig, RIG_LONG);
			if (!lm)
				rig->cpu->features &= ~CPU_FEATURE_LONG_MODE;
			rig_code(rig, code, sizeof(code));
			rig_run(rig, lm ? 13 : 9);
			if (!lm) {
				assert_int_equal(handler_reached(rig), 13);
				continue;
			}
			assert_int_equal(rig->cpu->rip, 0x20000);
			assert_int_equal(rig->cpu->mode & 3, 3);
			assert_int_equal(rig->cpu->efer, EFER_LME | EFER_LMA);
		}
}

static void debug_registers(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RAX] = 0xffffd7ff;                                     /* no general detect */
		RIG_RUN(rig, "\x0f\x23\xf8\x0f\x21\xfb\x0f\x23\xf0\x0f\x21\xf1", 4); /* dr7 = rax; rbx = dr7; dr6 = rax; rcx = dr6 */
		assert_int_equal(rig->cpu->gpr[RBX], 0xffff07ff);
		assert_int_equal(rig->cpu->gpr[RCX], 0xffffcfff);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RAX] = 1ull << 32;
		EXPECT_FAULT(rig, "\x0f\x23\xf8", 13, 0);
	}
	WITH_RIG(rig, RIG_LONG) /* DR4 is DR6 without CR4.DE */
	{
		RIG_RUN(rig, "\x0f\x21\xe0", 1);
		assert_int_equal(rig->cpu->gpr[RAX], 0xffff0ff0);
		rig->cpu->cr4 |= CR4_DE;
		EXPECT_PLAIN_FAULT(rig, "\x0f\x21\xe0", 6);
	}
	WITH_RIG(rig, RIG_LONG) /* general detect */
	{
		rig->cpu->dr[7] |= 1 << 13;
		EXPECT_PLAIN_FAULT(rig, "\x0f\x21\xc0", 1);
		assert_true(rig->cpu->dr[6] & (1 << 13));
		assert_false(rig->cpu->dr[7] & (1 << 13));
		assert_true(stack_at(rig, 2, 8) & FLAG_RF);
	}
}

/* -- flags of privilege -- */

static void popf(void **state)
{
	static const struct {
		unsigned cpl, iopl;
		uint32_t value, expected;
	} cases[] = {
		{0, 0, 0xffffffff & ~FLAG_TF, 0x00247ed7},
		{3, 0, 0xffffffff & ~FLAG_TF, 0x00244cd7},
		{3, 3, 0xffffffff & ~FLAG_TF, 0x00247ed7},
		{3, 3, 2, 0x3002},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			if (cases[i].cpl)
				to_ring3(rig);
			cpu_set_eflags(rig->cpu, cases[i].iopl << 12, FLAG_IOPL);
			rig->cpu->gpr[RAX] = cases[i].value;
			RIG_RUN(rig, "\x50\x9d", 2);
			assert_int_equal(cpu_get_eflags(rig->cpu), cases[i].expected);
		}
}

static void pvi(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		to_ring3(rig);
		rig->cpu->cr4 |= CR4_PVI;
		RIG_RUN(rig, "\xfb\xfa", 1);
		assert_true(rig->cpu->eflags & FLAG_VIF);
		assert_false(rig->cpu->eflags & FLAG_IF);
		rig_run(rig, 1);
		assert_false(rig->cpu->eflags & FLAG_VIF);
		rig->cpu->eflags |= FLAG_VIP;
		EXPECT_FAULT(rig, "\xfb", 13, 0);
	}
}

/* -- bases -- */

static void bases(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct cpu *cpu = rig->cpu;

		cpu->kernel_gs_base = 0xffff888000000000;
		cpu->seg[SEG_GS].base = 0x1000;
		RIG_RUN(rig, "\x0f\x01\xf8", 1);
		assert_int_equal(cpu->seg[SEG_GS].base, 0xffff888000000000);
		assert_int_equal(cpu->kernel_gs_base, 0x1000);
		EXPECT_PLAIN_FAULT(rig, "\xf3\x48\x0f\xae\xc0", 6); /* rdfsbase without CR4.FSGSBASE */
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->cr4 |= CR4_FSGSBASE;
		rig->cpu->gpr[RAX] = 0x00007fffdeadbeef;
		RIG_RUN(rig, "\xf3\x48\x0f\xae\xd0\xf3\x48\x0f\xae\xc3\xf3\x0f\xae\xc1", 3); /* wrfsbase rax; rdfsbase rbx; rdfsbase ecx */
		assert_int_equal(rig->cpu->gpr[RBX], 0x00007fffdeadbeef);
		assert_int_equal(rig->cpu->gpr[RCX], 0xdeadbeef);
		rig->cpu->gpr[RAX] = 0x0000800000000000;
		EXPECT_FAULT(rig, "\xf3\x48\x0f\xae\xd8", 13, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_checks),
		cmocka_unit_test(limits),
		cmocka_unit_test(ldt_segments),
		cmocka_unit_test(pop_and_pointers),
		cmocka_unit_test(privileged_instructions),
		cmocka_unit_test(undefined_outside_protected_mode),
		cmocka_unit_test(umip),
		cmocka_unit_test(tables),
		cmocka_unit_test(task_register),
		cmocka_unit_test(lar_lsl_verr),
		cmocka_unit_test(control_checks),
		cmocka_unit_test(enter_long_mode),
		cmocka_unit_test(debug_registers),
		cmocka_unit_test(popf),
		cmocka_unit_test(pvi),
		cmocka_unit_test(bases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
