/*
 * Far transfers and returns: JMP, CALL, RET, IRET in every mode, call gates, fast system calls (SDM vol. 3A 5.8).
 */
#include "tests/unit/system_rig.h"

enum { TARGET = 0x11000 };

/* Far pointers as code: opcode, offset, selector. */
static void far_pointer_code(struct rig *rig, uint8_t opcode, uint32_t offset, uint16_t selector)
{
	uint8_t code[7] = {opcode, offset, offset >> 8, offset >> 16, offset >> 24, selector, selector >> 8};

	rig_code(rig, code, sizeof(code));
}

static void push32(struct rig *rig, uint32_t value)
{
	rig->cpu->gpr[RSP] -= 4;
	rig_write(rig, rig->cpu->seg[SEG_SS].base + rig->cpu->gpr[RSP], &value, 4);
}

static void push64(struct rig *rig, uint64_t value)
{
	rig->cpu->gpr[RSP] -= 8;
	rig_write(rig, rig->cpu->gpr[RSP], &value, 8);
}

/* After a fault of the instruction at RIG_CODE, at the same privilege. */
static void assert_faulted(struct rig *rig, int vector, uint32_t error)
{
	unsigned slot = rig_is_long(rig) ? 8 : 4;

	assert_int_equal(handler_reached(rig), vector);
	assert_int_equal(stack_at(rig, 0, slot), error);
	assert_int_equal(stack_at(rig, 1, slot), RIG_CODE);
}

/* -- real mode -- */

static void real_transfers(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_REAL)
	{
		RIG_RUN(rig, "\xea\x34\x92\x00\x20", 1); /* jmp 2000:9234 */
		assert_int_equal(rig->cpu->rip, 0x9234);
		assert_int_equal(rig->cpu->seg[SEG_CS].base, 0x20000);
	}
	WITH_RIG(rig, RIG_REAL)
	{
		RIG_RUN(rig, "\x9a\x34\x12\x00\x20", 1);
		assert_int_equal(rig->cpu->gpr[RSP], 0xffec);
		assert_int_equal(stack_at(rig, 0, 2), 5);
		assert_int_equal(stack_at(rig, 1, 2), RIG_CODE >> 4);
		rig_write(rig, 0x21234, "\xca\x02\x00", 3); /* retf 2 */
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, 5);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, RIG_CODE >> 4);
		assert_int_equal(rig->cpu->gpr[RSP], 0xfff2);
	}
	WITH_RIG(rig, RIG_REAL) /* IRET; 16-bit flags all writable */
	{
		rig_write(rig, 0x1fff0, "\x10\x00\x00\x20\xd7\x7f", 6);
		RIG_RUN(rig, "\xcf", 1);
		assert_int_equal(rig->cpu->rip, 0x10);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, 0x2000);
		assert_int_equal(cpu_get_eflags(rig->cpu), 0x7fd7);
		assert_int_equal(rig->cpu->gpr[RSP], 0xfff6);
	}
	WITH_RIG(rig, RIG_REAL) /* 32-bit offset beyond the limit */
	{
		RIG_RUN(rig, "\x66\xea\x00\x00\x01\x00\x00\x20", 1);
		assert_int_equal(handler_reached(rig), 13);
		assert_int_equal(stack_at(rig, 0, 2), 0);
	}
}

