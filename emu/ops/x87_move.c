/*
 * x87 data transfer (SDM vol. 1, 8.3.3), and x87_any(), the way of every instruction that has no quick handler or cannot take it.
 */
#include "emu/ops/x87_convert.h"

#include <stdlib.h>

/* -- any instruction -- */

static __attribute__((noinline)) void execute(struct cpu *cpu, const struct insn *insn)
{
	unsigned fop = insn->imm & 0x7ff;
	int size = x87_memory_size(fop);
	struct x87_operand operand = {{0, 0}, 0};
	struct x87_outcome outcome;
	uint64_t memory[2]; /* an operand of up to 10 bytes */
	tag_t tag = 0;

	x87_check_pending(cpu);
	if (size)
		operand = x87_operand(cpu, insn, abs(size), size < 0);
	if (size > 0)
		tag = load_bytes(cpu, insn, operand.address, memory, size);
	x87_compute(cpu, fop, memory, &outcome);
	if (outcome.stores)
		store_bytes(cpu, insn, operand.address, memory, -size, x87_tag(cpu, cpu->fpu.top));
	else if (size < 0) /* an unmasked exception keeps it from storing, but not from faulting */
		probe_write(cpu, insn, data_bank(cpu, operand.address), operand.address.linear, -size);

	if (size)
		x87_note_memory(cpu, insn, operand);
	else
		x87_note(cpu, insn);
	x87_commit(cpu, fop, &outcome, tag);
}

const struct insn *x87_any(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	if (x87_host_follow(cpu))
		GO(cpu, insn); /* now it may be quick */
	execute(cpu, insn);
	NEXT(cpu, insn);
}

/* -- loads -- */

/* Pushes what `text` loads from memory. */
#define LOAD(name, size, widen, text)                                                                                                \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                                     \
	{                                                                                                                            \
		unsigned to = x87_physical(&cpu->fpu, 7);                                                                            \
		struct x87_operand operand;                                                                                          \
		const uint8_t *host;                                                                                                 \
                                                                                                                                     \
		if (unlikely(!x87_is_quick(cpu) || x87_is_full(cpu, to)))                                                            \
			ANY(cpu, insn);                                                                                              \
		operand = x87_operand(cpu, insn, size, false);                                                                       \
		host = fast_read(data_bank(cpu, operand.address), operand.address.linear, size);                                     \
		if (unlikely(!host))                                                                                                 \
			ANY(cpu, insn);                                                                                              \
		if (likely(widen(&cpu->fpu.reg[to], host))) {                                                                        \
			cpu->fpu.status &= ~X87_C1;                                                                                  \
		} else {                                                                                                             \
			uint16_t status;                                                                                             \
                                                                                                                                     \
			__asm__ volatile(text " %2\n\tfnstsw %0\n\tfstpt %1"                                                        \
					 : "=&a"(status), "=m"(cpu->fpu.reg[to])                                                      \
					 : "m"(X87_BYTES(host, size)));                                                              \
			x87_set_status(cpu, status, X87_C1);                                                                         \
		}                                                                                                                    \
		x87_set_tag(cpu, to, fast_load_tag(data_bank(cpu, operand.address), operand.address.linear, size));                  \
		x87_note_memory(cpu, insn, operand);                                                                                 \
		x87_push(cpu, to);                                                                                                   \
		NEXT(cpu, insn);                                                                                                     \
	}

LOAD(fld_m32, 4, widen_m32, "flds")
LOAD(fld_m64, 8, widen_m64, "fldl")
LOAD(fld_m80, 10, widen_m80, "fldt")
LOAD(fild_m16, 2, widen_i16, "filds")
LOAD(fild_m32, 4, widen_i32, "fildl")
LOAD(fild_m64, 8, widen_i64, "fildq")
LOAD(fbld, 10, widen_never, "fbld")

