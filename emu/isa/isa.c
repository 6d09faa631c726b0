/*
 * The rows of the .def files as one array, the operations' and operands' names, and the index that the decoder looks rows up by.
 * What a row says is told in isa.h.
 */
#include <stdlib.h>

#include "emu/isa/isa.h"

#define ROW(map, opcode, prefix, reg, mod, op, op1, op2, op3, op4, reads, writes, undefined, attributes)                          \
	{map, opcode, prefix, reg, mod, OP_##op, {OPN_##op1, OPN_##op2, OPN_##op3, OPN_##op4}, F_##reads, F_##writes, F_##undefined, \
	 attributes},
const struct isa_row isa_rows[] = {
#include "emu/isa/integer.def"
#include "emu/isa/system.def"
#include "emu/isa/x87.def"
#include "emu/isa/mmx.def"
#include "emu/isa/sse.def"
};
#undef ROW

const size_t isa_row_count = sizeof isa_rows / sizeof *isa_rows;

const char *const isa_op_names[] = {
	[OP_none] = "(none)",
#define OP(name) [OP_##name] = #name,
#include "emu/isa/integer.ops"
#include "emu/isa/system.ops"
#include "emu/isa/x87.ops"
#include "emu/isa/mmx.ops"
#include "emu/isa/sse.ops"
#undef OP
};

const struct isa_operand_info isa_operands[] = {
	[OPN_none] = {"_", METHOD_none, TYPE_0},
#define OPERAND(name, method, type) [OPN_##name] = {#name, METHOD_##method, TYPE_##type},
	ISA_OPERANDS(OPERAND)
#undef OPERAND
};

/* How many consecutive opcodes a row stands for. */
static unsigned opcodes_of(const struct isa_row *row)
{
	return row->attributes & A_PLUS_R ? 8 : row->attributes & A_PLUS_CC ? 16 : 1;
}

struct isa *isa_create(void)
{
	unsigned fill[MAP_COUNT * 256] = {0};
	unsigned total = 0;
	struct isa *isa;

	for (size_t i = 0; i < isa_row_count; i++)
		total += opcodes_of(&isa_rows[i]);
	isa = malloc(offsetof(struct isa, row[total]));
	if (!isa)
		return NULL;

	for (size_t i = 0; i < isa_row_count; i++)
		for (unsigned k = 0; k < opcodes_of(&isa_rows[i]); k++)
			fill[isa_rows[i].map << 8 | (isa_rows[i].opcode + k)]++;
	isa->first[0] = 0;
	for (unsigned slot = 0; slot < MAP_COUNT * 256; slot++) {
		isa->first[slot + 1] = isa->first[slot] + fill[slot];
		fill[slot] = isa->first[slot];
	}
	for (size_t i = 0; i < isa_row_count; i++)
		for (unsigned k = 0; k < opcodes_of(&isa_rows[i]); k++)
			isa->row[fill[isa_rows[i].map << 8 | (isa_rows[i].opcode + k)]++] = &isa_rows[i];
	return isa;
}

void isa_destroy(struct isa *isa)
{
	free(isa);
}
