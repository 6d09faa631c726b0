/*
 * Jcc, SETcc, CMOVcc: a handler for each condition and, where that makes it short, each kind of flags producer (condition.h).
 */
#include "emu/ops/condition.h"

#include "emu/chain.h"
#include "emu/isa/isa.h"

ALWAYS_INLINE const struct insn *jump_if(struct cpu *cpu, const struct insn *insn, enum producer producer, unsigned condition, unsigned size)
{
	uint64_t next = next_rip(cpu, insn);

	if (condition_holds(cpu, producer, condition))
		return chain(cpu, insn, 0, cut_rip(next + (uint64_t)insn->imm, size));
	return chain(cpu, insn, 1, size == 8 ? next : (uint32_t)next);
}

ALWAYS_INLINE bool set_if(struct cpu *cpu, const struct insn *insn, bool fast, enum producer producer, unsigned condition, bool in_memory)
{
	struct value value = {condition_holds(cpu, producer, condition), 0};

	if (in_memory)
		return store_operand(cpu, insn, fast, 1, value);
	reg_set(cpu, insn->op1, 1, value);
	return true;
}

/* The source is read (and may fault) and a 4-byte destination cleared above even if the condition does not hold. */
ALWAYS_INLINE bool move_if(struct cpu *cpu, const struct insn *insn, bool fast, enum producer producer, unsigned condition, bool in_memory,
			   unsigned size)
{
	struct value source, old = reg_get(cpu, insn->op1, size);

	if (!in_memory)
		source = reg_get(cpu, insn->op2, size);
	else if (!load_operand(cpu, insn, fast, size, &source))
		return false;
	source.v = condition_holds(cpu, producer, condition) ? source.v : old.v;
	source.tag |= old.tag;
	reg_set(cpu, insn->op1, size, source);
	return true;
}

#define JCC(producer, condition, size)                                                                              \
	static const struct insn *jcc_##size##_##producer##_##condition(struct cpu *cpu, const struct insn *insn)   \
	{                                                                                                           \
		return jump_if(cpu, insn, producer, condition, size);                                               \
	}
#define SETCC_R(producer, condition, unused) \
	TWO_PATHS(setcc_r_##producer##_##condition, set_if(cpu, insn, fast, producer, condition, false))
#define SETCC_M(producer, condition, unused) \
	TWO_PATHS(setcc_m_##producer##_##condition, set_if(cpu, insn, fast, producer, condition, true))
#define CMOVCC_R(producer, condition, size) \
	TWO_PATHS(cmov_r_##size##_##producer##_##condition, move_if(cpu, insn, fast, producer, condition, false, size))
#define CMOVCC_M(producer, condition, size) \
	TWO_PATHS(cmov_m_##size##_##producer##_##condition, move_if(cpu, insn, fast, producer, condition, true, size))

UNKNOWN_CONDITIONS(JCC, 2)
ALL_CONDITIONS(JCC, 4)
ALL_CONDITIONS(JCC, 8)
ALL_CONDITIONS(SETCC_R, 1)
UNKNOWN_CONDITIONS(SETCC_M, 1)
UNKNOWN_CONDITIONS(CMOVCC_R, 2)
ALL_CONDITIONS(CMOVCC_R, 4)
ALL_CONDITIONS(CMOVCC_R, 8)
UNKNOWN_CONDITIONS(CMOVCC_M, 2)
UNKNOWN_CONDITIONS(CMOVCC_M, 4)
UNKNOWN_CONDITIONS(CMOVCC_M, 8)

#define ENTRY(producer, condition, name) [producer][condition] = name##_##producer##_##condition,

/* clang-format off */
const struct condition_impl ENGINE(condition_impls)[] = {
	{OP_Jcc, FORM_ANY, 2, {UNKNOWN_CONDITIONS(ENTRY, jcc_2)}},
	{OP_Jcc, FORM_ANY, 4, {ALL_CONDITIONS(ENTRY, jcc_4)}},
	{OP_Jcc, FORM_ANY, 8, {ALL_CONDITIONS(ENTRY, jcc_8)}},
	{OP_SETcc, FORM_R, 0, {ALL_CONDITIONS(ENTRY, setcc_r)}},
	{OP_SETcc, FORM_M, 0, {UNKNOWN_CONDITIONS(ENTRY, setcc_m)}},
	{OP_CMOVcc, FORM_RR, 2, {UNKNOWN_CONDITIONS(ENTRY, cmov_r_2)}},
	{OP_CMOVcc, FORM_RR, 4, {ALL_CONDITIONS(ENTRY, cmov_r_4)}},
	{OP_CMOVcc, FORM_RR, 8, {ALL_CONDITIONS(ENTRY, cmov_r_8)}},
	{OP_CMOVcc, FORM_RM, 2, {UNKNOWN_CONDITIONS(ENTRY, cmov_m_2)}},
	{OP_CMOVcc, FORM_RM, 4, {UNKNOWN_CONDITIONS(ENTRY, cmov_m_4)}},
	{OP_CMOVcc, FORM_RM, 8, {UNKNOWN_CONDITIONS(ENTRY, cmov_m_8)}},
	{0},
};
