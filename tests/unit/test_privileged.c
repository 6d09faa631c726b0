/*
 * What user mode cannot try, instruction by instruction: who may execute it, in which modes it exists, and what it does (SDM vol. 2; vol.
 * 3A chapters 2.8, 5.9 and 5.8.7-5.8.8). Segments, control registers and MSRs have tests of their own.
 */
#include "tests/unit/system_rig.h"

#include "emu/cpuid.h"

/* -- what is not offered -- */

static void not_offered(void **state)
{
	static const char codes[][4] = {"\x0f\x01\xd0", "\x0f\x01\xd1", "\x0f\x01\xc8",
					"\x0f\x01\xc9"}; /* XGETBV, XSETBV, MONITOR, MWAIT */

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (unsigned ring = 0; ring < 4; ring += 3)
			for (unsigned mode = RIG_PROT32; mode <= RIG_LONG; mode++)
				WITH_RIG(rig, mode)
				{
					if (ring)
						to_ring3(rig);
					rig->cpu->gpr[RCX] = 0;
					expect_plain_fault(rig, codes[i], 3, 6);
				}
	WITH_RIG(rig, RIG_LONG) /* as CPUID says */
	{
		assert_false(cpuid_query(rig->cpu, 1, 0).ecx & (1 << 3 | 1 << 26 | 1 << 27));
		rig->cpu->gpr[RAX] = 0x406a0; /* and CR4.OSXSAVE cannot be set */
		EXPECT_FAULT(rig, "\x0f\x22\xe0", 13, 0);
	}
}

/* -- who may -- */

static void privileged(void **state)
{
	static const struct {
		const char *code;
		unsigned length;
		int vector;
		bool only64;
	} cases[] = {
		{"\x0f\x06", 2, 13, false},             /* CLTS */
		{"\x0f\x01\xf0", 3, 13, false},         /* LMSW */
		{"\x0f\x01\x33", 3, 13, false},         /* LMSW [rbx] */
		{"\x0f\x01\x13", 3, 13, false},         /* LGDT */
		{"\x0f\x01\x1b", 3, 13, false},         /* LIDT */
		{"\x0f\x00\xd0", 3, 13, false},         /* LLDT */
		{"\x0f\x00\xd8", 3, 13, false},         /* LTR */
		{"\x0f\x08", 2, 13, false},             /* INVD */
		{"\x0f\x09", 2, 13, false},             /* WBINVD */
		{"\x0f\x01\x3b", 3, 13, false},         /* INVLPG */
		{"\x66\x0f\x38\x82\x03", 5, 13, false}, /* INVPCID */
		{"\x0f\x30", 2, 13, false},             /* WRMSR */
		{"\x0f\x32", 2, 13, false},             /* RDMSR */
		{"\x0f\x33", 2, 13, false},             /* RDPMC, without CR4.PCE */
		{"\xf4", 1, 13, false},                 /* HLT */
		{"\xfa", 1, 13, false},                 /* CLI */
		{"\xfb", 1, 13, false},                 /* STI */
		{"\x0f\x35", 2, 13, false},             /* SYSEXIT */
		{"\x0f\x01\xca", 3, 6, false},          /* CLAC */
		{"\x0f\x01\xcb", 3, 6, false},          /* STAC */
		{"\x0f\x01\xf8", 3, 13, true},          /* SWAPGS */
		{"\x0f\x07", 2, 13, true},              /* SYSRET */
		{"\x48\x0f\x07", 3, 13, true},
		{"\x48\x0f\x35", 3, 13, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned mode = RIG_PAGED32; mode <= RIG_LONG; mode++)
			WITH_RIG(rig, mode)
			{
				if (cases[i].only64 && mode != RIG_LONG)
					continue;
				rig->cpu->sysenter_cs = RIG_CS0;
				rig->cpu->gpr[RBX] = RIG_DATA;
				to_ring3(rig);
				if (cases[i].vector == 13)
					expect_fault(rig, cases[i].code, cases[i].length, 13, 0);
				else
					expect_plain_fault(rig, cases[i].code, cases[i].length, cases[i].vector);
				assert_int_equal(rig->cpu->cpl, 0);
			}
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PAGED32) /* V86 mode has CPL 3 at any IOPL; LLDT and LTR do not exist there, CLI and STI obey IOPL */
		{
			uint8_t last = cases[i].code[cases[i].length - 1];
			bool undefined = cases[i].vector == 6 || last == 0xd0 || last == 0xd8;

			if (cases[i].only64 || last == 0xfa || last == 0xfb)
				continue;
			rig->cpu->sysenter_cs = RIG_CS0;
			enter_v86(rig, 3);
			rig_code(rig, cases[i].code, cases[i].length);
			rig_run(rig, 1);
			assert_int_equal(handler_reached(rig), undefined ? 6 : 13);
		}
}

