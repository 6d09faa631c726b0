/*
 * The decoder makes one decoded instruction from bytes, for 16-, 32- and 64-bit code (SDM vol. 2A chapter 2, vol. 2D appendix A).
 * It is pure: it depends on the code size, the bytes given and the table in emu/isa/ alone.
 */
#ifndef XRAY86_EMU_DECODE_H
#define XRAY86_EMU_DECODE_H

#include "emu/isa/isa.h"

enum { INSN_MAX_LENGTH = 15 };

enum decode_status {
	DECODE_OK,
	DECODE_UD,       /* undefined: #UD. `length` is how many bytes it took to find out */
	DECODE_TOO_LONG, /* more than 15 bytes: #GP(0) */
	DECODE_MORE,     /* the bytes are the beginning of an instruction: give more */
};

struct decoded {
	const struct isa_row *row;
	uint8_t length;
	uint8_t operand_size; /* bytes: 1 (A_SIZE8), 2, 4, 8 */
	uint8_t address_size; /* bytes: 2, 4, 8 */
	uint8_t segment;      /* SEG_* that memory operands use: override or default (DS, or SS with rSP/rBP as base) */
	bool segment_override;
	bool lock;
	uint8_t rep; /* REP_*: the last F2/F3, where it is not a mandatory prefix */
	uint8_t rex; /* whole byte, 0 if none (or not directly before the opcode) */
	bool has_modrm;
	uint8_t mod, reg, rm; /* reg and rm with REX.R and REX.B; rm only meaningful with mod 3 */
	uint8_t opcode;       /* last opcode byte */
	uint8_t opcode_reg;   /* its low 3 bits with REX.B */
	/* memory operand: registers are 0..15, or NO_REGISTER, or RIP_REGISTER */
	uint8_t base, index, scale;
	int64_t displacement; /* sign-extended; 64 bits for moffs */
	uint64_t immediate;   /* first immediate, sign-extended to 64 bits (Iw of ENTER/RET zero-extended) */
	uint64_t immediate2;  /* second (ENTER's Ib, far pointer's selector) */
};
enum { NO_REGISTER = 0xff, RIP_REGISTER = 0xfe };

/* code_size: 2, 4 or 8. Decodes from bytes[0..available). *ret is defined for DECODE_OK; its length also for DECODE_UD. */
enum decode_status decode(const struct isa *isa, unsigned code_size, const uint8_t *bytes, unsigned available, struct decoded *ret);

#endif