/* Into protected mode and back, "unreal" limits kept. */
static void real_to_protected(void **state)
{
	static const uint8_t code[] = {
		0x0f, 0x01, 0x16, 0x00, 0x01,                         /* lgdt [0x100] */
		0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22,       0xc0, /* cr0 |= 1 */
		0x66, 0xea, 0,    0x02, 0x01, 0,    RIG_CODE32, 0,    /* jmp dword code32:0x10200 */
	};
	static const uint8_t code32[] = {0xb8, RIG_DS0, 0,    0,    0, 0x8e,       0xd8, /* mov ds, ax */
					 0xea, 0,       0x03, 0x01, 0, RIG_CODE16, 0};
	static const uint8_t code16[] = {0x0f, 0x20, 0xc0, 0x24, 0xfe, 0x0f, 0x22, 0xc0, /* cr0 &= ~1 */
					 0xea, 0,    0x04, 0x00, 0x10, /* jmp 1000:0400 */};
	static const uint8_t real[] = {0x31, 0xc0, 0x8e, 0xd8, /* mov ds, 0 */ 0x67, 0x66, 0xa1, 0x00, 0x00, 0x30, 0x00};

	(void)state;
	WITH_RIG(rig, RIG_REAL)
	{
		struct {
			uint16_t limit;
			uint32_t base;
		} __attribute__((packed)) table = {0x7f, RIG_GDT};

		rig_write(rig, 0x100, &table, sizeof(table));
		/* 16-bit code segment that begins where real mode's does */
		set_descriptor(rig, RIG_CODE16, rig_descriptor(0, 0xffffffff, 0x9b, 0));
		rig_write(rig, 0x10200, code32, sizeof(code32));
		rig_write(rig, 0x10300, code16, sizeof(code16));
		rig_write(rig, 0x10400, real, sizeof(real));
		rig_write(rig, 0x300000, "\x78\x56\x34\x12", 4);
		rig_code(rig, code, sizeof(code));
		rig_run(rig, 5);
		assert_int_equal(rig->cpu->rip, 0x10200);
		assert_int_equal(rig->cpu->mode & 3, 2);
		rig_run(rig, 3);
		assert_int_equal(rig->cpu->rip, 0x10300);
		assert_int_equal(rig->cpu->mode & 3, 1);
		rig_run(rig, 4);
		assert_int_equal(rig->cpu->rip, 0x400);
		assert_int_equal(rig->cpu->seg[SEG_CS].base, 0x10000);
		rig_run(rig, 3);
		assert_int_equal((uint32_t)rig->cpu->gpr[RAX], 0x12345678);
	}
}

/* -- protected mode: direct -- */

static void prot_direct_checks(void **state)
{
	static const struct {
		uint64_t descriptor;
		uint16_t selector;
		int vector; /* 0: it works */
		uint32_t error;
	} cases[] = {
		{0, 0, 13, 0},
		{0, 3, 13, 0},
		{0, 0x100, 13, 0x100},
		{0, 0x104, 13, 0x104},                                   /* no LDT */
		{0x00cf93000000ffff, SEL_A, 13, SEL_A},                  /* data */
		{0x00cffb000000ffff, SEL_A, 13, SEL_A},                  /* DPL 3 from CPL 0 */
		{0x00cf9b000000ffff, SEL_A | 3, 13, SEL_A},              /* RPL 3 */
		{0x00cf1b000000ffff, SEL_A, 11, SEL_A},                  /* not present */
		{0x0000890000000067 | 0ull << 40, SEL_A | 1, 13, SEL_A}, /* TSS, DPL < RPL */
		{0x00008b0000000067, SEL_A, 13, SEL_A},                  /* busy TSS */
		{0x0000820000000067, SEL_A, 13, SEL_A},                  /* LDT */
		{0x00008e0000080000, SEL_A, 13, SEL_A},                  /* interrupt gate */
		{0x00000c0000080000, SEL_A, 11, SEL_A},                  /* call gate, not present */
		{0x00008c0000000000, SEL_A, 13, 0},                      /* call gate to null */
		{0x00008c0000100000, SEL_A, 13, RIG_DS0},                /* call gate to data */
		{0x00008c0001000000, SEL_A, 13, 0x100},                  /* call gate beyond the GDT */
		{0x00409b0000000fff, SEL_A, 13, 0},                      /* EIP beyond the limit */
		{0x00cf9f000000ffff, SEL_A | 3, 0, 0},                   /* conforming: RPL is ignored */
		{0x00cf9a000000ffff, SEL_A, 0, 0},                       /* gets accessed */
		{0x00018c0000081000, SEL_A, 0, 0},                       /* call gate to 0x11000 */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned call = 0; call < 2; call++)
			WITH_RIG(rig, RIG_PROT32)
			{
				set_descriptor(rig, SEL_A, cases[i].descriptor);
				far_pointer_code(rig, call ? 0x9a : 0xea, TARGET, cases[i].selector);
				rig_run(rig, 1);
				if (cases[i].vector) {
					assert_faulted(rig, cases[i].vector, cases[i].error);
					continue;
				}
				assert_int_equal(rig->cpu->rip, TARGET);
				assert_int_equal(rig->cpu->seg[SEG_CS].selector & 3, 0);
				assert_true(rig->cpu->seg[SEG_CS].attributes & 1);
				if (call) {
					assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK - 8);
					assert_int_equal(stack_at(rig, 0, 4), RIG_CODE + 7);
					assert_int_equal(stack_at(rig, 1, 4), RIG_CS0);
				}
			}
	}
}