/* In 64-bit code alone. */
static void only_in_64_bit_code(void **state)
{
	static const char codes[][4] = {"\x0f\x01\xf8", "\x0f\x05", "\x0f\x07"};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (unsigned mode = RIG_PROT32; mode <= RIG_COMPAT; mode++)
			WITH_RIG(rig, mode)
			{
				expect_plain_fault(rig, codes[i], strlen(codes[i]), 6);
			}
}

/* -- the interrupt flag -- */

static void interrupt_flag(void **state)
{
	(void)state;
	for (unsigned iopl = 0; iopl < 4; iopl++)
		for (unsigned ring = 0; ring < 4; ring += 3)
			WITH_RIG(rig, RIG_PAGED32)
			{
				if (ring)
					to_ring3(rig);
				cpu_set_eflags(rig->cpu, iopl << 12, FLAG_IOPL | FLAG_IF);
				if (ring > iopl) {
					EXPECT_FAULT(rig, "\xfb", 13, 0);
				} else {
					RIG_RUN(rig, "\xfb\x90\xfa", 1);
					assert_true(cpu_get_eflags(rig->cpu) & FLAG_IF);
					rig_run(rig, 2);
					assert_false(cpu_get_eflags(rig->cpu) & FLAG_IF);
				}
			}
}

/* -- STAC, CLAC -- */

static void access_check_flag(void **state)
{
	(void)state;
	for (unsigned mode = RIG_PROT32; mode <= RIG_LONG; mode++)
		WITH_RIG(rig, mode)
		{
			RIG_RUN(rig, "\x0f\x01\xcb\x0f\x01\xca", 1);
			assert_true(cpu_get_eflags(rig->cpu) & FLAG_AC);
			rig_run(rig, 1);
			assert_false(cpu_get_eflags(rig->cpu) & FLAG_AC);
			assert_int_equal(rig->cpu->rip, RIG_CODE + 6);
		}
	WITH_RIG(rig, RIG_REAL)
	{
		RIG_RUN(rig, "\x0f\x01\xcb", 1);
		assert_true(cpu_get_eflags(rig->cpu) & FLAG_AC);
	}
	for (unsigned set = 0; set < 2; set++)
		WITH_RIG(rig, RIG_LONG) /* without SMAP they do not exist */
		{
			rig->cpu->features &= ~CPU_FEATURE_SMAP;
			expect_plain_fault(rig, set ? "\x0f\x01\xcb" : "\x0f\x01\xca", 3, 6);
		}
}

/* -- SGDT, SIDT -- */

