/*
 * What the x87 handlers of this folder share: the condition for computing quickly, registers, FIP and its like, and the way out.
 *
 * A quick handler computes on the host's x87, where only the operands are loaded. That is right if the host has the guest's control word
 * with all exceptions masked (x87_is_quick()), no operand register is empty, and no register that it pushes to is full. Otherwise it hands
 * over to x87_any(), which is always right. Its asm leaves the host's register stack empty. Between its operation and its end nothing may
 * fault.
 */
#ifndef XRAY86_EMU_OPS_X87_QUICK_H
#define XRAY86_EMU_OPS_X87_QUICK_H

#include "emu/access.h"
#include "emu/isa/isa.h"
#include "emu/x87.h"

/* Executes any instruction but control ones, in any state, by x87_compute(). x87.c defines it, once for each engine. */
#define x87_any ENGINE(x87_any)
handler_fn x87_any;

#define ANY(cpu, insn) TAIL return x87_any(cpu, insn)

/* No exception is unmasked (so none is pending) and the host rounds as the guest does. */
ALWAYS_INLINE bool x87_is_quick(const struct cpu *cpu)
{
	return cpu->fpu.control == cpu->x87_host_control;
}

ALWAYS_INLINE bool x87_is_full(const struct cpu *cpu, unsigned physical)
{
	return cpu->fpu.valid >> physical & 1;
}

/* ORs the host's exception flags into the guest's and takes over the condition bits of `condition`. */
ALWAYS_INLINE void x87_set_status(struct cpu *cpu, uint16_t host_status, unsigned condition)
{
	cpu->fpu.status = (cpu->fpu.status & ~condition) | (host_status & (X87_EXCEPTIONS | condition));
}

ALWAYS_INLINE void x87_pop(struct cpu *cpu)
{
	struct fpu *fpu = &cpu->fpu;

	fpu->valid &= ~(1u << fpu->top);
	fpu->top = (fpu->top + 1) & 7;
}

/* Makes `physical`, the one below the top, the new top. */
ALWAYS_INLINE void x87_push(struct cpu *cpu, unsigned physical)
{
	cpu->fpu.top = physical;
	cpu->fpu.valid |= 1u << physical;
}

/* Adds a tag to a register's. */
ALWAYS_INLINE void x87_unite_tags(struct cpu *cpu, unsigned to, tag_t tag)
{
	if (ENGINE_TAGGED)
		cpu->fpu_tag[to] |= tag;
}
ALWAYS_INLINE void x87_set_tag(struct cpu *cpu, unsigned to, tag_t tag)
{
	if (ENGINE_TAGGED)
		cpu->fpu_tag[to] = tag;
}
ALWAYS_INLINE tag_t x87_tag(const struct cpu *cpu, unsigned physical)
{
	return ENGINE_TAGGED ? cpu->fpu_tag[physical] : 0;
}

/* `size` bytes of guest memory as an operand of asm. */
#define X87_BYTES(host, size) (*(struct { uint8_t byte[size]; } *)(host))

/* -- FIP, FCS, FOP, FDP, FDS: of the last instruction that is no control instruction -- */

ALWAYS_INLINE void x87_note(struct cpu *cpu, const struct insn *insn)
{
	cpu->fpu.fip = cpu->rip + insn->offset;
	cpu->fpu.fcs = cpu->seg[SEG_CS].selector;
	cpu->fpu.opcode = insn->imm; /* its low half */
}

/* A memory operand: its address, and its offset for FDP. */
struct x87_operand {
	struct address address;
	uint64_t offset;
};

ALWAYS_INLINE struct x87_operand x87_operand(struct cpu *cpu, const struct insn *insn, unsigned size, bool write)
{
	struct value offset = ea_offset(cpu, insn);
	uint64_t linear, mask = cpu->ea_mask;

	if (unlikely(insn->bits & INSN_SLOW_EA)) {
		linear = ea_slow(cpu, insn, size, write);
		mask >>= insn_address_size(insn) == 2 ? 16 : insn_address_size(insn) == 4 && cpu_code64(cpu) ? 32 : 0;
		return (struct x87_operand){{linear, offset.tag}, offset.v & mask};
	}
	linear = (offset.v + load_host(cpu_field(cpu, insn->segment), 8)) & mask;
	return (struct x87_operand){{linear, offset.tag}, offset.v & mask};
}

ALWAYS_INLINE void x87_note_memory(struct cpu *cpu, const struct insn *insn, struct x87_operand operand)
{
	x87_note(cpu, insn);
	cpu->fpu.fdp = operand.offset;
	cpu->fpu.fds = load_host(cpu_field(cpu, (uint32_t)insn->imm >> 16), 2);
}

#endif
