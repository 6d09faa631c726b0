/*
 * Implicit stack accesses of ordinary instructions (PUSH, POP, CALL, RET, ...): SDM vol. 1 chapter 6.2.
 *
 * Flat 32- and 64-bit stacks (cpu->stack_mask is not 0) take the fast path, inline. 16-bit and segmented stacks are in stack.c. Only
 * push_value() (after its store), drop_value() and stack_pointer_add() and _set() change rSP.
 */
#ifndef XRAY86_EMU_STACK_H
#define XRAY86_EMU_STACK_H

#include "emu/access.h"

/* Bytes of rSP that count: 2, 4 or 8. */
ALWAYS_INLINE unsigned stack_width(const struct cpu *cpu)
{
	return 1u << (cpu->mode >> MODE_STACK_SHIFT & 3);
}

/* Linear address of size bytes at rSP + delta. Checks the stack segment, and may raise. cpu->current must be set. */
uint64_t stack_address(struct cpu *cpu, int64_t delta, unsigned size, bool write);
/* rSP + delta in the stack's width: a 16-bit SP wraps, and the upper half of ESP stays. rSP itself does not change. */
uint64_t stack_pointer_moved(const struct cpu *cpu, int64_t delta);
/* Sets rSP to that. */
void stack_pointer_add(struct cpu *cpu, int64_t delta);
/* Sets rSP to value, in the same width. */
void stack_pointer_set(struct cpu *cpu, uint64_t value);

ALWAYS_INLINE bool push_value(struct cpu *cpu, const struct insn *insn, bool fast, unsigned size, struct value value)
{
	struct address address = {(cpu->gpr[RSP] - size) & cpu->stack_mask, reg_tag(cpu, CPU_OFFSET(gpr[RSP]))};
	const struct tlb_entry *entry;
	struct tlb *bank;

	if (!fast) {
		cpu->current = insn;
		address.linear = stack_address(cpu, -(int64_t)size, size, true);
		store(cpu, insn, address, size, value);
		stack_pointer_add(cpu, -(int64_t)size);
		return true;
	}
	bank = data_bank(cpu, address);
	entry = &bank->write[tlb_index(address.linear)];
	if (unlikely(!cpu->stack_mask || entry->tag != tlb_tag(bank, address.linear, size)))
		return false;
	store_host((uint8_t *)(address.linear + entry->addend), value.v, size);
	fast_store_tag(bank, address.linear, size, value.tag);
	cpu->gpr[RSP] = address.linear;
	return true;
}

/* Reads size bytes at the top of the stack, which stay there. */
ALWAYS_INLINE bool peek_value(struct cpu *cpu, const struct insn *insn, bool fast, unsigned size, struct value *ret)
{
	struct address address = {cpu->gpr[RSP] & cpu->stack_mask, reg_tag(cpu, CPU_OFFSET(gpr[RSP]))};
	const struct tlb_entry *entry;
	struct tlb *bank;

	if (!fast) {
		cpu->current = insn;
		address.linear = stack_address(cpu, 0, size, false);
		*ret = load(cpu, insn, address, size);
		return true;
	}
	bank = data_bank(cpu, address);
	entry = &bank->read[tlb_index(address.linear)];
	if (unlikely(!cpu->stack_mask || entry->tag != tlb_tag(bank, address.linear, size)))
		return false;
	ret->v = load_host((const uint8_t *)(address.linear + entry->addend), size);
	ret->tag = fast_load_tag(bank, address.linear, size);
	return true;
}

/* After peek_value() succeeded. */
ALWAYS_INLINE void drop_value(struct cpu *cpu, bool fast, unsigned size)
{
	if (fast)
		cpu->gpr[RSP] = (cpu->gpr[RSP] + size) & cpu->stack_mask;
	else
		stack_pointer_add(cpu, size);
}

#endif
