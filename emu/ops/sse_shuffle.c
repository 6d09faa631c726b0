/*
 * Shuffles, packs, unpacks, blends and element-widening moves on XMM registers (SDM vol. 1 chapters 5.5-5.8 and 5.10).
 *
 * Those whose immediate says what goes where are written out: the host's need theirs at compile time.
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* dst = dst op src: the instruction, its host's mnemonic. */
#define BINARY(X)                                                                                                          \
	X(PUNPCKLBW, "punpcklbw") X(PUNPCKLWD, "punpcklwd") X(PUNPCKLDQ, "punpckldq") X(PUNPCKLQDQ, "punpcklqdq")          \
	X(PUNPCKHBW, "punpckhbw") X(PUNPCKHWD, "punpckhwd") X(PUNPCKHDQ, "punpckhdq") X(PUNPCKHQDQ, "punpckhqdq")          \
	X(UNPCKLPS, "unpcklps") X(UNPCKLPD, "unpcklpd") X(UNPCKHPS, "unpckhps") X(UNPCKHPD, "unpckhpd")                    \
	X(PACKSSWB, "packsswb") X(PACKSSDW, "packssdw") X(PACKUSWB, "packuswb") X(PACKUSDW, "packusdw")                    \
	X(PSHUFB, "pshufb")

/* dst = op src, with src's size in memory. */
#define UNARY(X)                                                                                            \
	X(MOVSLDUP, "movsldup", 16) X(MOVSHDUP, "movshdup", 16) X(MOVDDUP, "movddup", 8)                    \
	X(PMOVSXBW, "pmovsxbw", 8) X(PMOVSXBD, "pmovsxbd", 4) X(PMOVSXBQ, "pmovsxbq", 2)                    \
	X(PMOVSXWD, "pmovsxwd", 8) X(PMOVSXWQ, "pmovsxwq", 4) X(PMOVSXDQ, "pmovsxdq", 8)                    \
	X(PMOVZXBW, "pmovzxbw", 8) X(PMOVZXBD, "pmovzxbd", 4) X(PMOVZXBQ, "pmovzxbq", 2)                    \
	X(PMOVZXWD, "pmovzxwd", 8) X(PMOVZXWQ, "pmovzxwq", 4) X(PMOVZXDQ, "pmovzxdq", 8)

#define DEFINE_BINARY(op, mnemonic) HOST_BINARY(op##_host, mnemonic) XMM_HANDLERS(op, CALL(op##_host), 16, TAGS_BINARY)
#define DEFINE_UNARY(op, mnemonic, size) HOST_UNARY(op##_host, mnemonic) XMM_HANDLERS(op, CALL(op##_host), size, TAGS_UNARY)
BINARY(DEFINE_BINARY)
UNARY(DEFINE_UNARY)