static void store_tables(void **state)
{
	static const struct {
		enum rig_mode mode;
		const char *code; /* to [rbx] or [bx] */
		bool idt;
		unsigned size;
	} cases[] = {
		{RIG_LONG, "\x0f\x01\x03", false, 10},      {RIG_LONG, "\x0f\x01\x0b", true, 10},
		{RIG_LONG, "\x66\x0f\x01\x03", false, 10},  {RIG_LONG, "\x48\x0f\x01\x0b", true, 10},
		{RIG_COMPAT, "\x0f\x01\x03", false, 6},     {RIG_COMPAT, "\x0f\x01\x0b", true, 6},
		{RIG_PROT32, "\x0f\x01\x03", false, 6},     {RIG_PROT32, "\x0f\x01\x0b", true, 6},
		{RIG_PROT32, "\x66\x0f\x01\x03", false, 6}, /* all 32 bits of the base */
		{RIG_PROT16, "\x0f\x01\x07", false, 6},     {RIG_REAL, "\x0f\x01\x07", false, 6},
		{RIG_REAL, "\x0f\x01\x0f", true, 6},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, cases[i].mode)
		{
			uint64_t base = cases[i].size == 10 ? 0xffff888012345678 : 0x92345678, stored;
			unsigned length = strlen(cases[i].code);
			const uint64_t linear = 0x4000; /* within 16 bits */

			*(cases[i].idt ? &rig->cpu->idtr : &rig->cpu->gdtr) = (struct table_register){base, 0x2fe};
			rig_write(rig, linear, "\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", 12);
			rig->cpu->gpr[RBX] = linear;
			rig_code(rig, cases[i].code, length);
			rig_run(rig, 1);
			assert_int_equal(physmem_read(&rig->mem, linear, 2), 0x2fe);
			stored = cases[i].size == 10 ? rig_read64(rig, linear + 2) : physmem_read(&rig->mem, linear + 2, 4);
			assert_int_equal(stored, base);
			assert_int_equal(physmem_read(&rig->mem, linear + cases[i].size, 2), 0xcccc);
		}
	for (unsigned reg = 0; reg < 2; reg++)
		WITH_RIG(rig, RIG_LONG) /* all or nothing */
		{
			rig_write(rig, RIG_TABLES + 0x2000 + 8, &(uint64_t){0}, 8);
			rig->cpu->gpr[RBX] = 0x1ffffc;
			expect_fault(rig, reg ? "\x0f\x01\x0b" : "\x0f\x01\x03", 3, 14, 2);
			assert_int_equal(rig->cpu->cr2, 0x200000);
			assert_int_equal(physmem_read(&rig->mem, 0x1ffffc, 4), 0);
		}
	WITH_RIG(rig, RIG_PAGED32) /* LGDT and LIDT want memory, too */
	EXPECT_PLAIN_FAULT(rig, "\x0f\x01\xd3", 6);
}

/* -- SLDT, STR, SMSW: registers of any size, two bytes of memory -- */

static void store_selectors(void **state)
{
	static const struct {
		const char *code; /* of SLDT, to rbx or [rbx] */
		unsigned length;
		uint64_t rbx; /* after it, but for the selector */
		bool memory;
	} forms[] = {
		{"\x0f\x00\xc3", 3, 0, false},     {"\x66\x0f\x00\xc3", 4, 0xaaaaaaaaaaaa0000, false},
		{"\x48\x0f\x00\xc3", 4, 0, false}, {"\x0f\x00\x03", 3, 0, true},
		{"\x66\x0f\x00\x03", 4, 0, true},  {"\x48\x0f\x00\x03", 4, 0, true},
	};
	enum { WHICH_SLDT, WHICH_STR, WHICH_SMSW };

	(void)state;
	for (unsigned i = 0; i < 3 * sizeof(forms) / sizeof(forms[0]); i++)
		WITH_RIG(rig, RIG_LONG)
		{
			unsigned which = i % 3, length = forms[i / 3].length;
			uint64_t value = which == WHICH_SLDT ? SEL_C : which == WHICH_STR ? RIG_TSS : rig->cpu->cr0;
			uint8_t code[4];

			memcpy(code, forms[i / 3].code, length);
			if (which == WHICH_STR)
				code[length - 1] += 1 << 3;
			if (which == WHICH_SMSW) {
				code[length - 2] = 1;
				code[length - 1] += 4 << 3;
			}
			rig->cpu->seg[SEG_LDTR].selector = SEL_C;
			rig->cpu->gpr[RBX] = forms[i / 3].memory ? RIG_DATA : 0xaaaaaaaaaaaaaaaa;
			rig_write(rig, RIG_DATA, "\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", 8);
			rig_code(rig, code, length);
			rig_run(rig, 1);
			assert_int_equal(rig->cpu->rip, RIG_CODE + length);
			if (forms[i / 3].memory)
				assert_int_equal(rig_read64(rig, RIG_DATA), 0xcccccccccccc0000 | (value & 0xffff));
			else if (code[0] == 0x66)
				assert_int_equal(rig->cpu->gpr[RBX], forms[i / 3].rbx | (value & 0xffff));
			else
				assert_int_equal(rig->cpu->gpr[RBX], value);
		}
	WITH_RIG(rig, RIG_REAL) /* SMSW exists there */
	{
		RIG_RUN(rig, "\x0f\x01\xe3", 1);
		assert_int_equal(rig->cpu->gpr[RBX], rig->cpu->cr0 & 0xffff);
	}
}

