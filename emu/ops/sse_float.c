/*
 * Floating-point arithmetic and logic on XMM registers (SDM vol. 1 chapters 5.5.1.2-5.5.1.4, 5.6.1, 5.7, 5.10.3-5.10.5).
 *
 * The host computes, under the guest's MXCSR: see emu/sse.h. Each operation that can raise SIMD exceptions has a second pair of handlers,
 * for when one of them is unmasked.
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* No flags. The instruction, its host's mnemonic, source size in memory, tags. */
#define PLAIN(X)                                                                                                     \
	X(ANDPS, "andps", 16, TAGS_BINARY) X(ANDPD, "andpd", 16, TAGS_BINARY)                                        \
	X(ANDNPS, "andnps", 16, TAGS_ZERO_IDIOM) X(ANDNPD, "andnpd", 16, TAGS_ZERO_IDIOM)                            \
	X(ORPS, "orps", 16, TAGS_BINARY) X(ORPD, "orpd", 16, TAGS_BINARY)                                            \
	X(XORPS, "xorps", 16, TAGS_ZERO_IDIOM) X(XORPD, "xorpd", 16, TAGS_ZERO_IDIOM)                                \
	X(RCPPS, "rcpps", 16, TAGS_UNARY) X(RCPSS, "rcpss", 4, TAGS_BINARY)                                          \
	X(RSQRTPS, "rsqrtps", 16, TAGS_UNARY) X(RSQRTSS, "rsqrtss", 4, TAGS_BINARY)

/* Flags. The same, and the lanes of the result that mean underflow if they are denormal. */
#define ARITHMETIC(X)                                                                                                \
	X(ADDPS, "addps", 16, TAGS_BINARY, LANES_PS) X(ADDPD, "addpd", 16, TAGS_BINARY, LANES_PD)                    \
	X(ADDSS, "addss", 4, TAGS_BINARY, LANES_SS) X(ADDSD, "addsd", 8, TAGS_BINARY, LANES_SD)                      \
	X(SUBPS, "subps", 16, TAGS_BINARY, LANES_PS) X(SUBPD, "subpd", 16, TAGS_BINARY, LANES_PD)                    \
	X(SUBSS, "subss", 4, TAGS_BINARY, LANES_SS) X(SUBSD, "subsd", 8, TAGS_BINARY, LANES_SD)                      \
	X(MULPS, "mulps", 16, TAGS_BINARY, LANES_PS) X(MULPD, "mulpd", 16, TAGS_BINARY, LANES_PD)                    \
	X(MULSS, "mulss", 4, TAGS_BINARY, LANES_SS) X(MULSD, "mulsd", 8, TAGS_BINARY, LANES_SD)                      \
	X(DIVPS, "divps", 16, TAGS_BINARY, LANES_PS) X(DIVPD, "divpd", 16, TAGS_BINARY, LANES_PD)                    \
	X(DIVSS, "divss", 4, TAGS_BINARY, LANES_SS) X(DIVSD, "divsd", 8, TAGS_BINARY, LANES_SD)                      \
	X(MINPS, "minps", 16, TAGS_BINARY, LANES_NONE) X(MINPD, "minpd", 16, TAGS_BINARY, LANES_NONE)                \
	X(MINSS, "minss", 4, TAGS_BINARY, LANES_NONE) X(MINSD, "minsd", 8, TAGS_BINARY, LANES_NONE)                  \
	X(MAXPS, "maxps", 16, TAGS_BINARY, LANES_NONE) X(MAXPD, "maxpd", 16, TAGS_BINARY, LANES_NONE)                \
	X(MAXSS, "maxss", 4, TAGS_BINARY, LANES_NONE) X(MAXSD, "maxsd", 8, TAGS_BINARY, LANES_NONE)                  \
	X(SQRTPS, "sqrtps", 16, TAGS_UNARY, LANES_NONE) X(SQRTPD, "sqrtpd", 16, TAGS_UNARY, LANES_NONE)              \
	X(SQRTSS, "sqrtss", 4, TAGS_BINARY, LANES_NONE) X(SQRTSD, "sqrtsd", 8, TAGS_BINARY, LANES_NONE)              \
	X(HADDPS, "haddps", 16, TAGS_BINARY, LANES_PS) X(HADDPD, "haddpd", 16, TAGS_BINARY, LANES_PD)                \
	X(HSUBPS, "hsubps", 16, TAGS_BINARY, LANES_PS) X(HSUBPD, "hsubpd", 16, TAGS_BINARY, LANES_PD)                \
	X(ADDSUBPS, "addsubps", 16, TAGS_BINARY, LANES_PS) X(ADDSUBPD, "addsubpd", 16, TAGS_BINARY, LANES_PD)

