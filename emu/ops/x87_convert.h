/*
 * Conversions between memory formats and the 80-bit real that need no FPU: faster by integer instructions, since reading the host's
 * status word after each operation is what takes most of its time. Each function says whether the operand is one that it knows (nearly
 * all are); others, and all that may raise anything but #P, are left to the FPU.
 */
#ifndef XRAY86_EMU_OPS_X87_CONVERT_H
#define XRAY86_EMU_OPS_X87_CONVERT_H

#include "emu/ops/x87_quick.h"

/* -- to 80-bit reals: normal reals and zeroes, all integers -- */

ALWAYS_INLINE bool widen_real(struct fpu_register *ret, uint64_t bits, unsigned fraction_bits, unsigned exponent_bits)
{
	uint64_t sign = bits >> (fraction_bits + exponent_bits), all_ones = (1u << exponent_bits) - 1;
	uint64_t exponent = bits >> fraction_bits & all_ones;
	uint64_t fraction = bits << (63 - fraction_bits) & ~(1ull << 63);

	if (likely(exponent != 0 && exponent != all_ones)) {
		ret->significand = fraction | 1ull << 63;
		ret->sign_exponent = sign << 15 | (exponent - (all_ones >> 1) + 0x3fff);
		return true;
	}
	if (exponent == 0 && fraction == 0) {
		ret->significand = 0;
		ret->sign_exponent = sign << 15;
		return true;
	}
	return false;
}

ALWAYS_INLINE bool widen_m32(struct fpu_register *ret, const uint8_t *host)
{
	return widen_real(ret, load_host(host, 4), 23, 8);
}

ALWAYS_INLINE bool widen_m64(struct fpu_register *ret, const uint8_t *host)
{
	return widen_real(ret, load_host(host, 8), 52, 11);
}

ALWAYS_INLINE bool widen_m80(struct fpu_register *ret, const uint8_t *host)
{
	ret->significand = load_host(host, 8);
	ret->sign_exponent = load_host(host + 8, 2);
	return true;
}

ALWAYS_INLINE bool widen_integer(struct fpu_register *ret, int64_t value)
{
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
	unsigned shift;

	if (value == 0) {
		ret->significand = ret->sign_exponent = 0;
		return true;
	}
	shift = __builtin_clzll(magnitude);
	ret->significand = magnitude << shift;
	ret->sign_exponent = (value < 0) << 15 | (0x3fff + 63 - shift);
	return true;
}

ALWAYS_INLINE bool widen_i16(struct fpu_register *ret, const uint8_t *host)
{
	return widen_integer(ret, (int16_t)load_host(host, 2));
}

ALWAYS_INLINE bool widen_i32(struct fpu_register *ret, const uint8_t *host)
{
	return widen_integer(ret, (int32_t)load_host(host, 4));
}

ALWAYS_INLINE bool widen_i64(struct fpu_register *ret, const uint8_t *host)
{
	return widen_integer(ret, (int64_t)load_host(host, 8));
}

ALWAYS_INLINE bool widen_never(struct fpu_register *ret, const uint8_t *host)
{
	(void)ret;
	(void)host;
	return false;
}

/* -- from 80-bit reals, rounding to nearest, integers also towards zero: normal numbers and zeroes whose result is such or an integer -- */

/* What a store gives: the bits, and the status bits that it sets (PE; C1 if it was rounded up). */
struct x87_narrowed {
	uint64_t bits;
	uint16_t status;
};

/* Whether a quotient with these bits dropped (left-justified) is to be rounded up to the nearest, or even. */
ALWAYS_INLINE bool rounds_up(uint64_t quotient, uint64_t dropped)
{
	return dropped > 1ull << 63 || (dropped == 1ull << 63 && (quotient & 1));
}

ALWAYS_INLINE bool narrow_real(const struct fpu_register *reg, uint16_t control, unsigned fraction_bits, unsigned exponent_bits,
			       struct x87_narrowed *ret)
{
	unsigned shift = 63 - fraction_bits;
	int exponent_max = (1 << exponent_bits) - 1;
	int exponent = (reg->sign_exponent & 0x7fff) - 0x3fff + (exponent_max >> 1);
	uint64_t sign = (uint64_t)(reg->sign_exponent >> 15) << (fraction_bits + exponent_bits);
	uint64_t quotient = reg->significand >> shift, dropped = reg->significand << (64 - shift);

	if (unlikely(control & X87_RC))
		return false;
	if (likely(reg->significand >> 63 && exponent >= 1 && exponent < exponent_max - 1)) { /* no overflow even if rounded up */
		bool up = rounds_up(quotient, dropped);

		ret->bits = sign + ((uint64_t)(exponent - 1) << fraction_bits) + quotient + up; /* the integer bit adds the one */
		ret->status = (dropped ? X87_PE : 0) | (up ? X87_C1 : 0);
		return true;
	}
	if (reg->significand == 0 && (reg->sign_exponent & 0x7fff) == 0) {
		ret->bits = sign;
		ret->status = 0;
		return true;
	}
	return false;
}

ALWAYS_INLINE bool narrow_m32(const struct fpu_register *reg, uint16_t control, struct x87_narrowed *ret)
{
	return narrow_real(reg, control, 23, 8, ret);
}

ALWAYS_INLINE bool narrow_m64(const struct fpu_register *reg, uint16_t control, struct x87_narrowed *ret)
{
	return narrow_real(reg, control, 52, 11, ret);
}

/* Magnitudes of 1 to less than 2^(bits - 1), and zero. */
ALWAYS_INLINE bool narrow_integer(const struct fpu_register *reg, uint16_t control, unsigned bits, struct x87_narrowed *ret)
{
	unsigned power = (reg->sign_exponent & 0x7fff) - 0x3fffu; /* the leading bit's */
	bool up, truncate = (control & X87_RC) == X87_RC_TRUNCATE;
	uint64_t magnitude, dropped;

	if (likely(reg->significand >> 63 && power < bits - 1 && (truncate || !(control & X87_RC)))) {
		magnitude = reg->significand >> (63 - power);
		dropped = reg->significand << power << 1;
		up = !truncate && rounds_up(magnitude, dropped);
		magnitude += up;
		if (unlikely(magnitude >> (bits - 1)))
			return false;
		ret->bits = reg->sign_exponent >> 15 ? -magnitude : magnitude;
		ret->status = (dropped ? X87_PE : 0) | (up ? X87_C1 : 0);
		return true;
	}
	if (reg->significand == 0 && (reg->sign_exponent & 0x7fff) == 0) {
		ret->bits = ret->status = 0;
		return true;
	}
	return false;
}

ALWAYS_INLINE bool narrow_i16(const struct fpu_register *reg, uint16_t control, struct x87_narrowed *ret)
{
	return narrow_integer(reg, control, 16, ret);
}

ALWAYS_INLINE bool narrow_i32(const struct fpu_register *reg, uint16_t control, struct x87_narrowed *ret)
{
	return narrow_integer(reg, control, 32, ret);
}

ALWAYS_INLINE bool narrow_i64(const struct fpu_register *reg, uint16_t control, struct x87_narrowed *ret)
{
	return narrow_integer(reg, control, 64, ret);
}

ALWAYS_INLINE bool narrow_never(const struct fpu_register *reg, uint16_t control, struct x87_narrowed *ret)
{
	(void)reg;
	(void)control;
	(void)ret;
	return false;
}

#endif
