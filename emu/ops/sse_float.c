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

/* Flags. The same, how it may overflow or underflow, and the lanes of the result that are new. */
#define ARITHMETIC(X)                                                                                                         \
	X(ADDPS, "addps", 16, TAGS_BINARY, SSE_ADD, LANES_PS) X(ADDPD, "addpd", 16, TAGS_BINARY, SSE_ADD, LANES_PD)           \
	X(ADDSS, "addss", 4, TAGS_BINARY, SSE_ADD, LANES_SS) X(ADDSD, "addsd", 8, TAGS_BINARY, SSE_ADD, LANES_SD)             \
	X(SUBPS, "subps", 16, TAGS_BINARY, SSE_SUB, LANES_PS) X(SUBPD, "subpd", 16, TAGS_BINARY, SSE_SUB, LANES_PD)           \
	X(SUBSS, "subss", 4, TAGS_BINARY, SSE_SUB, LANES_SS) X(SUBSD, "subsd", 8, TAGS_BINARY, SSE_SUB, LANES_SD)             \
	X(MULPS, "mulps", 16, TAGS_BINARY, SSE_MUL, LANES_PS) X(MULPD, "mulpd", 16, TAGS_BINARY, SSE_MUL, LANES_PD)           \
	X(MULSS, "mulss", 4, TAGS_BINARY, SSE_MUL, LANES_SS) X(MULSD, "mulsd", 8, TAGS_BINARY, SSE_MUL, LANES_SD)             \
	X(DIVPS, "divps", 16, TAGS_BINARY, SSE_DIV, LANES_PS) X(DIVPD, "divpd", 16, TAGS_BINARY, SSE_DIV, LANES_PD)           \
	X(DIVSS, "divss", 4, TAGS_BINARY, SSE_DIV, LANES_SS) X(DIVSD, "divsd", 8, TAGS_BINARY, SSE_DIV, LANES_SD)             \
	X(MINPS, "minps", 16, TAGS_BINARY, SSE_OTHER, LANES_NONE) X(MINPD, "minpd", 16, TAGS_BINARY, SSE_OTHER, LANES_NONE)   \
	X(MINSS, "minss", 4, TAGS_BINARY, SSE_OTHER, LANES_NONE) X(MINSD, "minsd", 8, TAGS_BINARY, SSE_OTHER, LANES_NONE)     \
	X(MAXPS, "maxps", 16, TAGS_BINARY, SSE_OTHER, LANES_NONE) X(MAXPD, "maxpd", 16, TAGS_BINARY, SSE_OTHER, LANES_NONE)   \
	X(MAXSS, "maxss", 4, TAGS_BINARY, SSE_OTHER, LANES_NONE) X(MAXSD, "maxsd", 8, TAGS_BINARY, SSE_OTHER, LANES_NONE)     \
	X(SQRTPS, "sqrtps", 16, TAGS_UNARY, SSE_OTHER, LANES_NONE) X(SQRTPD, "sqrtpd", 16, TAGS_UNARY, SSE_OTHER, LANES_NONE) \
	X(SQRTSS, "sqrtss", 4, TAGS_BINARY, SSE_OTHER, LANES_NONE) X(SQRTSD, "sqrtsd", 8, TAGS_BINARY, SSE_OTHER, LANES_NONE) \
	X(HADDPS, "haddps", 16, TAGS_BINARY, SSE_HADD, LANES_PS) X(HADDPD, "haddpd", 16, TAGS_BINARY, SSE_HADD, LANES_PD)     \
	X(HSUBPS, "hsubps", 16, TAGS_BINARY, SSE_HSUB, LANES_PS) X(HSUBPD, "hsubpd", 16, TAGS_BINARY, SSE_HSUB, LANES_PD)     \
	X(ADDSUBPS, "addsubps", 16, TAGS_BINARY, SSE_ADDSUB, LANES_PS) X(ADDSUBPD, "addsubpd", 16, TAGS_BINARY, SSE_ADDSUB, LANES_PD)