/* Constants are rounded by the control word; C1 is cleared. */
#define CONSTANT(name, text)                                                                    \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                \
	{                                                                                       \
		unsigned to = x87_physical(&cpu->fpu, 7);                                       \
                                                                                                \
		if (unlikely(!x87_is_quick(cpu) || x87_is_full(cpu, to)))                       \
			ANY(cpu, insn);                                                         \
		__asm__ volatile(text "\n\tfstpt %0" : "=m"(cpu->fpu.reg[to]));                 \
		cpu->fpu.status &= ~X87_C1;                                                     \
		x87_set_tag(cpu, to, 0);                                                        \
		x87_note(cpu, insn);                                                            \
		x87_push(cpu, to);                                                              \
		NEXT(cpu, insn);                                                                \
	}

CONSTANT(fld1, "fld1")
CONSTANT(fldl2t, "fldl2t")
CONSTANT(fldl2e, "fldl2e")
CONSTANT(fldpi, "fldpi")
CONSTANT(fldlg2, "fldlg2")
CONSTANT(fldln2, "fldln2")
CONSTANT(fldz, "fldz")

/* -- stores -- */

/* No exception is unmasked. The host may still have other precision and rounding. */
ALWAYS_INLINE bool all_masked(const struct cpu *cpu)
{
	return (cpu->fpu.control & X87_MASKS) == X87_MASKS;
}

/*
 * Stores ST(0): by `narrow` if that can do it under `control`, else by `text`, which pops the host's stack, if the state is `quick` enough
 * for it. C's conversions to integers are an FLDCW that selects truncation, FISTP and another FLDCW: the former saves the host, where
 * loading a control word takes long, from following.
 */
ALWAYS_INLINE unsigned narrowed_size(unsigned size)
{
	return size < 8 ? size : 8;
}

#define STORE(name, size, narrow, control, quick, text, pops)                                                                        \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                                     \
	{                                                                                                                            \
		unsigned from = cpu->fpu.top;                                                                                        \
		struct x87_narrowed narrowed;                                                                                        \
		struct x87_operand operand;                                                                                          \
		uint8_t *host;                                                                                                       \
                                                                                                                                     \
		if (unlikely(!all_masked(cpu) || !x87_is_full(cpu, from)))                                                           \
			ANY(cpu, insn);                                                                                              \
		operand = x87_operand(cpu, insn, size, true);                                                                        \
		host = fast_write(data_bank(cpu, operand.address), operand.address.linear, size);                                    \
		if (unlikely(!host))                                                                                                 \
			ANY(cpu, insn);                                                                                              \
		if (likely(narrow(&cpu->fpu.reg[from], control, &narrowed))) {                                                       \
			store_host(host, narrowed.bits, narrowed_size(size));                                                        \
		} else {                                                                                                             \
			if (unlikely(!(quick)))                                                                                      \
				ANY(cpu, insn);                                                                                      \
			__asm__ volatile("fldt %2\n\t" text " %1\n\tfnstsw %0"                                                      \
					 : "=&a"(narrowed.status), "=m"(X87_BYTES(host, size))                                        \
					 : "m"(cpu->fpu.reg[from]));                                                                 \
		}                                                                                                                    \
		x87_set_status(cpu, narrowed.status, X87_C1);                                                                        \
		fast_store_tag(data_bank(cpu, operand.address), operand.address.linear, size, x87_tag(cpu, from));                   \
		x87_note_memory(cpu, insn, operand);                                                                                 \
		if (pops)                                                                                                            \
			x87_pop(cpu);                                                                                                \
		NEXT(cpu, insn);                                                                                                     \
	}