#define DEFINE_PLAIN(op, mnemonic, size, tagging) HOST_BINARY(op##_host, mnemonic) XMM_HANDLERS(op, CALL(op##_host), size, tagging)
#define DEFINE_ARITHMETIC(op, mnemonic, size, tagging, lanes)      \
	HOST_FLOAT(op##_host, mnemonic)                            \
	XMM_HANDLERS(op, CALL(op##_host), size, tagging)           \
	XMM_TRAPPING_HANDLERS(op, CALL(op##_host), size, tagging, sse_tiny(result, lanes))
PLAIN(DEFINE_PLAIN)
ARITHMETIC(DEFINE_ARITHMETIC)

/* -- ROUNDxx: imm[1:0] rounding control, or MXCSR's with imm[2]; imm[3] keeps PE from being set -- */

#define ROUND(X)                                                                                  \
	X(ROUNDPS, "roundps", 16, TAGS_UNARY) X(ROUNDPD, "roundpd", 16, TAGS_UNARY)               \
	X(ROUNDSS, "roundss", 4, TAGS_BINARY) X(ROUNDSD, "roundsd", 8, TAGS_BINARY)

#define DEFINE_ROUND(op, mnemonic, size, tagging)                                   \
	ALWAYS_INLINE __m128i op##_host(__m128i a, __m128i b, unsigned imm)         \
	{                                                                           \
		switch (imm & 15) {                                                 \
			HOST_CASES_8(mnemonic, 0)                                   \
			HOST_CASES_8(mnemonic, 8)                                   \
		}                                                                   \
		return a;                                                           \
	}                                                                           \
	XMM_HANDLERS(op, CALL_IMM(op##_host), size, tagging)                        \
	XMM_TRAPPING_HANDLERS(op, CALL_IMM(op##_host), size, tagging, false)
ROUND(DEFINE_ROUND)

/*
 * -- DPPS, DPPD: products of the elements whose bit of imm[7:4] is set, summed up, to the elements whose bit of imm[3:0] is --
 *
 * A product left out counts as +0 and raises nothing, which is what zeros multiply to.
 */

ALWAYS_INLINE __m128i dword_mask(unsigned bits)
{
	__m128i bit = _mm_set_epi32(8, 4, 2, 1);

	return _mm_cmpeq_epi32(_mm_and_si128(_mm_set1_epi32((int)bits), bit), bit);
}

ALWAYS_INLINE __m128i qword_mask(unsigned bits)
{
	return dword_mask((bits & 1) * 3 | (bits & 2) * 6);
}

/* The rest of them: the whole dot product, and whether a product or a sum on the way is denormal. */
#define DEFINE_DOT(op, mask, mnemonic, multiply, add, lanes, all)                                     \
	ALWAYS_INLINE __m128i op##_host(__m128i a, __m128i b, unsigned imm)                           \
	{                                                                                             \
		a = _mm_and_si128(a, mask(imm >> 4));                                                 \
		b = _mm_and_si128(b, mask(imm >> 4));                                                 \
		__asm__ volatile(mnemonic " $" all ", %1, %0" : "+x"(a) : "x"(b));                    \
		return _mm_and_si128(a, mask(imm & 15));                                              \
	}                                                                                             \
	ALWAYS_INLINE bool op##_tiny(__m128i a, __m128i b, unsigned imm)                              \
	{                                                                                             \
		__m128i sum;                                                                          \
		bool tiny;                                                                            \
                                                                                                      \
		a = _mm_and_si128(a, mask(imm >> 4));                                                 \
		b = _mm_and_si128(b, mask(imm >> 4));                                                 \
		__asm__ volatile(multiply " %1, %0" : "+x"(a) : "x"(b));                              \
		tiny = sse_tiny(a, lanes);                                                            \
		sum = a;                                                                              \
		for (unsigned n = lanes == LANES_PS ? 4 : 2; n > 1; n /= 2) {                         \
			__asm__ volatile(add " %0, %0" : "+x"(sum));                                  \
			tiny |= sse_tiny(sum, lanes);                                                 \
		}                                                                                     \
		return tiny;                                                                          \
	}                                                                                             \
	XMM_HANDLERS(op, CALL_IMM(op##_host), 16, TAGS_BINARY)                                        \
	XMM_TRAPPING_HANDLERS(op, CALL_IMM(op##_host), 16, TAGS_BINARY, CALL_IMM(op##_tiny))
DEFINE_DOT(DPPS, dword_mask, "dpps", "mulps", "haddps", LANES_PS, "0xff")
DEFINE_DOT(DPPD, qword_mask, "dppd", "mulpd", "haddpd", LANES_PD, "0x33")

#define ROWS(op, ...) XMM_ROWS(op)
#define TRAPPING_ROWS(op, ...) XMM_TRAPPING_ROWS(op)

const struct op_impl ENGINE(sse_float_impls)[] = {
	PLAIN(ROWS)
	ARITHMETIC(ROWS)
	ROUND(ROWS)
	XMM_ROWS(DPPS)
	XMM_ROWS(DPPD)
	{0},
};

const struct op_impl ENGINE(sse_float_trapping_impls)[] = {
	ARITHMETIC(TRAPPING_ROWS)
	ROUND(TRAPPING_ROWS)
	XMM_TRAPPING_ROWS(DPPS)
	XMM_TRAPPING_ROWS(DPPD)
	{0},
};
