/*
 * Integer arithmetic, logic, comparison and shifts on XMM registers (SSE2, SSSE3, SSE4; SDM vol. 1 chapters 5.6.3, 5.8, 5.10).
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* dst = dst op src: the instruction, its host's mnemonic. */
#define BINARY(X)                                                                                                          \
	X(PADDB, "paddb") X(PADDW, "paddw") X(PADDD, "paddd") X(PADDQ, "paddq")                                            \
	X(PADDSB, "paddsb") X(PADDSW, "paddsw") X(PADDUSB, "paddusb") X(PADDUSW, "paddusw")                                \
	X(PMULLW, "pmullw") X(PMULHW, "pmulhw") X(PMULHUW, "pmulhuw") X(PMULHRSW, "pmulhrsw")                              \
	X(PMULLD, "pmulld") X(PMULUDQ, "pmuludq") X(PMULDQ, "pmuldq") X(PMADDWD, "pmaddwd") X(PMADDUBSW, "pmaddubsw")      \
	X(PAVGB, "pavgb") X(PAVGW, "pavgw") X(PSADBW, "psadbw")                                                            \
	X(PMINUB, "pminub") X(PMINUW, "pminuw") X(PMINUD, "pminud") X(PMINSB, "pminsb") X(PMINSW, "pminsw") X(PMINSD, "pminsd") \
	X(PMAXUB, "pmaxub") X(PMAXUW, "pmaxuw") X(PMAXUD, "pmaxud") X(PMAXSB, "pmaxsb") X(PMAXSW, "pmaxsw") X(PMAXSD, "pmaxsd") \
	X(PHADDW, "phaddw") X(PHADDD, "phaddd") X(PHADDSW, "phaddsw")                                                      \
	X(PHSUBW, "phsubw") X(PHSUBD, "phsubd") X(PHSUBSW, "phsubsw")                                                      \
	X(PSIGNB, "psignb") X(PSIGNW, "psignw") X(PSIGND, "psignd")                                                        \
	X(PAND, "pand") X(POR, "por")                                                                                      \
	X(PSLLW, "psllw") X(PSLLD, "pslld") X(PSLLQ, "psllq") X(PSRLW, "psrlw") X(PSRLD, "psrld") X(PSRLQ, "psrlq")        \
	X(PSRAW, "psraw") X(PSRAD, "psrad")

/* The same, but a register and itself make zero, or all ones. */
#define ZERO_IDIOM(X) SIMD_ZERO_IDIOMS(X) X(PCMPEQQ, "pcmpeqq") X(PCMPGTQ, "pcmpgtq")

/* dst = op src. */
#define UNARY(X) X(PABSB, "pabsb") X(PABSW, "pabsw") X(PABSD, "pabsd") X(PHMINPOSUW, "phminposuw")

#define DEFINE_BINARY(op, mnemonic) HOST_BINARY(op##_host, mnemonic) XMM_HANDLERS(op, CALL(op##_host), 16, TAGS_BINARY)
#define DEFINE_ZERO_IDIOM(op, mnemonic) HOST_BINARY(op##_host, mnemonic) XMM_HANDLERS(op, CALL(op##_host), 16, TAGS_ZERO_IDIOM)
#define DEFINE_UNARY(op, mnemonic) HOST_UNARY(op##_host, mnemonic) XMM_HANDLERS(op, CALL(op##_host), 16, TAGS_UNARY)
BINARY(DEFINE_BINARY)
ZERO_IDIOM(DEFINE_ZERO_IDIOM)
UNARY(DEFINE_UNARY)

/* Shifts by an immediate: what they do is what the shift by a register with that count does. */
#define SHIFTS(X) X(PSLLW) X(PSLLD) X(PSLLQ) X(PSRLW) X(PSRLD) X(PSRLQ) X(PSRAW) X(PSRAD)

#define DEFINE_SHIFT(op)                                                                                     \
	HANDLER(op##_ri, struct packed a = xmm_get(cpu, insn->op1);                                          \
		xmm_set(cpu, insn->op1, op##_host(a.v, _mm_cvtsi32_si128(insn->imm & 0xff)), a.tag);)
SHIFTS(DEFINE_SHIFT)

/* Bytes first .. first + 15 of 48: zeros, the register, zeros. */
ALWAYS_INLINE void shift_bytes(struct cpu *cpu, const struct insn *insn, unsigned first)
{
	uint8_t bytes[48] = {0};
	union xmm *x = xmm_register(cpu, insn->op1);

	memcpy(bytes + 16, x, sizeof(*x));
	memcpy(x, bytes + first, sizeof(*x));
}

ALWAYS_INLINE unsigned byte_count(const struct insn *insn)
{
	unsigned count = insn->imm & 0xff;

	return count > 16 ? 16 : count;
}

HANDLER(PSLLDQ_ri, shift_bytes(cpu, insn, 16 - byte_count(insn));)
HANDLER(PSRLDQ_ri, shift_bytes(cpu, insn, 16 + byte_count(insn));)

/* Sums of absolute differences of 4 bytes of src, chosen by imm[1:0], with 8 runs of dst that begin at byte 0 or 4, by imm[2]. */
ALWAYS_INLINE __m128i mpsadbw(__m128i a, __m128i b, unsigned imm)
{
	union xmm x, y, r;

	_mm_store_si128((__m128i *)&x, a);
	_mm_store_si128((__m128i *)&y, b);
	for (unsigned i = 0; i < 8; i++) {
		r.u16[i] = 0;
		for (unsigned k = 0; k < 4; k++) {
			int difference = x.u8[(imm & 4) + i + k] - y.u8[(imm & 3) * 4 + k];

			r.u16[i] += difference < 0 ? -difference : difference;
		}
	}
	return _mm_load_si128((const __m128i *)&r);
}
XMM_HANDLERS(MPSADBW, CALL_IMM(mpsadbw), 16, TAGS_BINARY)

/* ZF: no bit of src in dst; CF: all bits of src in dst. */
ALWAYS_INLINE void ptest(struct cpu *cpu, const struct insn *insn, struct packed b)
{
	struct packed a = xmm_get(cpu, insn->op1);
	bool zero, carry;

	__asm__("ptest %3, %2" : "=@ccz"(zero), "=@ccc"(carry) : "x"(a.v), "x"(b.v));
	flags_set_raw(&cpu->flags, (zero ? FLAG_ZF : 0) | (carry ? FLAG_CF : 0));
}
HANDLER(PTEST_rr, ptest(cpu, insn, xmm_get(cpu, insn->op2));)
HANDLER(PTEST_rm, ptest(cpu, insn, memory_get(cpu, insn, 16));)

#define ROWS(op, mnemonic) XMM_ROWS(op)
#define SHIFT_ROW(op) {OP_##op, FORM_RI, 0, 0, op##_ri},

const struct op_impl ENGINE(sse_integer_impls)[] = {
	BINARY(ROWS)
	ZERO_IDIOM(ROWS)
	UNARY(ROWS)
	SHIFTS(SHIFT_ROW)
	SHIFT_ROW(PSLLDQ)
	SHIFT_ROW(PSRLDQ)
	XMM_ROWS(MPSADBW)
	XMM_ROWS(PTEST)
	{0},
};
