/*
 * Precision beside an unmasked overflow or underflow: sse.h.
 *
 * The masked response, which is what the host computes, loses digits for its exponent's sake: an infinity or a denormal is inexact. An
 * unmasked overflow or underflow delivers no result, and PE then says whether it would be inexact with the exponent unbounded (SDM vol. 1,
 * 11.5.2.4-11.5.2.6). The x87 answers that: under precision control it rounds to the format's significand, but with 15 bits of exponent,
 * which no operation on two singles or doubles leaves; and its result also says whether the element is tiny or overflows, for SSE
 * detects both after rounding.
 */
#include <string.h>

#include "emu/sse.h"
#include "emu/x87.h"

/* Elements of both operands, which meet each other in basic operations. */
struct pairs {
	union xmm x, y;
	enum { ADD, MULTIPLY, DIVIDE } operation;
	bool wide;   /* doubles */
	bool single; /* the result's precision */
	unsigned count;
};

struct extended {
	uint64_t significand;
	uint16_t sign_exponent;
} __attribute__((packed));

/* Changes the signs of y's elements first, first + step ... */
static void negate(struct pairs *pairs, unsigned first, unsigned step)
{
	for (unsigned i = first; i < pairs->count; i += step) {
		if (pairs->wide)
			pairs->y.u64[i] ^= 1ull << 63;
		else
			pairs->y.u32[i] ^= 1u << 31;
	}
}

/* Horizontal operations: neighbours meet, first those of a, then those of b. */
static void pair_neighbours(struct pairs *pairs, const union xmm *a, const union xmm *b)
{
	unsigned half = pairs->count / 2;

	for (unsigned i = 0; i < half; i++) {
		if (pairs->wide) {
			pairs->x.u64[i] = a->u64[2 * i];
			pairs->y.u64[i] = a->u64[2 * i + 1];
			pairs->x.u64[half + i] = b->u64[2 * i];
			pairs->y.u64[half + i] = b->u64[2 * i + 1];
		} else {
			pairs->x.u32[i] = a->u32[2 * i];
			pairs->y.u32[i] = a->u32[2 * i + 1];
			pairs->x.u32[half + i] = b->u32[2 * i];
			pairs->y.u32[half + i] = b->u32[2 * i + 1];
		}
	}
}

static void make_pairs(struct pairs *pairs, enum sse_operation operation, enum lanes lanes, const union xmm *a, const union xmm *b)
{
	static const unsigned counts[] = {[LANES_PS] = 4, [LANES_SS] = 1, [LANES_PD] = 2, [LANES_SD] = 1};

	pairs->x = *a;
	pairs->y = *b;
	pairs->single = lanes == LANES_PS || lanes == LANES_SS;
	pairs->wide = !pairs->single || operation == SSE_NARROW;
	pairs->count = counts[lanes];
	pairs->operation = operation == SSE_MUL ? MULTIPLY : operation == SSE_DIV ? DIVIDE : ADD;
	if (operation == SSE_NARROW) { /* times one */
		pairs->x = *b;
		pairs->y.u64[0] = pairs->y.u64[1] = 0x3ff0000000000000;
		pairs->count = lanes == LANES_PS ? 2 : 1;
		pairs->operation = MULTIPLY;
	}
	if (operation == SSE_HADD || operation == SSE_HSUB)
		pair_neighbours(pairs, a, b);
	if (operation == SSE_SUB || operation == SSE_HSUB)
		negate(pairs, 0, 1);
	if (operation == SSE_ADDSUB)
		negate(pairs, 0, 2);
}

static uint64_t element(const union xmm *from, bool wide, unsigned i)
{
	return wide ? from->u64[i] : from->u32[i];
}

static uint64_t denormal_as_zero(uint64_t value, bool wide)
{
	uint64_t exponent = wide ? 0x7ffull << 52 : 0xffull << 23, sign = wide ? 1ull << 63 : 1ull << 31;

	return value & exponent ? value : value & sign;
}

/* x operation y by the host's x87, and its exception flags. */
static uint16_t compute(const struct pairs *pairs, uint64_t x, uint64_t y, struct extended *ret)
{
	uint16_t status = 0;

#define COMPUTE(instruction, size)                                                                                                         \
	__asm__ volatile("fnclex; fld" size " %2; " instruction size " %3; fnstsw %0; fstpt %1"                                            \
			 : "=&a"(status), "=m"(*ret)                                                                                       \
			 : "m"(x), "m"(y))
	switch (pairs->operation) {
	case ADD:
		if (pairs->wide)
			COMPUTE("fadd", "l");
		else
			COMPUTE("fadd", "s");
		break;
	case MULTIPLY:
		if (pairs->wide)
			COMPUTE("fmul", "l");
		else
			COMPUTE("fmul", "s");
		break;
	case DIVIDE:
		if (pairs->wide)
			COMPUTE("fdiv", "l");
		else
			COMPUTE("fdiv", "s");
		break;
	}
#undef COMPUTE
	return status;
}

static struct extended widen(uint64_t value, bool single)
{
	struct extended ret;

	if (single)
		__asm__ volatile("flds %1; fstpt %0" : "=m"(ret) : "m"(value));
	else
		__asm__ volatile("fldl %1; fstpt %0" : "=m"(ret) : "m"(value));
	return ret;
}

/* One element: inexact with its exponent unbounded, or, unless that is an unmasked exception, made so by the exponent's bounds. */
static bool is_inexact(const struct pairs *pairs, unsigned i, uint64_t result, uint32_t mxcsr)
{
	uint64_t x = element(&pairs->x, pairs->wide, i), y = element(&pairs->y, pairs->wide, i);
	int most = pairs->single ? 127 : 1023, exponent;
	struct extended unbounded, bounded;
	bool traps;

	if (mxcsr & MXCSR_DAZ) {
		x = denormal_as_zero(x, pairs->wide);
		y = denormal_as_zero(y, pairs->wide);
	}
	if (compute(pairs, x, y, &unbounded) & X87_PE)
		return true;
	exponent = (unbounded.sign_exponent & 0x7fff) - 0x3fff;
	if (exponent == 0x4000 || unbounded.significand == 0) /* infinities, NaNs, zeros */
		return false;
	traps = (exponent > most && !(mxcsr & MXCSR_OE << MXCSR_MASK_SHIFT)) ||
		(exponent < 1 - most && !(mxcsr & MXCSR_UE << MXCSR_MASK_SHIFT));
	bounded = widen(result, pairs->single);
	return !traps && memcmp(&bounded, &unbounded, sizeof(bounded)) != 0;
}

bool sse_inexact(struct cpu *cpu, enum sse_operation operation, enum lanes lanes, __m128i a, __m128i b, __m128i result)
{
	uint16_t rounding = (cpu->mxcsr >> MXCSR_RC_SHIFT & 3) << 10, control;
	struct pairs pairs;
	union xmm first, second, third;
	bool inexact = false;

	_mm_store_si128((__m128i *)&first, a);
	_mm_store_si128((__m128i *)&second, b);
	_mm_store_si128((__m128i *)&third, result);
	make_pairs(&pairs, operation, lanes, &first, &second);
	control = X87_CONTROL_ONES | X87_MASKS | rounding | (pairs.single ? 0 : X87_PC_DOUBLE);
	__asm__ volatile("fldcw %0" : : "m"(control));
	for (unsigned i = 0; i < pairs.count; i++)
		inexact |= is_inexact(&pairs, i, element(&third, !pairs.single, i), cpu->mxcsr);
	__asm__ volatile("fnclex; fldcw %0" : : "m"(cpu->x87_host_control));
	return inexact;
}
