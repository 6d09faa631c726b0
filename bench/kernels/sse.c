/* SSE and SSE2: packed single and double arithmetic, integer SIMD, scalar conversions. */
#include "kernel.h"

#include <emmintrin.h>

enum { COUNT = 2048 };
static float x[COUNT] __attribute__((aligned(16))), y[COUNT] __attribute__((aligned(16)));
static double d[COUNT] __attribute__((aligned(16)));
static uint32_t n[COUNT] __attribute__((aligned(16)));

static void packed(void)
{
	unsigned i;

	for (i = 0; i < COUNT; i += 4) {
		__m128 v = _mm_add_ps(_mm_mul_ps(_mm_load_ps(x + i), _mm_set1_ps(0.999f)), _mm_load_ps(y + i));

		_mm_store_ps(x + i, _mm_min_ps(v, _mm_set1_ps(1000)));
	}
	for (i = 0; i < COUNT; i += 2)
		_mm_store_pd(d + i, _mm_sqrt_pd(_mm_add_pd(_mm_load_pd(d + i), _mm_set1_pd(1.5))));
}

static void integers(void)
{
	unsigned i;

	for (i = 0; i < COUNT; i += 4) {
		__m128i v = _mm_load_si128((const __m128i *)(n + i));

		v = _mm_add_epi32(_mm_xor_si128(v, _mm_slli_epi32(v, 5)), _mm_shuffle_epi32(v, 0x1b));
		_mm_store_si128((__m128i *)(n + i), _mm_sub_epi16(v, _mm_set1_epi16(3)));
	}
}

static double scalar(void)
{
	double sum = 0;
	unsigned i;

	for (i = 0; i < COUNT; i++)
		sum = sum * 0.5 + d[i] / (i + 1) + (double)(int)n[i];
	return sum;
}

void run(void)
{
	double sum = 0;
	uint64_t bits;
	unsigned i;

	begin();
	for (i = 0; i < COUNT; i++) {
		x[i] = i;
		y[i] = 1.0f / (i + 1);
		d[i] = i;
		n[i] = i * 2654435761u;
	}
	for (i = 0; i < 6000; i++) {
		packed();
		integers();
		sum += scalar();
	}
	__builtin_memcpy(&bits, &sum, 8);
	end(bits ^ n[77] ^ (uint64_t)x[99]);
}