#define DEFINE_PLAIN(op, mnemonic, size, tagging) HOST_BINARY(op##_host, mnemonic) XMM_HANDLERS(op, CALL(op##_host), size, tagging)
#define DEFINE_ARITHMETIC(op, mnemonic, size, tagging, operation, lanes) \
	HOST_FLOAT(op##_host, mnemonic)                                  \
	XMM_HANDLERS(op, CALL(op##_host), size, tagging)                 \
	XMM_TRAPPING_HANDLERS(op, CALL(op##_host), size, tagging, TRAP_END_ARITHMETIC(operation, lanes))
PLAIN(DEFINE_PLAIN)
ARITHMETIC(DEFINE_ARITHMETIC)

/* -- ROUNDxx: imm[1:0] rounding control, or MXCSR's with imm[2]; imm[3] keeps PE from being set -- */

#define ROUND(X)                                                                                  \
	X(ROUNDPS, "roundps", 16, TAGS_UNARY) X(ROUNDPD, "roundpd", 16, TAGS_UNARY)               \
	X(ROUNDSS, "roundss", 4, TAGS_BINARY) X(ROUNDSD, "roundsd", 8, TAGS_BINARY)

#define DEFINE_ROUND(op, mnemonic, size, tagging)                           \
	ALWAYS_INLINE __m128i op##_host(__m128i a, __m128i b, unsigned imm) \
	{                                                                   \
		switch (imm & 15) {                                         \
			HOST_CASES_8(mnemonic, 0)                           \
			HOST_CASES_8(mnemonic, 8)                           \
		}                                                           \
		return a;                                                   \
	}                                                                   \
	XMM_HANDLERS(op, CALL_IMM(op##_host), size, tagging)                \
	XMM_TRAPPING_HANDLERS(op, CALL_IMM(op##_host), size, tagging, TRAP_END)
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

/* One step of a dot product, a op= b, that traps by itself. */
#define DOT_STEP(mnemonic, b, operation, lanes)                    \
	begun = sse_trap_begin(cpu);                               \
	before = sum;                                              \
	__asm__ volatile(mnemonic " %1, %0" : "+x"(sum) : "x"(b)); \
	sse_trap_end_arithmetic(cpu, insn, begun, operation, lanes, before, b, sum)

/*
 * The host's instruction, with zeros multiplied where products are left out. Unmasked exceptions are looked for after the multiplication
 * and after each addition (`sums` of them): one keeps the next step from being done.
 */
#define DEFINE_DOT(op, mask, mnemonic, all, multiply, add, lanes, sums)                               \
	ALWAYS_INLINE __m128i op##_host(__m128i a, __m128i b, unsigned imm)                           \
	{                                                                                             \
		a = _mm_and_si128(a, mask(imm >> 4));                                                 \
		b = _mm_and_si128(b, mask(imm >> 4));                                                 \
		__asm__ volatile(mnemonic " $" all ", %1, %0" : "+x"(a) : "x"(b));                    \
		return _mm_and_si128(a, mask(imm & 15));                                              \
	}                                                                                             \
	static void op##_apply_traps(struct cpu *cpu, const struct insn *insn, struct packed b)       \
	{                                                                                             \
		struct packed a = xmm_get(cpu, insn->op1);                                            \
		__m128i chosen = mask(insn->imm >> 4 & 15), sum = _mm_and_si128(a.v, chosen), before; \
		uint32_t begun;                                                                       \
                                                                                                      \
		DOT_STEP(multiply, _mm_and_si128(b.v, chosen), SSE_MUL, lanes);                       \
		for (unsigned i = 0; i < sums; i++) {                                                 \
			DOT_STEP(add, before, SSE_HADD, lanes);                                       \
		}                                                                                     \
		xmm_set(cpu, insn->op1, _mm_and_si128(sum, mask(insn->imm & 15)), a.tag | b.tag);     \
	}                                                                                             \
	XMM_HANDLERS(op, CALL_IMM(op##_host), 16, TAGS_BINARY)                                        \
	HANDLER(op##_rr_traps, op##_apply_traps(cpu, insn, xmm_get(cpu, insn->op2));)                 \
	HANDLER(op##_rm_traps, op##_apply_traps(cpu, insn, memory_get(cpu, insn, 16));)
DEFINE_DOT(DPPS, dword_mask, "dpps", "0xff", "mulps", "haddps", LANES_PS, 2)
DEFINE_DOT(DPPD, qword_mask, "dppd", "0x33", "mulpd", "haddpd", LANES_PD, 1)

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