STORE(fst_m32, 4, narrow_m32, cpu->fpu.control, x87_is_quick(cpu), "fstps", false)
STORE(fstp_m32, 4, narrow_m32, cpu->fpu.control, x87_is_quick(cpu), "fstps", true)
STORE(fst_m64, 8, narrow_m64, cpu->fpu.control, x87_is_quick(cpu), "fstpl", false)
STORE(fstp_m64, 8, narrow_m64, cpu->fpu.control, x87_is_quick(cpu), "fstpl", true)
STORE(fist_m16, 2, narrow_i16, cpu->fpu.control, x87_is_quick(cpu), "fistps", false)
STORE(fist_m32, 4, narrow_i32, cpu->fpu.control, x87_is_quick(cpu), "fistpl", false)
STORE(fistp_m16, 2, narrow_i16, cpu->fpu.control, x87_is_quick(cpu), "fistps", true)
STORE(fistp_m32, 4, narrow_i32, cpu->fpu.control, x87_is_quick(cpu), "fistpl", true)
STORE(fistp_m64, 8, narrow_i64, cpu->fpu.control, x87_is_quick(cpu), "fistpq", true)
STORE(fisttp_m16, 2, narrow_i16, X87_RC_TRUNCATE, true, "fisttps", true)
STORE(fisttp_m32, 4, narrow_i32, X87_RC_TRUNCATE, true, "fisttpl", true)
STORE(fisttp_m64, 8, narrow_i64, X87_RC_TRUNCATE, true, "fisttpq", true)
STORE(fbstp, 10, narrow_never, 0, x87_is_quick(cpu), "fbstp", true)
STORE(fstp_m80, 10, narrow_never, 0, true, "fstpt", true)

/* -- between registers -- */

ALWAYS_INLINE void copy_register(struct cpu *cpu, unsigned to, unsigned from)
{
	cpu->fpu.reg[to].significand = cpu->fpu.reg[from].significand;
	cpu->fpu.reg[to].sign_exponent = cpu->fpu.reg[from].sign_exponent;
	x87_set_tag(cpu, to, x87_tag(cpu, from));
}

static const struct insn *fld_st(struct cpu *cpu, const struct insn *insn)
{
	unsigned from = x87_physical(&cpu->fpu, insn->op1), to = x87_physical(&cpu->fpu, 7);

	if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, from) || x87_is_full(cpu, to)))
		ANY(cpu, insn);
	copy_register(cpu, to, from);
	cpu->fpu.status &= ~X87_C1;
	x87_note(cpu, insn);
	x87_push(cpu, to);
	NEXT(cpu, insn);
}

#define STORE_TO_REGISTER(name, pops)                                                           \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                \
	{                                                                                       \
		unsigned from = cpu->fpu.top, to = x87_physical(&cpu->fpu, insn->op1);          \
                                                                                                \
		if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, from)))                    \
			ANY(cpu, insn);                                                         \
		copy_register(cpu, to, from);                                                   \
		cpu->fpu.valid |= 1u << to;                                                     \
		cpu->fpu.status &= ~X87_C1;                                                     \
		x87_note(cpu, insn);                                                            \
		if (pops)                                                                       \
			x87_pop(cpu);                                                           \
		NEXT(cpu, insn);                                                                \
	}

STORE_TO_REGISTER(fst_st, false)
STORE_TO_REGISTER(fstp_st, true)

static const struct insn *fxch(struct cpu *cpu, const struct insn *insn)
{
	unsigned a = cpu->fpu.top, b = x87_physical(&cpu->fpu, insn->op1);
	struct fpu_register value = cpu->fpu.reg[a];
	tag_t tag = x87_tag(cpu, a);

	if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, a) || !x87_is_full(cpu, b)))
		ANY(cpu, insn);
	copy_register(cpu, a, b);
	cpu->fpu.reg[b].significand = value.significand;
	cpu->fpu.reg[b].sign_exponent = value.sign_exponent;
	x87_set_tag(cpu, b, tag);
	cpu->fpu.status &= ~X87_C1;
	x87_note(cpu, insn);
	NEXT(cpu, insn);
}

