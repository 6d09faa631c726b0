/*
 * Conversions between integers and floating point, and between precisions (SDM vol. 1 chapters 5.5.1.6, 5.6.1.6).
 *
 * Those on MMX registers (PI) are the host's on doublewords in XMM registers: an unused element is zero and raises nothing.
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* -- XMM to XMM: the instruction, its host's mnemonic, source size in memory, tags, how it may underflow, and in which lanes -- */

#define VECTORS(X)                                                                                                                      \
	X(CVTPS2PD, "cvtps2pd", 8, TAGS_UNARY, SSE_OTHER, LANES_NONE) X(CVTPD2PS, "cvtpd2ps", 16, TAGS_UNARY, SSE_NARROW, LANES_PS)     \
	X(CVTSS2SD, "cvtss2sd", 4, TAGS_BINARY, SSE_OTHER, LANES_NONE) X(CVTSD2SS, "cvtsd2ss", 8, TAGS_BINARY, SSE_NARROW, LANES_SS)    \
	X(CVTDQ2PS, "cvtdq2ps", 16, TAGS_UNARY, SSE_OTHER, LANES_NONE)                                                                  \
	X(CVTPS2DQ, "cvtps2dq", 16, TAGS_UNARY, SSE_OTHER, LANES_NONE) X(CVTTPS2DQ, "cvttps2dq", 16, TAGS_UNARY, SSE_OTHER, LANES_NONE) \
	X(CVTPD2DQ, "cvtpd2dq", 16, TAGS_UNARY, SSE_OTHER, LANES_NONE) X(CVTTPD2DQ, "cvttpd2dq", 16, TAGS_UNARY, SSE_OTHER, LANES_NONE)

