/*
 * Moves between XMM registers, memory, general and MMX registers; single elements; sign masks (SDM vol. 1 chapters 5.5.1.1, 5.6.1.1, 5.10).
 *
 * Non-temporal stores are plain stores: how soon memory sees them is not visible on one CPU.
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* -- whole registers -- */

HANDLER(copy_rr, struct packed b = xmm_get(cpu, insn->op2); xmm_set(cpu, insn->op1, b.v, b.tag);)
HANDLER(aligned_rm, struct packed b = memory_get(cpu, insn, 16); xmm_set(cpu, insn->op1, b.v, b.tag);)
HANDLER(aligned_mr, store_packed(cpu, insn, ea_aligned(cpu, insn, true), xmm_get(cpu, insn->op2));)
HANDLER(unaligned_rm, struct packed b = memory_get_unaligned(cpu, insn); xmm_set(cpu, insn->op1, b.v, b.tag);)
HANDLER(unaligned_mr, store_packed(cpu, insn, ea(cpu, insn, 16, true), xmm_get(cpu, insn->op2));)

/* -- parts of registers: `size` bytes at byte `at` -- */

ALWAYS_INLINE struct value part_get(struct cpu *cpu, uint16_t offset, unsigned at, unsigned size)
{
	return (struct value){load_host(&xmm_register(cpu, offset)->u8[at], size), ENGINE_TAGGED ? *xmm_tag(cpu, offset) : 0};
}

/* The rest of the register stays. */
ALWAYS_INLINE void part_set(struct cpu *cpu, uint16_t offset, unsigned at, unsigned size, struct value value)
{
	store_host(&xmm_register(cpu, offset)->u8[at], value.v, size);
	if (ENGINE_TAGGED)
		*xmm_tag(cpu, offset) |= value.tag;
}

/* The same for the low doubleword and the halves, by way of a whole register: a load right after a store of a part of it would stall. */
ALWAYS_INLINE void low4_set(struct cpu *cpu, uint16_t offset, struct value value)
{
	struct packed a = xmm_get(cpu, offset);
	__m128 merged = _mm_move_ss(_mm_castsi128_ps(a.v), _mm_castsi128_ps(_mm_cvtsi64_si128((long long)value.v)));

	xmm_set(cpu, offset, _mm_castps_si128(merged), a.tag | value.tag);
}

ALWAYS_INLINE void half_set(struct cpu *cpu, uint16_t offset, bool high, struct value value)
{
	struct packed a = xmm_get(cpu, offset);
	__m128i v = _mm_cvtsi64_si128((long long)value.v);
	__m128d merged = _mm_move_sd(_mm_castsi128_pd(a.v), _mm_castsi128_pd(v));

	xmm_set(cpu, offset, high ? _mm_unpacklo_epi64(a.v, v) : _mm_castpd_si128(merged), a.tag | value.tag);
}

/* The rest of the register is cleared. */
ALWAYS_INLINE void whole_set(struct cpu *cpu, uint16_t offset, struct value value)
{
	xmm_set(cpu, offset, _mm_cvtsi64_si128((long long)value.v), value.tag);
}

ALWAYS_INLINE void part_load(struct cpu *cpu, const struct insn *insn, unsigned at, unsigned size)
{
	part_set(cpu, insn->op1, at, size, load(cpu, insn, ea(cpu, insn, size, false), size));
}

ALWAYS_INLINE void part_store(struct cpu *cpu, const struct insn *insn, unsigned at, unsigned size)
{
	struct address address = ea(cpu, insn, size, true);

	store(cpu, insn, address, size, part_get(cpu, insn->op2, at, size));
}

ALWAYS_INLINE void whole_load(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	whole_set(cpu, insn->op1, load(cpu, insn, ea(cpu, insn, size, false), size));
}

/* Scalars, and the low half alone: between registers MOVSS and MOVSD keep the upper part, MOVQ clears it; from memory all clear it. */
HANDLER(MOVSS_rr, low4_set(cpu, insn->op1, part_get(cpu, insn->op2, 0, 4));)
HANDLER(MOVSD_rr, half_set(cpu, insn->op1, false, part_get(cpu, insn->op2, 0, 8));)
HANDLER(MOVQ_rr, whole_set(cpu, insn->op1, part_get(cpu, insn->op2, 0, 8));)
HANDLER(low4_rm, whole_load(cpu, insn, 4);)
HANDLER(low8_rm, whole_load(cpu, insn, 8);)
HANDLER(low4_mr, part_store(cpu, insn, 0, 4);)
HANDLER(low8_mr, part_store(cpu, insn, 0, 8);)

