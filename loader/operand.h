/*
 * Operands of instructions that name a place of the kernel: where symbols do not tell an address, the code that uses it does.
 */
#ifndef XRAY86_LOADER_OPERAND_H
#define XRAY86_LOADER_OPERAND_H

#include "emu/decode.h"
#include "loader/view.h"

/* Whether the operand is in memory at an address that no register but RIP has a part in. `next`: the address of the next instruction. */
bool operand_is_variable(const struct decoded *insn, uint64_t next, uint64_t *ret_address);

/* What an operand is. */
enum operand_form {
	OPERAND_VARIABLE, /* operand_is_variable() */
	OPERAND_TABLE,    /* an array of words: its address, and a register that counts */
};

/* The address in the first operand of that kind among the first instructions of a function. Returns false if there is none in the image. */
bool operand_find(const struct view *view, uint64_t function, enum operand_form kind, uint64_t *ret_address);

#endif
