/*
 * x87 arithmetic, comparison and transcendental instructions (SDM vol. 1, 8.3.5 to 8.3.10).
 */
#include "emu/ops/x87_quick.h"


/* -- two operands -- */

/* op1 = op1 OP op2, both registers. `text` has the destination in the host's ST(0), the source in ST(1), and leaves the result in ST(0). */
#define ARITHMETIC_REGISTERS(name, text, pops)                                                                          \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned to = x87_physical(&cpu->fpu, insn->op1), from = x87_physical(&cpu->fpu, insn->op2);            \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, to) || !x87_is_full(cpu, from)))                   \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %2\n\tfldt %1\n\t" text " %%st(1), %%st\n\tfnstsw %0\n\tfstpt %1\n\tfstp %%st"   \
				 : "=&a"(status), "+m"(cpu->fpu.reg[to])                                                 \
				 : "m"(cpu->fpu.reg[from]));                                                            \
		x87_set_status(cpu, status, X87_C1);                                                                    \
		x87_unite_tags(cpu, to, x87_tag(cpu, from));                                                            \
		x87_note(cpu, insn);                                                                                    \
		if (pops)                                                                                               \
			x87_pop(cpu);                                                                                   \
		NEXT(cpu, insn);                                                                                        \
	}

/* ST(0) = ST(0) OP memory. */
#define ARITHMETIC_MEMORY(name, text, size)                                                                             \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned to = cpu->fpu.top;                                                                             \
		struct x87_operand operand;                                                                                 \
		const uint8_t *host;                                                                                    \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, to)))                                              \
			ANY(cpu, insn);                                                                                 \
		operand = x87_operand(cpu, insn, size, false);                                                                   \
		host = fast_read(data_bank(cpu, operand.address), operand.address.linear, size);                                        \
		if (unlikely(!host))                                                                                    \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %1\n\t" text " %2\n\tfnstsw %0\n\tfstpt %1"                                      \
				 : "=&a"(status), "+m"(cpu->fpu.reg[to])                                                 \
				 : "m"(X87_BYTES(host, size)));                                                           \
		x87_set_status(cpu, status, X87_C1);                                                                    \
		x87_unite_tags(cpu, to, fast_load_tag(data_bank(cpu, operand.address), operand.address.linear, size));                  \
		x87_note_memory(cpu, insn, operand);                                              \
		NEXT(cpu, insn);                                                                                        \
	}