#define DEFINE_VECTOR(op, mnemonic, size, tagging, operation, lanes) \
	HOST_FLOAT(op##_host, mnemonic)                              \
	XMM_HANDLERS(op, CALL(op##_host), size, tagging)             \
	XMM_TRAPPING_HANDLERS(op, CALL(op##_host), size, tagging, TRAP_END_ARITHMETIC(operation, lanes))
VECTORS(DEFINE_VECTOR)

/* Exact always. */
HOST_UNARY(CVTDQ2PD_host, "cvtdq2pd")
XMM_HANDLERS(CVTDQ2PD, CALL(CVTDQ2PD_host), 8, TAGS_UNARY)

/* -- general register or memory to XMM -- */

#define FROM_INTEGERS(X)                                                                  \
	X(CVTSI2SS, "cvtsi2ssl", uint32_t, 4) X(CVTSI2SS64, "cvtsi2ssq", uint64_t, 8)     \
	X(CVTSI2SD, "cvtsi2sdl", uint32_t, 4) X(CVTSI2SD64, "cvtsi2sdq", uint64_t, 8)

#define DEFINE_FROM_INTEGER(op, mnemonic, type, size)                                                              \
	ALWAYS_INLINE __m128i op##_host(__m128i a, uint64_t value)                                                 \
	{                                                                                                          \
		__asm__ volatile(mnemonic " %1, %0" : "+x"(a) : "r"((type)value));                                 \
		return a;                                                                                          \
	}                                                                                                          \
	ALWAYS_INLINE void op##_apply(struct cpu *cpu, const struct insn *insn, struct value b)                    \
	{                                                                                                          \
		struct packed a = xmm_get(cpu, insn->op1);                                                         \
                                                                                                                   \
		xmm_set(cpu, insn->op1, op##_host(a.v, b.v), a.tag | b.tag);                                       \
	}                                                                                                          \
	static void op##_apply_traps(struct cpu *cpu, const struct insn *insn, struct value b)                     \
	{                                                                                                          \
		struct packed a = xmm_get(cpu, insn->op1);                                                         \
		uint32_t begun = sse_trap_begin(cpu);                                                              \
		__m128i result = op##_host(a.v, b.v);                                                              \
                                                                                                                   \
		TRAP_END;                                                                                          \
		xmm_set(cpu, insn->op1, result, a.tag | b.tag);                                                    \
	}                                                                                                          \
	HANDLER(op##_rr, op##_apply(cpu, insn, reg_get(cpu, insn->op2, size));)                                    \
	HANDLER(op##_rm, op##_apply(cpu, insn, load(cpu, insn, ea(cpu, insn, size, false), size));)                \
	HANDLER(op##_rr_traps, op##_apply_traps(cpu, insn, reg_get(cpu, insn->op2, size));)                        \
	HANDLER(op##_rm_traps, op##_apply_traps(cpu, insn, load(cpu, insn, ea(cpu, insn, size, false), size));)
FROM_INTEGERS(DEFINE_FROM_INTEGER)

/* -- XMM or memory to general register of 4 or 8 bytes -- */

#define TO_INTEGERS(X)                                                                                                \
	X(CVTSS2SI, "cvtss2si", 4) X(CVTTSS2SI, "cvttss2si", 4) X(CVTSD2SI, "cvtsd2si", 8) X(CVTTSD2SI, "cvttsd2si", 8)

#define DEFINE_TO_INTEGER_SIZED(op, name, instruction, type, size, memory_size)                                    \
	ALWAYS_INLINE void name##_apply(struct cpu *cpu, const struct insn *insn, struct packed b)                 \
	{                                                                                                          \
		type result;                                                                                       \
                                                                                                                   \
		__asm__ volatile(instruction " %1, %0" : "=r"(result) : "x"(b.v));                                 \
		reg_set(cpu, insn->op1, size, (struct value){result, b.tag});                                      \
	}                                                                                                          \
	static void name##_apply_traps(struct cpu *cpu, const struct insn *insn, struct packed b)                  \
	{                                                                                                          \
		uint32_t begun = sse_trap_begin(cpu);                                                              \
		type result;                                                                                       \
                                                                                                                   \
		__asm__ volatile(instruction " %1, %0" : "=r"(result) : "x"(b.v));                                 \
		TRAP_END;                                                                                          \
		reg_set(cpu, insn->op1, size, (struct value){result, b.tag});                                      \
	}                                                                                                          \
	HANDLER(name##_rr, name##_apply(cpu, insn, xmm_get(cpu, insn->op2));)                                      \
	HANDLER(name##_rm, name##_apply(cpu, insn, memory_get(cpu, insn, memory_size));)                           \
	HANDLER(name##_rr_traps, name##_apply_traps(cpu, insn, xmm_get(cpu, insn->op2));)                          \
	HANDLER(name##_rm_traps, name##_apply_traps(cpu, insn, memory_get(cpu, insn, memory_size));)
#define DEFINE_TO_INTEGER(op, mnemonic, memory_size)                                     \
	DEFINE_TO_INTEGER_SIZED(op, op##_4, mnemonic, uint32_t, 4, memory_size)          \
	DEFINE_TO_INTEGER_SIZED(op, op##_8, mnemonic, uint64_t, 8, memory_size)
TO_INTEGERS(DEFINE_TO_INTEGER)

/* -- MMX to XMM -- */

HOST_FLOAT(cvtdq2ps, "cvtdq2ps")

ALWAYS_INLINE __m128i cvtpi2ps(__m128i a, __m128i b)
{
	__m128i low = cvtdq2ps(b, b);

	return _mm_castpd_si128(_mm_move_sd(_mm_castsi128_pd(a), _mm_castsi128_pd(low)));
}

XMM_APPLY(CVTPI2PS, CALL(cvtpi2ps), TAGS_BINARY)
XMM_APPLY_TRAPS(CVTPI2PS, CALL(cvtpi2ps), TAGS_BINARY, TRAP_END)
XMM_APPLY(CVTPI2PD, CALL(CVTDQ2PD_host), TAGS_UNARY)

/* From memory they leave the x87 state alone (for CVTPI2PS the SDM says otherwise; AMD's parts do so). */
#define DEFINE_FROM_MMX(name, apply)                                                                               \
	HANDLER(name##_rr, mmx_begin(cpu, insn); apply(cpu, insn, mmx_get(cpu, insn->op2)); x87_enter_mmx(&cpu->fpu);) \
	HANDLER(name##_rm, apply(cpu, insn, memory_get(cpu, insn, 8));)
DEFINE_FROM_MMX(CVTPI2PS, CVTPI2PS_apply)
DEFINE_FROM_MMX(CVTPI2PS_traps, CVTPI2PS_apply_traps)
DEFINE_FROM_MMX(CVTPI2PD, CVTPI2PD_apply)

/* -- XMM to MMX -- */

#define TO_MMX(X)                                                                     \
	X(CVTPS2PI, CVTPS2DQ_host, 8) X(CVTTPS2PI, CVTTPS2DQ_host, 8)                 \
	X(CVTPD2PI, CVTPD2DQ_host, 16) X(CVTTPD2PI, CVTTPD2DQ_host, 16)

#define DEFINE_TO_MMX(op, host, size)                                                                              \
	ALWAYS_INLINE void op##_apply(struct cpu *cpu, const struct insn *insn, struct packed b, bool traps)       \
	{                                                                                                          \
		__m128i used = size == 8 ? _mm_move_epi64(b.v) : b.v, result;                                      \
		uint32_t begun = traps ? sse_trap_begin(cpu) : 0;                                                  \
                                                                                                                   \
		result = host(used, used);                                                                         \
		if (traps)                                                                                         \
			TRAP_END;                                                                                  \
		mmx_set(cpu, insn->op1, result, b.tag);                                                            \
		x87_enter_mmx(&cpu->fpu);                                                                          \
	}                                                                                                          \
	HANDLER(op##_rr, mmx_begin(cpu, insn); op##_apply(cpu, insn, xmm_get(cpu, insn->op2), false);)             \
	HANDLER(op##_rm, mmx_begin(cpu, insn); op##_apply(cpu, insn, memory_get(cpu, insn, size), false);)         \
	HANDLER(op##_rr_traps, mmx_begin(cpu, insn); op##_apply(cpu, insn, xmm_get(cpu, insn->op2), true);)        \
	HANDLER(op##_rm_traps, mmx_begin(cpu, insn); op##_apply(cpu, insn, memory_get(cpu, insn, size), true);)
TO_MMX(DEFINE_TO_MMX)

#define ROWS(op, ...) XMM_ROWS(op)
#define TRAPPING_ROWS(op, ...) XMM_TRAPPING_ROWS(op)
#define TO_INTEGER_ROWS(op, ...)                                                                 \
	{OP_##op, FORM_RR, 4, 0, op##_4_rr}, {OP_##op, FORM_RM, 4, 0, op##_4_rm},                \
	{OP_##op, FORM_RR, 8, 0, op##_8_rr}, {OP_##op, FORM_RM, 8, 0, op##_8_rm},
#define TO_INTEGER_TRAPPING_ROWS(op, ...)                                                        \
	{OP_##op, FORM_RR, 4, 0, op##_4_rr_traps}, {OP_##op, FORM_RM, 4, 0, op##_4_rm_traps},    \
	{OP_##op, FORM_RR, 8, 0, op##_8_rr_traps}, {OP_##op, FORM_RM, 8, 0, op##_8_rm_traps},

const struct op_impl ENGINE(sse_convert_impls)[] = {
	VECTORS(ROWS)
	XMM_ROWS(CVTDQ2PD)
	FROM_INTEGERS(ROWS)
	TO_INTEGERS(TO_INTEGER_ROWS)
	XMM_ROWS(CVTPI2PS)
	XMM_ROWS(CVTPI2PD)
	TO_MMX(ROWS)
	{0},
};

const struct op_impl ENGINE(sse_convert_trapping_impls)[] = {
	VECTORS(TRAPPING_ROWS)
	FROM_INTEGERS(TRAPPING_ROWS)
	TO_INTEGERS(TO_INTEGER_TRAPPING_ROWS)
	{OP_CVTPI2PS, FORM_RR, 0, 0, CVTPI2PS_traps_rr},
	{OP_CVTPI2PS, FORM_RM, 0, 0, CVTPI2PS_traps_rm},
	TO_MMX(TRAPPING_ROWS)
	{0},
};
