/*
 * Shifts and rotates (SDM vol. 1, 7.3.6): ROL ROR RCL RCR SHL SHR SAR, SHLD SHRD.
 *
 * The meaning of each stands in a pure function of value, count and size; everything below is templates that the macros at the end
 * instantiate for operand forms and sizes. Counts are masked to 5 bits (6 for quadwords), a count of 0 writes no flag but does
 * write the destination (which clears the upper half of a 32-bit register).
 *
 * Where the SDM leaves flags undefined this is what AMD processors do: OF is that of the last of `count` shifts by one, AF is set by
 * shifts, and a 16-bit SHLD or SHRD by more than 16 goes on with the second operand's bits, while CF and OF come from the first alone.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"

/* A shifted value (its bits above the size mean nothing), and its CF and OF at their EFLAGS places. */
struct shifted {
	uint64_t value;
	uint64_t flags;
};

ALWAYS_INLINE struct shifted shifted(uint64_t value, uint64_t cf, uint64_t of)
{
	return (struct shifted){value, (cf & 1) | (of & 1) << 11};
}

/* value has `size` bytes, zero-extended. count may be 0, the flags mean nothing then. carry: CF before. */
typedef struct shifted shift_fn(uint64_t value, unsigned count, unsigned size, bool carry);

ALWAYS_INLINE struct shifted shift_left(uint64_t value, unsigned count, unsigned size, bool carry)
{
	uint64_t result = value << count;
	uint64_t cf = size == 8 ? value >> (-count & 63) : result >> size * 8;

	(void)carry;
	return shifted(result, cf, result >> (size * 8 - 1) ^ cf);
}

ALWAYS_INLINE struct shifted shift_right(uint64_t value, unsigned count, unsigned size, bool carry)
{
	uint64_t before_last = value >> ((count - 1) & 63);

	(void)carry;
	return shifted(value >> count, before_last, before_last >> (size * 8 - 1));
}

ALWAYS_INLINE struct shifted shift_arithmetic_right(uint64_t value, unsigned count, unsigned size, bool carry)
{
	int64_t number = (int64_t)sign_extend(value, size);

	(void)carry;
	return shifted((uint64_t)(number >> count), (uint64_t)(number >> ((count - 1) & 63)), 0);
}

ALWAYS_INLINE struct shifted rotate_left(uint64_t value, unsigned count, unsigned size, bool carry)
{
	unsigned modulus = size * 8 - 1;
	uint64_t result = value << (count & modulus) | value >> (-count & modulus);

	(void)carry;
	return shifted(result, result, result >> modulus ^ result);
}

ALWAYS_INLINE struct shifted rotate_right(uint64_t value, unsigned count, unsigned size, bool carry)
{
	unsigned top = size * 8 - 1;
	uint64_t result = value >> (count & top) | value << (-count & top);

	(void)carry;
	return shifted(result, result >> top, result >> top ^ result >> (top - 1));
}

/* Through carry a byte rotates by 9 places, a word by 17. */
ALWAYS_INLINE unsigned count_through_carry(unsigned count, unsigned size)
{
	return size <= 2 ? count % (size * 8 + 1) : count;
}

ALWAYS_INLINE struct shifted rotate_through_carry_left(uint64_t value, unsigned count, unsigned size, bool carry)
{
	unsigned bits = size * 8, places = count_through_carry(count, size);
	uint64_t cf = carry, result = value;

	if (places) {
		cf = value >> (bits - places) & 1;
		result = value << places | (uint64_t)carry << (places - 1) | value >> (bits - places) >> 1;
	}
	return shifted(result, cf, result >> (bits - 1) ^ cf);
}

ALWAYS_INLINE struct shifted rotate_through_carry_right(uint64_t value, unsigned count, unsigned size, bool carry)
{
	unsigned bits = size * 8, places = count_through_carry(count, size);
	uint64_t cf = carry, result = value;

	if (places) {
		cf = value >> (places - 1) & 1;
		result = value >> places | (uint64_t)carry << (bits - places) | value << (bits - places) << 1;
	}
	return shifted(result, cf, result >> (bits - 1) ^ result >> (bits - 2));
}

/* SHLD and SHRD: value is shifted, bits of `filler` come in. */
typedef struct shifted double_shift_fn(uint64_t value, uint64_t filler, unsigned count, unsigned size);

ALWAYS_INLINE struct shifted double_shift_left(uint64_t value, uint64_t filler, unsigned count, unsigned size)
{
	struct shifted result = shift_left(value, count, size, false);

	if (size == 8)
		result.value = count ? value << count | filler >> (64 - count) : value;
	else if (size == 4)
		result.value = (value << 32 | filler) << count >> 32;
	else
		result.value = (value << 32 | filler << 16 | filler) << count >> 32;
	return result;
}