/* FCMOVcc: `condition` as in flags_condition(). C1 stays. */
#define FCMOV(name, condition)                                                                                          \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned to = cpu->fpu.top, from = x87_physical(&cpu->fpu, insn->op2);                                  \
                                                                                                                        \
		if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, from) || !x87_is_full(cpu, to)))                   \
			ANY(cpu, insn);                                                                                 \
		if (flags_condition(&cpu->flags, condition))                                                            \
			copy_register(cpu, to, from);                                                                   \
		x87_note(cpu, insn);                                                                                    \
		NEXT(cpu, insn);                                                                                        \
	}

FCMOV(fcmovb, 2)
FCMOV(fcmovnb, 3)
FCMOV(fcmove, 4)
FCMOV(fcmovne, 5)
FCMOV(fcmovbe, 6)
FCMOV(fcmovnbe, 7)
FCMOV(fcmovu, 10)
FCMOV(fcmovnu, 11)

const struct op_impl ENGINE(x87_move_impls)[] = {
	{OP_FLD, FORM_M, 4, 0, fld_m32},
	{OP_FLD, FORM_M, 8, 0, fld_m64},
	{OP_FLD, FORM_M, 10, 0, fld_m80},
	{OP_FLD, FORM_R, 0, 0, fld_st},
	{OP_FILD, FORM_M, 2, 0, fild_m16},
	{OP_FILD, FORM_M, 4, 0, fild_m32},
	{OP_FILD, FORM_M, 8, 0, fild_m64},
	{OP_FBLD, FORM_M, 0, 0, fbld},
	{OP_FLD1, FORM_NONE, 0, 0, fld1},
	{OP_FLDL2T, FORM_NONE, 0, 0, fldl2t},
	{OP_FLDL2E, FORM_NONE, 0, 0, fldl2e},
	{OP_FLDPI, FORM_NONE, 0, 0, fldpi},
	{OP_FLDLG2, FORM_NONE, 0, 0, fldlg2},
	{OP_FLDLN2, FORM_NONE, 0, 0, fldln2},
	{OP_FLDZ, FORM_NONE, 0, 0, fldz},
	{OP_FST, FORM_M, 4, 0, fst_m32},
	{OP_FST, FORM_M, 8, 0, fst_m64},
	{OP_FST, FORM_R, 0, 0, fst_st},
	{OP_FSTP, FORM_M, 4, 0, fstp_m32},
	{OP_FSTP, FORM_M, 8, 0, fstp_m64},
	{OP_FSTP, FORM_M, 10, 0, fstp_m80},
	{OP_FSTP, FORM_R, 0, 0, fstp_st},
	{OP_FIST, FORM_M, 2, 0, fist_m16},
	{OP_FIST, FORM_M, 4, 0, fist_m32},
	{OP_FISTP, FORM_M, 2, 0, fistp_m16},
	{OP_FISTP, FORM_M, 4, 0, fistp_m32},
	{OP_FISTP, FORM_M, 8, 0, fistp_m64},
	{OP_FISTTP, FORM_M, 2, 0, fisttp_m16},
	{OP_FISTTP, FORM_M, 4, 0, fisttp_m32},
	{OP_FISTTP, FORM_M, 8, 0, fisttp_m64},
	{OP_FBSTP, FORM_M, 0, 0, fbstp},
	{OP_FXCH, FORM_R, 0, 0, fxch},
	{OP_FCMOVB, FORM_RR, 0, 0, fcmovb},
	{OP_FCMOVNB, FORM_RR, 0, 0, fcmovnb},
	{OP_FCMOVE, FORM_RR, 0, 0, fcmove},
	{OP_FCMOVNE, FORM_RR, 0, 0, fcmovne},
	{OP_FCMOVBE, FORM_RR, 0, 0, fcmovbe},
	{OP_FCMOVNBE, FORM_RR, 0, 0, fcmovnbe},
	{OP_FCMOVU, FORM_RR, 0, 0, fcmovu},
	{OP_FCMOVNU, FORM_RR, 0, 0, fcmovnu},
	{0},
};
