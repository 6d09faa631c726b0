/* Biased random values: random.h. */
#include "tests/differential/random.h"

#include <string.h>

void random_init(struct random *random, uint64_t seed, uint64_t stream)
{
	random->state = seed * 0xd1342543de82ef95 + 1;
	random_bits(random);
	random->state ^= stream * 0xaf251af3b0f025b5;
	random_bits(random);
}

uint64_t random_integer(struct random *random)
{
	uint64_t bits = random_bits(random), value;
	unsigned shift = bits >> 8 & 63;

	switch (bits & 15) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return bits >> 56;
	case 3:
		return -(bits >> 56);
	case 4:
		return 1ull << shift;
	case 5:
		return (1ull << shift) - 1;
	case 6:
		return ~(1ull << shift);
	case 7: /* a boundary of a size, plus or minus a little */
		value = 0x80ull << (8 * (bits >> 20 & 7));
		return value + (bits >> 24 & 3) - 2;
	case 8:
		return (bits >> 56) * 0x0101010101010101;
	case 9:
		return (uint32_t)(bits >> 20);
	case 10:
		return (uint64_t)(int32_t)(bits >> 20);
	case 11:
		return random_bits(random) >> shift;
	default:
		return random_bits(random);
	}
}

/* Puts together sign, exponent and fraction of an IEEE 754 number of the given widths; the integer bit is not among them. */
static uint64_t random_float(struct random *random, unsigned exponent_bits, unsigned fraction_bits)
{
	uint64_t bits = random_bits(random), fraction = random_bits(random) >> (64 - fraction_bits);
	uint64_t top = (1ull << exponent_bits) - 1, bias = top >> 1, exponent, sign = bits >> 63;

	switch (bits >> 8 & 3) { /* fractions with few bits make exact results and ties */
	case 0:
		fraction = 0;
		break;
	case 1:
		fraction &= ~0ull << (bits >> 10 & 63) % fraction_bits;
		break;
	}
	switch (bits & 15) {
	case 0:
		exponent = fraction = 0;
		break;
	case 1:
	case 2:
		exponent = 0;
		break;
	case 3: /* infinity */
		exponent = top;
		fraction = 0;
		break;
	case 4: /* NaN */
		exponent = top;
		break;
	case 5: /* about to overflow */
		exponent = top - 1 - (bits >> 20 & 3);
		break;
	case 6: /* about to underflow */
		exponent = 1 + (bits >> 20 & 31) % top;
		break;
	case 7:
		exponent = bits >> 20 & top;
		break;
	default: /* numbers that have something to do with each other, and with integers */
		exponent = bias + (bits >> 20 & 63) - 24;
		exponent &= top;
		break;
	}
	return sign << (exponent_bits + fraction_bits) | exponent << fraction_bits | fraction;
}

uint32_t random_single(struct random *random)
{
	return random_float(random, 8, 23);
}

uint64_t random_double(struct random *random)
{
	return random_float(random, 11, 52);
}

void random_extended(struct random *random, uint64_t *ret_significand, uint16_t *ret_sign_exponent)
{
	uint64_t bits = random_bits(random), significand = random_float(random, 1, 62) << 1 | (bits >> 30 & 1);
	unsigned sign = bits >> 63 << 15, exponent;

	switch (bits & 15) {
	case 0:
		*ret_significand = 0;
		*ret_sign_exponent = sign;
		return;
	case 1: /* denormal; with the integer bit, pseudo-denormal */
		exponent = 0;
		break;
	case 2: /* infinity */
		exponent = 0x7fff;
		significand = 1ull << 63;
		break;
	case 3: /* NaN */
		exponent = 0x7fff;
		significand |= 1ull << 63;
		break;
	case 4: /* anything, unsupported formats among it */
		exponent = bits >> 20 & 0x7fff;
		break;
	case 5:
		exponent = 0x7ffe - (bits >> 20 & 3);
		significand |= 1ull << 63;
		break;
	case 6:
		exponent = 1 + (bits >> 20 & 63);
		significand |= 1ull << 63;
		break;
	case 7: /* integers */
		exponent = 0x3fff + (bits >> 20 & 63);
		significand = (significand | 1ull << 63) & ~0ull << (bits >> 40 & 63);
		break;
	case 8: /* where singles and doubles overflow and underflow */
		exponent = 0x3fff + (bits >> 40 & 1 ? 1023 : 127) * (bits >> 41 & 1 ? 1 : -1) + (int)(bits >> 20 & 63) - 32;
		significand |= 1ull << 63;
		break;
	default:
		exponent = 0x3fff + (bits >> 20 & 127) - 64;
		significand |= 1ull << 63;
		break;
	}
	*ret_significand = significand;
	*ret_sign_exponent = sign | exponent;
}

void random_vector(struct random *random, uint8_t *to)
{
	unsigned kind = random_below(random, 4);

	for (unsigned i = 0; i < 2; i++) {
		uint64_t value;

		if (kind == 0)
			value = random_double(random);
		else if (kind == 1)
			value = random_single(random) | (uint64_t)random_single(random) << 32;
		else
			value = random_integer(random);
		memcpy(to + 8 * i, &value, 8);
	}
	if (random_percent(random, 10)) /* corners of each byte */
		for (unsigned i = 0; i < 16; i++)
			to[i] = random_integer(random);
}

void random_bcd(struct random *random, uint8_t *to)
{
	unsigned digits = random_below(random, 19);

	memset(to, 0, 10);
	for (unsigned i = 0; i < digits; i++)
		to[i / 2] |= random_below(random, random_percent(random, 1) ? 16 : 10) << (i % 2 * 4);
	to[9] = random_percent(random, 50) ? 0x80 : 0;
}
