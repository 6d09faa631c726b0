/*
 * Two- and one-operand integer arithmetic and logic: ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NEG NOT (SDM vol. 2).
 *
 * One inline template for each operand pattern does the fetching, storing and tags; the semantic functions only compute. The macros
 * at the end instantiate template x operation x form x size, with and without flags.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"

typedef uint64_t binary_fn(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags);
typedef uint64_t unary_fn(struct cpu *cpu, uint64_t a, unsigned size, bool flags);

/* -- semantics: a op b, cut to size by whoever stores it -- */

ALWAYS_INLINE uint64_t op_add(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags)
{
	if (flags)
		flags_set(&cpu->flags, FLAGS_ADD, a, b, a + b, size);
	return a + b;
}

ALWAYS_INLINE uint64_t op_sub(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags)
{
	if (flags)
		flags_set(&cpu->flags, FLAGS_SUB, a, b, a - b, size);
	return a - b;
}

ALWAYS_INLINE uint64_t op_adc(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags)
{
	uint64_t result = a + b + flags_cf(&cpu->flags);

	if (flags)
		flags_set(&cpu->flags, FLAGS_ADD, a, b, result, size);
	return result;
}

ALWAYS_INLINE uint64_t op_sbb(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags)
{
	uint64_t result = a - b - flags_cf(&cpu->flags);

	if (flags)
		flags_set(&cpu->flags, FLAGS_SUB, a, b, result, size);
	return result;
}

ALWAYS_INLINE uint64_t op_and(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags)
{
	if (flags)
		flags_set(&cpu->flags, FLAGS_LOGIC, 0, 0, a & b, size);
	return a & b;
}

ALWAYS_INLINE uint64_t op_or(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags)
{
	if (flags)
		flags_set(&cpu->flags, FLAGS_LOGIC, 0, 0, a | b, size);
	return a | b;
}

ALWAYS_INLINE uint64_t op_xor(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, bool flags)
{
	if (flags)
		flags_set(&cpu->flags, FLAGS_LOGIC, 0, 0, a ^ b, size);
	return a ^ b;
}

ALWAYS_INLINE uint64_t op_inc(struct cpu *cpu, uint64_t a, unsigned size, bool flags)
{
	if (flags)
		flags_set(&cpu->flags, FLAGS_INC, a, flags_cf(&cpu->flags), a + 1, size);
	return a + 1;
}

ALWAYS_INLINE uint64_t op_dec(struct cpu *cpu, uint64_t a, unsigned size, bool flags)
{
	if (flags)
		flags_set(&cpu->flags, FLAGS_DEC, a, flags_cf(&cpu->flags), a - 1, size);
	return a - 1;
}

ALWAYS_INLINE uint64_t op_neg(struct cpu *cpu, uint64_t a, unsigned size, bool flags)
{
	return op_sub(cpu, 0, a, size, flags);
}

ALWAYS_INLINE uint64_t op_not(struct cpu *cpu, uint64_t a, unsigned size, bool flags)
{
	(void)cpu, (void)size, (void)flags;
	return ~a;
}

/* -- tags -- */

/* How a result's tag comes about besides the union of its sources'. */
enum tag_rule {
	TAG_UNION,
	TAG_SAME, /* x ^ x is a constant, and x - x - CF a flag */
	TAG_SUB,  /* so is x - x; and the distance of two stack addresses says nothing of where the stack is */
};

ALWAYS_INLINE tag_t result_tag(enum tag_rule rule, struct value a, struct value b, bool same)
{
	if (rule != TAG_UNION && same)
		return 0;
	if (rule == TAG_SUB && (a.tag & b.tag & TAG_STACK))
		return (a.tag | b.tag) & ~TAG_STACK;
	return a.tag | b.tag;
}

/* -- templates -- */

ALWAYS_INLINE struct value immediate(const struct insn *insn)
{
	return (struct value){(uint64_t)insn->imm, 0};
}

ALWAYS_INLINE bool binary(struct cpu *cpu, const struct insn *insn, bool fast, binary_fn *fn, enum tag_rule rule, enum form form,
			  unsigned size, bool flags, bool writes)
{
	bool to_register = form == FORM_RR || form == FORM_RM || form == FORM_RI;
	struct value a, b, result;
	struct rmw rmw;

	if (form == FORM_RI || form == FORM_MI)
		b = immediate(insn);
	else if (form != FORM_RM)
		b = reg_get(cpu, insn->op2, size);
	else if (!load_operand(cpu, insn, fast, size, &b))
		return false;
	if (to_register)
		a = reg_get(cpu, insn->op1, size);
	else if (!(writes ? load_rmw_operand(cpu, insn, fast, size, &rmw, &a) : load_operand(cpu, insn, fast, size, &a)))
		return false;

	result.v = fn(cpu, a.v, b.v, size, flags);
	result.tag = ENGINE_TAGGED ? result_tag(rule, a, b, form == FORM_RR && insn->op1 == insn->op2) : 0;
	if (writes && to_register)
		reg_set(cpu, insn->op1, size, result);
	else if (writes)
		store_rmw(cpu, insn, &rmw, size, result);
	return true;
}

ALWAYS_INLINE bool unary(struct cpu *cpu, const struct insn *insn, bool fast, unary_fn *fn, enum form form, unsigned size, bool flags)
{
	struct value a;
	struct rmw rmw;

	if (form == FORM_R)
		a = reg_get(cpu, insn->op1, size);
	else if (!load_rmw_operand(cpu, insn, fast, size, &rmw, &a))
		return false;
	a.v = fn(cpu, a.v, size, flags);
	if (form == FORM_R)
		reg_set(cpu, insn->op1, size, a);
	else
		store_rmw(cpu, insn, &rmw, size, a);
	return true;
}

