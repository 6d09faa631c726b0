/*
 * MMX instructions (SDM vol. 1 chapter 9, with the extensions of SSE, SSE2 and SSSE3).
 *
 * They are computed in the host's XMM registers, never its MMX ones, which are its x87 stack: an operation on the elements of 8 bytes is
 * that on the low half of 16. All begin with mmx_begin() (a pending x87 exception comes first) and leave the x87 stack full with TOP 0.
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* OP_rr and OP_rm of dst = call(dst, src), and their rows. */
#define MMX_HANDLERS(op, call, size, tagging)                                                            \
	ALWAYS_INLINE void op##_apply(struct cpu *cpu, const struct insn *insn, struct packed b)         \
	{                                                                                                \
		struct packed a = mmx_get(cpu, insn->op1);                                               \
                                                                                                         \
		mmx_set(cpu, insn->op1, call, result_tag(tagging, insn, a.tag, b.tag));                  \
		x87_enter_mmx(&cpu->fpu);                                                                \
	}                                                                                                \
	HANDLER(op##_rr, mmx_begin(cpu, insn); op##_apply(cpu, insn, mmx_get(cpu, insn->op2));)          \
	HANDLER(op##_rm, mmx_begin(cpu, insn); op##_apply(cpu, insn, memory_get(cpu, insn, size));)

#define MMX_ROWS(op) {OP_##op##_MMX, FORM_RR, 0, 0, op##_rr}, {OP_##op##_MMX, FORM_RM, 0, 0, op##_rm},

/* -- arithmetic and logic -- */

/* Each element of the result comes from those of its own place. */
#define BINARY(X)                                                                                                     \
	X(PADDB, "paddb") X(PADDW, "paddw") X(PADDD, "paddd") X(PADDQ, "paddq")                                       \
	X(PADDSB, "paddsb") X(PADDSW, "paddsw") X(PADDUSB, "paddusb") X(PADDUSW, "paddusw")                           \
	X(PMULLW, "pmullw") X(PMULHW, "pmulhw") X(PMULHUW, "pmulhuw") X(PMULHRSW, "pmulhrsw")                         \
	X(PMULUDQ, "pmuludq") X(PMADDWD, "pmaddwd") X(PMADDUBSW, "pmaddubsw")                                         \
	X(PAVGB, "pavgb") X(PAVGW, "pavgw") X(PSADBW, "psadbw")                                                       \
	X(PMINUB, "pminub") X(PMINSW, "pminsw") X(PMAXUB, "pmaxub") X(PMAXSW, "pmaxsw")                               \
	X(PSIGNB, "psignb") X(PSIGNW, "psignw") X(PSIGND, "psignd")                                                   \
	X(PAND, "pand") X(POR, "por")                                                                                 \
	X(PSLLW, "psllw") X(PSLLD, "pslld") X(PSLLQ, "psllq") X(PSRLW, "psrlw") X(PSRLD, "psrld") X(PSRLQ, "psrlq")   \
	X(PSRAW, "psraw") X(PSRAD, "psrad")

#define UNARY(X) X(PABSB, "pabsb") X(PABSW, "pabsw") X(PABSD, "pabsd")

/* The result's low half comes from the first operand, the high half from the second: as if both made one of 16 bytes. */
#define JOINING(X)                                                                             \
	X(PACKSSWB, "packsswb") X(PACKSSDW, "packssdw") X(PACKUSWB, "packuswb")                \
	X(PHADDW, "phaddw") X(PHADDD, "phaddd") X(PHADDSW, "phaddsw")                          \
	X(PHSUBW, "phsubw") X(PHSUBD, "phsubd") X(PHSUBSW, "phsubsw")

/* Interleaving of two times 8 bytes, of which one half is the result. */
#define UNPACK_LOW(X) X(PUNPCKLBW, "punpcklbw") X(PUNPCKLWD, "punpcklwd") X(PUNPCKLDQ, "punpckldq")
#define UNPACK_HIGH(X) X(PUNPCKHBW, "punpcklbw") X(PUNPCKHWD, "punpcklwd") X(PUNPCKHDQ, "punpckldq")

/* What such operations are on the host: join(a, b) doubled, and the high half. */
#define CALL_JOINED(compute) compute(_mm_unpacklo_epi64(a.v, b.v), _mm_unpacklo_epi64(a.v, b.v))
#define CALL_HIGH(compute) _mm_unpackhi_epi64(compute(a.v, b.v), a.v)

#define DEFINE_BINARY(op, mnemonic) HOST_BINARY(op##_host, mnemonic) MMX_HANDLERS(op, CALL(op##_host), 8, TAGS_BINARY)
#define DEFINE_ZERO_IDIOM(op, mnemonic) HOST_BINARY(op##_host, mnemonic) MMX_HANDLERS(op, CALL(op##_host), 8, TAGS_ZERO_IDIOM)
#define DEFINE_UNARY(op, mnemonic) HOST_UNARY(op##_host, mnemonic) MMX_HANDLERS(op, CALL(op##_host), 8, TAGS_UNARY)
#define DEFINE_JOINING(op, mnemonic) HOST_BINARY(op##_host, mnemonic) MMX_HANDLERS(op, CALL_JOINED(op##_host), 8, TAGS_BINARY)
#define DEFINE_UNPACK_LOW(op, mnemonic) HOST_BINARY(op##_host, mnemonic) MMX_HANDLERS(op, CALL(op##_host), 4, TAGS_BINARY)
#define DEFINE_UNPACK_HIGH(op, mnemonic) HOST_BINARY(op##_host, mnemonic) MMX_HANDLERS(op, CALL_HIGH(op##_host), 8, TAGS_BINARY)
BINARY(DEFINE_BINARY)
SIMD_ZERO_IDIOMS(DEFINE_ZERO_IDIOM)
UNARY(DEFINE_UNARY)
JOINING(DEFINE_JOINING)
UNPACK_LOW(DEFINE_UNPACK_LOW)
UNPACK_HIGH(DEFINE_UNPACK_HIGH)

/* Shifts by an immediate. */
#define SHIFTS(X) X(PSLLW) X(PSLLD) X(PSLLQ) X(PSRLW) X(PSRLD) X(PSRLQ) X(PSRAW) X(PSRAD)

#define DEFINE_SHIFT(op)                                                                                         \
	HANDLER(op##_ri, struct packed a; mmx_begin(cpu, insn); a = mmx_get(cpu, insn->op1);                     \
		mmx_set(cpu, insn->op1, op##_host(a.v, _mm_cvtsi32_si128(insn->imm & 0xff)), a.tag);             \
		x87_enter_mmx(&cpu->fpu);)
SHIFTS(DEFINE_SHIFT)

/* -- shuffles -- */

/* Only three bits of each index count. */
HOST_BINARY(pshufb_host, "pshufb")
ALWAYS_INLINE __m128i pshufb(__m128i a, __m128i b)
{
	return pshufb_host(a, _mm_and_si128(b, _mm_set1_epi8((char)0x87)));
}
MMX_HANDLERS(PSHUFB, CALL(pshufb), 8, TAGS_BINARY)

ALWAYS_INLINE __m128i pshufw(__m128i a, __m128i b, unsigned imm)
{
	uint64_t source = (uint64_t)_mm_cvtsi128_si64(b), result = 0;

	(void)a;
	for (unsigned i = 0; i < 4; i++)
		result |= (source >> 16 * (imm >> 2 * i & 3) & 0xffff) << 16 * i;
	return _mm_cvtsi64_si128((long long)result);
}
MMX_HANDLERS(PSHUFW, CALL_IMM(pshufw), 8, TAGS_UNARY)

/* Bytes imm .. imm + 7 of src, dst above it, and zeros above that. */
ALWAYS_INLINE __m128i palignr(__m128i a, __m128i b, unsigned imm)
{
	unsigned __int128 joined = (unsigned __int128)(uint64_t)_mm_cvtsi128_si64(a) << 64 | (uint64_t)_mm_cvtsi128_si64(b);

	return _mm_cvtsi64_si128(imm < 16 ? (long long)(joined >> imm * 8) : 0);
}
MMX_HANDLERS(PALIGNR, CALL_IMM(palignr), 8, TAGS_BINARY)

/* -- moves -- */

ALWAYS_INLINE void mmx_write(struct cpu *cpu, const struct insn *insn, struct packed value)
{
	mmx_set(cpu, insn->op1, value.v, value.tag);
	x87_enter_mmx(&cpu->fpu);
}

ALWAYS_INLINE struct value mmx_part(struct cpu *cpu, uint16_t offset, unsigned at, unsigned size)
{
	return (struct value){load_host((uint8_t *)cpu_field(cpu, offset) + at, size), ENGINE_TAGGED ? *mmx_tag(cpu, offset) : 0};
}

ALWAYS_INLINE struct packed packed_of(struct value value)
{
	return (struct packed){_mm_cvtsi64_si128((long long)value.v), value.tag};
}

ALWAYS_INLINE void mmx_store(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	store(cpu, insn, ea(cpu, insn, size, true), size, mmx_part(cpu, insn->op2, 0, size));
	x87_enter_mmx(&cpu->fpu);
}

ALWAYS_INLINE void mmx_to_register(struct cpu *cpu, const struct insn *insn, unsigned size, struct value value)
{
	reg_set(cpu, insn->op1, size, value);
	x87_enter_mmx(&cpu->fpu);
}

HANDLER(MOVQ_rr, mmx_begin(cpu, insn); mmx_write(cpu, insn, mmx_get(cpu, insn->op2));)
HANDLER(load4_rm, mmx_begin(cpu, insn); mmx_write(cpu, insn, memory_get(cpu, insn, 4));)
HANDLER(load8_rm, mmx_begin(cpu, insn); mmx_write(cpu, insn, memory_get(cpu, insn, 8));)
HANDLER(store4_mr, mmx_begin(cpu, insn); mmx_store(cpu, insn, 4);)
HANDLER(store8_mr, mmx_begin(cpu, insn); mmx_store(cpu, insn, 8);)
HANDLER(from4_rr, mmx_begin(cpu, insn); mmx_write(cpu, insn, packed_of(reg_get(cpu, insn->op2, 4)));)
HANDLER(from8_rr, mmx_begin(cpu, insn); mmx_write(cpu, insn, packed_of(reg_get(cpu, insn->op2, 8)));)
HANDLER(to4_rr, mmx_begin(cpu, insn); mmx_to_register(cpu, insn, 4, mmx_part(cpu, insn->op2, 0, 4));)
HANDLER(to8_rr, mmx_begin(cpu, insn); mmx_to_register(cpu, insn, 8, mmx_part(cpu, insn->op2, 0, 8));)

ALWAYS_INLINE unsigned word_offset(const struct insn *insn)
{
	return (insn->imm & 3) * 2;
}

HANDLER(PEXTRW_rr, mmx_begin(cpu, insn); mmx_to_register(cpu, insn, 4, mmx_part(cpu, insn->op2, word_offset(insn), 2));)

ALWAYS_INLINE void pinsrw(struct cpu *cpu, const struct insn *insn, struct value word)
{
	struct packed a = mmx_get(cpu, insn->op1);
	uint64_t value = (uint64_t)_mm_cvtsi128_si64(a.v);

	store_host((uint8_t *)&value + word_offset(insn), word.v, 2);
	mmx_write(cpu, insn, packed_of((struct value){value, a.tag | word.tag}));
}

HANDLER(PINSRW_rr, mmx_begin(cpu, insn); pinsrw(cpu, insn, reg_get(cpu, insn->op2, 2));)
HANDLER(PINSRW_rm, mmx_begin(cpu, insn); pinsrw(cpu, insn, load(cpu, insn, ea(cpu, insn, 2, false), 2));)

/* The upper half of what mmx_get() gives is zero. */
HANDLER(PMOVMSKB_rr, struct packed b; mmx_begin(cpu, insn); b = mmx_get(cpu, insn->op2);
	mmx_to_register(cpu, insn, 4, (struct value){(uint32_t)_mm_movemask_epi8(b.v), b.tag});)

/* The bytes of op1 whose bit 7 in op2 is set, to DS:[rDI] (lowered as a memory operand). */
static void maskmovq(struct cpu *cpu, const struct insn *insn)
{
	struct packed data, mask;

	mmx_begin(cpu, insn);
	data = mmx_get(cpu, insn->op1);
	mask = mmx_get(cpu, insn->op2);
	simd_store_masked(cpu, insn, (unsigned)_mm_movemask_epi8(mask.v), data.v, 8, data.tag | mask.tag);
	x87_enter_mmx(&cpu->fpu);
}
SIMPLE(MASKMOVQ_rr, maskmovq)

HANDLER(EMMS_none, mmx_begin(cpu, insn); x87_enter_mmx(&cpu->fpu); cpu->fpu.valid = 0;)

#define ROWS(op, mnemonic) MMX_ROWS(op)
#define SHIFT_ROW(op) {OP_##op##_MMX, FORM_RI, 0, 0, op##_ri},

const struct op_impl ENGINE(mmx_impls)[] = {
	BINARY(ROWS)
	SIMD_ZERO_IDIOMS(ROWS)
	UNARY(ROWS)
	JOINING(ROWS)
	UNPACK_LOW(ROWS)
	UNPACK_HIGH(ROWS)
	SHIFTS(SHIFT_ROW)
	MMX_ROWS(PSHUFB)
	{OP_PSHUFW, FORM_RR, 0, 0, PSHUFW_rr},
	{OP_PSHUFW, FORM_RM, 0, 0, PSHUFW_rm},
	MMX_ROWS(PALIGNR)
	{OP_MOVQ_MMX, FORM_RR, 0, 0, MOVQ_rr},
	{OP_MOVQ_MMX, FORM_RM, 0, 0, load8_rm},
	{OP_MOVQ_MMX, FORM_MR, 0, 0, store8_mr},
	{OP_MOVNTQ, FORM_MR, 0, 0, store8_mr},
	{OP_MOVD_TO_MMX, FORM_RR, 0, 0, from4_rr},
	{OP_MOVD_TO_MMX, FORM_RM, 0, 0, load4_rm},
	{OP_MOVQ_TO_MMX, FORM_RR, 0, 0, from8_rr},
	{OP_MOVQ_TO_MMX, FORM_RM, 0, 0, load8_rm},
	{OP_MOVD_FROM_MMX, FORM_RR, 0, 0, to4_rr},
	{OP_MOVD_FROM_MMX, FORM_MR, 0, 0, store4_mr},
	{OP_MOVQ_FROM_MMX, FORM_RR, 0, 0, to8_rr},
	{OP_MOVQ_FROM_MMX, FORM_MR, 0, 0, store8_mr},
	{OP_PEXTRW_MMX, FORM_RR, 0, 0, PEXTRW_rr},
	MMX_ROWS(PINSRW)
	{OP_PMOVMSKB_MMX, FORM_RR, 0, 0, PMOVMSKB_rr},
	{OP_MASKMOVQ, FORM_RR, 0, 0, MASKMOVQ_rr},
	{OP_EMMS, FORM_NONE, 0, 0, EMMS_none},
	{0},
};
