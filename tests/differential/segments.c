/* The table of segments, and choosing among them: segments.h. */
#include "tests/differential/segments.h"

#include "emu/cpu.h"

#define TEXT SEGMENT_TEXT
#define DATA SEGMENT_DATA
#define DOWN SEGMENT_DATA_DOWN

/* The bases at which the last byte of the writable pages has offset FFFF, and -1. */
#define DATA_TO_64K (DATA_BASE + DATA_WRITABLE - 0x10000)
#define STACK_TO_64K (STACK_BASE + STACK_SIZE - 0x10000)
#define STACK_TO_0 (STACK_BASE + STACK_SIZE)

#define DATA_LIVE .live = 0, .live_size = DATA_WRITABLE
#define STACK_LIVE .live = 0, .live_size = STACK_SIZE
#define TEXT_LIVE .live = 0, .live_size = CODE_SIZE
#define LIVE_TO_64K .live = 0xe000, .live_size = 0x2000

/* Entries' numbers are part of the cases: add at the end. */
const struct segment_row segment_rows[SEGMENT_ROWS] = {
	/* 0 stays empty: selector 7 is null in nobody's table, and names nothing */
	[1] = {"code16", CODE_BASE, 0xffff, TEXT, TEXT_LIVE},
	[2] = {"code16 to the pages' end", CODE_BASE, CODE_SIZE - 1, TEXT, TEXT_LIVE},
	[3] = {"code16 cut in the middle", CODE_BASE, 0x0fff, TEXT, TEXT_LIVE},
	[4] = {"code16, execute-only", CODE_BASE, CODE_SIZE - 1, TEXT, .protected = true, TEXT_LIVE},
	[5] = {"code32 to the pages' end", CODE_BASE, CODE_SIZE - 1, TEXT, .wide = true, TEXT_LIVE},
	[CODE32_CUT] = {"code32 cut in the middle", CODE_BASE, 0x0fff, TEXT, .wide = true, TEXT_LIVE},
	[7] = {"code32, 4 GiB", 0, 0xfffff, TEXT, .wide = true, .in_pages = true, .live = CODE_BASE, .live_size = CODE_SIZE},
	[DATA16] = {"data", DATA_BASE, 0xffff, DATA, DATA_LIVE},
	[9] = {"data, cut in the middle", DATA_BASE, 0x0fff, DATA, DATA_LIVE},
	[10] = {"data, odd base and limit", DATA_BASE + 0x123, 0x1edb, DATA, .wide = true, .live = 0, .live_size = DATA_WRITABLE - 0x123},
	[11] = {"data, read-only", DATA_BASE, 0xffff, DATA, .protected = true, DATA_LIVE},
	[12] = {"data, down to 0800", DATA_BASE, 0x07ff, DOWN, DATA_LIVE},
	[13] = {"data, 32 bits, down to 0800", DATA_BASE, 0x07ff, DOWN, .wide = true, DATA_LIVE},
	[14] = {"data ending at 64 KiB", DATA_TO_64K, 0xffff, DATA, LIVE_TO_64K},
	[15] = {"data going on at 64 KiB", DATA_TO_64K, 0x1ffff, DATA, LIVE_TO_64K},
	[16] = {"data, down from 64 KiB to F000", DATA_TO_64K, 0xefff, DOWN, LIVE_TO_64K},
	[17] = {"data, down to F000 beyond 64 KiB", DATA_TO_64K, 0xefff, DOWN, .wide = true, LIVE_TO_64K},
	[18] = {"data, 4 GiB", 0, 0xfffff, DATA, .wide = true, .in_pages = true, .live = DATA_BASE, .live_size = DATA_WRITABLE},
	[19] = {"data, absent", DATA_BASE, 0xffff, DATA, .absent = true, DATA_LIVE},
	[STACK16] = {"stack16", STACK_BASE, 0xffff, DATA, STACK_LIVE},
	[STACK16_CUT] = {"stack16, cut in the middle", STACK_BASE, 0x0fff, DATA, STACK_LIVE},
	[STACK16_TOP] = {"stack16 ending at 64 KiB", STACK_TO_64K, 0xffff, DATA, LIVE_TO_64K},
	[23] = {"stack16, down to F000", STACK_TO_64K, 0xefff, DOWN, LIVE_TO_64K},
	[24] = {"stack32", STACK_BASE, STACK_SIZE - 1, DATA, .wide = true, STACK_LIVE},
	[25] = {"stack32 over 64 KiB", STACK_TO_64K, 0x1ffff, DATA, .wide = true, LIVE_TO_64K},
	[26] = {"stack32, a page down from 4 GiB", STACK_TO_0, 0xffffe, DOWN, .wide = true, .in_pages = true, .live = 0u - STACK_SIZE,
		.live_size = STACK_SIZE},
	[27] = {"stack16 over 64 KiB", STACK_TO_64K, 0x1ffff, DATA, LIVE_TO_64K},
};