ALWAYS_INLINE struct shifted double_shift_right(uint64_t value, uint64_t filler, unsigned count, unsigned size)
{
	unsigned top = size * 8 - 1;
	uint64_t result;

	if (size == 8)
		result = count ? value >> count | filler << (64 - count) : value;
	else if (size == 4)
		result = (filler << 32 | value) >> count;
	else
		result = (filler << 32 | filler << 16 | value) >> count;
	return shifted(result, value >> ((count - 1) & 63), result >> top ^ result >> (top - 1));
}

/* -- handlers' templates -- */

/* Which flags an operation writes: shifts all of them, rotates CF and OF. */
enum flags_written { SHIFT_FLAGS, ROTATE_FLAGS, NO_FLAGS };

ALWAYS_INLINE void write_flags(struct cpu *cpu, struct shifted result, unsigned size, enum flags_written written)
{
	if (written == SHIFT_FLAGS)
		flags_set_result(&cpu->flags, result.value, result.flags | FLAG_AF, size);
	else if (written == ROTATE_FLAGS)
		flags_replace(&cpu->flags, result.flags, FLAG_CF | FLAG_OF);
}

enum count_operand { COUNT_IMMEDIATE, COUNT_CL };

ALWAYS_INLINE struct value get_count(struct cpu *cpu, const struct insn *insn, unsigned size, enum count_operand operand)
{
	unsigned mask = size == 8 ? 63 : 31;

	if (operand == COUNT_IMMEDIATE)
		return (struct value){insn->imm & mask, 0};
	return (struct value){cpu->gpr[RCX] & mask, reg_tag(cpu, RCX * 8)};
}

ALWAYS_INLINE void shift_register(struct cpu *cpu, const struct insn *insn, unsigned size, shift_fn *shift, enum count_operand operand,
				  enum flags_written written)
{
	struct value count = get_count(cpu, insn, size, operand);
	struct value value = reg_get(cpu, insn->op1, size);
	struct shifted result;

	if (written != NO_FLAGS && unlikely(count.v == 0)) {
		reg_set(cpu, insn->op1, size, value);
		return;
	}
	result = shift(value.v, count.v, size, flags_cf(&cpu->flags));
	reg_set(cpu, insn->op1, size, (struct value){result.value, value.tag | count.tag});
	write_flags(cpu, result, size, written);
}

ALWAYS_INLINE void shift_memory(struct cpu *cpu, const struct insn *insn, unsigned size, shift_fn *shift, enum count_operand operand,
				enum flags_written written)
{
	struct value count = get_count(cpu, insn, size, operand);
	struct rmw rmw;
	struct value value = load_rmw(cpu, insn, ea(cpu, insn, size, true), size, &rmw);
	struct shifted result;

	if (unlikely(count.v == 0)) {
		store_rmw(cpu, insn, &rmw, size, value);
		return;
	}
	result = shift(value.v, count.v, size, flags_cf(&cpu->flags));
	store_rmw(cpu, insn, &rmw, size, (struct value){result.value, value.tag | count.tag});
	write_flags(cpu, result, size, written);
}

ALWAYS_INLINE void double_shift_register(struct cpu *cpu, const struct insn *insn, unsigned size, double_shift_fn *shift,
					 enum count_operand operand, enum flags_written written)
{
	struct value count = get_count(cpu, insn, size, operand);
	struct value value = reg_get(cpu, insn->op1, size), filler = reg_get(cpu, insn->op2, size);
	struct shifted result;

	if (unlikely(count.v == 0)) {
		reg_set(cpu, insn->op1, size, value);
		return;
	}
	result = shift(value.v, filler.v, count.v, size);
	reg_set(cpu, insn->op1, size, (struct value){result.value, value.tag | filler.tag | count.tag});
	write_flags(cpu, result, size, written);
}

ALWAYS_INLINE void double_shift_memory(struct cpu *cpu, const struct insn *insn, unsigned size, double_shift_fn *shift,
				       enum count_operand operand, enum flags_written written)
{
	struct value count = get_count(cpu, insn, size, operand), filler = reg_get(cpu, insn->op2, size);
	struct rmw rmw;
	struct value value = load_rmw(cpu, insn, ea(cpu, insn, size, true), size, &rmw);
	struct shifted result;

	if (unlikely(count.v == 0)) {
		store_rmw(cpu, insn, &rmw, size, value);
		return;
	}
	result = shift(value.v, filler.v, count.v, size);
	store_rmw(cpu, insn, &rmw, size, (struct value){result.value, value.tag | filler.tag | count.tag});
	write_flags(cpu, result, size, written);
}

/* -- instances -- */

