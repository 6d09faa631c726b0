/*
 * The lowered instruction: what the engine executes. It has 32 bytes; its operands are offsets within struct cpu.
 *
 * Lowering (emu/lower.c) makes it from a decoded instruction. A block is an array of lowered instructions. All that execute blocks rely on
 * the layout (interpreters today, a JIT later); assertions below hold it.
 */
#ifndef XRAY86_EMU_INSN_H
#define XRAY86_EMU_INSN_H

#include <stddef.h>
#include <stdint.h>

struct cpu;
struct insn;

/*
 * Executes one instruction. Returns the next lowered instruction, or NULL to leave the block loop; cpu->rip is exact then. In optimised
 * builds a handler *calls* its successor in tail position instead, and only passes the result on.
 */
typedef const struct insn *handler_fn(struct cpu *cpu, const struct insn *insn);

/* insn.bits */
enum {
	INSN_SLOW_EA = 1 << 0,  /* effective address needs segment checks or an odd address size: ea_slow() */
	INSN_ADDRESS_SHIFT = 1, /* 2 bits: log2 of the address size in bytes (1, 2, 3) */
	INSN_OPERAND_SHIFT = 3, /* 2 bits: log2 of the operand size in bytes (0..3) */
	INSN_REP_SHIFT = 5,     /* 2 bits: REP_NONE, REP_E (F3), REP_NE (F2) */
	INSN_LOCK = 1 << 7,
};
enum { REP_NONE, REP_E, REP_NE };

struct insn {
	handler_fn *execute;
	uint16_t op1, op2;    /* offsets in struct cpu of the first and second operand, if they are registers */
	uint16_t base, index; /* offsets of the address registers; that of cpu->zero for none, of cpu->rip if RIP-relative */
	union {
		struct {
			int32_t disp; /* displacement; RIP-relative ones count from the *block's* start */
			int32_t imm;  /* immediate, sign-extended as the row says; a direct branch's displacement */
		};
		uint64_t imm64; /* MOV r64,imm64; moffs; far pointers (offset | selector << 32); no EA then */
	};
	uint16_t segment; /* offset of the base of the segment that applies (cpu->zero if it is flat) */
	uint16_t offset;  /* from the block's first byte to this instruction's */
	uint8_t scale;    /* 0..3 */
	uint8_t length;   /* 1..15 */
	uint8_t left;     /* instructions from this one to the block's end */
	uint8_t bits;
};

_Static_assert(sizeof(struct insn) == 32, "two lowered instructions a cache line");

static inline unsigned insn_address_size(const struct insn *insn)
{
	return 1u << (insn->bits >> INSN_ADDRESS_SHIFT & 3);
}
static inline unsigned insn_operand_size(const struct insn *insn)
{
	return 1u << (insn->bits >> INSN_OPERAND_SHIFT & 3);
}
static inline unsigned insn_rep(const struct insn *insn)
{
	return insn->bits >> INSN_REP_SHIFT & 3;
}

/*
 * A form says what kinds the first two operands are. Operation, form and operand size choose the handler.
 * A third operand is an immediate (insn.imm), or the operation implies it.
 */
enum operand_kind { KIND_NONE, KIND_REG, KIND_MEM, KIND_IMM };
#define FORM(first, second) ((first) << 2 | (second))
enum form {
	FORM_NONE = FORM(KIND_NONE, KIND_NONE),
	FORM_R = FORM(KIND_REG, KIND_NONE),
	FORM_M = FORM(KIND_MEM, KIND_NONE),
	FORM_I = FORM(KIND_IMM, KIND_NONE),
	FORM_RR = FORM(KIND_REG, KIND_REG),
	FORM_RM = FORM(KIND_REG, KIND_MEM),
	FORM_MR = FORM(KIND_MEM, KIND_REG),
	FORM_RI = FORM(KIND_REG, KIND_IMM),
	FORM_MI = FORM(KIND_MEM, KIND_IMM),
	FORM_ANY = 0xff,
};

/*
 * A row of a handler table. Each file of emu/ops/ exports a table for each engine; a row with execute == NULL ends it. Lowering takes the
 * operation's first row that fits.
 */
struct op_impl {
	uint16_t op;        /* enum op, emu/isa/isa.h */
	uint8_t form;       /* enum form, or FORM_ANY */
	uint8_t size;       /* operand size in bytes, or 0: any */
	uint8_t flags_dead; /* 1: only where nobody reads the flags that the instruction writes; such rows are tried first */
	handler_fn *execute;
};

#endif
