/*
 * Near branches, and the pseudo instructions that end blocks: JMP, CALL, RET, LOOPcc, JrCXZ (SDM vol. 2). Jcc is in condition.c.
 * They set cpu->rip, so they are always a block's last instruction.
 */
#include "emu/chain.h"
#include "emu/isa/isa.h"
#include "emu/stack.h"

ALWAYS_INLINE uint64_t direct_target(const struct cpu *cpu, const struct insn *insn, unsigned size)
{
	return cut_rip(next_rip(cpu, insn) + (uint64_t)insn->imm, size);
}

ALWAYS_INLINE const struct insn *jump(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	return chain(cpu, insn, 0, direct_target(cpu, insn, size));
}

ALWAYS_INLINE struct value return_address(const struct cpu *cpu, const struct insn *insn, unsigned size)
{
	return (struct value){cut_rip(next_rip(cpu, insn), size), 0};
}

static __attribute__((noinline)) const struct insn *call_slow(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t target)
{
	check_branch_target(cpu, insn, target);
	push_value(cpu, insn, false, size, return_address(cpu, insn, size));
	return chain(cpu, insn, 0, target);
}

ALWAYS_INLINE const struct insn *call(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	uint64_t target = direct_target(cpu, insn, size);
	const struct block *block;

	if (link_valid(cpu, insn, 0))
		block = block_links_of(insn)->to[0];
	else if (!jump_cache_find(cpu, target, &block))
		return call_slow(cpu, insn, size, target);
	if (unlikely(!push_value(cpu, insn, true, size, return_address(cpu, insn, size))))
		return call_slow(cpu, insn, size, target);
	return jump_to_block(cpu, target, block);
}

/* The slow instances of the indirect ones load again what the fast ones may have loaded already: loads of memory have no side effects. */
ALWAYS_INLINE bool indirect_target(struct cpu *cpu, const struct insn *insn, bool fast, bool in_memory, unsigned size, uint64_t *ret)
{
	struct value value;

	if (!in_memory)
		value = reg_get(cpu, insn->op1, size);
	else if (!load_operand(cpu, insn, fast, size, &value))
		return false;
	*ret = value.v;
	return true;
}

static __attribute__((noinline, cold)) void enter_slowly(struct cpu *cpu, uint64_t rip)
{
	cpu->rip = rip; /* the run loop finds the block */
}

#define JUMP_INDIRECT(name, in_memory, size)                                                                            \
	static __attribute__((noinline, cold)) const struct insn *name##_slow(struct cpu *cpu, const struct insn *insn) \
	{                                                                                                               \
		uint64_t target;                                                                                        \
		indirect_target(cpu, insn, false, in_memory, size, &target);                                            \
		check_branch_target(cpu, insn, target);                                                                 \
		enter_slowly(cpu, target);                                                                              \
		return NULL;                                                                                            \
	}                                                                                                               \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		const struct block *block;                                                                              \
		uint64_t target;                                                                                        \
		if (unlikely(!indirect_target(cpu, insn, true, in_memory, size, &target) ||                             \
			     !jump_cache_find(cpu, target, &block)))                                                    \
			return name##_slow(cpu, insn);                                                                  \
		return jump_to_block(cpu, target, block);                                                               \
	}

#define CALL_INDIRECT(name, in_memory, size)                                                                            \
	static __attribute__((noinline, cold)) const struct insn *name##_slow(struct cpu *cpu, const struct insn *insn) \
	{                                                                                                               \
		uint64_t target;                                                                                        \
		indirect_target(cpu, insn, false, in_memory, size, &target);                                            \
		check_branch_target(cpu, insn, target);                                                                 \
		push_value(cpu, insn, false, size, return_address(cpu, insn, size));                                    \
		enter_slowly(cpu, target);                                                                              \
		return NULL;                                                                                            \
	}                                                                                                               \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		const struct block *block;                                                                              \
		uint64_t target;                                                                                        \
		if (unlikely(!indirect_target(cpu, insn, true, in_memory, size, &target) ||                             \
			     !jump_cache_find(cpu, target, &block) ||                                                   \
			     !push_value(cpu, insn, true, size, return_address(cpu, insn, size))))                      \
			return name##_slow(cpu, insn);                                                                  \
		return jump_to_block(cpu, target, block);                                                               \
	}

/* RET, and RET imm16, which releases so many bytes more. */
#define RETURN(name, size, extra)                                                                                       \
	static __attribute__((noinline, cold)) const struct insn *name##_slow(struct cpu *cpu, const struct insn *insn) \
	{                                                                                                               \
		struct value target;                                                                                    \
		peek_value(cpu, insn, false, size, &target);                                                            \
		check_branch_target(cpu, insn, target.v);                                                               \
		drop_value(cpu, false, size + (extra));                                                                 \
		enter_slowly(cpu, target.v);                                                                            \
		return NULL;                                                                                            \
	}                                                                                                               \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		const struct block *block;                                                                              \
		struct value target;                                                                                    \
		if (unlikely(!peek_value(cpu, insn, true, size, &target) || !jump_cache_find(cpu, target.v, &block)))   \
			return name##_slow(cpu, insn);                                                                  \
		drop_value(cpu, true, size + (extra));                                                                  \
		return jump_to_block(cpu, target.v, block);                                                             \
	}