static void prot_accessed_bit_in_memory(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PROT32)
	{
		set_descriptor(rig, SEL_A, 0x00cf9a000000ffff);
		far_pointer_code(rig, 0xea, TARGET, SEL_A);
		rig_run(rig, 1);
		assert_int_equal(rig_read64(rig, RIG_GDT + SEL_A), 0x00cf9b000000ffff);
	}
}

/* -- call gates -- */

static void call_gate_inner(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32) /* 32-bit gate, two parameters */
	{
		set_descriptor(rig, SEL_A, gate(CALL32, 3, RIG_CS0, TARGET, 2));
		to_ring3(rig);
		push32(rig, 0x22222222);
		push32(rig, 0x11111111);
		far_pointer_code(rig, 0x9a, 0xdeadbeef, SEL_A | 3);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->cpl, 0);
		assert_int_equal(rig->cpu->gpr[RSP], STACK0 - 24);
		assert_int_equal(stack_at(rig, 0, 4), RIG_CODE + 7);
		assert_int_equal(stack_at(rig, 1, 4), RIG_CS3);
		assert_int_equal(stack_at(rig, 2, 4), 0x11111111);
		assert_int_equal(stack_at(rig, 3, 4), 0x22222222);
		assert_int_equal(stack_at(rig, 4, 4), STACK3 - 8);
		assert_int_equal(stack_at(rig, 5, 4), RIG_DS3);
		/* RETF 8: parameters leave both stacks; ring-0 data segments go */
		rig->cpu->seg[SEG_DS] = rig_segment(RIG_DS0, rig_read64(rig, RIG_GDT + RIG_DS0));
		rig_write(rig, TARGET, "\xca\x08\x00", 3);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 7);
		assert_int_equal(rig->cpu->gpr[RSP], STACK3);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, RIG_DS3);
		assert_int_equal(rig->cpu->seg[SEG_DS].selector, 0);
		assert_int_equal(rig->cpu->seg[SEG_DS].attributes, 0);
		assert_int_equal(rig->cpu->seg[SEG_ES].selector, RIG_DS3);
	}
	WITH_RIG(rig, RIG_PAGED32) /* 16-bit gate, one parameter */
	{
		set_descriptor(rig, SEL_A, gate(CALL16, 3, RIG_CS0, 0x4000, 1));
		to_ring3(rig);
		push32(rig, 0x2222);
		far_pointer_code(rig, 0x9a, 0, SEL_A | 3);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, 0x4000);
		assert_int_equal(rig->cpu->gpr[RSP], STACK0 - 10);
		assert_int_equal(stack_at(rig, 2, 2), 0x2222);
		assert_int_equal(stack_at(rig, 3, 2), (STACK3 - 4) & 0xffff);
	}
	WITH_RIG(rig, RIG_PAGED32) /* JMP may not go inward */
	{
		set_descriptor(rig, SEL_A, gate(CALL32, 3, RIG_CS0, TARGET, 0));
		to_ring3(rig);
		far_pointer_code(rig, 0xea, 0, SEL_A | 3);
		rig_run(rig, 1);
		assert_faulted(rig, 13, RIG_CS0);
	}
	WITH_RIG(rig, RIG_PAGED32) /* the gate's DPL */
	{
		set_descriptor(rig, SEL_A, gate(CALL32, 2, RIG_CS0, TARGET, 0));
		to_ring3(rig);
		far_pointer_code(rig, 0x9a, 0, SEL_A | 3);
		rig_run(rig, 1);
		assert_faulted(rig, 13, SEL_A);
	}
	WITH_RIG(rig, RIG_PAGED32) /* conforming target: no stack switch */
	{
		set_descriptor(rig, SEL_A, gate(CALL32, 3, SEL_B, TARGET, 2));
		set_descriptor(rig, SEL_B, rig_descriptor(0, 0xffffffff, 0x9f, 4));
		to_ring3(rig);
		far_pointer_code(rig, 0x9a, 0, SEL_A | 3);
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, SEL_B | 3);
		assert_int_equal(rig->cpu->gpr[RSP], STACK3 - 8);
	}
}

