/*
 * Explicit operands in a form that both decoders' answers can be brought to: registers by name, numbers in full.
 */
#ifndef XRAY86_TESTS_DECODER_OPERAND_H
#define XRAY86_TESTS_DECODER_OPERAND_H

#include <capstone/capstone.h>

#include "emu/decode.h"

enum operand_class { OPERAND_NONE, OPERAND_REGISTER, OPERAND_MEMORY, OPERAND_IMMEDIATE };

struct operand {
	enum operand_class class;
	unsigned size;            /* bytes; 0: not known or no matter */
	const char *name;         /* register */
	const char *segment;      /* memory: NULL unless overridden or a string operand's */
	const char *base, *index; /* NULL: none */
	unsigned scale;           /* 1, 2, 4, 8 */
	uint64_t number;          /* displacement; immediate; branch target. Cut to what the operand's size lets through */
};

enum { OPERANDS_MAX = 8 };

/* The operands of a decoded instruction at address; returns how many. */
unsigned operands_of_decoded(const struct decoded *decoded, unsigned code_size, uint64_t address, struct operand ret[OPERANDS_MAX]);
/* The same of Capstone's; code_size in bytes. */
unsigned operands_of_capstone(csh handle, const cs_insn *insn, unsigned code_size, struct operand ret[OPERANDS_MAX]);

/* NULL if a and b agree, else the name of what does not. */
const char *operand_difference(const struct operand *a, const struct operand *b);

#endif