/* CR4.UMIP keeps all five from everybody but CPL 0. */
static void umip(void **state)
{
	static const char codes[][4] = {"\x0f\x01\x03", "\x0f\x01\x0b", "\x0f\x01\xe0", "\x0f\x01\x23",
					"\x0f\x00\xc0", "\x0f\x00\x03", "\x0f\x00\xc8", "\x0f\x00\x0b"};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (unsigned mode = RIG_PAGED32; mode <= RIG_LONG; mode++)
			WITH_RIG(rig, mode)
			{
				rig->cpu->gpr[RBX] = RIG_DATA;
				rig->cpu->cr4 |= CR4_UMIP;
				rig_code(rig, codes[i], 3);
				rig_run(rig, 1);
				assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
				rig->cpu->cr4 &= ~(uint64_t)CR4_UMIP;
				to_ring3(rig);
				rig_code(rig, codes[i], 3);
				rig_run(rig, 1);
				assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
				rig->cpu->cr4 |= CR4_UMIP;
				expect_fault(rig, codes[i], 3, 13, 0);
			}
}

/* -- LLDT -- */

static void load_ldt(void **state)
{
	static const struct {
		uint64_t descriptor; /* at SEL_A */
		uint16_t selector;
		int vector; /* 0: loads */
		uint32_t error;
	} cases[] = {
		{0x0000820050000027, SEL_A, 0, 0},
		{0, 3, 0, 0}, /* null: there is none */
		{0x0000820050000027, SEL_A | 4, 13, SEL_A | 4},
		{0x0000820050000027, 0x100, 13, 0x100}, /* beyond the GDT */
		{0x0000890050000067, SEL_A, 13, SEL_A}, /* a TSS */
		{0x00cf93000000ffff, SEL_A, 13, SEL_A},
		{0x0000020050000027, SEL_A, 11, SEL_A},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned mode = RIG_PROT32; mode <= RIG_LONG; mode += RIG_LONG - RIG_PROT32)
			for (unsigned memory = 0; memory < 2; memory++)
				WITH_RIG(rig, mode)
				{
					const char *code = memory ? "\x0f\x00\x13" : "\x0f\x00\xd0"; /* lldt [rbx]; lldt ax */

					set_descriptor(rig, SEL_A, cases[i].descriptor);
					set_descriptor(rig, SEL_B, 0);
					rig->cpu->gpr[RAX] = cases[i].selector;
					rig->cpu->gpr[RBX] = RIG_DATA;
					rig_write(rig, RIG_DATA, &cases[i].selector, 2);
					if (cases[i].vector) {
						expect_fault(rig, code, 3, cases[i].vector, cases[i].error);
						continue;
					}
					rig_code(rig, code, 3);
					rig_run(rig, 1);
					assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
					assert_int_equal(rig->cpu->seg[SEG_LDTR].selector, cases[i].selector);
					assert_int_equal(rig->cpu->seg[SEG_LDTR].base, cases[i].selector == SEL_A ? 0x5000 : 0);
					assert_int_equal(!!(rig->cpu->seg[SEG_LDTR].attributes & SEGMENT_P), cases[i].selector == SEL_A);
				}
}

/* -- LMSW, CLTS -- */

static void machine_status_word(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32) /* four bits, of which PE is not cleared */
	{
		rig->cpu->gpr[RAX] = 0xfff0 | CR0_TS;
		RIG_RUN(rig, "\x0f\x01\xf0\x0f\x01\xe3\x0f\x06", 3); /* lmsw ax; smsw ebx; clts */
		assert_int_equal(rig->cpu->gpr[RBX], CR0_PE | CR0_TS | CR0_ET | CR0_NE);
		assert_int_equal(rig->cpu->cr0, CR0_PE | CR0_ET | CR0_NE);
	}
	WITH_RIG(rig, RIG_LONG) /* from memory, and paging stays */
	{
		uint64_t before = rig->cpu->cr0;

		rig->cpu->gpr[RBX] = RIG_DATA;
		rig_write(rig, RIG_DATA, "\x0e\xff", 2);
		RIG_RUN(rig, "\x0f\x01\x33", 1);
		assert_int_equal(rig->cpu->cr0, before | CR0_MP | CR0_EM | CR0_TS);
		rig_code(rig, "\x0f\x77", 2); /* EMMS: the new bits count at once */
		rig_run(rig, 1);
		assert_int_equal(handler_reached(rig), 6);
	}
	WITH_RIG(rig, RIG_LONG) /* CLTS: x87 again */
	{
		rig->cpu->cr0 |= CR0_TS;
		cpu_update_mode(rig->cpu);
		EXPECT_PLAIN_FAULT(rig, "\xd9\xe8", 7);
		RIG_RUN(rig, "\x0f\x06\xd9\xe8", 2);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 4);
	}
	WITH_RIG(rig, RIG_REAL) /* into protected mode, and CLTS before it */
	{
		rig->cpu->cr0 |= CR0_TS;
		rig->cpu->gpr[RAX] = 1;
		RIG_RUN(rig, "\x0f\x06\x0f\x01\xf0", 2);
		assert_int_equal(rig->cpu->cr0 & (CR0_PE | CR0_TS), CR0_PE);
	}
}