static void call_gate_long(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		rig_write64(rig, RIG_GDT + SEL_A, gate(CALL32, 3, RIG_CS0, TARGET, 5));
		rig_write64(rig, RIG_GDT + SEL_A + 8, 0);
		to_ring3(rig);
		rig_write(rig, RIG_DATA, &(struct {
				  uint32_t offset;
				  uint16_t selector;
			  } __attribute__((packed))){0xdeadbeef, SEL_A | 3},
			  6);
		rig->cpu->gpr[RBX] = RIG_DATA;
		RIG_RUN(rig, "\xff\x1b", 1); /* call far [rbx] */
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->cpl, 0);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, 0);
		assert_int_equal(rig->cpu->gpr[RSP], STACK0 - 32);
		assert_int_equal(stack_at(rig, 0, 8), RIG_CODE + 2);
		assert_int_equal(stack_at(rig, 1, 8), RIG_CS3);
		assert_int_equal(stack_at(rig, 2, 8), STACK3);
		assert_int_equal(stack_at(rig, 3, 8), RIG_DS3);
		rig_write(rig, TARGET, "\x48\xcb", 2); /* retfq */
		rig_run(rig, 1);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->gpr[RSP], STACK3);
		assert_int_equal(rig->cpu->rip, RIG_CODE + 2);
	}
	for (unsigned i = 0; i < 3; i++)
		WITH_RIG(rig, RIG_LONG)
		{
			static const struct {
				uint64_t low, high;
				uint32_t error;
			} bad[] = {
				{0x0001ec0000081000, 0x100ull << 32, SEL_A}, /* something in the second type field */
				{0x0001e40000081000, 0, SEL_A},              /* 16-bit gate */
				{0x0001ec0000381000, 0, RIG_CODE32},         /* to code that is not 64-bit */
			};

			rig_write64(rig, RIG_GDT + SEL_A, bad[i].low);
			rig_write64(rig, RIG_GDT + SEL_A + 8, bad[i].high);
			rig_write(rig, RIG_DATA, "\0\0\0\0\x50\0", 6);
			rig->cpu->gpr[RBX] = RIG_DATA;
			RIG_RUN(rig, "\xff\x1b", 1);
			assert_faulted(rig, 13, bad[i].error);
		}
}

/* -- returns -- */

