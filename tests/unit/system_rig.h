/*
 * What the tests of privileged and segmented things share: an IDT whose 32 exception gates lead to recognisable addresses, descriptors and
 * gates made from their parts, and checks of faults and stack frames.
 */
#ifndef XRAY86_TESTS_UNIT_SYSTEM_RIG_H
#define XRAY86_TESTS_UNIT_SYSTEM_RIG_H

#include "tests/unit/rig.h"

enum {
	HANDLERS = 0x40000, /* handler of vector n: HANDLERS + 16 n */
	STACK0 = 0x28000,   /* TSS: stack of CPL 0 */
	STACK1 = 0x2a000,
	IST1 = 0x2c000,
	STACK3 = 0x2e000,
	LDT = 0x5000,
	/* Selectors that tests fill. */
	SEL_A = 0x50,
	SEL_B = 0x58,
	SEL_C = 0x60,
	SEL_D = 0x68,
};

/* Types for gates and system descriptors: access byte without P and DPL. */
enum { CALL16 = 4, TASK = 5, INT16 = 6, TRAP16 = 7, CALL32 = 12, INT32 = 14, TRAP32 = 15 };

static inline uint64_t gate(unsigned type, unsigned dpl, uint16_t selector, uint32_t offset, unsigned extra)
{
	return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)extra << 32 | (uint64_t)(0x80 | dpl << 5 | type) << 40 |
	       (uint64_t)(offset >> 16) << 48;
}

static inline bool rig_is_long(const struct rig *rig)
{
	return rig->cpu->efer & EFER_LMA;
}

static inline void set_descriptor(struct rig *rig, uint16_t selector, uint64_t descriptor)
{
	rig_write64(rig, (selector & 4 ? LDT : RIG_GDT) + (selector & 0xfff8), descriptor);
}

static inline void set_idt(struct rig *rig, unsigned vector, uint64_t low)
{
	unsigned size = rig_is_long(rig) ? 16 : 8;

	rig_write64(rig, RIG_IDT + vector * size, low);
	if (size == 16)
		rig_write64(rig, RIG_IDT + vector * size + 8, 0);
}

static inline void system_rig_init(struct rig *rig, enum rig_mode mode)
{
	static const uint8_t hlt = 0xf4;
	uint64_t tss[13] = {0};

	rig_init(rig, mode);
	rig->cpu->gdtr.limit = 0xff;
	if (mode == RIG_COMPAT)
		set_descriptor(rig, RIG_CS0, rig_descriptor(0, 0xffffffff, 0x9b, 4));
	for (unsigned v = 0; v < 256; v++) {
		uint32_t handler = HANDLERS + 16 * v;

		rig_write(rig, handler, &hlt, 1);
		if (mode == RIG_REAL)
			rig_write(rig, RIG_IDT + 4 * v, &(uint32_t){(handler & 0xf) | handler >> 4 << 16}, 4);
		else
			set_idt(rig, v, gate(INT32, 0, mode == RIG_COMPAT ? RIG_CODE64 : RIG_CS0, handler, 0));
	}
	if (mode >= RIG_COMPAT) {
		uint32_t rsp[] = {0, STACK0, 0, STACK1, 0};

		rig_write(rig, RIG_TSS_BASE, rsp, sizeof(rsp));
		rig_write(rig, RIG_TSS_BASE + 0x24, &(uint64_t){IST1}, 8);
	} else if (mode != RIG_REAL) {
		uint32_t stacks[] = {0, STACK0, RIG_DS0, STACK1, 0, 0, 0};

		rig_write(rig, RIG_TSS_BASE, tss, 0x68);
		rig_write(rig, RIG_TSS_BASE, stacks, sizeof(stacks));
		rig_write(rig, RIG_TSS_BASE + 0x66, &(uint16_t){0xffff}, 2);
	}
	if (mode == RIG_REAL)
		rig->cpu->idtr.base = RIG_IDT;
}

static inline uint64_t stack_at(struct rig *rig, unsigned index, unsigned size)
{
	return physmem_read(&rig->mem, rig->cpu->seg[SEG_SS].base + rig->cpu->gpr[RSP] + index * size, size);
}

static inline void to_ring3(struct rig *rig)
{
	rig_load_segments(rig, RIG_CS3, RIG_DS3);
	rig->cpu->gpr[RSP] = STACK3;
	cpu_update_mode(rig->cpu);
}

/* V86 mode at RIG_CODE, the other segments above it. */
static inline void enter_v86(struct rig *rig, unsigned iopl)
{
	struct cpu *cpu = rig->cpu;

	cpu_set_eflags(cpu, FLAG_VM | iopl << 12 | FLAG_IF, FLAG_VM | FLAG_IOPL | FLAG_IF);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		cpu->seg[i] = (struct segment){
			.base = 0x10000 + 0x100 * i,
			.selector = 0x1000 + 0x10 * i,
			.limit = 0xffff,
			.attributes = 0xf3,
		};
	cpu->seg[SEG_CS].base = RIG_CODE;
	cpu->seg[SEG_CS].selector = RIG_CODE >> 4;
	cpu->cpl = 3;
	cpu->gpr[RSP] = 0x8000;
	cpu_update_mode(cpu);
}

/* The vector whose handler the CPU stands at, or -1. */
static inline int handler_reached(const struct rig *rig)
{
	uint64_t linear = rig->cpu->seg[SEG_CS].base + rig->cpu->rip;

	if (linear < HANDLERS || linear >= HANDLERS + 16 * 256 || linear & 15)
		return -1;
	return (linear - HANDLERS) / 16;
}

/* Runs code, of which the first instruction is to fault with the error code, at CPL 0 with 32-bit or 64-bit gates. */
static inline void expect_fault(struct rig *rig, const void *code, size_t size, int vector, uint32_t error)
{
	unsigned slot = rig_is_long(rig) ? 8 : 4;
	uint64_t rip;

	rig_code(rig, code, size);
	rip = rig->cpu->rip;
	rig_run(rig, 1);
	assert_int_equal(handler_reached(rig), vector);
	assert_int_equal(stack_at(rig, 0, slot), error);
	assert_int_equal(stack_at(rig, 1, slot), rip);
	assert_true(stack_at(rig, 3, slot) & FLAG_RF);
}
#define EXPECT_FAULT(rig, code, vector, error) expect_fault(rig, code, sizeof(code) - 1, vector, error)

/* The same for exceptions without an error code. */
static inline void expect_plain_fault(struct rig *rig, const void *code, size_t size, int vector)
{
	uint64_t rip;

	rig_code(rig, code, size);
	rip = rig->cpu->rip;
	rig_run(rig, 1);
	assert_int_equal(handler_reached(rig), vector);
	assert_int_equal(stack_at(rig, 0, rig_is_long(rig) ? 8 : 4), rip);
}
#define EXPECT_PLAIN_FAULT(rig, code, vector) expect_plain_fault(rig, code, sizeof(code) - 1, vector)

/* A fresh rig for one statement or block. */
#define WITH_RIG(rig, mode)                                                                                                                \
	for (struct rig rig##_object, *rig = (system_rig_init(&rig##_object, mode), &rig##_object); rig; rig_deinit(rig), rig = NULL)

#endif
