/*
 * Multiplication, division and sign extension of the accumulator: MUL IMUL DIV IDIV, CBW/CWDE/CDQE, CWD/CDQ/CQO (SDM vol. 1, 7.3.2,
 * 7.3.3). IMUL2 and IMUL3 are IMUL with two and three operands.
 *
 * Flags that the SDM leaves undefined are AMD's: multiplication writes none but CF and OF; division keeps CF and OF, sets AF and clears
 * SF, ZF and PF.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"

/* Whether the handler writes flags, or was chosen because nobody reads them. */
enum flags_use { FLAGS_LIVE, FLAGS_DEAD };

typedef unsigned __int128 uint128;
typedef __int128 int128;

/* A product in two halves of the operand size (the bits above it mean nothing), and whether the low half alone does not tell it. */
struct product {
	uint64_t low, high;
	bool overflow;
};

typedef struct product multiply_fn(uint64_t a, uint64_t b, unsigned size);

ALWAYS_INLINE struct product multiply_unsigned(uint64_t a, uint64_t b, unsigned size)
{
	uint128 product;

	if (size < 8)
		return (struct product){a * b, a * b >> 8 * size, a * b >> 8 * size != 0};
	product = (uint128)a * b;
	return (struct product){product, product >> 64, product >> 64 != 0};
}

ALWAYS_INLINE struct product multiply_signed(uint64_t a, uint64_t b, unsigned size)
{
	int64_t multiplicand = (int64_t)sign_extend(a, size), multiplier = (int64_t)sign_extend(b, size), narrow;
	int128 wide;

	if (size < 8) {
		narrow = multiplicand * multiplier;
		return (struct product){narrow, narrow >> 8 * size, (int64_t)sign_extend(narrow, size) != narrow};
	}
	wide = (int128)multiplicand * multiplier;
	return (struct product){wide, wide >> 64, (int64_t)wide != wide};
}

ALWAYS_INLINE void multiply_flags(struct cpu *cpu, bool overflow, enum flags_use use)
{
	if (use == FLAGS_LIVE)
		flags_replace(&cpu->flags, overflow ? FLAG_CF | FLAG_OF : 0, FLAG_CF | FLAG_OF);
}

/* Operands, by form. */
ALWAYS_INLINE struct value first_operand(struct cpu *cpu, const struct insn *insn, unsigned size, enum form form)
{
	if (form == FORM_M)
		return load(cpu, insn, ea(cpu, insn, size, false), size);
	return reg_get(cpu, insn->op1, size);
}

ALWAYS_INLINE struct value second_operand(struct cpu *cpu, const struct insn *insn, unsigned size, enum form form)
{
	if (form == FORM_RM)
		return load(cpu, insn, ea(cpu, insn, size, false), size);
	return reg_get(cpu, insn->op2, size);
}

/* rDX:rAX (AX for bytes) = rAX * operand. */
ALWAYS_INLINE void multiply(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, multiply_fn *fn, enum flags_use use)
{
	struct value a = reg_get(cpu, CPU_OFFSET(gpr[RAX]), size), b = first_operand(cpu, insn, size, form);
	struct product product = fn(a.v, b.v, size);
	tag_t tag = a.tag | b.tag;

	if (size == 1) {
		reg_set(cpu, CPU_OFFSET(gpr[RAX]), 2, (struct value){product.low, tag});
	} else {
		reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, (struct value){product.low, tag});
		reg_set(cpu, CPU_OFFSET(gpr[RDX]), size, (struct value){product.high, tag});
	}
	multiply_flags(cpu, product.overflow, use);
}

ALWAYS_INLINE void multiply_low(struct cpu *cpu, const struct insn *insn, struct value a, struct value b, unsigned size, enum flags_use use)
{
	struct product product;

	if (use == FLAGS_DEAD) {
		reg_set(cpu, insn->op1, size, (struct value){a.v * b.v, a.tag | b.tag});
		return;
	}
	product = multiply_signed(a.v, b.v, size);
	reg_set(cpu, insn->op1, size, (struct value){product.low, a.tag | b.tag});
	multiply_flags(cpu, product.overflow, use);
}

