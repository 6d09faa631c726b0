/*
 * Every row of the instruction table can be reached by some encoding, and every encoding that decodes has a handler for its form and
 * size in both engines. All opcodes with all ModRM bytes of mod 0 and 3, under the prefixes that choose rows or sizes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "emu/block.h"
#include "emu/cpu.h"
#include "emu/decode.h"

struct tables {
	struct isa *isa;
	struct lowering *lowering;
	bool *reached; /* by row */
};

static const struct {
	const char *bytes;
	unsigned length;
	bool only64;
} prefixes[] = {
	{"", 0, false},         {"\x66", 1, false}, {"\xf2", 1, false},    {"\xf3", 1, false},    {"\x66\xf2", 2, false},
	{"\x66\xf3", 2, false}, {"\x48", 1, true},  {"\x66\x48", 2, true}, {"\xf2\x48", 2, true}, {"\xf3\x48", 2, true},
};

static unsigned put_opcode(uint8_t *bytes, enum isa_map map, unsigned opcode)
{
	unsigned count = 0;

	if (map != MAP_1)
		bytes[count++] = 0x0f;
	if (map == MAP_0F38 || map == MAP_0F3A)
		bytes[count++] = map == MAP_0F38 ? 0x38 : 0x3a;
	bytes[count++] = (uint8_t)opcode;
	return count;
}

/* mode_shift: log2 of the code size. */
static void check(struct tables *tables, unsigned mode_shift, const uint8_t *bytes)
{
	uint32_t mode = mode_shift << MODE_CODE_SHIFT | mode_shift << MODE_STACK_SHIFT | MODE_FLAT;
	struct decoded decoded;

	if (decode(tables->isa, 1u << mode_shift, bytes, INSN_MAX_LENGTH, &decoded) != DECODE_OK)
		return;
	tables->reached[decoded.row - isa_rows] = true;
	for (unsigned tagged = 0; tagged < 2; tagged++)
		if (!lower_supported(tables->lowering, &decoded, mode | (tagged ? MODE_TAGGED : 0)))
			fail_msg("%s (map %u, opcode %02x) of size %u has no handler in %u-bit code", isa_op_names[decoded.row->op],
				 decoded.row->map, decoded.opcode, decoded.operand_size, 8u << mode_shift);
}

static void check_opcode(struct tables *tables, unsigned mode_shift, enum isa_map map, unsigned opcode)
{
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		uint8_t bytes[INSN_MAX_LENGTH] = {0};
		unsigned at = prefixes[i].length;

		if (prefixes[i].only64 && mode_shift != 3)
			continue;
		memcpy(bytes, prefixes[i].bytes, at);
		at += put_opcode(bytes + at, map, opcode);
		for (unsigned modrm = 0; modrm < 0x80; modrm++) {
			bytes[at] = (uint8_t)(modrm < 0x40 ? modrm : modrm + 0x80);
			check(tables, mode_shift, bytes);
		}
	}
}

static void test_rows(void **state)
{
	struct tables tables = {isa_create(), lowering_create(), calloc(isa_row_count, sizeof(bool))};

	(void)state;
	assert_true(tables.isa && tables.lowering && tables.reached);
	for (unsigned mode_shift = 1; mode_shift <= 3; mode_shift++)
		for (unsigned slot = 0; slot < MAP_COUNT * 256; slot++)
			check_opcode(&tables, mode_shift, slot >> 8, slot & 0xff);
	for (size_t i = 0; i < isa_row_count; i++)
		if (!tables.reached[i])
			fail_msg("no encoding reaches row %zu, %s (map %u, opcode %02x)", i, isa_op_names[isa_rows[i].op], isa_rows[i].map,
				 isa_rows[i].opcode);
	free(tables.reached);
	lowering_destroy(tables.lowering);
	isa_destroy(tables.isa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