static void return_checks(void **state)
{
	/* Returns from CPL 0 to CS, with SS for outer ones. */
	static const struct {
		uint16_t cs, ss;
		uint64_t a, b; /* descriptors at SEL_A and SEL_B */
		int vector;
		uint32_t error;
	} cases[] = {
		{0, 0, 0, 0, 13, 0},
		{0x100, 0, 0, 0, 13, 0x100},
		{RIG_DS0, 0, 0, 0, 13, RIG_DS0},
		{SEL_A, 0, 0x00cffb000000ffff, 0, 13, SEL_A},     /* DPL 3, RPL 0 */
		{SEL_A | 3, 0, 0x00cf9b000000ffff, 0, 13, SEL_A}, /* DPL 0, RPL 3 */
		{SEL_A | 2, 0, 0x00cfff000000ffff, 0, 13, SEL_A}, /* conforming DPL 3, RPL 2 */
		{SEL_A, 0, 0x00cf1b000000ffff, 0, 11, SEL_A},
		{SEL_A, 0, 0x00409b0000000fff, 0, 13, 0}, /* limit */
		{RIG_CS3, 0, 0, 0, 13, 0},
		{RIG_CS3, 0x103, 0, 0, 13, 0x100},
		{RIG_CS3, RIG_DS0, 0, 0, 13, RIG_DS0},
		{RIG_CS3, SEL_B | 3, 0, 0x00cf93000000ffff, 13, SEL_B}, /* DPL */
		{RIG_CS3, SEL_B | 3, 0, 0x00cff1000000ffff, 13, SEL_B}, /* read-only */
		{RIG_CS3, SEL_B | 3, 0, 0x00cf73000000ffff, 12, SEL_B}, /* not present */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned iret = 0; iret < 2; iret++)
			WITH_RIG(rig, RIG_PROT32)
			{
				set_descriptor(rig, SEL_A, cases[i].a);
				set_descriptor(rig, SEL_B, cases[i].b);
				push32(rig, cases[i].ss);
				push32(rig, STACK3);
				if (iret)
					push32(rig, 2);
				push32(rig, cases[i].cs);
				push32(rig, TARGET);
				if (iret)
					RIG_RUN(rig, "\xcf", 1);
				else
					RIG_RUN(rig, "\xcb", 1);
				assert_faulted(rig, cases[i].vector, cases[i].error);
				/* nothing was popped */
				assert_int_equal(rig->cpu->gpr[RSP], RIG_STACK - (iret ? 20 : 16) - 16);
			}
	}
	WITH_RIG(rig, RIG_PROT32) /* inward */
	{
		to_ring3(rig);
		push32(rig, RIG_CS0);
		push32(rig, TARGET);
		RIG_RUN(rig, "\xcb", 1);
		assert_faulted(rig, 13, RIG_CS0);
	}
}

static void iret_flags(void **state)
{
	static const struct {
		unsigned cpl, iopl, size;
		uint32_t popped, expected;
	} cases[] = {
		{0, 0, 4, 0x003d7fd7 & ~FLAG_VM, 0x003d7fd7 & ~FLAG_VM}, /* all but VM */
		{0, 0, 2, 0xffffffff, 0x7fd7},
		{3, 0, 4, 0x003fffff, 0x00254dd7 | FLAG_RF},                /* neither IF nor IOPL nor VIF, VIP */
		{3, 3, 4, 0x003fffff & ~FLAG_IOPL, (0x00257fd7 | FLAG_RF)}, /* IF, not IOPL */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		WITH_RIG(rig, RIG_PROT32)
		{
			if (cases[i].cpl)
				to_ring3(rig);
			cpu_set_eflags(rig->cpu, cases[i].iopl << 12, FLAG_IOPL);
			if (cases[i].size == 4) {
				push32(rig, cases[i].popped);
				push32(rig, cases[i].cpl ? RIG_CS3 : RIG_CS0);
				push32(rig, TARGET);
				RIG_RUN(rig, "\xcf", 1);
				assert_int_equal(rig->cpu->rip, TARGET);
			} else {
				push32(rig, cases[i].popped << 16 | RIG_CS0);
				rig->cpu->gpr[RSP] -= 2;
				rig_write(rig, rig->cpu->gpr[RSP], &(uint16_t){0x4000}, 2);
				RIG_RUN(rig, "\x66\xcf", 1);
				assert_int_equal(rig->cpu->rip, 0x4000);
			}
			assert_int_equal(cpu_get_eflags(rig->cpu) & ~FLAG_RF, cases[i].expected & ~FLAG_RF);
		}
}

static void iret_to_v86(void **state)
{
	static const uint32_t frame[] = {0x1234, 0x2000, FLAG_VM | FLAG_IF | 2, 0x5678, 0x3000, 0x4001, 0x4002, 0x4003, 0x4004};

	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		for (unsigned i = 9; i-- > 0;)
			push32(rig, frame[i]);
		RIG_RUN(rig, "\xcf", 1);
		assert_int_equal(rig->cpu->rip, 0x1234);
		assert_int_equal(rig->cpu->cpl, 3);
		assert_int_equal(rig->cpu->gpr[RSP], 0x5678);
		assert_int_equal(rig->cpu->seg[SEG_CS].base, 0x20000);
		assert_int_equal(rig->cpu->seg[SEG_SS].base, 0x30000);
		assert_int_equal(rig->cpu->seg[SEG_ES].selector, 0x4001);
		assert_int_equal(rig->cpu->seg[SEG_DS].selector, 0x4002);
		assert_int_equal(rig->cpu->seg[SEG_FS].selector, 0x4003);
		assert_int_equal(rig->cpu->seg[SEG_GS].selector, 0x4004);
		assert_int_equal(cpu_get_eflags(rig->cpu), frame[2]);
	}
	WITH_RIG(rig, RIG_PAGED32) /* from CPL 3 VM is not popped: the selector is what it says */
	{
		to_ring3(rig);
		push32(rig, FLAG_VM | 2);
		push32(rig, RIG_CS3);
		push32(rig, TARGET);
		RIG_RUN(rig, "\xcf", 1);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(cpu_get_eflags(rig->cpu) & FLAG_VM, 0);
	}
}

