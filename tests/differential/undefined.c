/*
 * What the manuals leave undefined: undefined.h.
 *
 * The emulator does what AMD's processors do (Zen 3 is where it was established), so on an AMD host nothing at all is left out. On other
 * hosts the flags that the instruction table calls undefined are not compared, nor the results that undefined_result() names; sequences
 * there
 * have no instructions that leave flags undefined, since what one leaves the next would use.
 */
#include "tests/differential/undefined.h"

#include "emu/cpu.h"

/*
 * What the undefined flags come to, for the record: the AMD column is what the harness proves on such a host. The
 * instruction table has the sets of flags themselves.
 */
static const struct {
	uint16_t op;
	const char *amd, *intel;
} undefined[] = {
	{OP_AND, "AF = 0; so for OR, XOR and TEST", "the same"},
	{OP_MUL, "only CF and OF are written; so for IMUL", "SF and PF of the low half, ZF = AF = 0"},
	{OP_DIV, "CF and OF stay, AF = 1, SF = ZF = PF = 0; so for IDIV", "by model"},
	{OP_SHL, "OF as of the last of the shifts by one, AF = 1; so for SHR and SAR",
	 "AF = 0; OF by the first or the last shift, by model"},
	{OP_ROL, "OF as of the last of the rotations by one; so for ROR, RCL and RCR", "by model"},
	{OP_SHLD, "OF as of the last shift; a word by more than 16 goes on with the second operand; so for SHRD", "by model"},
	{OP_BT, "only CF is written; so for BTS, BTR and BTC", "the same"},
	{OP_BSF, "only ZF is written, of 0 the destination stays; so for BSR", "CF = OF = SF = AF = 0, PF of the result; of 0 likewise"},
	{OP_DAA, "those of the addition (DAS: subtraction) of 6, 60H or 66H", "OF = 0"},
	{OP_AAA, "those of the addition (AAS: subtraction) of 106H", "by model"},
	{OP_AAM, "CF = OF = AF = 0", "the same"},
	{OP_AAD, "those of the addition of AH * base to AL", "CF = OF = AF = 0"},
};

const char *undefined_on_amd(uint16_t op)
{
	for (unsigned i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
		if (undefined[i].op == op)
			return undefined[i].amd;
	}
	return NULL;
}

uint64_t undefined_flags(const struct host *host, const struct instruction *insn)
{
	return host->amd ? 0 : isa_rows[insn->row].undefined;
}

bool undefined_result(const struct host *host, const struct instruction *insn)
{
	uint16_t op = isa_rows[insn->row].op;

	/* double shifts of words by more than 16 differ from model to model */
	return !host->amd && insn->operand_size == 2 && (op == OP_SHLD || op == OP_SHRD || op == OP_SHLD_CL || op == OP_SHRD_CL);
}