ALWAYS_INLINE void multiply_two(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, multiply_fn *fn,
				enum flags_use use)
{
	(void)fn;
	multiply_low(cpu, insn, reg_get(cpu, insn->op1, size), second_operand(cpu, insn, size, form), size, use);
}

ALWAYS_INLINE void multiply_three(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, multiply_fn *fn,
				  enum flags_use use)
{
	(void)fn;
	multiply_low(cpu, insn, second_operand(cpu, insn, size, form), (struct value){(int64_t)insn->imm, 0}, size, use);
}

/* -- division -- */

struct quotient {
	uint64_t quotient, remainder;
	bool fits; /* false: #DE */
};

/* Divides high:low (halves of `size` bytes, zero-extended). */
typedef struct quotient divide_fn(uint64_t high, uint64_t low, uint64_t divisor, unsigned size);

ALWAYS_INLINE struct quotient divide_unsigned(uint64_t high, uint64_t low, uint64_t divisor, unsigned size)
{
	uint128 dividend;

	if (high >= divisor) /* also if the divisor is 0 */
		return (struct quotient){.fits = false};
	if (size < 8)
		low |= high << 8 * size;
	if (size < 8 || high == 0)
		return (struct quotient){low / divisor, low % divisor, true};
	dividend = (uint128)high << 64 | low;
	return (struct quotient){dividend / divisor, dividend % divisor, true};
}

ALWAYS_INLINE struct quotient divide_signed(uint64_t high, uint64_t low, uint64_t divisor, unsigned size)
{
	int64_t by = (int64_t)sign_extend(divisor, size), narrow;
	int128 dividend = size < 8 ? (int128)(int64_t)sign_extend(high << 8 * size | low, 2 * size) : (int128)((uint128)high << 64 | low);
	int128 quotient;

	if (by == 0)
		return (struct quotient){.fits = false};
	if (by == -1) { /* the host's division traps on -2^63 / -1 */
		quotient = -dividend;
		return (struct quotient){quotient, 0, quotient == (int64_t)sign_extend(quotient, size)};
	}
	narrow = dividend;
	if (narrow == dividend) {
		narrow /= by;
		return (struct quotient){narrow, dividend - narrow * by, narrow == (int64_t)sign_extend(narrow, size)};
	}
	quotient = dividend / by;
	return (struct quotient){quotient, dividend % by, quotient == (int64_t)quotient};
}

/* rAX = rDX:rAX / operand, rDX the remainder; bytes: AL = AX / operand, AH the remainder. */
ALWAYS_INLINE void divide(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, divide_fn *fn, enum flags_use use)
{
	uint16_t high_offset = size == 1 ? CPU_OFFSET(gpr[RAX]) + 1 : CPU_OFFSET(gpr[RDX]);
	struct value high = reg_get(cpu, high_offset, size), low = reg_get(cpu, CPU_OFFSET(gpr[RAX]), size);
	struct value divisor = first_operand(cpu, insn, size, form);
	struct quotient result = fn(high.v, low.v, divisor.v, size);
	tag_t tag = high.tag | low.tag | divisor.tag;

	if (unlikely(!result.fits)) {
		cpu->current = insn;
		cpu_raise(cpu, VECTOR_DE);
	}
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, (struct value){result.quotient, tag});
	reg_set(cpu, high_offset, size, (struct value){result.remainder, tag});
	if (use == FLAGS_LIVE)
		flags_set_raw(&cpu->flags, (flags_get(&cpu->flags) & (FLAG_CF | FLAG_OF)) | FLAG_AF);
}

/* -- sign extension -- */

/* CBW, CWDE, CDQE: rAX = its lower half. */
ALWAYS_INLINE void extend_half(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value half = reg_get(cpu, CPU_OFFSET(gpr[RAX]), size / 2);

	(void)insn;
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, (struct value){sign_extend(half.v, size / 2), half.tag});
}

/* CWD, CDQ, CQO: rDX = the sign of rAX. */
ALWAYS_INLINE void extend_sign(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value value = reg_get(cpu, CPU_OFFSET(gpr[RAX]), size);

	(void)insn;
	reg_set(cpu, CPU_OFFSET(gpr[RDX]), size, (struct value){(int64_t)sign_extend(value.v, size) >> 63, value.tag});
}

