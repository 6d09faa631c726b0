/*
 * What the handlers of XMM and MMX instructions share: registers and memory operands as vectors with their tags, and operations that are
 * one host instruction.
 *
 * The operations are inline assembly on purpose. The compiler takes an intrinsic for arithmetic: it may swap the operands of an addition
 * (the NaN of the first one must win), fold it, or move it across a change of MXCSR. An asm statement is exactly the guest's instruction,
 * and needs no compiler flags for SSE4.2. Floating-point ones are volatile, since they leave flags in MXCSR.
 */
#ifndef XRAY86_EMU_OPS_SIMD_H
#define XRAY86_EMU_OPS_SIMD_H

#include <emmintrin.h>

#include "emu/access.h"
#include "emu/sse.h"
#include "emu/x87.h"

/* 16 bytes, or fewer with zeros above, and one tag for all of them. */
struct packed {
	__m128i v;
	tag_t tag;
};

/* -- XMM registers, by offset -- */

ALWAYS_INLINE union xmm *xmm_register(struct cpu *cpu, uint16_t offset)
{
	return cpu_field(cpu, offset);
}

ALWAYS_INLINE tag_t *xmm_tag(struct cpu *cpu, uint16_t offset)
{
	return &cpu->xmm_tag[(unsigned)(offset - CPU_OFFSET(xmm)) / sizeof(union xmm)];
}

ALWAYS_INLINE struct packed xmm_get(struct cpu *cpu, uint16_t offset)
{
	return (struct packed){_mm_load_si128(cpu_field(cpu, offset)), ENGINE_TAGGED ? *xmm_tag(cpu, offset) : 0};
}

ALWAYS_INLINE void xmm_set(struct cpu *cpu, uint16_t offset, __m128i value, tag_t tag)
{
	_mm_store_si128(cpu_field(cpu, offset), value);
	if (ENGINE_TAGGED)
		*xmm_tag(cpu, offset) = tag;
}

/* -- memory -- */

ALWAYS_INLINE struct packed load_packed(struct cpu *cpu, const struct insn *insn, struct address address)
{
	struct tlb *bank = data_bank(cpu, address);
	const uint8_t *host = fast_read(bank, address.linear, sizeof(__m128i));
	struct packed packed = {.tag = 0};

	if (likely(host)) {
		packed.v = _mm_loadu_si128((const __m128i *)host);
		packed.tag = fast_load_tag(bank, address.linear, sizeof(__m128i));
	} else if (ENGINE_TAGGED) {
		tag_t tag;

		packed.v = sse_load_slow(cpu, insn, bank, address.linear, &tag);
		packed.tag = tag;
	} else {
		packed.v = sse_load_slow(cpu, insn, bank, address.linear, NULL);
	}
	return packed;
}

ALWAYS_INLINE void store_packed(struct cpu *cpu, const struct insn *insn, struct address address, struct packed packed)
{
	struct tlb *bank = data_bank(cpu, address);
	uint8_t *host = fast_write(bank, address.linear, sizeof(__m128i));

	if (likely(host)) {
		_mm_storeu_si128((__m128i *)host, packed.v);
		fast_store_tag(bank, address.linear, sizeof(__m128i), packed.tag);
	} else {
		sse_store_slow(cpu, insn, bank, address.linear, packed.v, packed.tag);
	}
}

/* Address of a 16-byte operand that must be aligned. */
ALWAYS_INLINE struct address ea_aligned(struct cpu *cpu, const struct insn *insn, bool write)
{
	struct address address = ea(cpu, insn, sizeof(__m128i), write);

	if (unlikely(address.linear & (sizeof(__m128i) - 1)))
		sse_misaligned(cpu, insn);
	return address;
}

/* The memory operand: 16 bytes, aligned, or a smaller one, zero-extended. */
ALWAYS_INLINE struct packed memory_get(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	unsigned scalar = size < sizeof(uint64_t) ? size : sizeof(uint64_t);
	struct value value;

	if (size == sizeof(__m128i))
		return load_packed(cpu, insn, ea_aligned(cpu, insn, false));
	value = load(cpu, insn, ea(cpu, insn, scalar, false), scalar);
	return (struct packed){_mm_cvtsi64_si128((long long)value.v), value.tag};
}