/* -- HLT, INVD, WBINVD, RDPMC, CPUID -- */

static void halting(void **state)
{
	static const enum rig_mode modes[] = {RIG_REAL, RIG_PROT32, RIG_COMPAT, RIG_LONG};

	(void)state;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		WITH_RIG(rig, modes[i])
		{
			uint64_t start = modes[i] == RIG_REAL ? 0 : RIG_CODE;

			cpu_set_eflags(rig->cpu, 0, FLAG_IF);
			assert_int_equal(RIG_RUN(rig, "\xf4\x90", 10), CPU_EXIT_HALT);
			assert_int_equal(rig->cpu->rip, start + 1);
			assert_true(rig->cpu->halted);
			cpu_raise_nmi(rig->cpu); /* wakes it */
			rig_run(rig, 1);
			assert_int_equal(handler_reached(rig), 2);
			assert_int_equal(stack_at(rig, 0, modes[i] == RIG_REAL ? 2 : rig_is_long(rig) ? 8 : 4), start + 1);
		}
}

static void caches_and_counters(void **state)
{
	(void)state;
	for (unsigned mode = RIG_REAL; mode <= RIG_LONG; mode++)
		WITH_RIG(rig, mode)
		{
			uint64_t start = rig->cpu->rip;
			struct cpuid expected = cpuid_query(rig->cpu, 1, 0);

			RIG_RUN(rig, "\x0f\x08\x0f\x09", 2);
			assert_int_equal(rig->cpu->rip, start + 4);
			for (unsigned i = RAX; i <= RBX; i++)
				rig->cpu->gpr[i] = 0xaaaaaaaa00000000;
			rig->cpu->gpr[RAX] |= 1;
			RIG_RUN(rig, "\x0f\xa2", 1);
			assert_int_equal(rig->cpu->gpr[RAX], expected.eax); /* and the upper halves are cleared */
			assert_int_equal(rig->cpu->gpr[RBX], expected.ebx);
			assert_int_equal(rig->cpu->gpr[RCX], expected.ecx);
			assert_int_equal(rig->cpu->gpr[RDX], expected.edx);
			rig->cpu->gpr[RCX] = 0; /* RDPMC: there are no counters, and so no valid index */
			RIG_RUN(rig, "\x0f\x33", 1);
			assert_int_equal(handler_reached(rig), 13);
		}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->cr4 |= CR4_PCE;
		to_ring3(rig);
		EXPECT_FAULT(rig, "\x0f\x33", 13, 0);
		to_ring3(rig);
		rig->cpu->gpr[RAX] = 0;
		RIG_RUN(rig, "\x0f\xa2", 1); /* anybody may ask CPUID */
		assert_int_equal(rig->cpu->gpr[RBX], 0x756e6547);
	}
}

/* -- INVLPG, INVPCID -- */

enum { PAGE = 0x600000, ELSEWHERE = 0x800000 };

/* Maps linear address PAGE elsewhere behind the TLB's back. */
static void remap(struct rig *rig)
{
	rig_write64(rig, PAGE, 0x1111);
	rig_write64(rig, ELSEWHERE, 0x2222);
	rig->cpu->gpr[RSI] = PAGE;
	RIG_RUN(rig, "\x48\x8b\x06", 1); /* mov rax, [rsi] */
	rig_write64(rig, RIG_TABLES + 0x2000 + (PAGE >> 21) * 8, ELSEWHERE | 0x87);
	RIG_RUN(rig, "\x48\x8b\x06", 1);
	assert_int_equal(rig->cpu->gpr[RAX], 0x1111); /* as a processor may, and this one does */
}

static void assert_remapped(struct rig *rig, bool yes)
{
	RIG_RUN(rig, "\x48\x8b\x06", 1);
	assert_int_equal(rig->cpu->gpr[RAX], yes ? 0x2222 : 0x1111);
}

