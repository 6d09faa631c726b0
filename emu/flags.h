/*
 * Lazy arithmetic flags (SDM vol. 1, 3.4.3.1).
 *
 * The last operation that wrote flags leaves its operands and its result, *sign-extended to 64 bits*. CF, OF, SF, ZF, AF and PF are
 * computed when somebody asks for them. Sign extension makes the formulas independent of the operand size: the carries out of and into the
 * top bit are in bit 63, and unsigned order is kept. Operations whose flags come from something else than one addition, subtraction or
 * logic result store the finished bits (FLAGS_RAW).
 */
#ifndef XRAY86_EMU_FLAGS_H
#define XRAY86_EMU_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	FLAG_CF = 1 << 0,
	FLAG_PF = 1 << 2,
	FLAG_AF = 1 << 4,
	FLAG_ZF = 1 << 6,
	FLAG_SF = 1 << 7,
	FLAG_TF = 1 << 8,
	FLAG_IF = 1 << 9,
	FLAG_DF = 1 << 10,
	FLAG_OF = 1 << 11,
	FLAG_IOPL = 3 << 12,
	FLAG_NT = 1 << 14,
	FLAG_RF = 1 << 16,
	FLAG_VM = 1 << 17,
	FLAG_AC = 1 << 18,
	FLAG_VIF = 1 << 19,
	FLAG_VIP = 1 << 20,
	FLAG_ID = 1 << 21,
	FLAGS_DEFINED = 0x3f7fd5, /* all of the above */
	FLAGS_ARITHMETIC = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

enum flags_kind {
	FLAGS_RAW,    /* result holds the flag bits at their EFLAGS places */
	FLAGS_ADD,    /* a + b (+ carry) = result */
	FLAGS_SUB,    /* a - b (- borrow) = result */
	FLAGS_LOGIC,  /* CF = OF = AF = 0 */
	FLAGS_INC,    /* a + 1 = result, CF = b */
	FLAGS_DEC,    /* a - 1 = result, CF = b */
	FLAGS_RESULT, /* SF, ZF and PF of result; CF, AF and OF are in a, at their EFLAGS places */
};

struct lazy_flags {
	uint64_t result, a, b;
	uint64_t kind; /* enum flags_kind */
};

static inline uint64_t sign_extend(uint64_t value, unsigned size)
{
	switch (size) {
	case 1:
		return (uint64_t)(int8_t)value;
	case 2:
		return (uint64_t)(int16_t)value;
	case 4:
		return (uint64_t)(int32_t)value;
	default:
		return value;
	}
}

static inline void flags_set(struct lazy_flags *flags, enum flags_kind kind, uint64_t a, uint64_t b, uint64_t result, unsigned size)
{
	flags->kind = kind;
	flags->result = sign_extend(result, size);
	if (kind != FLAGS_LOGIC) {
		flags->a = sign_extend(a, size);
		flags->b = sign_extend(b, size);
	}
}

/* bits: any of FLAGS_ARITHMETIC, at their EFLAGS places. Other bits are ignored. */
static inline void flags_set_raw(struct lazy_flags *flags, uint64_t bits)
{
	flags->kind = FLAGS_RAW;
	flags->result = bits & FLAGS_ARITHMETIC;
}

static inline bool flags_cf(const struct lazy_flags *flags)
{
	uint64_t a = flags->a, b = flags->b, r = flags->result;

	switch ((enum flags_kind)flags->kind) {
	case FLAGS_ADD:
		return ((a & b) | ((a | b) & ~r)) >> 63;
	case FLAGS_SUB:
		return ((~a & b) | ((~a | b) & r)) >> 63;
	case FLAGS_LOGIC:
		return false;
	case FLAGS_INC:
	case FLAGS_DEC:
		return b;
	case FLAGS_RESULT:
		return a & FLAG_CF;
	case FLAGS_RAW:
		break;
	}
	return r & FLAG_CF;
}

static inline bool flags_of(const struct lazy_flags *flags)
{
	uint64_t a = flags->a, b = flags->b, r = flags->result;

	switch ((enum flags_kind)flags->kind) {
	case FLAGS_ADD:
		return ((a ^ r) & (b ^ r)) >> 63;
	case FLAGS_SUB:
		return ((a ^ b) & (a ^ r)) >> 63;
	case FLAGS_LOGIC:
		return false;
	case FLAGS_INC:
		return (~a & r) >> 63;
	case FLAGS_DEC:
		return (a & ~r) >> 63;
	case FLAGS_RESULT:
		return a & FLAG_OF;
	case FLAGS_RAW:
		break;
	}
	return r & FLAG_OF;
}