/* The same for a 16-byte operand of any alignment. */
ALWAYS_INLINE struct packed memory_get_unaligned(struct cpu *cpu, const struct insn *insn)
{
	return load_packed(cpu, insn, ea(cpu, insn, sizeof(__m128i), false));
}

/* MASKMOVQ and MASKMOVDQU: stores the bytes whose bit in mask is set. Without any, memory is not touched. cpu->current must be set. */
ALWAYS_INLINE void simd_store_masked(struct cpu *cpu, const struct insn *insn, unsigned mask, __m128i data, unsigned size, tag_t tag)
{
	struct address address = ea(cpu, insn, size, true);
	unsigned i, first, last;
	union xmm bytes;

	if (!mask)
		return;
	_mm_store_si128((__m128i *)&bytes, data);
	first = (unsigned)__builtin_ctz(mask);
	last = 31 - (unsigned)__builtin_clz(mask);
	probe_write(cpu, insn, data_bank(cpu, address), address.linear + first, last - first + 1);
	for (i = first; i <= last; i++)
		if (mask >> i & 1)
			store(cpu, insn, (struct address){address.linear + i, address.tag}, 1, (struct value){bytes.u8[i], tag});
}

/* -- MMX registers, by offset -- */

/* Every MMX instruction begins with this, before it touches memory, and ends by x87_enter_mmx(). */
ALWAYS_INLINE void mmx_begin(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	x87_check_pending(cpu);
}

ALWAYS_INLINE tag_t *mmx_tag(struct cpu *cpu, uint16_t offset)
{
	return &cpu->fpu_tag[(unsigned)(offset - CPU_OFFSET(fpu.reg)) / sizeof(struct fpu_register)];
}

ALWAYS_INLINE struct packed mmx_get(struct cpu *cpu, uint16_t offset)
{
	return (struct packed){_mm_loadl_epi64(cpu_field(cpu, offset)), ENGINE_TAGGED ? *mmx_tag(cpu, offset) : 0};
}

/* Takes the low half of value. */
ALWAYS_INLINE void mmx_set(struct cpu *cpu, uint16_t offset, __m128i value, tag_t tag)
{
	struct fpu_register *reg = cpu_field(cpu, offset);

	_mm_storel_epi64((__m128i *)&reg->significand, value);
	reg->sign_exponent = 0xffff;
	if (ENGINE_TAGGED)
		*mmx_tag(cpu, offset) = tag;
}

/* -- operations that are host instructions: NAME(a, b) or NAME(b) -- */

#define HOST_BINARY(name, mnemonic)                                 \
	ALWAYS_INLINE __m128i name(__m128i a, __m128i b)            \
	{                                                           \
		__asm__(mnemonic " %1, %0" : "+x"(a) : "x"(b));     \
		return a;                                           \
	}

#define HOST_UNARY(name, mnemonic)                                  \
	ALWAYS_INLINE __m128i name(__m128i a, __m128i b)            \
	{                                                           \
		__asm__(mnemonic " %1, %0" : "=x"(a) : "x"(b));     \
		return a;                                           \
	}

/* With flags in MXCSR. Unary ones too go by way of "+x": the scalar ones keep the upper part of their destination. */
#define HOST_FLOAT(name, mnemonic)                                           \
	ALWAYS_INLINE __m128i name(__m128i a, __m128i b)                     \
	{                                                                    \
		__asm__ volatile(mnemonic " %1, %0" : "+x"(a) : "x"(b));     \
		return a;                                                    \
	}

/* Cases first .. first + 7 of a switch over the immediate of such an instruction, from `b` to `a`. */
#define HOST_CASE(mnemonic, n)                                                                       \
	case n:                                                                                      \
		__asm__ volatile(mnemonic " %2, %1, %0" : "+x"(a) : "x"(b), "i"(n));                 \
		break;
#define HOST_CASES_8(mnemonic, first)                                                                \
	HOST_CASE(mnemonic, first) HOST_CASE(mnemonic, first + 1) HOST_CASE(mnemonic, first + 2)     \
	HOST_CASE(mnemonic, first + 3) HOST_CASE(mnemonic, first + 4) HOST_CASE(mnemonic, first + 5) \
	HOST_CASE(mnemonic, first + 6) HOST_CASE(mnemonic, first + 7)

/* -- handlers -- */

#define HANDLER(name, ...)                                                        \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn) \
	{                                                                        \
		__VA_ARGS__                                                      \
		NEXT(cpu, insn);                                                 \
	}