/* Halves that leave the other half. */
HANDLER(MOVLP_rm, half_set(cpu, insn->op1, false, load(cpu, insn, ea(cpu, insn, 8, false), 8));)
HANDLER(MOVHP_rm, half_set(cpu, insn->op1, true, load(cpu, insn, ea(cpu, insn, 8, false), 8));)
HANDLER(MOVHP_mr, part_store(cpu, insn, 8, 8);)
HANDLER(MOVHLPS_rr, half_set(cpu, insn->op1, false, part_get(cpu, insn->op2, 8, 8));)
HANDLER(MOVLHPS_rr, half_set(cpu, insn->op1, true, part_get(cpu, insn->op2, 0, 8));)

/* -- general registers -- */

HANDLER(MOVD_TO_XMM_rr, whole_set(cpu, insn->op1, reg_get(cpu, insn->op2, 4));)
HANDLER(MOVQ_TO_XMM_rr, whole_set(cpu, insn->op1, reg_get(cpu, insn->op2, 8));)
HANDLER(MOVD_FROM_XMM_rr, reg_set(cpu, insn->op1, 4, part_get(cpu, insn->op2, 0, 4));)
HANDLER(MOVQ_FROM_XMM_rr, reg_set(cpu, insn->op1, 8, part_get(cpu, insn->op2, 0, 8));)

#define MASKS(X) X(MOVMSKPS, "movmskps") X(MOVMSKPD, "movmskpd") X(PMOVMSKB, "pmovmskb")

#define DEFINE_MASK(op, mnemonic)                                                        \
	HANDLER(op##_rr, struct packed b = xmm_get(cpu, insn->op2); uint32_t mask;       \
		__asm__(mnemonic " %1, %0" : "=r"(mask) : "x"(b.v));                     \
		reg_set(cpu, insn->op1, 4, (struct value){mask, b.tag});)
MASKS(DEFINE_MASK)

/* -- elements, chosen by the immediate -- */

/* Byte at which the element begins. */
ALWAYS_INLINE unsigned element(const struct insn *insn, unsigned size)
{
	return (insn->imm & (16 / size - 1)) * size;
}

/* The instruction, its element's size. To registers they are zero-extended. */
#define INSERTS(X) X(PINSRB, 1) X(PINSRW, 2) X(PINSRD, 4) X(PINSRQ, 8)
#define EXTRACTS(X) X(PEXTRB, 1) X(PEXTRW, 2) X(PEXTRD, 4) X(PEXTRQ, 8)