/* INSTANCES(HANDLER) names each handler once: HANDLER(operation, form, size, flags dead, template, function, count, flags written). */
#define SHIFT_SIZE(HANDLER, op, function, written, size)                                                                                   \
	HANDLER(op, RI, size, 0, shift_register, function, COUNT_IMMEDIATE, written)                                                       \
	HANDLER(op, RR, size, 0, shift_register, function, COUNT_CL, written)                                                              \
	HANDLER(op, MI, size, 0, shift_memory, function, COUNT_IMMEDIATE, written)                                                         \
	HANDLER(op, MR, size, 0, shift_memory, function, COUNT_CL, written)
#define SHIFT_DEAD(HANDLER, op, function, size)                                                                                            \
	HANDLER(op, RI, size, 1, shift_register, function, COUNT_IMMEDIATE, NO_FLAGS)                                                      \
	HANDLER(op, RR, size, 1, shift_register, function, COUNT_CL, NO_FLAGS)
#define SHIFT_SIZES(HANDLER, op, function, written)                                                                                        \
	SHIFT_SIZE(HANDLER, op, function, written, 1)                                                                                      \
	SHIFT_SIZE(HANDLER, op, function, written, 2)                                                                                      \
	SHIFT_SIZE(HANDLER, op, function, written, 4)                                                                                      \
	SHIFT_SIZE(HANDLER, op, function, written, 8)
#define SHIFT(HANDLER, op, function, written)                                                                                              \
	SHIFT_DEAD(HANDLER, op, function, 4)                                                                                               \
	SHIFT_DEAD(HANDLER, op, function, 8)                                                                                               \
	SHIFT_SIZES(HANDLER, op, function, written)
#define DOUBLE_SHIFT_SIZE(HANDLER, op, function, size)                                                                                     \
	HANDLER(op, RR, size, 0, double_shift_register, function, COUNT_IMMEDIATE, SHIFT_FLAGS)                                            \
	HANDLER(op, MR, size, 0, double_shift_memory, function, COUNT_IMMEDIATE, SHIFT_FLAGS)                                              \
	HANDLER(op##_CL, RR, size, 0, double_shift_register, function, COUNT_CL, SHIFT_FLAGS)                                              \
	HANDLER(op##_CL, MR, size, 0, double_shift_memory, function, COUNT_CL, SHIFT_FLAGS)
#define DOUBLE_SHIFT_DEAD(HANDLER, op, function, size)                                                                                     \
	HANDLER(op, RR, size, 1, double_shift_register, function, COUNT_IMMEDIATE, NO_FLAGS)                                               \
	HANDLER(op##_CL, RR, size, 1, double_shift_register, function, COUNT_CL, NO_FLAGS)
#define DOUBLE_SHIFT(HANDLER, op, function)                                                                                                \
	DOUBLE_SHIFT_DEAD(HANDLER, op, function, 4)                                                                                        \
	DOUBLE_SHIFT_DEAD(HANDLER, op, function, 8)                                                                                        \
	DOUBLE_SHIFT_SIZE(HANDLER, op, function, 2)                                                                                        \
	DOUBLE_SHIFT_SIZE(HANDLER, op, function, 4)                                                                                        \
	DOUBLE_SHIFT_SIZE(HANDLER, op, function, 8)
#define INSTANCES(HANDLER)                                                                                                                 \
	SHIFT(HANDLER, SHL, shift_left, SHIFT_FLAGS)                                                                                       \
	SHIFT(HANDLER, SHR, shift_right, SHIFT_FLAGS)                                                                                      \
	SHIFT(HANDLER, SAR, shift_arithmetic_right, SHIFT_FLAGS)                                                                           \
	SHIFT(HANDLER, ROL, rotate_left, ROTATE_FLAGS)                                                                                     \
	SHIFT(HANDLER, ROR, rotate_right, ROTATE_FLAGS)                                                                                    \
	SHIFT_SIZES(HANDLER, RCL, rotate_through_carry_left, ROTATE_FLAGS)                                                                 \
	SHIFT_SIZES(HANDLER, RCR, rotate_through_carry_right, ROTATE_FLAGS)                                                                \
	DOUBLE_SHIFT(HANDLER, SHLD, double_shift_left)                                                                                     \
	DOUBLE_SHIFT(HANDLER, SHRD, double_shift_right)

#define DEFINE(op, form, size, dead, template, function, count, written)                                                                   \
	static const struct insn *op##_##form##_##size##_##dead(struct cpu *cpu, const struct insn *insn)                                  \
	{                                                                                                                                  \
		template(cpu, insn, size, function, count, written);                                                                       \
		NEXT(cpu, insn);                                                                                                           \
	}
INSTANCES(DEFINE)

#define ROW(op, form, size, dead, template, function, count, written) {OP_##op, FORM_##form, size, dead, op##_##form##_##size##_##dead},
const struct op_impl ENGINE(shift_impls)[] = {INSTANCES(ROW){0}};