/* The tag of an operation's result: of both operands, of the second alone, or none where equal registers make a constant. */
enum tagging { TAGS_BINARY, TAGS_UNARY, TAGS_ZERO_IDIOM };

ALWAYS_INLINE tag_t result_tag(enum tagging tagging, const struct insn *insn, tag_t a, tag_t b)
{
	if (tagging == TAGS_ZERO_IDIOM && insn->op1 == insn->op2)
		return 0;
	return tagging == TAGS_UNARY ? b : a | b;
}

/* Calls of the operation proper, as handlers make them: on the operands a and b, with the immediate or without. */
#define CALL(compute) compute(a.v, b.v)
#define CALL_IMM(compute) compute(a.v, b.v, insn->imm & 0xff)

/* OP_apply(): dst = call(dst, b). */
#define XMM_APPLY(op, call, tagging)                                                                     \
	ALWAYS_INLINE void op##_apply(struct cpu *cpu, const struct insn *insn, struct packed b)         \
	{                                                                                                \
		struct packed a = xmm_get(cpu, insn->op1);                                               \
                                                                                                         \
		xmm_set(cpu, insn->op1, call, result_tag(tagging, insn, a.tag, b.tag));                  \
	}

/* OP_apply_traps(): the same where some exception is unmasked, which one of these finds. */
#define TRAP_END sse_trap_end(cpu, insn, begun)
#define TRAP_END_ARITHMETIC(operation, lanes) sse_trap_end_arithmetic(cpu, insn, begun, operation, lanes, a.v, b.v, result)
#define XMM_APPLY_TRAPS(op, call, tagging, end)                                                          \
	ALWAYS_INLINE void op##_apply_traps(struct cpu *cpu, const struct insn *insn, struct packed b)   \
	{                                                                                                \
		struct packed a = xmm_get(cpu, insn->op1);                                               \
		uint32_t begun = sse_trap_begin(cpu);                                                    \
		__m128i result = call;                                                                   \
                                                                                                         \
		end;                                                                                     \
		xmm_set(cpu, insn->op1, result, result_tag(tagging, insn, a.tag, b.tag));                \
	}

/*
 * Handlers OP_rr and OP_rm, for a memory operand of `size` bytes, and their rows. In a memory form op1 is the register and op2 is 0, so
 * that the zero idiom never applies to it.
 */
#define XMM_HANDLERS(op, call, size, tagging)                                            \
	XMM_APPLY(op, call, tagging)                                                     \
	HANDLER(op##_rr, op##_apply(cpu, insn, xmm_get(cpu, insn->op2));)                \
	HANDLER(op##_rm, op##_apply(cpu, insn, memory_get(cpu, insn, size));)

#define XMM_TRAPPING_HANDLERS(op, call, size, tagging, end)                              \
	XMM_APPLY_TRAPS(op, call, tagging, end)                                          \
	HANDLER(op##_rr_traps, op##_apply_traps(cpu, insn, xmm_get(cpu, insn->op2));)    \
	HANDLER(op##_rm_traps, op##_apply_traps(cpu, insn, memory_get(cpu, insn, size));)

/* Of a register and itself these make zero, or all ones, in MMX and SSE2 alike. */
#define SIMD_ZERO_IDIOMS(X)                                                     \
	X(PXOR, "pxor") X(PANDN, "pandn")                                       \
	X(PSUBB, "psubb") X(PSUBW, "psubw") X(PSUBD, "psubd") X(PSUBQ, "psubq") \
	X(PSUBSB, "psubsb") X(PSUBSW, "psubsw") X(PSUBUSB, "psubusb") X(PSUBUSW, "psubusw") \
	X(PCMPEQB, "pcmpeqb") X(PCMPEQW, "pcmpeqw") X(PCMPEQD, "pcmpeqd") \
	X(PCMPGTB, "pcmpgtb") X(PCMPGTW, "pcmpgtw") X(PCMPGTD, "pcmpgtd")

#define XMM_ROWS(op) {OP_##op, FORM_RR, 0, 0, op##_rr}, {OP_##op, FORM_RM, 0, 0, op##_rm},
#define XMM_TRAPPING_ROWS(op) {OP_##op, FORM_RR, 0, 0, op##_rr_traps}, {OP_##op, FORM_RM, 0, 0, op##_rm_traps},

#endif