#define DEFINE_INSERT(op, size)                                                                         \
	HANDLER(op##_rr, part_set(cpu, insn->op1, element(insn, size), size, reg_get(cpu, insn->op2, size));) \
	HANDLER(op##_rm, part_load(cpu, insn, element(insn, size), size);)
#define DEFINE_EXTRACT(op, size)                                                                                                \
	HANDLER(op##_rr, reg_set(cpu, insn->op1, size == 8 ? 8 : 4, part_get(cpu, insn->op2, element(insn, size), size));) \
	HANDLER(op##_mr, part_store(cpu, insn, element(insn, size), size);)
INSERTS(DEFINE_INSERT)
EXTRACTS(DEFINE_EXTRACT)

/* INSERTPS: imm[5:4] says which element of dst is replaced; those whose bit of imm[3:0] is set become zero. */
ALWAYS_INLINE void insertps(struct cpu *cpu, const struct insn *insn, struct value value)
{
	unsigned i, imm = insn->imm;

	part_set(cpu, insn->op1, (imm >> 4 & 3) * 4, 4, value);
	for (i = 0; i < 4; i++)
		if (imm >> i & 1)
			xmm_register(cpu, insn->op1)->u32[i] = 0;
}

HANDLER(INSERTPS_rr, insertps(cpu, insn, part_get(cpu, insn->op2, (insn->imm >> 6 & 3) * 4, 4));)
HANDLER(INSERTPS_rm, insertps(cpu, insn, load(cpu, insn, ea(cpu, insn, 4, false), 4));)

/* -- MMX registers -- */

HANDLER(MOVQ2DQ_rr, struct packed b; mmx_begin(cpu, insn); b = mmx_get(cpu, insn->op2); xmm_set(cpu, insn->op1, b.v, b.tag);
	x87_enter_mmx(&cpu->fpu);)
HANDLER(MOVDQ2Q_rr, struct packed b; mmx_begin(cpu, insn); b = xmm_get(cpu, insn->op2); mmx_set(cpu, insn->op1, b.v, b.tag);
	x87_enter_mmx(&cpu->fpu);)

/* -- MASKMOVDQU: the bytes of op1 whose bit 7 in op2 is set, to DS:[rDI] (lowered as a memory operand) -- */

static void maskmovdqu(struct cpu *cpu, const struct insn *insn)
{
	struct packed mask = xmm_get(cpu, insn->op2);
	struct packed data = xmm_get(cpu, insn->op1);

	simd_store_masked(cpu, insn, (unsigned)_mm_movemask_epi8(mask.v), data.v, 16, data.tag | mask.tag);
}
SIMPLE(MASKMOVDQU_rr, maskmovdqu)

#define ALIGNED(op) {OP_##op, FORM_RR, 0, 0, copy_rr}, {OP_##op, FORM_RM, 0, 0, aligned_rm}, {OP_##op, FORM_MR, 0, 0, aligned_mr},
#define UNALIGNED(op) {OP_##op, FORM_RR, 0, 0, copy_rr}, {OP_##op, FORM_RM, 0, 0, unaligned_rm}, {OP_##op, FORM_MR, 0, 0, unaligned_mr},
#define RR_ROW(op, ...) {OP_##op, FORM_RR, 0, 0, op##_rr},
#define INSERT_ROWS(op, size) {OP_##op, FORM_RR, 0, 0, op##_rr}, {OP_##op, FORM_RM, 0, 0, op##_rm},
#define EXTRACT_ROWS(op, size) {OP_##op, FORM_RR, 0, 0, op##_rr}, {OP_##op, FORM_MR, 0, 0, op##_mr},

const struct op_impl ENGINE(sse_move_impls)[] = {
	ALIGNED(MOVAPS)
	ALIGNED(MOVAPD)
	ALIGNED(MOVDQA)
	UNALIGNED(MOVUPS)
	UNALIGNED(MOVUPD)
	UNALIGNED(MOVDQU)
	{OP_LDDQU, FORM_RM, 0, 0, unaligned_rm},
	{OP_MOVNTPS, FORM_MR, 0, 0, aligned_mr},
	{OP_MOVNTPD, FORM_MR, 0, 0, aligned_mr},
	{OP_MOVNTDQ, FORM_MR, 0, 0, aligned_mr},
	{OP_MOVNTDQA, FORM_RM, 0, 0, aligned_rm},
	{OP_MOVSS, FORM_RR, 0, 0, MOVSS_rr},
	{OP_MOVSS, FORM_RM, 0, 0, low4_rm},
	{OP_MOVSS, FORM_MR, 0, 0, low4_mr},
	{OP_MOVSD, FORM_RR, 0, 0, MOVSD_rr},
	{OP_MOVSD, FORM_RM, 0, 0, low8_rm},
	{OP_MOVSD, FORM_MR, 0, 0, low8_mr},
	{OP_MOVQ, FORM_RR, 0, 0, MOVQ_rr},
	{OP_MOVQ, FORM_RM, 0, 0, low8_rm},
	{OP_MOVQ, FORM_MR, 0, 0, low8_mr},
	{OP_MOVLPS, FORM_RM, 0, 0, MOVLP_rm},
	{OP_MOVLPS, FORM_MR, 0, 0, low8_mr},
	{OP_MOVLPD, FORM_RM, 0, 0, MOVLP_rm},
	{OP_MOVLPD, FORM_MR, 0, 0, low8_mr},
	{OP_MOVHPS, FORM_RM, 0, 0, MOVHP_rm},
	{OP_MOVHPS, FORM_MR, 0, 0, MOVHP_mr},
	{OP_MOVHPD, FORM_RM, 0, 0, MOVHP_rm},
	{OP_MOVHPD, FORM_MR, 0, 0, MOVHP_mr},
	RR_ROW(MOVHLPS)
	RR_ROW(MOVLHPS)
	RR_ROW(MOVD_TO_XMM)
	RR_ROW(MOVQ_TO_XMM)
	{OP_MOVD_TO_XMM, FORM_RM, 0, 0, low4_rm},
	{OP_MOVQ_TO_XMM, FORM_RM, 0, 0, low8_rm},
	RR_ROW(MOVD_FROM_XMM)
	RR_ROW(MOVQ_FROM_XMM)
	{OP_MOVD_FROM_XMM, FORM_MR, 0, 0, low4_mr},
	{OP_MOVQ_FROM_XMM, FORM_MR, 0, 0, low8_mr},
	MASKS(RR_ROW)
	INSERTS(INSERT_ROWS)
	EXTRACTS(EXTRACT_ROWS)
	{OP_EXTRACTPS, FORM_RR, 0, 0, PEXTRD_rr},
	{OP_EXTRACTPS, FORM_MR, 0, 0, PEXTRD_mr},
	INSERT_ROWS(INSERTPS, 4)
	RR_ROW(MOVQ2DQ)
	RR_ROW(MOVDQ2Q)
	RR_ROW(MASKMOVDQU)
	{0},
};