/* -- instances: HANDLER(operation, form, size, flags, template, function); EXTENSION(operation, size, template) -- */

#define DEAD_AND_LIVE(HANDLER, op, form, size, template, function)                                                                         \
	HANDLER(op, form, size, FLAGS_DEAD, template, function)                                                                            \
	HANDLER(op, form, size, FLAGS_LIVE, template, function)
#define ONE_OPERAND(HANDLER, op, form, template, function)                                                                                 \
	HANDLER(op, form, 1, FLAGS_LIVE, template, function)                                                                               \
	HANDLER(op, form, 2, FLAGS_LIVE, template, function)                                                                               \
	DEAD_AND_LIVE(HANDLER, op, form, 4, template, function)                                                                            \
	DEAD_AND_LIVE(HANDLER, op, form, 8, template, function)
#define TWO_OPERANDS(HANDLER, op, form, template, function)                                                                                \
	HANDLER(op, form, 2, FLAGS_LIVE, template, function)                                                                               \
	DEAD_AND_LIVE(HANDLER, op, form, 4, template, function)                                                                            \
	DEAD_AND_LIVE(HANDLER, op, form, 8, template, function)
#define INSTANCES(HANDLER)                                                                                                                 \
	ONE_OPERAND(HANDLER, MUL, R, multiply, multiply_unsigned)                                                                          \
	ONE_OPERAND(HANDLER, MUL, M, multiply, multiply_unsigned)                                                                          \
	ONE_OPERAND(HANDLER, IMUL, R, multiply, multiply_signed)                                                                           \
	ONE_OPERAND(HANDLER, IMUL, M, multiply, multiply_signed)                                                                           \
	TWO_OPERANDS(HANDLER, IMUL2, RR, multiply_two, multiply_signed)                                                                    \
	TWO_OPERANDS(HANDLER, IMUL2, RM, multiply_two, multiply_signed)                                                                    \
	TWO_OPERANDS(HANDLER, IMUL3, RR, multiply_three, multiply_signed)                                                                  \
	TWO_OPERANDS(HANDLER, IMUL3, RM, multiply_three, multiply_signed)                                                                  \
	ONE_OPERAND(HANDLER, DIV, R, divide, divide_unsigned)                                                                              \
	ONE_OPERAND(HANDLER, DIV, M, divide, divide_unsigned)                                                                              \
	ONE_OPERAND(HANDLER, IDIV, R, divide, divide_signed)                                                                               \
	ONE_OPERAND(HANDLER, IDIV, M, divide, divide_signed)
#define EXTENSIONS(EXTENSION)                                                                                                              \
	EXTENSION(CBW, 2, extend_half)                                                                                                     \
	EXTENSION(CBW, 4, extend_half)                                                                                                     \
	EXTENSION(CBW, 8, extend_half)                                                                                                     \
	EXTENSION(CWD, 2, extend_sign)                                                                                                     \
	EXTENSION(CWD, 4, extend_sign)                                                                                                     \
	EXTENSION(CWD, 8, extend_sign)

#define DEFINE(op, form, size, flags, template, function)                                                                                  \
	static const struct insn *op##_##form##_##size##_##flags(struct cpu *cpu, const struct insn *insn)                                 \
	{                                                                                                                                  \
		template(cpu, insn, FORM_##form, size, function, flags);                                                                   \
		NEXT(cpu, insn);                                                                                                           \
	}
#define DEFINE_EXTENSION(op, size, template)                                                                                               \
	static const struct insn *op##_##size(struct cpu *cpu, const struct insn *insn)                                                    \
	{                                                                                                                                  \
		template(cpu, insn, size);                                                                                                 \
		NEXT(cpu, insn);                                                                                                           \
	}
INSTANCES(DEFINE)
EXTENSIONS(DEFINE_EXTENSION)

#define ROW(op, form, size, flags, template, function) {OP_##op, FORM_##form, size, flags == FLAGS_DEAD, op##_##form##_##size##_##flags},
#define ROW_EXTENSION(op, size, template) {OP_##op, FORM_ANY, size, 0, op##_##size},
const struct op_impl ENGINE(muldiv_impls)[] = {INSTANCES(ROW) EXTENSIONS(ROW_EXTENSION){0}};