/* -- LOOPcc, JrCXZ: the count register has the address size -- */

static uint64_t count_mask(const struct insn *insn)
{
	unsigned size = insn_address_size(insn);

	return size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
}

static void set_count(struct cpu *cpu, const struct insn *insn, uint64_t count)
{
	if (insn_address_size(insn) == 2)
		store_host(&cpu->gpr[RCX], count, 2);
	else
		cpu->gpr[RCX] = count & count_mask(insn);
}

/* wanted_zf: -1 for LOOP. */
ALWAYS_INLINE const struct insn *loop(struct cpu *cpu, const struct insn *insn, int wanted_zf)
{
	uint64_t count = (cpu->gpr[RCX] - 1) & count_mask(insn);
	bool taken = count && (wanted_zf < 0 || flags_zf(&cpu->flags) == wanted_zf);
	uint64_t next = next_rip(cpu, insn);
	uint64_t target = cut_rip(next + (uint64_t)insn->imm, insn_operand_size(insn));

	if (taken && !link_valid(cpu, insn, 0))
		check_branch_target(cpu, insn, target);
	set_count(cpu, insn, count);
	if (taken)
		return chain(cpu, insn, 0, target);
	return chain(cpu, insn, 1, next & cpu->ea_mask);
}

static const struct insn *jrcxz(struct cpu *cpu, const struct insn *insn)
{
	uint64_t next = next_rip(cpu, insn);

	if (!(cpu->gpr[RCX] & count_mask(insn)))
		return chain(cpu, insn, 0, cut_rip(next + (uint64_t)insn->imm, insn_operand_size(insn)));
	return chain(cpu, insn, 1, next & cpu->ea_mask);
}

/* -- ends of blocks -- */

const struct insn *ENGINE(end_chain)(struct cpu *cpu, const struct insn *insn)
{
	return chain(cpu, insn, 0, (cpu->rip + insn->offset) & cpu->ea_mask);
}

const struct insn *ENGINE(end_exit)(struct cpu *cpu, const struct insn *insn)
{
	cpu->rip = (cpu->rip + insn->offset) & cpu->ea_mask;
	return NULL;
}

#define HANDLER(name, call_expression)                                            \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn) \
	{                                                                         \
		return call_expression;                                           \
	}

HANDLER(jmp_2, jump(cpu, insn, 2))
HANDLER(jmp_4, jump(cpu, insn, 4))
HANDLER(jmp_8, jump(cpu, insn, 8))
HANDLER(call_2, call(cpu, insn, 2))
HANDLER(call_4, call(cpu, insn, 4))
HANDLER(call_8, call(cpu, insn, 8))
JUMP_INDIRECT(jmp_r_2, false, 2)
JUMP_INDIRECT(jmp_r_4, false, 4)
JUMP_INDIRECT(jmp_r_8, false, 8)
JUMP_INDIRECT(jmp_m_2, true, 2)
JUMP_INDIRECT(jmp_m_4, true, 4)
JUMP_INDIRECT(jmp_m_8, true, 8)
CALL_INDIRECT(call_r_2, false, 2)
CALL_INDIRECT(call_r_4, false, 4)
CALL_INDIRECT(call_r_8, false, 8)
CALL_INDIRECT(call_m_2, true, 2)
CALL_INDIRECT(call_m_4, true, 4)
CALL_INDIRECT(call_m_8, true, 8)
RETURN(ret_2, 2, 0)
RETURN(ret_4, 4, 0)
RETURN(ret_8, 8, 0)
RETURN(ret_n_2, 2, (uint32_t)insn->imm)
RETURN(ret_n_4, 4, (uint32_t)insn->imm)
RETURN(ret_n_8, 8, (uint32_t)insn->imm)
HANDLER(loop_any, loop(cpu, insn, -1))
HANDLER(loopne, loop(cpu, insn, 0))
HANDLER(loope, loop(cpu, insn, 1))

#define ROW_SIZES(op, form, name) {op, form, 2, 0, name##_2}, {op, form, 4, 0, name##_4}, {op, form, 8, 0, name##_8},

/* clang-format off */
const struct op_impl ENGINE(branch_impls)[] = {
	ROW_SIZES(OP_JMP, FORM_ANY, jmp)
	ROW_SIZES(OP_CALL, FORM_ANY, call)
	ROW_SIZES(OP_JMP_INDIRECT, FORM_R, jmp_r)
	ROW_SIZES(OP_JMP_INDIRECT, FORM_M, jmp_m)
	ROW_SIZES(OP_CALL_INDIRECT, FORM_R, call_r)
	ROW_SIZES(OP_CALL_INDIRECT, FORM_M, call_m)
	ROW_SIZES(OP_RET, FORM_ANY, ret)
	ROW_SIZES(OP_RET_N, FORM_ANY, ret_n)
	{OP_LOOP, FORM_ANY, 0, 0, loop_any},
	{OP_LOOPNE, FORM_ANY, 0, 0, loopne},
	{OP_LOOPE, FORM_ANY, 0, 0, loope},
	{OP_JrCXZ, FORM_ANY, 0, 0, jrcxz},
	{0},
};