/* -- instances -- */

#define BINARY(name, fn, rule, form, size, flags, writes) TWO_PATHS(name, binary(cpu, insn, fast, fn, rule, form, size, flags, writes))
#define BINARY_SIZES(name, fn, rule, form, flags, writes)        \
	BINARY(name##_1, fn, rule, form, 1, flags, writes)       \
	BINARY(name##_2, fn, rule, form, 2, flags, writes)       \
	BINARY(name##_4, fn, rule, form, 4, flags, writes)       \
	BINARY(name##_8, fn, rule, form, 8, flags, writes)
#define BINARY_FORMS(name, fn, rule, flags, writes)                        \
	BINARY_SIZES(name##_rr, fn, rule, FORM_RR, flags, writes)          \
	BINARY_SIZES(name##_rm, fn, rule, FORM_RM, flags, writes)          \
	BINARY_SIZES(name##_mr, fn, rule, FORM_MR, flags, writes)          \
	BINARY_SIZES(name##_ri, fn, rule, FORM_RI, flags, writes)          \
	BINARY_SIZES(name##_mi, fn, rule, FORM_MI, flags, writes)
#define BINARY_OP(name, rule)                             \
	BINARY_FORMS(name, op_##name, rule, true, true)   \
	BINARY_FORMS(name##_quiet, op_##name, rule, false, true)

#define UNARY(name, fn, form, size, flags) TWO_PATHS(name, unary(cpu, insn, fast, fn, form, size, flags))
#define UNARY_SIZES(name, fn, form, flags)        \
	UNARY(name##_1, fn, form, 1, flags)       \
	UNARY(name##_2, fn, form, 2, flags)       \
	UNARY(name##_4, fn, form, 4, flags)       \
	UNARY(name##_8, fn, form, 8, flags)
#define UNARY_OP(name)                                              \
	UNARY_SIZES(name##_r, op_##name, FORM_R, true)              \
	UNARY_SIZES(name##_m, op_##name, FORM_M, true)              \
	UNARY_SIZES(name##_quiet_r, op_##name, FORM_R, false)       \
	UNARY_SIZES(name##_quiet_m, op_##name, FORM_M, false)

BINARY_OP(add, TAG_UNION)
BINARY_OP(or, TAG_UNION)
BINARY_OP(adc, TAG_UNION)
BINARY_OP(sbb, TAG_SAME)
BINARY_OP(and, TAG_UNION)
BINARY_OP(sub, TAG_SUB)
BINARY_OP(xor, TAG_SAME)
BINARY_FORMS(cmp, op_sub, TAG_UNION, true, false)
BINARY_FORMS(test, op_and, TAG_UNION, true, false)
UNARY_OP(inc)
UNARY_OP(dec)
UNARY_OP(neg)
UNARY_SIZES(not_r, op_not, FORM_R, false)
UNARY_SIZES(not_m, op_not, FORM_M, false)

#define ROW_SIZES(op, form, dead, name) \
	{op, form, 1, dead, name##_1}, {op, form, 2, dead, name##_2}, {op, form, 4, dead, name##_4}, {op, form, 8, dead, name##_8},
#define ROW_BINARY(op, dead, name)                                                                           \
	ROW_SIZES(op, FORM_RR, dead, name##_rr)                                                              \
	ROW_SIZES(op, FORM_RM, dead, name##_rm)                                                              \
	ROW_SIZES(op, FORM_MR, dead, name##_mr) ROW_SIZES(op, FORM_RI, dead, name##_ri) ROW_SIZES(op, FORM_MI, dead, name##_mi)
#define ROW_UNARY(op, dead, name) ROW_SIZES(op, FORM_R, dead, name##_r) ROW_SIZES(op, FORM_M, dead, name##_m)

/* clang-format off */
const struct op_impl ENGINE(alu_impls)[] = {
	ROW_BINARY(OP_ADD, 0, add) ROW_BINARY(OP_ADD, 1, add_quiet)
	ROW_BINARY(OP_OR, 0, or) ROW_BINARY(OP_OR, 1, or_quiet)
	ROW_BINARY(OP_ADC, 0, adc) ROW_BINARY(OP_ADC, 1, adc_quiet)
	ROW_BINARY(OP_SBB, 0, sbb) ROW_BINARY(OP_SBB, 1, sbb_quiet)
	ROW_BINARY(OP_AND, 0, and) ROW_BINARY(OP_AND, 1, and_quiet)
	ROW_BINARY(OP_SUB, 0, sub) ROW_BINARY(OP_SUB, 1, sub_quiet)
	ROW_BINARY(OP_XOR, 0, xor) ROW_BINARY(OP_XOR, 1, xor_quiet)
	ROW_BINARY(OP_CMP, 0, cmp)
	ROW_BINARY(OP_TEST, 0, test)
	ROW_UNARY(OP_INC, 0, inc) ROW_UNARY(OP_INC, 1, inc_quiet)
	ROW_UNARY(OP_DEC, 0, dec) ROW_UNARY(OP_DEC, 1, dec_quiet)
	ROW_UNARY(OP_NEG, 0, neg) ROW_UNARY(OP_NEG, 1, neg_quiet)
	ROW_UNARY(OP_NOT, 0, not)
	{0},
};