/* The first of each purpose is plain: it has all of its pages. */
static const struct {
	uint8_t count;
	uint8_t entry[12];
} purposes[PURPOSE_COUNT] = {
	[PURPOSE_CODE16] = {4, {1, 2, 3, 4}},
	[PURPOSE_CODE32] = {3, {5, 6, 7}},
	[PURPOSE_STACK] = {8, {20, 21, 22, 23, 24, 25, 26, 27}},
	[PURPOSE_DATA] = {12, {8, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}},
};

const struct segment_row *segment_find(uint16_t selector)
{
	unsigned entry = selector >> 3;

	if ((selector & 7) != 7 || entry >= SEGMENT_ROWS || !segment_rows[entry].name)
		return NULL;
	return &segment_rows[entry];
}

static uint64_t descriptor(const struct segment_row *row)
{
	uint64_t type = 1 | (row->protected ? 0 : 2) | row->contents << 2, base = row->base, limit = row->limit;

	return (limit & 0xffff) | (base & 0xffffff) << 16 | type << 40 | 0xfull << 44 | (limit >> 16) << 48 | 1ull << 52 |
	       (uint64_t)row->wide << 54 | (uint64_t)row->in_pages << 55 | base >> 24 << 56;
}

void segment_descriptors(uint64_t ret[SEGMENT_ROWS])
{
	for (unsigned i = 0; i < SEGMENT_ROWS; i++) {
		ret[i] = segment_rows[i].name ? descriptor(&segment_rows[i]) : 0;
		if (segment_rows[i].absent)
			ret[i] &= ~(1ull << 47);
	}
}

uint16_t segment_choose(struct random *random, enum segment_purpose purpose, bool plain)
{
	unsigned n = plain || random_percent(random, 35) ? 0 : random_below(random, purposes[purpose].count);

	return segment_selector(purposes[purpose].entry[n]);
}

uint16_t segment_any(struct random *random)
{
	return segment_selector(random_below(random, SEGMENT_ROWS + 2));
}

static uint32_t byte_limit(const struct segment_row *row)
{
	return row->in_pages ? row->limit << 12 | 0xfff : row->limit;
}

uint32_t segment_offset(struct random *random, const struct segment_row *row, unsigned size, uint32_t mask)
{
	unsigned kind = random_below(random, 100);
	uint32_t inside = row->live + random_below(random, row->live_size - size), around = random_below(random, 2 * size + 2) - 2 * size;

	if (kind < 35)
		return inside & ~15u & mask;
	if (kind < 65)
		return inside & mask;
	if (kind < 80)
		return (byte_limit(row) + 1 + around) & mask;
	if (kind < 85)
		return (row->live + around) & mask;
	if (kind < 90)
		return (row->live + row->live_size / 2 + around) & mask;
	if (kind < 93)
		return (row->live + row->live_size + around) & mask;
	if (kind < 97)
		return (0x10000 + around) & mask;
	return (uint32_t)random_integer(random) & mask;
}

bool segment_reaches_top(const struct segment_row *row)
{
	return row->contents == SEGMENT_DATA_DOWN ? row->wide : byte_limit(row) == 0xffffffff;
}

uint64_t segment_base(const struct test_case *test, unsigned index)
{
	const struct segment_row *row = test->segmented ? segment_find(test->before.selector[index]) : NULL;

	if (row)
		return row->base;
	return index == SEG_FS ? test->before.fs_base : index == SEG_GS ? test->before.gs_base : 0;
}

bool segment_stack16(const struct test_case *test)
{
	const struct segment_row *row = test->segmented ? segment_find(test->before.selector[SEG_SS]) : NULL;

	return row && !row->wide;
}

static const uint16_t upper_halves[IRET_PAGES] = IRET_UPPER_HALVES;

uint32_t segment_stack_pointer(struct random *random, uint32_t sp)
{
	return (sp & 0xffff) | (uint32_t)upper_halves[random_below(random, IRET_PAGES)] << 16;
}

void segment_fit_stack(struct test_case *test)
{
	uint64_t *pointer = &test->before.gpr[RSP];
	bool known = !segment_stack16(test);

	for (unsigned i = 0; i < IRET_PAGES; i++)
		known |= *pointer >> 16 == upper_halves[i];
	if (!known)
		*pointer = (*pointer & 0xffff) | (uint64_t)upper_halves[*pointer >> 16 & (IRET_PAGES - 1)] << 16;
}

void segment_fit_code(struct random *random, struct test_case *test, unsigned length)
{
	const struct segment_row *row = test->segmented ? segment_find(test->before.selector[SEG_CS]) : NULL;

	if (row && row->limit < CODE_SIZE && (test->offset > row->limit || random_percent(random, 8)))
		test->offset = row->limit - random_below(random, length);
}
