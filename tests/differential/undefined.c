/*
 * What the manuals leave undefined: undefined.h.
 *
 * The emulator does what current AMD processors do (Zen 1 to 5 agree in all of this), so on an AMD host nothing is left out. On other hosts the
 * flags that the instruction table calls undefined are not compared; and nothing that the table below names.
 */
#include "tests/differential/undefined.h"

#include "emu/cpu.h"

/*
 * For the record, and for whoever extends the emulator: what the flags do that the SDM calls undefined. The table is documentation that
 * the harness proves on AMD hosts; the masks are used on others.
 */
static const struct {
	uint16_t op;
	uint16_t flags; /* undefined by the SDM, for some operands at least */
	const char *amd, *intel;
} undefined[] = {
	{OP_AND, FLAG_AF, "AF = 0", "AF = 0"},
	{OP_OR, FLAG_AF, "AF = 0", "AF = 0"},
	{OP_XOR, FLAG_AF, "AF = 0", "AF = 0"},
	{OP_TEST, FLAG_AF, "AF = 0", "AF = 0"},
	{OP_BT, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF, "unchanged", "unchanged"},
	{OP_BTS, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF, "unchanged", "unchanged"},
	{OP_BTR, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF, "unchanged", "unchanged"},
	{OP_BTC, FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF, "unchanged", "unchanged"},
	{OP_BSF, FLAGS_ARITHMETIC & ~FLAG_ZF, "unchanged", "of the result as if tested; CF = 0"},
	{OP_BSR, FLAGS_ARITHMETIC & ~FLAG_ZF, "unchanged", "of the result as if tested; CF = 0"},
};

uint64_t undefined_flags(const struct host *host, const struct instruction *insn)
{
	const struct isa_row *row = &isa_rows[insn->row];
	uint64_t flags = row->undefined;

	if (host->amd)
		return 0;
	for (unsigned i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
		if (undefined[i].op == row->op)
			flags |= undefined[i].flags;
	}
	return flags;
}

bool undefined_result(const struct host *host, const struct test_case *test, const struct instruction *insn)
{
	const struct isa_row *row = &isa_rows[insn->row];

	(void)test;
	/* 16-bit double shifts by more than 16: Intel's differ among themselves. */
	return !host->amd && insn->operand_size == 2 &&
	       (row->op == OP_SHLD || row->op == OP_SHRD || row->op == OP_SHLD_CL || row->op == OP_SHRD_CL);
}
