/*
 * Data movement: MOV, MOVZX, MOVSX, MOVSXD, LEA (SDM vol. 2). No flags. CMOVcc and SETcc are in condition.c.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"
#include "emu/segment.h"

ALWAYS_INLINE bool move(struct cpu *cpu, const struct insn *insn, bool fast, enum form form, unsigned size)
{
	struct value value;

	if (form == FORM_RI || form == FORM_MI)
		value = (struct value){(uint64_t)insn->imm, 0};
	else if (form != FORM_RM)
		value = reg_get(cpu, insn->op2, size);
	else if (!load_operand(cpu, insn, fast, size, &value))
		return false;
	if (form == FORM_MR || form == FORM_MI)
		return store_operand(cpu, insn, fast, size, value);
	reg_set(cpu, insn->op1, size, value);
	return true;
}

/* MOVZX, MOVSX: from `from` bytes to `size`. */
ALWAYS_INLINE bool extend(struct cpu *cpu, const struct insn *insn, bool fast, bool in_memory, unsigned from, unsigned size, bool is_signed)
{
	struct value value;

	if (!in_memory)
		value = reg_get(cpu, insn->op2, from);
	else if (!load_operand(cpu, insn, fast, from, &value))
		return false;
	if (is_signed)
		value.v = sign_extend(value.v, from);
	reg_set(cpu, insn->op1, size, value);
	return true;
}

/* INSN_SLOW_EA: an address size other than the code's cuts the offset. */
ALWAYS_INLINE void lea(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value offset = ea_offset(cpu, insn);

	if (unlikely(insn->bits & INSN_SLOW_EA) && insn_address_size(insn) < 8)
		offset.v &= (1ull << 8 * insn_address_size(insn)) - 1;
	reg_set(cpu, insn->op1, size, offset);
}

/* moffs: the offset stands in imm64 and has no registers. */
static struct address moffs(struct cpu *cpu, const struct insn *insn, unsigned size, bool write)
{
	uint64_t offset = insn->imm64;

	cpu->current = insn;
	if (insn->bits & INSN_SLOW_EA) {
		unsigned segment = (insn->segment - CPU_OFFSET(seg)) / sizeof(struct segment);

		return (struct address){segment_linear(cpu, segment, offset, size, write), 0};
	}
	return (struct address){(offset + load_host(cpu_field(cpu, insn->segment), 8)) & cpu->ea_mask, 0};
}

ALWAYS_INLINE void move_moffs(struct cpu *cpu, const struct insn *insn, bool to_memory, unsigned size)
{
	struct address address = moffs(cpu, insn, size, to_memory);

	if (to_memory)
		store(cpu, insn, address, size, reg_get(cpu, CPU_OFFSET(gpr[RAX]), size));
	else
		reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, load(cpu, insn, address, size));
}

static const struct insn *mov_imm64(struct cpu *cpu, const struct insn *insn)
{
	reg_set(cpu, insn->op1, 8, (struct value){insn->imm64, 0});
	NEXT(cpu, insn);
}

#define HANDLER(name, call)                                                       \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn) \
	{                                                                         \
		call;                                                             \
		NEXT(cpu, insn);                                                  \
	}