/* A return to an outer ring makes null selectors 0, as the inner ring's; one to the same ring leaves them. */
static void return_clears_null_selectors(void **state)
{
	static const enum segment_index data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned null = 0; null < 4; null++) {
			for (unsigned kind = 0; kind < 4; kind++) /* RETF, IRET; outer or not */
				WITH_RIG(rig, RIG_PROT32)
				{
					bool iret = kind & 1, outer = kind & 2;
					struct segment *segment = &rig->cpu->seg[data[i]];

					*segment = (struct segment){.selector = null, .base = 0x1234};
					cpu_update_mode(rig->cpu);
					push32(rig, RIG_DS3);
					push32(rig, STACK3);
					if (iret)
						push32(rig, 2);
					push32(rig, outer ? RIG_CS3 : RIG_CS0);
					push32(rig, TARGET);
					rig_code(rig, iret ? "\xcf" : "\xcb", 1);
					rig_run(rig, 1);
					assert_int_equal(rig->cpu->rip, TARGET);
					assert_int_equal(segment->selector, outer ? 0 : null);
					assert_int_equal(segment->attributes, 0);
					assert_int_equal(segment->base, 0x1234);
					/* those that ring 3 may see stay */
					assert_int_equal(rig->cpu->seg[SEG_SS].selector, outer ? RIG_DS3 : RIG_DS0);
				}
		}
	}
}

/* A return to a 16-bit stack replaces SP and lets the rest of ESP show. */
static void iret_espfix(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		set_descriptor(rig, SEL_B, rig_descriptor(0x20000, 0xffff, 0xf3, 0));
		rig->cpu->gpr[RSP] = 0x12345678 & 0xffffff;
		push32(rig, SEL_B | 3);
		push32(rig, 0xabcd1000);
		push32(rig, 2);
		push32(rig, RIG_CS3);
		push32(rig, TARGET);
		RIG_RUN(rig, "\xcf", 1);
		assert_int_equal(rig->cpu->gpr[RSP], 0x341000);
		assert_int_equal(rig->cpu->seg[SEG_SS].base, 0x20000);
	}
}

static void push_iretq_frame(struct rig *rig, uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss)
{
	push64(rig, ss);
	push64(rig, rsp);
	push64(rig, flags);
	push64(rig, cs);
	push64(rig, rip);
}