static inline bool flags_af(const struct lazy_flags *flags)
{
	uint64_t a = flags->a, b = flags->b, r = flags->result;

	switch ((enum flags_kind)flags->kind) {
	case FLAGS_ADD:
	case FLAGS_SUB:
		return (a ^ b ^ r) >> 4 & 1;
	case FLAGS_LOGIC:
		return false;
	case FLAGS_INC:
	case FLAGS_DEC:
		return (a ^ 1 ^ r) >> 4 & 1;
	case FLAGS_RESULT:
		return a & FLAG_AF;
	case FLAGS_RAW:
		break;
	}
	return r & FLAG_AF;
}

static inline bool flags_zf(const struct lazy_flags *flags)
{
	return flags->kind == FLAGS_RAW ? flags->result & FLAG_ZF : flags->result == 0;
}

static inline bool flags_sf(const struct lazy_flags *flags)
{
	return flags->kind == FLAGS_RAW ? flags->result & FLAG_SF : flags->result >> 63;
}

static inline bool flags_pf(const struct lazy_flags *flags)
{
	return flags->kind == FLAGS_RAW ? flags->result & FLAG_PF : !__builtin_parity(flags->result & 0xff);
}

/* All six, at their EFLAGS places. */
static inline uint32_t flags_get(const struct lazy_flags *flags)
{
	if (flags->kind == FLAGS_RAW)
		return flags->result;
	return (flags_cf(flags) ? FLAG_CF : 0) | (flags_pf(flags) ? FLAG_PF : 0) | (flags_af(flags) ? FLAG_AF : 0) |
	       (flags_zf(flags) ? FLAG_ZF : 0) | (flags_sf(flags) ? FLAG_SF : 0) | (flags_of(flags) ? FLAG_OF : 0);
}

/* Sets SF, ZF and PF by the result, and CF, AF and OF to the bits of `carries` at their EFLAGS places. */
static inline void flags_set_result(struct lazy_flags *flags, uint64_t result, uint64_t carries, unsigned size)
{
	flags->kind = FLAGS_RESULT;
	flags->result = sign_extend(result, size);
	flags->a = carries;
}

/* Replaces those of CF, AF and OF that are in mask. The other flags stay, and are not computed where that can be avoided. */
static inline void flags_replace(struct lazy_flags *flags, uint64_t bits, uint64_t mask)
{
	if (flags->kind == FLAGS_RAW) {
		flags->result = (flags->result & ~mask) | bits;
		return;
	}
	if (!(mask & FLAG_CF) && flags_cf(flags))
		bits |= FLAG_CF;
	if (!(mask & FLAG_AF) && flags_af(flags))
		bits |= FLAG_AF;
	if (!(mask & FLAG_OF) && flags_of(flags))
		bits |= FLAG_OF;
	flags->a = bits;
	flags->kind = FLAGS_RESULT;
}

/* SF, ZF and PF bits of a result, for operations that finish their flags themselves. */
static inline uint32_t flags_of_result(uint64_t result, unsigned size)
{
	uint64_t r = sign_extend(result, size);

	return (r == 0 ? FLAG_ZF : 0) | ((int64_t)r < 0 ? FLAG_SF : 0) | (__builtin_parity(r & 0xff) ? 0 : FLAG_PF);
}

/* The condition tttn of Jcc, SETcc and CMOVcc (SDM vol. 2D B.1.4.7). */
static inline bool flags_condition(const struct lazy_flags *flags, unsigned condition)
{
	bool holds;

	switch (condition >> 1) {
	case 0:
		holds = flags_of(flags);
		break;
	case 1:
		holds = flags_cf(flags);
		break;
	case 2:
		holds = flags_zf(flags);
		break;
	case 3:
		holds = flags_cf(flags) || flags_zf(flags);
		break;
	case 4:
		holds = flags_sf(flags);
		break;
	case 5:
		holds = flags_pf(flags);
		break;
	case 6:
		holds = flags_sf(flags) != flags_of(flags);
		break;
	default:
		holds = flags_zf(flags) || flags_sf(flags) != flags_of(flags);
		break;
	}
	return holds != (condition & 1);
}

#endif