#define MOVE(name, form)                                  \
	TWO_PATHS(name##_1, move(cpu, insn, fast, form, 1))       \
	TWO_PATHS(name##_2, move(cpu, insn, fast, form, 2))       \
	TWO_PATHS(name##_4, move(cpu, insn, fast, form, 4))       \
	TWO_PATHS(name##_8, move(cpu, insn, fast, form, 8))
#define EXTEND(name, from, is_signed)                                          \
	TWO_PATHS(name##_rr_2, extend(cpu, insn, fast, false, from, 2, is_signed))     \
	TWO_PATHS(name##_rr_4, extend(cpu, insn, fast, false, from, 4, is_signed))     \
	TWO_PATHS(name##_rr_8, extend(cpu, insn, fast, false, from, 8, is_signed))     \
	TWO_PATHS(name##_rm_2, extend(cpu, insn, fast, true, from, 2, is_signed))      \
	TWO_PATHS(name##_rm_4, extend(cpu, insn, fast, true, from, 4, is_signed))      \
	TWO_PATHS(name##_rm_8, extend(cpu, insn, fast, true, from, 8, is_signed))

MOVE(mov_rr, FORM_RR)
MOVE(mov_rm, FORM_RM)
MOVE(mov_mr, FORM_MR)
MOVE(mov_ri, FORM_RI)
MOVE(mov_mi, FORM_MI)
EXTEND(movzx_b, 1, false)
EXTEND(movzx_w, 2, false)
EXTEND(movsx_b, 1, true)
EXTEND(movsx_w, 2, true)
TWO_PATHS(movsxd_rr_8, extend(cpu, insn, fast, false, 4, 8, true))
TWO_PATHS(movsxd_rm_8, extend(cpu, insn, fast, true, 4, 8, true))
TWO_PATHS(movsxd_rr_4, extend(cpu, insn, fast, false, 4, 4, false))
TWO_PATHS(movsxd_rm_4, extend(cpu, insn, fast, true, 4, 4, false))
TWO_PATHS(movsxd_rr_2, extend(cpu, insn, fast, false, 2, 2, false))
TWO_PATHS(movsxd_rm_2, extend(cpu, insn, fast, true, 2, 2, false))
HANDLER(lea_2, lea(cpu, insn, 2))
HANDLER(lea_4, lea(cpu, insn, 4))
HANDLER(lea_8, lea(cpu, insn, 8))
HANDLER(load_moffs_1, move_moffs(cpu, insn, false, 1))
HANDLER(load_moffs_2, move_moffs(cpu, insn, false, 2))
HANDLER(load_moffs_4, move_moffs(cpu, insn, false, 4))
HANDLER(load_moffs_8, move_moffs(cpu, insn, false, 8))
HANDLER(store_moffs_1, move_moffs(cpu, insn, true, 1))
HANDLER(store_moffs_2, move_moffs(cpu, insn, true, 2))
HANDLER(store_moffs_4, move_moffs(cpu, insn, true, 4))
HANDLER(store_moffs_8, move_moffs(cpu, insn, true, 8))

#define ROW_SIZES(op, form, name) {op, form, 1, 0, name##_1}, {op, form, 2, 0, name##_2}, {op, form, 4, 0, name##_4}, {op, form, 8, 0, name##_8},
#define ROW_EXTEND(op, name)                                                                                    \
	{op, FORM_RR, 2, 0, name##_rr_2}, {op, FORM_RR, 4, 0, name##_rr_4}, {op, FORM_RR, 8, 0, name##_rr_8},   \
	{op, FORM_RM, 2, 0, name##_rm_2}, {op, FORM_RM, 4, 0, name##_rm_4}, {op, FORM_RM, 8, 0, name##_rm_8},

/* clang-format off */
const struct op_impl ENGINE(mov_impls)[] = {
	ROW_SIZES(OP_MOV, FORM_RR, mov_rr)
	ROW_SIZES(OP_MOV, FORM_RM, mov_rm)
	ROW_SIZES(OP_MOV, FORM_MR, mov_mr)
	ROW_SIZES(OP_MOV, FORM_RI, mov_ri)
	ROW_SIZES(OP_MOV, FORM_MI, mov_mi)
	{OP_MOV_IMM64, FORM_RI, 8, 0, mov_imm64},
	ROW_SIZES(OP_MOV_MOFFS, FORM_RM, load_moffs)
	ROW_SIZES(OP_MOV_MOFFS, FORM_MR, store_moffs)
	ROW_EXTEND(OP_MOVZX_B, movzx_b)
	ROW_EXTEND(OP_MOVZX_W, movzx_w)
	ROW_EXTEND(OP_MOVSX_B, movsx_b)
	ROW_EXTEND(OP_MOVSX_W, movsx_w)
	ROW_EXTEND(OP_MOVSXD, movsxd)
	{OP_LEA, FORM_RM, 2, 0, lea_2}, {OP_LEA, FORM_RM, 4, 0, lea_4}, {OP_LEA, FORM_RM, 8, 0, lea_8},
	{0},
};