static void iretq(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG) /* same privilege, null SS */
	{
		push_iretq_frame(rig, TARGET, RIG_CS0, FLAG_IF | FLAG_AC | 2, 0x123450, 0);
		RIG_RUN(rig, "\x48\xcf", 1);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->gpr[RSP], 0x123450);
		assert_int_equal(rig->cpu->seg[SEG_SS].selector, 0);
		assert_int_equal(cpu_get_eflags(rig->cpu), FLAG_IF | FLAG_AC | 2);
	}
	WITH_RIG(rig, RIG_LONG) /* to compatibility mode, null SS refused */
	{
		push_iretq_frame(rig, TARGET, RIG_CODE32, 2, 0x123450, 0);
		RIG_RUN(rig, "\x48\xcf", 1);
		assert_faulted(rig, 13, 0);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		push_iretq_frame(rig, TARGET, RIG_CODE32, 2, 0x123450, RIG_DS0);
		RIG_RUN(rig, "\x48\xcf", 1);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->mode & 3, 2);
		assert_int_equal(rig->cpu->gpr[RSP], 0x123450);
	}
	WITH_RIG(rig, RIG_LONG) /* not canonical */
	{
		push_iretq_frame(rig, 1ull << 47, RIG_CS0, 2, 0x123450, RIG_DS0);
		RIG_RUN(rig, "\x48\xcf", 1);
		assert_faulted(rig, 13, 0);
	}
	WITH_RIG(rig, RIG_LONG) /* CPL 3 with null SS */
	{
		push_iretq_frame(rig, TARGET, RIG_CS3, 2, 0x123450, 3);
		RIG_RUN(rig, "\x48\xcf", 1);
		assert_faulted(rig, 13, 0);
	}
	WITH_RIG(rig, RIG_LONG) /* NT */
	{
		cpu_set_eflags(rig->cpu, FLAG_NT, FLAG_NT);
		push_iretq_frame(rig, TARGET, RIG_CS0, 2, 0x123450, 0);
		RIG_RUN(rig, "\x48\xcf", 1);
		assert_faulted(rig, 13, 0);
	}
	WITH_RIG(rig, RIG_LONG) /* FS base survives a return to user space with a null selector */
	{
		rig->cpu->seg[SEG_FS] = (struct segment){.base = 0x7f0000001000};
		push_iretq_frame(rig, TARGET, RIG_CS3, 2, STACK3, RIG_DS3);
		RIG_RUN(rig, "\x48\xcf", 1);
		assert_int_equal(rig->cpu->seg[SEG_FS].base, 0x7f0000001000);
		assert_int_equal(rig->cpu->seg[SEG_DS].selector, 0); /* DS0 goes */
	}
	WITH_RIG(rig, RIG_LONG) /* 32-bit operands still pop five */
	{
		push32(rig, RIG_DS0);
		push32(rig, 0x123450);
		push32(rig, 2);
		push32(rig, RIG_CS0);
		push32(rig, TARGET);
		RIG_RUN(rig, "\xcf", 1);
		assert_int_equal(rig->cpu->rip, TARGET);
		assert_int_equal(rig->cpu->gpr[RSP], 0x123450);
	}
}

/* -- fast system calls -- */