#define ARITHMETIC(name)                                        \
	ARITHMETIC_REGISTERS(f##name##_st, "f" #name, false)    \
	ARITHMETIC_REGISTERS(f##name##p, "f" #name, true)       \
	ARITHMETIC_MEMORY(f##name##_m32, "f" #name "s", 4)      \
	ARITHMETIC_MEMORY(f##name##_m64, "f" #name "l", 8)      \
	ARITHMETIC_MEMORY(fi##name##_m16, "fi" #name "s", 2)    \
	ARITHMETIC_MEMORY(fi##name##_m32, "fi" #name "l", 4)

ARITHMETIC(add)
ARITHMETIC(mul)
ARITHMETIC(sub)
ARITHMETIC(subr)
ARITHMETIC(div)
ARITHMETIC(divr)

/* -- comparison -- */

ALWAYS_INLINE bool compare_is_quick(const struct cpu *cpu, unsigned with)
{
	return x87_is_quick(cpu) && x87_is_full(cpu, cpu->fpu.top) && x87_is_full(cpu, with);
}

/* Compares ST(0) with a register: `text` pops both from the host's stack. */
#define COMPARE_REGISTERS(name, text, with_what, pops)                                                                  \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned with = x87_physical(&cpu->fpu, with_what);                                                     \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!compare_is_quick(cpu, with)))                                                             \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %2\n\tfldt %1\n\t" text "\n\tfnstsw %0"                                          \
				 : "=&a"(status)                                                                         \
				 : "m"(cpu->fpu.reg[cpu->fpu.top]), "m"(cpu->fpu.reg[with]));                           \
		x87_set_status(cpu, status, X87_CONDITION);                                                             \
		x87_note(cpu, insn);                                                                                    \
		if (pops > 0)                                                                                           \
			x87_pop(cpu);                                                                                   \
		if (pops > 1)                                                                                           \
			x87_pop(cpu);                                                                                   \
		NEXT(cpu, insn);                                                                                        \
	}

COMPARE_REGISTERS(fcom_st, "fcompp", insn->op1, 0)
COMPARE_REGISTERS(fcomp_st, "fcompp", insn->op1, 1)
COMPARE_REGISTERS(fcompp, "fcompp", 1, 2)
COMPARE_REGISTERS(fucom_st, "fucompp", insn->op1, 0)
COMPARE_REGISTERS(fucomp_st, "fucompp", insn->op1, 1)
COMPARE_REGISTERS(fucompp, "fucompp", 1, 2)

#define COMPARE_MEMORY(name, text, size, pops)                                                                          \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		struct x87_operand operand;                                                                                 \
		const uint8_t *host;                                                                                    \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!compare_is_quick(cpu, cpu->fpu.top)))                                                     \
			ANY(cpu, insn);                                                                                 \
		operand = x87_operand(cpu, insn, size, false);                                                                   \
		host = fast_read(data_bank(cpu, operand.address), operand.address.linear, size);                                        \
		if (unlikely(!host))                                                                                    \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %1\n\t" text " %2\n\tfnstsw %0"                                                  \
				 : "=&a"(status)                                                                         \
				 : "m"(cpu->fpu.reg[cpu->fpu.top]), "m"(X87_BYTES(host, size)));                          \
		x87_set_status(cpu, status, X87_CONDITION);                                                             \
		x87_note_memory(cpu, insn, operand);                                              \
		if (pops)                                                                                               \
			x87_pop(cpu);                                                                                   \
		NEXT(cpu, insn);                                                                                        \
	}

COMPARE_MEMORY(fcom_m32, "fcomps", 4, false)
COMPARE_MEMORY(fcomp_m32, "fcomps", 4, true)
COMPARE_MEMORY(fcom_m64, "fcompl", 8, false)
COMPARE_MEMORY(fcomp_m64, "fcompl", 8, true)
COMPARE_MEMORY(ficom_m16, "ficomps", 2, false)
COMPARE_MEMORY(ficomp_m16, "ficomps", 2, true)
COMPARE_MEMORY(ficom_m32, "ficompl", 4, false)
COMPARE_MEMORY(ficomp_m32, "ficompl", 4, true)

/* The result goes to ZF, PF and CF; OF, SF and AF are cleared. The condition bits stay, C1 too. */
#define COMPARE_EFLAGS(name, text, pops)                                                                                \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned with = x87_physical(&cpu->fpu, insn->op2);                                                     \
		bool zf, pf, cf;                                                                                        \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!compare_is_quick(cpu, with)))                                                             \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %5\n\tfldt %4\n\t" text " %%st(1), %%st\n\tfstp %%st\n\tfnstsw %0"               \
				 : "=&a"(status), "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf)                                  \
				 : "m"(cpu->fpu.reg[cpu->fpu.top]), "m"(cpu->fpu.reg[with]));                           \
		x87_set_status(cpu, status, 0);                                                                         \
		flags_set_raw(&cpu->flags, (zf ? FLAG_ZF : 0) | (pf ? FLAG_PF : 0) | (cf ? FLAG_CF : 0));               \
		x87_note(cpu, insn);                                                                                    \
		if (pops)                                                                                               \
			x87_pop(cpu);                                                                                   \
		NEXT(cpu, insn);                                                                                        \
	}

COMPARE_EFLAGS(fcomi, "fcomip", false)
COMPARE_EFLAGS(fcomip, "fcomip", true)
COMPARE_EFLAGS(fucomi, "fucomip", false)
COMPARE_EFLAGS(fucomip, "fucomip", true)

/* -- one operand -- */

/* ST(0) = OP ST(0). condition: the condition bits that the instruction defines. */
#define UNARY(name, text, condition)                                                                                    \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned top = cpu->fpu.top;                                                                            \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, top)))                                             \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %1\n\t" text "\n\tfnstsw %0\n\tfstpt %1" : "=&a"(status), "+m"(cpu->fpu.reg[top])); \
		x87_set_status(cpu, status, condition);                                                                 \
		x87_note(cpu, insn);                                                                                    \
		NEXT(cpu, insn);                                                                                        \
	}

UNARY(fsqrt, "fsqrt", X87_C1)
UNARY(frndint, "frndint", X87_C1)
UNARY(f2xm1, "f2xm1", X87_C1)
UNARY(fsin, "fsin", X87_C1 | X87_C2)
UNARY(fcos, "fcos", X87_C1 | X87_C2)
UNARY(ftst, "ftst", X87_CONDITION)
UNARY(fxam, "fxam", X87_CONDITION)

