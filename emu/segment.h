/*
 * Segmentation: descriptors, and what may be loaded into a segment register (SDM vol. 3A chapters 3.4, 3.5 and 5).
 *
 * Only segment_load() and segments_drop_inner() change a register. The *_prepare() functions raise whatever is wrong and return the
 * register's new contents. So an instruction that loads several registers can commit them all at its end.
 */
#ifndef XRAY86_EMU_SEGMENT_H
#define XRAY86_EMU_SEGMENT_H

#include "emu/access.h"

/* Selector fields. */
enum { SELECTOR_RPL = 3, SELECTOR_TI = 4, SELECTOR_INDEX = 0xfff8 };

/* Types of system descriptors and gates (SDM vol. 3A table 3-2). IA-32e mode has 2, 9, B, C, E and F only, of 16 bytes. */
enum descriptor_type {
	TYPE_TSS16_AVAILABLE = 1,
	TYPE_LDT = 2,
	TYPE_TSS16_BUSY = 3,
	TYPE_CALL_GATE16 = 4,
	TYPE_TASK_GATE = 5,
	TYPE_INTERRUPT_GATE16 = 6,
	TYPE_TRAP_GATE16 = 7,
	TYPE_TSS32_AVAILABLE = 9,
	TYPE_TSS32_BUSY = 11,
	TYPE_CALL_GATE32 = 12,
	TYPE_INTERRUPT_GATE32 = 14,
	TYPE_TRAP_GATE32 = 15,
	TYPE_TSS_BUSY_BIT = 2, /* tells a busy TSS from an available one */
	TYPE_32BIT = 8,        /* tells a 32-bit gate or TSS from a 16-bit one */
};

/* Code and data segments' types. */
enum {
	SEGMENT_ACCESSED = 1,
	SEGMENT_WRITABLE = 2,    /* data */
	SEGMENT_READABLE = 2,    /* code */
	SEGMENT_EXPAND_DOWN = 4, /* data */
	SEGMENT_CONFORMING = 4,  /* code */
	SEGMENT_CODE = 8,
};

/* A descriptor as read from its table. */
struct descriptor {
	uint64_t low;     /* its 8 bytes */
	uint64_t address; /* linear */
	uint16_t selector;
};

static inline uint16_t descriptor_attributes(const struct descriptor *d)
{
	return d->low >> 40 & 0xf0ff;
}
static inline unsigned attributes_dpl(uint16_t attributes)
{
	return attributes >> SEGMENT_DPL_SHIFT & 3;
}
static inline unsigned descriptor_type(const struct descriptor *d)
{
	return d->low >> 40 & 0xf;
}
/* The fields of a gate (SDM vol. 3A figures 5-8 and 6-2); the offset's upper half in IA-32e mode is elsewhere. */
static inline uint16_t gate_selector(const struct descriptor *d)
{
	return d->low >> 16;
}
static inline uint32_t gate_offset(const struct descriptor *d)
{
	uint32_t offset = (d->low & 0xffff) | (d->low >> 32 & 0xffff0000);

	return d->low >> 40 & TYPE_32BIT ? offset : offset & 0xffff;
}
static inline bool attributes_writable_data(uint16_t attributes)
{
	return (attributes & (SEGMENT_S | SEGMENT_CODE | SEGMENT_WRITABLE)) == (SEGMENT_S | SEGMENT_WRITABLE);
}
static inline bool attributes_code(uint16_t attributes)
{
	return (attributes & (SEGMENT_S | SEGMENT_CODE)) == (SEGMENT_S | SEGMENT_CODE);
}
static inline bool attributes_conforming(uint16_t attributes)
{
	return (attributes & (SEGMENT_S | SEGMENT_CODE | SEGMENT_CONFORMING)) == (SEGMENT_S | SEGMENT_CODE | SEGMENT_CONFORMING);
}
static inline bool selector_null(uint16_t selector)
{
	return (selector & ~SELECTOR_RPL) == 0;
}

/* Whether a linear address is canonical for the paging mode that is on (48 or 57 bits). */
static inline bool linear_canonical(const struct cpu *cpu, uint64_t linear)
{
	unsigned unused = cpu->cr4 & CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(linear << unused) >> unused) == linear;
}