static void invlpg(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		remap(rig);
		rig->cpu->gpr[RBX] = PAGE + 0x1ff123; /* anywhere in the page */
		RIG_RUN(rig, "\x0f\x01\x3b", 1);
		assert_remapped(rig, true);
	}
	WITH_RIG(rig, RIG_LONG) /* another page's */
	{
		remap(rig);
		rig->cpu->gpr[RBX] = PAGE + 0x200000;
		RIG_RUN(rig, "\x0f\x01\x3b", 1);
		assert_remapped(rig, false);
	}
	WITH_RIG(rig, RIG_LONG) /* the segment's base counts; what is mapped, does not; a non-canonical address is none */
	{
		remap(rig);
		rig->cpu->gpr[RBX] = 1ull << 47;
		RIG_RUN(rig, "\x0f\x01\x3b", 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
		rig->cpu->gpr[RBX] = 1ull << 46;
		RIG_RUN(rig, "\x0f\x01\x3b", 1);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 3);
		rig->cpu->seg[SEG_FS].base = PAGE;
		cpu_update_mode(rig->cpu);
		rig->cpu->gpr[RBX] = 0;
		RIG_RUN(rig, "\x64\x0f\x01\x3b", 1);
		assert_remapped(rig, true);
	}
	WITH_RIG(rig, RIG_REAL)
	{
		RIG_RUN(rig, "\x0f\x01\x3f", 1);
		assert_int_equal(rig->cpu->rip, 3);
	}
}

static void invpcid(void **state)
{
	static const struct {
		uint64_t type, low, high;
		bool faults, remapped;
	} cases[] = {
		{0, 0, PAGE + 0x1000, false, true},
		{0, 0, PAGE + 0x200000, false, false},
		{1, 0, 0, false, true},
		{2, 0, 0, false, true},
		{3, 0, 0, false, true},
		{4, 0, 0, true, false},
		{1ull << 32, 0, 0, true, false}, /* the register has 64 bits */
		{0, 1, 0, true, false},          /* a PCID without CR4.PCIDE */
		{1, 1, 0, true, false},
		{2, 0x1000, 0, true, false},
		{2, 1, 0, false, true}, /* where it is not looked at */
		{0, 0, 1ull << 47, true, false},
		{1, 0, 1ull << 47, false, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_LONG)
		{
			remap(rig);
			rig_write64(rig, RIG_DATA, cases[i].low);
			rig_write64(rig, RIG_DATA + 8, cases[i].high);
			rig->cpu->gpr[RAX] = cases[i].type;
			rig->cpu->gpr[RBX] = RIG_DATA;
			if (cases[i].faults) {
				EXPECT_FAULT(rig, "\x66\x0f\x38\x82\x03", 13, 0);
			} else {
				RIG_RUN(rig, "\x66\x0f\x38\x82\x03", 1);
				assert_int_equal(rig->cpu->rip, RIG_CODE + 5);
			}
			assert_remapped(rig, cases[i].remapped);
		}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->features &= ~CPU_FEATURE_INVPCID;
		rig->cpu->gpr[RBX] = RIG_DATA;
		EXPECT_PLAIN_FAULT(rig, "\x66\x0f\x38\x82\x03", 6);
	}
	WITH_RIG(rig, RIG_REAL) /* exists there */
	{
		rig->cpu->gpr[RAX] = 2;
		rig->cpu->gpr[RBX] = 0x4000;
		RIG_RUN(rig, "\x66\x0f\x38\x82\x07", 1);
		assert_int_equal(rig->cpu->rip, 5);
	}
}

/* -- SYSRET, SYSENTER, SYSEXIT -- */

