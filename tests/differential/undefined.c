/*
 * What the SDM leaves undefined: undefined.h. Where the host was measured to do as the emulator does nothing is left out (flag_rule.c has
 * the rules). Flags that it was measured to keep must be kept. The rest is not compared: sequences go on after such an instruction, but
 * nothing in them reads what it left.
 */
#include "tests/differential/undefined.h"

#include "emu/cpu.h"

/* Which group's rule an operation follows. */
static const struct {
	uint16_t op;
	uint8_t group;
} groups[] = {
	{OP_AND, GROUP_LOGIC},
	{OP_OR, GROUP_LOGIC},
	{OP_XOR, GROUP_LOGIC},
	{OP_TEST, GROUP_LOGIC},
	{OP_MUL, GROUP_MULTIPLY},
	{OP_IMUL, GROUP_MULTIPLY},
	{OP_IMUL2, GROUP_MULTIPLY},
	{OP_IMUL3, GROUP_MULTIPLY},
	{OP_DIV, GROUP_DIVIDE},
	{OP_IDIV, GROUP_DIVIDE},
	{OP_SHL, GROUP_SHIFT},
	{OP_SHR, GROUP_SHIFT},
	{OP_SAR, GROUP_SHIFT},
	{OP_ROL, GROUP_ROTATE},
	{OP_ROR, GROUP_ROTATE},
	{OP_RCL, GROUP_ROTATE},
	{OP_RCR, GROUP_ROTATE},
	{OP_SHLD, GROUP_DOUBLE_SHIFT},
	{OP_SHLD_CL, GROUP_DOUBLE_SHIFT},
	{OP_SHRD, GROUP_DOUBLE_SHIFT},
	{OP_SHRD_CL, GROUP_DOUBLE_SHIFT},
	{OP_BT, GROUP_BIT},
	{OP_BTS, GROUP_BIT},
	{OP_BTR, GROUP_BIT},
	{OP_BTC, GROUP_BIT},
	{OP_BSF, GROUP_BIT_SCAN},
	{OP_BSR, GROUP_BIT_SCAN},
	{OP_DAA, GROUP_DECIMAL},
	{OP_DAS, GROUP_DECIMAL},
	{OP_AAA, GROUP_AAA},
	{OP_AAS, GROUP_AAA},
	{OP_AAM, GROUP_AAM},
	{OP_AAD, GROUP_AAD},
};

/* FLAG_GROUPS: it leaves none undefined. */
static unsigned group_of(uint16_t op)
{
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (groups[i].op == op)
			return groups[i].group;
	}
	return FLAG_GROUPS;
}

const char *undefined_told(uint16_t op)
{
	unsigned group = group_of(op);

	return group < FLAG_GROUPS ? flag_groups[group].rule : NULL;
}

uint64_t undefined_flags(const struct host *host, const struct instruction *insn)
{
	const struct isa_row *row = &isa_rows[insn->row];
	unsigned group = group_of(row->op);

	return group < FLAG_GROUPS ? row->undefined & ~host->flags[group].emulated : row->undefined;
}

uint64_t undefined_flags_kept(const struct host *host, const struct instruction *insn)
{
	unsigned group = group_of(isa_rows[insn->row].op);

	return group < FLAG_GROUPS ? undefined_flags(host, insn) & host->flags[group].kept : 0;
}

/* Operations whose result the SDM leaves undefined, or to the model, with some operand size and operands. */
static const struct {
	uint16_t op;
	uint8_t sizes; /* set of operand sizes */
	uint8_t trait;
	bool if_zero; /* only of 0 */
} results[] = {
	{OP_SHLD, 2, TRAIT_SHLD_16, false}, /* by more than 16 */
	{OP_SHRD, 2, TRAIT_SHLD_16, false},   {OP_SHLD_CL, 2, TRAIT_SHLD_16, false},       {OP_SHRD_CL, 2, TRAIT_SHLD_16, false},
	{OP_BSWAP, 2, TRAIT_BSWAP_16, false}, {OP_BSF, 2 | 4 | 8, TRAIT_BIT_SCAN_0, true}, {OP_BSR, 2 | 4 | 8, TRAIT_BIT_SCAN_0, true},
};

static bool is_undefined_result(const struct host *host, const struct instruction *insn, bool zero)
{
	for (unsigned i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (results[i].op == isa_rows[insn->row].op && results[i].sizes & insn->operand_size)
			return !host_does(host, results[i].trait) && (zero || !results[i].if_zero);
	}
	return false;
}

bool undefined_result(const struct host *host, const struct instruction *insn, const struct outcome *outcome)
{
	return is_undefined_result(host, insn, outcome->after.rflags & FLAG_ZF);
}

/* What it leaves on the stack, or in the x87 status word, later instructions could read. */
static bool leaves_undefined(const struct host *host, const struct isa_row *row)
{
	return (row->op == OP_PUSH_SREG && !host_does(host, TRAIT_PUSH_SEGMENT)) ||
	       ((row->op == OP_FNSTSW || row->op == OP_FNSTENV || row->op == OP_FNSAVE) && !host_does(host, TRAIT_X87_CONDITION));
}

bool undefined_fits(const struct host *host, const struct test_case *sequence, const struct instruction *insn)
{
	const struct isa_row *row = &isa_rows[insn->row];
	uint64_t left = 0;

	for (unsigned i = 0; i < sequence->count; i++)
		left |= undefined_flags(host, &sequence->instruction[i]);
	return !(row->reads & left) && !is_undefined_result(host, insn, true) && !leaves_undefined(host, row);
}