/*
 * Whether a register for linear addresses (a segment's or table's base, an MSR) may have this value, and INVPCID may name it. That depends
 * on what the processor can do: 57 bits if it has 5-level paging, even if that is off. An address that is unusable now faults on use.
 */
bool base_canonical(const struct cpu *cpu, uint64_t base);

/* Raises vector with selector's index and TI, and ext: 1 while an event from outside of the program is delivered, else 0. */
_Noreturn void raise_selector(struct cpu *cpu, enum vector vector, uint16_t selector, unsigned ext);

/* Reads the descriptor of a selector that is not null. Returns false if it is beyond its table's limit, or if there is no LDT. */
bool descriptor_fetch(struct cpu *cpu, uint16_t selector, struct descriptor *ret);
/* The same, but raises vector(selector) if there is none. */
void descriptor_require(struct cpu *cpu, uint16_t selector, enum vector vector, unsigned ext, struct descriptor *ret);
/* The hidden part that d describes, with a base of 32 bits. */
struct segment segment_of(const struct descriptor *d);
/* The same for a system segment, whose descriptor has 16 bytes in IA-32e mode; raises #GP(selector) if its base is not canonical. */
struct segment segment_of_system(struct cpu *cpu, const struct descriptor *d);
/* Sets the accessed bit in memory, and in d. */
void descriptor_mark_accessed(struct cpu *cpu, struct descriptor *d);
/* Writes the descriptor's type into its table (TSS busy or available). */
void descriptor_write_type(struct cpu *cpu, const struct descriptor *d, unsigned type);

/* Whether [offset, offset+size) is within the segment, which may expand down. False for an unusable segment. */
bool segment_covers(const struct segment *segment, uint64_t offset, unsigned size);
/*
 * Linear address of size bytes at offset in a segment register's segment. Checks it as a memory operand: raises #GP(0), or #SS(0) for SS.
 * For instructions that find their memory operands themselves.
 */
uint64_t segment_linear(struct cpu *cpu, enum segment_index index, uint64_t offset, unsigned size, bool write);

/* Real-address and virtual-8086 mode: base = selector * 16; real mode keeps the limit that was loaded in protected mode. */
struct segment segment_real(const struct cpu *cpu, enum segment_index index, uint16_t selector);
struct segment segment_v86(uint16_t selector);

/*
 * A stack segment for privilege cpl. A bad one raises `vector`: #GP for MOV SS and returns, #TS for a stack that a TSS names. A segment
 * that is not present always raises #SS. A null selector is refused, so the caller tests where 64-bit mode allows one.
 */
struct segment stack_prepare(struct cpu *cpu, uint16_t selector, unsigned cpl, enum vector vector, unsigned ext);
/* The null SS of 64-bit mode. */
struct segment stack_null(unsigned cpl);
/*
 * The code segment d, whose type and privilege the caller has checked. It must be present (#NP), and must not have both L and D in IA-32e
 * mode (#GP). Its selector gets RPL = cpl.
 */
struct segment code_prepare(struct cpu *cpu, struct descriptor *d, unsigned cpl, unsigned ext);
/* Raises #GP(ext) if offset is beyond the code segment's limit, or not canonical in a 64-bit one. */
void code_check_offset(struct cpu *cpu, const struct segment *code, uint64_t offset, unsigned ext);
static inline bool code_is_64bit(const struct cpu *cpu, const struct segment *code)
{
	return cpu_long_mode(cpu) && (code->attributes & SEGMENT_L);
}

/* Loads ES, SS, DS, FS or GS as MOV Sreg does, in any mode. */
void segment_load(struct cpu *cpu, enum segment_index index, uint16_t selector);
/* What segment_load() would load. Raises the same. */
struct segment segment_prepare(struct cpu *cpu, enum segment_index index, uint16_t selector);
/* After a return to an outer privilege: data segments that it may not see, and null ones, become unusable, with selector 0. */
void segments_drop_inner(struct cpu *cpu);

#endif