static void system_returns(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG) /* SYSRET takes RFLAGS but for RF and VM; what the SDM reserves stays 0, bit 1 one */
	{
		rig->cpu->star = 0x0013000800000000;
		rig->cpu->gpr[RCX] = RIG_CODE + 0x100;
		rig->cpu->gpr[R11] = UINT64_MAX & ~(uint64_t)FLAG_TF;
		RIG_RUN(rig, "\x48\x0f\x07", 1);
		assert_int_equal(cpu_get_eflags(rig->cpu), (0x3c7fd7 | 2) & ~FLAG_TF);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->seg[SEG_CS].attributes, 0xa0fb);
		assert_int_equal(rig->cpu->seg[SEG_SS].attributes, 0xc0f3);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->efer &= ~EFER_SCE;
		EXPECT_PLAIN_FAULT(rig, "\x48\x0f\x07", 6);
	}
	WITH_RIG(rig, RIG_LONG) /* SYSENTER takes all of 64 bits, SYSEXIT to 64-bit code gives them */
	{
		struct cpu *cpu = rig->cpu;

		to_ring3(rig);
		cpu->sysenter_cs = RIG_CS0 | 3; /* the RPL does not count */
		cpu->sysenter_esp = 0xffff888000001000;
		cpu->sysenter_eip = RIG_CODE + 0x800;
		cpu_set_eflags(cpu, FLAG_IF | FLAG_CF, FLAG_IF | FLAG_CF);
		RIG_RUN(rig, "\x0f\x34", 1);
		assert_int_equal(cpu->rip, RIG_CODE + 0x800);
		assert_int_equal(cpu->gpr[RSP], 0xffff888000001000);
		assert_int_equal(cpu->cpl, 0);
		assert_int_equal(cpu->seg[SEG_CS].selector, RIG_CS0);
		assert_int_equal(cpu->seg[SEG_CS].attributes, 0xa09b);
		assert_int_equal(cpu_get_eflags(cpu), FLAG_CF | 2);
		cpu->gpr[RCX] = 0x7fff00000000;
		cpu->gpr[RDX] = 0x7fff00001000;
		rig_write(rig, RIG_CODE + 0x800, "\x48\x0f\x35", 3);
		rig_run(rig, 1);
		assert_int_equal(cpu->rip, 0x7fff00001000);
		assert_int_equal(cpu->gpr[RSP], 0x7fff00000000);
		assert_int_equal(cpu->cpl, 3);
		assert_int_equal(cpu->seg[SEG_CS].selector, (RIG_CS0 + 32) | 3);
		assert_int_equal(cpu->seg[SEG_SS].selector, (RIG_CS0 + 40) | 3);
		assert_int_equal(cpu->seg[SEG_CS].attributes, 0xa0fb);
	}
	WITH_RIG(rig, RIG_LONG) /* SYSEXIT to compatibility mode: 32 bits */
	{
		rig->cpu->sysenter_cs = RIG_CS0;
		rig->cpu->gpr[RCX] = 0xffffffff00002000;
		rig->cpu->gpr[RDX] = 0xffffffff00012345;
		RIG_RUN(rig, "\x0f\x35", 1);
		assert_int_equal(rig->cpu->rip, 0x12345);
		assert_int_equal(rig->cpu->gpr[RSP], 0x2000);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, (RIG_CS0 + 16) | 3);
		assert_int_equal(rig->cpu->mode & 3, 2);
	}
	for (unsigned reg = RCX; reg <= RDX; reg++)
		WITH_RIG(rig, RIG_LONG) /* non-canonical */
		{
			rig->cpu->sysenter_cs = RIG_CS0;
			rig->cpu->gpr[RCX] = rig->cpu->gpr[RDX] = 0x1000;
			rig->cpu->gpr[reg] = 1ull << 47;
			EXPECT_FAULT(rig, "\x48\x0f\x35", 13, 0);
		}
	for (unsigned mode = RIG_PROT32; mode <= RIG_LONG; mode++)
		WITH_RIG(rig, mode) /* a null SYSENTER_CS */
		{
			rig->cpu->sysenter_cs = 3;
			EXPECT_FAULT(rig, "\x0f\x35", 13, 0);
			EXPECT_FAULT(rig, "\x0f\x34", 13, 0);
		}
	WITH_RIG(rig, RIG_REAL)
	{
		rig->cpu->sysenter_cs = 8;
		RIG_RUN(rig, "\x0f\x35", 1);
		assert_int_equal(handler_reached(rig), 13);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_offered),
		cmocka_unit_test(privileged),
		cmocka_unit_test(only_in_64_bit_code),
		cmocka_unit_test(interrupt_flag),
		cmocka_unit_test(access_check_flag),
		cmocka_unit_test(store_tables),
		cmocka_unit_test(store_selectors),
		cmocka_unit_test(umip),
		cmocka_unit_test(load_ldt),
		cmocka_unit_test(machine_status_word),
		cmocka_unit_test(halting),
		cmocka_unit_test(caches_and_counters),
		cmocka_unit_test(invlpg),
		cmocka_unit_test(invpcid),
		cmocka_unit_test(system_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
