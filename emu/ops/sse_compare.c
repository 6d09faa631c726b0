/*
 * Floating-point comparison: to masks (CMPccxx), and to EFLAGS (COMISx, UCOMISx) (SDM vol. 1 chapters 5.5.1.3, 5.6.1.4).
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* -- CMPccxx: imm[2:0] is the condition, the rest is ignored -- */

#define MASKS(X) X(CMPPS, "cmpps", 16) X(CMPPD, "cmppd", 16) X(CMPSS, "cmpss", 4) X(CMPSD, "cmpsd", 8)

#define DEFINE_MASK(op, mnemonic, size)                                       \
	ALWAYS_INLINE __m128i op##_host(__m128i a, __m128i b, unsigned imm)   \
	{                                                                     \
		switch (imm & 7) {                                            \
			HOST_CASES_8(mnemonic, 0)                             \
		}                                                             \
		return a;                                                     \
	}                                                                     \
	XMM_HANDLERS(op, CALL_IMM(op##_host), size, TAGS_BINARY)              \
	XMM_TRAPPING_HANDLERS(op, CALL_IMM(op##_host), size, TAGS_BINARY, TRAP_END)
MASKS(DEFINE_MASK)

/* -- COMISx, UCOMISx: unordered ZF PF CF, less CF, equal ZF; OF, SF and AF are cleared -- */

#define ORDERS(X) X(COMISS, "comiss", 4) X(COMISD, "comisd", 8) X(UCOMISS, "ucomiss", 4) X(UCOMISD, "ucomisd", 8)

#define DEFINE_ORDER(op, mnemonic, size)                                                                           \
	ALWAYS_INLINE uint64_t op##_host(__m128i a, __m128i b)                                                     \
	{                                                                                                          \
		bool zero, parity, carry;                                                                          \
                                                                                                                   \
		__asm__ volatile(mnemonic " %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b)); \
		return (zero ? FLAG_ZF : 0) | (parity ? FLAG_PF : 0) | (carry ? FLAG_CF : 0);                      \
	}                                                                                                          \
	ALWAYS_INLINE void op##_apply(struct cpu *cpu, const struct insn *insn, struct packed b)                   \
	{                                                                                                          \
		flags_set_raw(&cpu->flags, op##_host(xmm_get(cpu, insn->op1).v, b.v));                             \
	}                                                                                                          \
	static void op##_apply_traps(struct cpu *cpu, const struct insn *insn, struct packed b)                    \
	{                                                                                                          \
		__m128i a = xmm_get(cpu, insn->op1).v;                                                             \
		uint32_t begun = sse_trap_begin(cpu);                                                              \
		uint64_t flags = op##_host(a, b.v);                                                                \
                                                                                                                   \
		TRAP_END;                                                                                          \
		flags_set_raw(&cpu->flags, flags);                                                                 \
	}                                                                                                          \
	HANDLER(op##_rr, op##_apply(cpu, insn, xmm_get(cpu, insn->op2));)                                          \
	HANDLER(op##_rm, op##_apply(cpu, insn, memory_get(cpu, insn, size));)                                      \
	HANDLER(op##_rr_traps, op##_apply_traps(cpu, insn, xmm_get(cpu, insn->op2));)                              \
	HANDLER(op##_rm_traps, op##_apply_traps(cpu, insn, memory_get(cpu, insn, size));)
ORDERS(DEFINE_ORDER)

#define ROWS(op, ...) XMM_ROWS(op)
#define TRAPPING_ROWS(op, ...) XMM_TRAPPING_ROWS(op)

const struct op_impl ENGINE(sse_compare_impls)[] = {
	MASKS(ROWS)
	ORDERS(ROWS)
	{0},
};

const struct op_impl ENGINE(sse_compare_trapping_impls)[] = {
	MASKS(TRAPPING_ROWS)
	ORDERS(TRAPPING_ROWS)
	{0},
};