static void syscall_sysret(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_LONG)
	{
		struct cpu *cpu = rig->cpu;

		to_ring3(rig);
		cpu->star = 0x0013000800000000; /* user base 0x13, kernel 8 */
		cpu->lstar = TARGET;
		cpu->fmask = FLAG_IF | FLAG_TF | FLAG_AC;
		cpu_set_eflags(cpu, FLAG_IF | FLAG_CF, FLAG_IF | FLAG_CF);
		RIG_RUN(rig, "\x0f\x05", 1);
		assert_int_equal(cpu->rip, TARGET);
		assert_int_equal(cpu->cpl, 0);
		assert_int_equal(cpu->seg[SEG_CS].selector, 8);
		assert_int_equal(cpu->seg[SEG_SS].selector, 0x10);
		assert_int_equal(cpu->seg[SEG_CS].attributes, 0xa09b);
		assert_int_equal(cpu->gpr[RCX], RIG_CODE + 2);
		assert_int_equal(cpu->gpr[R11], FLAG_IF | FLAG_CF | 2);
		assert_int_equal(cpu_get_eflags(cpu), FLAG_CF | 2);
		rig_write(rig, TARGET, "\x48\x0f\x07", 3);
		rig_run(rig, 1);
		assert_int_equal(cpu->rip, RIG_CODE + 2);
		assert_int_equal(cpu->cpl, 3);
		assert_int_equal(cpu->seg[SEG_CS].selector, 0x23);
		assert_int_equal(cpu->seg[SEG_SS].selector, 0x1b);
		assert_int_equal(cpu_get_eflags(cpu), FLAG_IF | FLAG_CF | 2);
	}
	WITH_RIG(rig, RIG_LONG) /* to compatibility mode */
	{
		rig->cpu->star = 0x0013000800000000;
		rig->cpu->gpr[RCX] = 0xffffffff00012345;
		RIG_RUN(rig, "\x0f\x07", 1);
		assert_int_equal(rig->cpu->rip, 0x12345);
		assert_int_equal(rig->cpu->seg[SEG_CS].selector, 0x13);
		assert_int_equal(rig->cpu->mode & 3, 2);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->gpr[RCX] = 1ull << 47;
		EXPECT_FAULT(rig, "\x48\x0f\x07", 13, 0);
	}
	WITH_RIG(rig, RIG_LONG)
	{
		rig->cpu->efer &= ~EFER_SCE;
		EXPECT_PLAIN_FAULT(rig, "\x0f\x05", 6);
	}
	WITH_RIG(rig, RIG_COMPAT)
	EXPECT_PLAIN_FAULT(rig, "\x0f\x05", 6);
	WITH_RIG(rig, RIG_LONG)
	{
		to_ring3(rig);
		EXPECT_FAULT(rig, "\x48\x0f\x07", 13, 0);
	}
}

static void sysenter_sysexit(void **state)
{
	(void)state;
	WITH_RIG(rig, RIG_PAGED32)
	{
		struct cpu *cpu = rig->cpu;

		to_ring3(rig);
		cpu->sysenter_cs = RIG_CS0;
		cpu->sysenter_esp = STACK0;
		cpu->sysenter_eip = TARGET;
		cpu_set_eflags(cpu, FLAG_IF, FLAG_IF);
		RIG_RUN(rig, "\x0f\x34", 1);
		assert_int_equal(cpu->rip, TARGET);
		assert_int_equal(cpu->gpr[RSP], STACK0);
		assert_int_equal(cpu->cpl, 0);
		assert_int_equal(cpu->seg[SEG_CS].selector, RIG_CS0);
		assert_int_equal(cpu->seg[SEG_SS].selector, RIG_CS0 + 8);
		assert_int_equal(cpu_get_eflags(cpu), 2);
		cpu->gpr[RCX] = STACK3;
		cpu->gpr[RDX] = RIG_CODE + 9;
		rig_write(rig, TARGET, "\x0f\x35", 2);
		rig_run(rig, 1);
		assert_int_equal(cpu->rip, RIG_CODE + 9);
		assert_int_equal(cpu->gpr[RSP], STACK3);
		assert_int_equal(cpu->seg[SEG_CS].selector, RIG_CS3);
		assert_int_equal(cpu->seg[SEG_SS].selector, RIG_DS3);
		assert_int_equal(cpu->cpl, 3);
	}
	WITH_RIG(rig, RIG_PAGED32)
	EXPECT_FAULT(rig, "\x0f\x34", 13, 0);
	WITH_RIG(rig, RIG_REAL)
	{
		rig->cpu->sysenter_cs = 8;
		RIG_RUN(rig, "\x0f\x34", 1);
		assert_int_equal(handler_reached(rig), 13);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_transfers),     cmocka_unit_test(real_to_protected),
		cmocka_unit_test(prot_direct_checks), cmocka_unit_test(prot_accessed_bit_in_memory),
		cmocka_unit_test(call_gate_inner),    cmocka_unit_test(call_gate_long),
		cmocka_unit_test(return_checks),      cmocka_unit_test(iret_flags),
		cmocka_unit_test(iret_to_v86),        cmocka_unit_test(return_clears_null_selectors),
		cmocka_unit_test(iret_espfix),        cmocka_unit_test(iretq),
		cmocka_unit_test(syscall_sysret),     cmocka_unit_test(sysenter_sysexit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