/* Signs are bits: no operand is special to these two. */
#define SIGN(name, expression)                                                                          \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                        \
	{                                                                                               \
		unsigned top = cpu->fpu.top;                                                            \
		uint16_t before = cpu->fpu.reg[top].sign_exponent;                                      \
                                                                                                        \
		if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, top)))                             \
			ANY(cpu, insn);                                                                 \
		cpu->fpu.reg[top].sign_exponent = expression;                                           \
		cpu->fpu.status &= ~X87_C1;                                                             \
		x87_note(cpu, insn);                                                                    \
		NEXT(cpu, insn);                                                                        \
	}

SIGN(fchs_st, before ^ 0x8000)
SIGN(fabs_st, before & 0x7fff)

/* -- ST(0) and ST(1) -- */

ALWAYS_INLINE bool both_are_quick(const struct cpu *cpu)
{
	return compare_is_quick(cpu, x87_physical(&cpu->fpu, 1));
}

ALWAYS_INLINE bool is_normal(const struct fpu_register *reg)
{
	return reg->significand >> 63 && (reg->sign_exponent & 0x7fff) != 0x7fff;
}

/* FPREM and FPREM1 of other operands may leave condition bits as they were, and the host's are not the guest's. */
ALWAYS_INLINE bool remainder_is_quick(const struct cpu *cpu)
{
	return both_are_quick(cpu) && is_normal(&cpu->fpu.reg[cpu->fpu.top]) && is_normal(&cpu->fpu.reg[x87_physical(&cpu->fpu, 1)]);
}

/* ST(0) = ST(0) OP ST(1). */
#define WITH_ST1(name, text, quick, condition)                                                                                 \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned top = cpu->fpu.top, st1 = x87_physical(&cpu->fpu, 1);                                          \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!quick(cpu)))                                                                              \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %2\n\tfldt %1\n\t" text "\n\tfnstsw %0\n\tfstpt %1\n\tfstp %%st"                 \
				 : "=&a"(status), "+m"(cpu->fpu.reg[top])                                                \
				 : "m"(cpu->fpu.reg[st1]));                                                             \
		x87_set_status(cpu, status, condition);                                                                 \
		x87_unite_tags(cpu, top, x87_tag(cpu, st1));                                                            \
		x87_note(cpu, insn);                                                                                    \
		NEXT(cpu, insn);                                                                                        \
	}

WITH_ST1(fscale, "fscale", both_are_quick, X87_C1)
WITH_ST1(fprem, "fprem", remainder_is_quick, X87_CONDITION)
WITH_ST1(fprem1, "fprem1", remainder_is_quick, X87_CONDITION)

/* ST(1) = ST(1) OP ST(0), and pops. */
#define INTO_ST1(name, text)                                                                                            \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned top = cpu->fpu.top, st1 = x87_physical(&cpu->fpu, 1);                                          \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!both_are_quick(cpu)))                                                                     \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %1\n\tfldt %2\n\t" text "\n\tfnstsw %0\n\tfstpt %1"                              \
				 : "=&a"(status), "+m"(cpu->fpu.reg[st1])                                                \
				 : "m"(cpu->fpu.reg[top]));                                                             \
		x87_set_status(cpu, status, X87_C1);                                                                    \
		x87_unite_tags(cpu, st1, x87_tag(cpu, top));                                                            \
		x87_note(cpu, insn);                                                                                    \
		x87_pop(cpu);                                                                                           \
		NEXT(cpu, insn);                                                                                        \
	}

INTO_ST1(fyl2x, "fyl2x")
INTO_ST1(fyl2xp1, "fyl2xp1")
INTO_ST1(fpatan, "fpatan")

/* -- two results -- */

/*
 * Replaces ST(0) by one result and pushes another, a constant or not: if C2 tells that it could not (the trigonometric ones), nothing
 * happens.
 */
#define TWO_RESULTS(name, text, condition, constant)                                                                              \
	static const struct insn *name(struct cpu *cpu, const struct insn *insn)                                        \
	{                                                                                                               \
		unsigned top = cpu->fpu.top, to = x87_physical(&cpu->fpu, 7);                                           \
		uint16_t status;                                                                                        \
                                                                                                                        \
		if (unlikely(!x87_is_quick(cpu) || !x87_is_full(cpu, top) || x87_is_full(cpu, to)))                     \
			ANY(cpu, insn);                                                                                 \
		__asm__ volatile("fldt %1\n\t" text "\n\tfnstsw %0" : "=&a"(status) : "m"(cpu->fpu.reg[top]));           \
		x87_set_status(cpu, status, condition);                                                                 \
		x87_note(cpu, insn);                                                                                    \
		if (status & (condition) & X87_C2) {                                                        \
			__asm__ volatile("fstp %st");                                                                   \
			NEXT(cpu, insn);                                                                                \
		}                                                                                                       \
		__asm__ volatile("fstpt %0\n\tfstpt %1" : "=m"(cpu->fpu.reg[to]), "=m"(cpu->fpu.reg[top]));             \
		x87_set_tag(cpu, to, (constant) ? 0 : x87_tag(cpu, top));                                                                \
		x87_push(cpu, to);                                                                                      \
		NEXT(cpu, insn);                                                                                        \
	}