/* dst = choose(dst, src, imm), with the operands as arrays a and b and the result r. */
#define WRITTEN_OUT(op, tagging, ...)                                                   \
	ALWAYS_INLINE __m128i op##_choose(__m128i dst, __m128i src, unsigned imm)       \
	{                                                                               \
		union xmm a, b, r;                                                      \
                                                                                        \
		_mm_store_si128((__m128i *)&a, dst);                                    \
		_mm_store_si128((__m128i *)&b, src);                                    \
		r = b;                                                                  \
		__VA_ARGS__                                                             \
		return _mm_load_si128((const __m128i *)&r);                             \
	}                                                                               \
	XMM_HANDLERS(op, CALL_IMM(op##_choose), 16, tagging)

/* Field i of an immediate of `width`-bit fields. */
ALWAYS_INLINE unsigned field(unsigned imm, unsigned width, unsigned i)
{
	return imm >> i * width & ((1u << width) - 1);
}

/* The common ones: two doublewords of `low` and two of `high`. (Assembled in registers: storing them one by one would stall the load.) */
ALWAYS_INLINE __m128i choose_dwords(__m128i low, __m128i high, unsigned imm)
{
	union xmm a, b;

	_mm_store_si128((__m128i *)&a, low);
	_mm_store_si128((__m128i *)&b, high);
	return _mm_set_epi32((int)b.u32[field(imm, 2, 3)], (int)b.u32[field(imm, 2, 2)], (int)a.u32[field(imm, 2, 1)],
			     (int)a.u32[field(imm, 2, 0)]);
}

ALWAYS_INLINE __m128i pshufd(__m128i a, __m128i b, unsigned imm)
{
	(void)a;
	return choose_dwords(b, b, imm);
}

XMM_HANDLERS(SHUFPS, CALL_IMM(choose_dwords), 16, TAGS_BINARY)
XMM_HANDLERS(PSHUFD, CALL_IMM(pshufd), 16, TAGS_UNARY)

WRITTEN_OUT(PSHUFLW, TAGS_UNARY, (void)a; for (unsigned i = 0; i < 4; i++) r.u16[i] = b.u16[field(imm, 2, i)];)
WRITTEN_OUT(PSHUFHW, TAGS_UNARY, (void)a; for (unsigned i = 0; i < 4; i++) r.u16[4 + i] = b.u16[4 + field(imm, 2, i)];)
WRITTEN_OUT(SHUFPD, TAGS_BINARY, for (unsigned i = 0; i < 2; i++) r.u64[i] = (i < 1 ? &a : &b)->u64[field(imm, 1, i)];)
WRITTEN_OUT(BLENDPS, TAGS_BINARY, for (unsigned i = 0; i < 4; i++) r.u32[i] = (field(imm, 1, i) ? &b : &a)->u32[i];)
WRITTEN_OUT(BLENDPD, TAGS_BINARY, for (unsigned i = 0; i < 2; i++) r.u64[i] = (field(imm, 1, i) ? &b : &a)->u64[i];)
WRITTEN_OUT(PBLENDW, TAGS_BINARY, for (unsigned i = 0; i < 8; i++) r.u16[i] = (field(imm, 1, i) ? &b : &a)->u16[i];)

/* Bytes imm .. imm + 15 of src, dst above it, and zeros above that. */
ALWAYS_INLINE __m128i palignr(__m128i dst, __m128i src, unsigned imm)
{
	uint8_t bytes[48] = {0};

	_mm_storeu_si128((__m128i *)bytes, src);
	_mm_storeu_si128((__m128i *)(bytes + 16), dst);
	return _mm_loadu_si128((const __m128i *)(bytes + (imm > 32 ? 32 : imm)));
}
XMM_HANDLERS(PALIGNR, CALL_IMM(palignr), 16, TAGS_BINARY)

/* Variable blends: XMM0 is the mask. */
#define BLENDV(X) X(PBLENDVB, "pblendvb") X(BLENDVPS, "blendvps") X(BLENDVPD, "blendvpd")

#define DEFINE_BLENDV(op, mnemonic)                                                                     \
	ALWAYS_INLINE void op##_apply(struct cpu *cpu, const struct insn *insn, struct packed b)        \
	{                                                                                               \
		struct packed a = xmm_get(cpu, insn->op1), mask = xmm_get(cpu, CPU_OFFSET(xmm));        \
		register __m128i xmm0 __asm__("xmm0") = mask.v;                                         \
                                                                                                        \
		__asm__(mnemonic " %%xmm0, %1, %0" : "+x"(a.v) : "x"(b.v), "x"(xmm0));                  \
		xmm_set(cpu, insn->op1, a.v, a.tag | b.tag | mask.tag);                                 \
	}                                                                                               \
	HANDLER(op##_rr, op##_apply(cpu, insn, xmm_get(cpu, insn->op2));)                               \
	HANDLER(op##_rm, op##_apply(cpu, insn, memory_get(cpu, insn, 16));)
BLENDV(DEFINE_BLENDV)

#define ROWS(op, ...) XMM_ROWS(op)

const struct op_impl ENGINE(sse_shuffle_impls)[] = {
	BINARY(ROWS)
	UNARY(ROWS)
	BLENDV(ROWS)
	XMM_ROWS(PSHUFD)
	XMM_ROWS(PSHUFLW)
	XMM_ROWS(PSHUFHW)
	XMM_ROWS(SHUFPS)
	XMM_ROWS(SHUFPD)
	XMM_ROWS(BLENDPS)
	XMM_ROWS(BLENDPD)
	XMM_ROWS(PBLENDW)
	XMM_ROWS(PALIGNR)
	{0},
};
