/*
 * How a block's last handler reaches the next block: by link, by the jump cache, or through the run loop.
 * Call each function in tail position.
 */
#ifndef XRAY86_EMU_CHAIN_H
#define XRAY86_EMU_CHAIN_H

#include "emu/access.h"
#include "emu/block.h"

/* Cuts a near branch's target to the operand size. */
ALWAYS_INLINE uint64_t cut_rip(uint64_t rip, unsigned size)
{
	return size == 2 ? (uint16_t)rip : size == 4 ? (uint32_t)rip : rip;
}

ALWAYS_INLINE struct jump_cache_entry *jump_cache_slot(struct cpu *cpu, uint64_t rip)
{
	return &cpu->jump_cache[(rip ^ rip >> 12) & (JUMP_CACHE_SIZE - 1)];
}

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(XRAY86_TRAMPOLINE)
#define ENTER(cpu, block) (block)->insn[0].execute(cpu, (block)->insn)
#else
#define ENTER(cpu, block) (block)->insn
#endif

/* Enters the block at cpu->rip, which the caller knows, if the budget allows it. */
ALWAYS_INLINE const struct insn *enter_block(struct cpu *cpu, const struct block *block)
{
	int64_t budget = cpu->budget - block->count;

	if (unlikely(budget < 0))
		return NULL;
	cpu->budget = budget;
	return ENTER(cpu, block);
}

/* Whether the jump cache knows the block at rip. It goes to *ret then. */
ALWAYS_INLINE bool jump_cache_find(struct cpu *cpu, uint64_t rip, const struct block **ret)
{
	const struct jump_cache_entry *entry = jump_cache_slot(cpu, rip);

	*ret = entry->block;
	return likely(entry->rip == rip && entry->tag == cpu->jump_tag);
}

/* Raises #GP(0) if a near branch may not go to rip (it is beyond CS's limit, or not canonical). Not needed where a block is cached. */
void check_branch_target(struct cpu *cpu, const struct insn *insn, uint64_t rip);

ALWAYS_INLINE const struct insn *jump_to_block(struct cpu *cpu, uint64_t rip, const struct block *block)
{
	cpu->rip = rip;
	return enter_block(cpu, block);
}

/* Goes to any address of the same mode. For an indirect branch that has committed everything. */
ALWAYS_INLINE const struct insn *jump_to(struct cpu *cpu, const struct insn *insn, uint64_t rip)
{
	const struct block *block;

	if (jump_cache_find(cpu, rip, &block))
		return jump_to_block(cpu, rip, block);
	check_branch_target(cpu, insn, rip);
	cpu->rip = rip;
	return NULL;
}

ALWAYS_INLINE bool link_valid(const struct cpu *cpu, const struct insn *insn, unsigned slot)
{
	return likely(block_links_of(insn)->generation[slot] == cpu->link_generation);
}

/* chain() where the link is not valid. Uses the jump cache, or else the run loop, which makes the link. */
const struct insn *chain_slow(struct cpu *cpu, const struct insn *insn, unsigned slot, uint64_t rip);

/* Goes to the direct successor at rip. insn is the block's last instruction; the links are behind it. */
ALWAYS_INLINE const struct insn *chain(struct cpu *cpu, const struct insn *insn, unsigned slot, uint64_t rip)
{
	if (link_valid(cpu, insn, slot))
		return jump_to_block(cpu, rip, block_links_of(insn)->to[slot]);
	return chain_slow(cpu, insn, slot, rip);
}

#endif