TWO_RESULTS(fptan, "fptan", X87_C1 | X87_C2, true) /* 1.0 */
TWO_RESULTS(fsincos, "fsincos", X87_C1 | X87_C2, false)
TWO_RESULTS(fxtract, "fxtract", X87_C1, false)

#define ARITHMETIC_IMPLS(NAME, name)                            \
	{OP_F##NAME, FORM_RR, 0, 0, f##name##_st},              \
	{OP_F##NAME, FORM_M, 4, 0, f##name##_m32},              \
	{OP_F##NAME, FORM_M, 8, 0, f##name##_m64},              \
	{OP_F##NAME##P, FORM_RR, 0, 0, f##name##p},             \
	{OP_FI##NAME, FORM_M, 2, 0, fi##name##_m16},            \
	{OP_FI##NAME, FORM_M, 4, 0, fi##name##_m32}

const struct op_impl ENGINE(x87_arith_impls)[] = {
	ARITHMETIC_IMPLS(ADD, add),
	ARITHMETIC_IMPLS(MUL, mul),
	ARITHMETIC_IMPLS(SUB, sub),
	ARITHMETIC_IMPLS(SUBR, subr),
	ARITHMETIC_IMPLS(DIV, div),
	ARITHMETIC_IMPLS(DIVR, divr),
	{OP_FCOM, FORM_R, 0, 0, fcom_st},
	{OP_FCOM, FORM_M, 4, 0, fcom_m32},
	{OP_FCOM, FORM_M, 8, 0, fcom_m64},
	{OP_FCOMP, FORM_R, 0, 0, fcomp_st},
	{OP_FCOMP, FORM_M, 4, 0, fcomp_m32},
	{OP_FCOMP, FORM_M, 8, 0, fcomp_m64},
	{OP_FCOMPP, FORM_NONE, 0, 0, fcompp},
	{OP_FICOM, FORM_M, 2, 0, ficom_m16},
	{OP_FICOM, FORM_M, 4, 0, ficom_m32},
	{OP_FICOMP, FORM_M, 2, 0, ficomp_m16},
	{OP_FICOMP, FORM_M, 4, 0, ficomp_m32},
	{OP_FUCOM, FORM_R, 0, 0, fucom_st},
	{OP_FUCOMP, FORM_R, 0, 0, fucomp_st},
	{OP_FUCOMPP, FORM_NONE, 0, 0, fucompp},
	{OP_FCOMI, FORM_RR, 0, 0, fcomi},
	{OP_FCOMIP, FORM_RR, 0, 0, fcomip},
	{OP_FUCOMI, FORM_RR, 0, 0, fucomi},
	{OP_FUCOMIP, FORM_RR, 0, 0, fucomip},
	{OP_FTST, FORM_NONE, 0, 0, ftst},
	{OP_FXAM, FORM_NONE, 0, 0, fxam},
	{OP_FCHS, FORM_NONE, 0, 0, fchs_st},
	{OP_FABS, FORM_NONE, 0, 0, fabs_st},
	{OP_FSQRT, FORM_NONE, 0, 0, fsqrt},
	{OP_FRNDINT, FORM_NONE, 0, 0, frndint},
	{OP_FSCALE, FORM_NONE, 0, 0, fscale},
	{OP_FXTRACT, FORM_NONE, 0, 0, fxtract},
	{OP_FPREM, FORM_NONE, 0, 0, fprem},
	{OP_FPREM1, FORM_NONE, 0, 0, fprem1},
	{OP_FSIN, FORM_NONE, 0, 0, fsin},
	{OP_FCOS, FORM_NONE, 0, 0, fcos},
	{OP_FSINCOS, FORM_NONE, 0, 0, fsincos},
	{OP_FPTAN, FORM_NONE, 0, 0, fptan},
	{OP_FPATAN, FORM_NONE, 0, 0, fpatan},
	{OP_F2XM1, FORM_NONE, 0, 0, f2xm1},
	{OP_FYL2X, FORM_NONE, 0, 0, fyl2x},
	{OP_FYL2XP1, FORM_NONE, 0, 0, fyl2xp1},
	{0},
};
