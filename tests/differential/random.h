/*
 * Random numbers, and values that lean to the corners where implementations differ. One generator a case, seeded by the run's seed and
 * the case's
 * number, so that any case can be made again alone.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_RANDOM_H
#define XRAY86_TESTS_DIFFERENTIAL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

void random_init(struct random *random, uint64_t seed, uint64_t stream);

static inline uint64_t random_bits(struct random *random) /* splitmix64 */
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* 0 .. below-1 */
static inline uint32_t random_below(struct random *random, uint32_t below)
{
	return (random_bits(random) >> 32) * below >> 32;
}

static inline bool random_percent(struct random *random, unsigned percent)
{
	return random_below(random, 100) < percent;
}

/* A 64-bit integer: small, a power of two or its neighbours, a sign boundary of some size, a repeated byte, or anything. */
uint64_t random_integer(struct random *random);
/* Encodings of floating-point numbers: zeros, denormals, ones, ordinary numbers of near exponents, infinities, NaNs of both kinds. */
uint32_t random_single(struct random *random);
uint64_t random_double(struct random *random);
/* An 80-bit one, unsupported formats (pseudo-denormals, unnormals...) among them. */
void random_extended(struct random *random, uint64_t *ret_significand, uint16_t *ret_sign_exponent);
/* 16 bytes of integers, singles or doubles. */
void random_vector(struct random *random, uint8_t *to);
/* Packed BCD for FBLD, now and then invalid. */
void random_bcd(struct random *random, uint8_t *to);

#endif
