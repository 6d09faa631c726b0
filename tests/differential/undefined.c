/*
 * What the SDM leaves undefined: undefined.h.
 *
 * The emulator does what Zen 5 does, so on such a host nothing at all is left out. Where Zen 3 was measured to do otherwise the table says
 * so, and how. On any other host nothing is known for certain: the flags that the instruction table calls undefined are not compared, nor
 * the results below. Sequences go on after such an instruction, but nothing in them reads the flags that it left.
 */
#include "tests/differential/undefined.h"

#include "emu/cpu.h"

enum { BUT_ZF = FLAGS_ARITHMETIC & ~FLAG_ZF };

/* The instruction table has the sets of flags themselves. `intel` is hearsay, for the record. */
static const struct {
	uint16_t op;
	const char *emulator;
	uint16_t zen3_keeps; /* flags that Zen 3 leaves as they were */
	const char *intel;
} undefined[] = {
	{OP_AND, "AF = 0; so for OR, XOR and TEST", 0, "the same"},
	{OP_MUL, "only CF and OF are written; so for IMUL", 0, "SF and PF of the low half, ZF = AF = 0"},
	{OP_DIV, "CF and OF stay, AF = 1, SF = ZF = PF = 0; so for IDIV", 0, "by model"},
	{OP_SHL, "OF as of the last of the shifts by one, AF = 1; so for SHR and SAR", 0,
	 "AF = 0; OF by the first or the last shift, by model"},
	{OP_ROL, "OF as of the last of the rotations by one; so for ROR, RCL and RCR", 0, "by model"},
	{OP_SHLD, "OF as of the last shift; a word by more than 16 goes on with the second operand; so for SHRD", 0, "by model"},
	{OP_BT, "only CF is written; so for BTS, BTR and BTC", 0, "the same"},
	{OP_BSF, "CF = OF = SF = AF = 0, PF of the bit's number (or of 0); of 0 the destination stays", BUT_ZF, "the same"},
	{OP_BSR, "as of BSF", BUT_ZF, "the same"},
	{OP_DAA, "those of the addition (DAS: subtraction) of 6, 60H or 66H", 0, "OF = 0"},
	{OP_AAA, "those of the addition (AAS: subtraction) of 106H", 0, "by model"},
	{OP_AAM, "CF = OF = AF = 0", 0, "the same"},
	{OP_AAD, "those of the addition of AH * base to AL", 0, "CF = OF = AF = 0"},
};

const char *undefined_told(uint16_t op)
{
	for (unsigned i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
		if (undefined[i].op == op)
			return undefined[i].emulator;
	}
	return NULL;
}

uint64_t undefined_flags_kept(const struct host *host, const struct instruction *insn)
{
	for (unsigned i = 0; host->class == HOST_ZEN3 && i < sizeof(undefined) / sizeof(undefined[0]); i++) {
		if (undefined[i].op == isa_rows[insn->row].op)
			return undefined[i].zen3_keeps;
	}
	return 0;
}

uint64_t undefined_flags(const struct host *host, const struct instruction *insn)
{
	return host->class == HOST_OTHER ? isa_rows[insn->row].undefined : undefined_flags_kept(host, insn);
}

/* Operations whose result the SDM leaves undefined, or to the model, with some operand size and operands. */
static const struct {
	uint16_t op;
	uint8_t sizes; /* set of operand sizes */
	enum { ALWAYS, IF_ZERO } when;
} results[] = {
	{OP_SHLD, 2, ALWAYS}, /* by more than 16 */
	{OP_SHRD, 2, ALWAYS},         {OP_SHLD_CL, 2, ALWAYS},      {OP_SHRD_CL, 2, ALWAYS},       {OP_BSWAP, 2, ALWAYS},
	{OP_BSF, 2 | 4 | 8, IF_ZERO}, {OP_BSR, 2 | 4 | 8, IF_ZERO}, {OP_PUSH_SREG, 4 | 8, ALWAYS}, /* Intel's newer ones write a word */
};

static bool is_undefined_result(const struct host *host, const struct instruction *insn, bool zero)
{
	for (unsigned i = 0; host->class == HOST_OTHER && i < sizeof(results) / sizeof(results[0]); i++) {
		if (results[i].op == isa_rows[insn->row].op && results[i].sizes & insn->operand_size)
			return results[i].when == ALWAYS || zero;
	}
	return false;
}

bool undefined_result(const struct host *host, const struct instruction *insn, const struct outcome *outcome)
{
	return is_undefined_result(host, insn, outcome->after.rflags & FLAG_ZF);
}

bool undefined_fits(const struct host *host, const struct test_case *sequence, const struct instruction *insn)
{
	uint64_t left = 0;

	for (unsigned i = 0; i < sequence->count; i++)
		left |= undefined_flags(host, &sequence->instruction[i]);
	return !(isa_rows[insn->row].reads & left) && !is_undefined_result(host, insn, true);
}
