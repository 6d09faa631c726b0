/*
 * Segments of the LDT: 16-bit code and stacks, limits, and segments that expand down, for cases of the segmented mode
 * (test_case.segmented).
 *
 * The native child installs the table with modify_ldt, reads back what the kernel made of it, and both executors use those descriptors.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_SEGMENTS_H
#define XRAY86_TESTS_DIFFERENTIAL_SEGMENTS_H

#include "tests/differential/case.h"
#include "tests/differential/random.h"

enum { SEGMENT_ROWS = 32 };

/* A descriptor of the table, and which of its offsets lead into pages that cases may write. */
struct segment_row {
	const char *name; /* NULL: the entry is empty */
	uint32_t base, limit;
	enum { SEGMENT_DATA, SEGMENT_DATA_DOWN, SEGMENT_TEXT } contents; /* as in struct user_desc */
	bool wide;                                                       /* D/B */
	bool in_pages;                                                   /* G */
	bool protected;                                                  /* read-only data, execute-only code */
	bool absent;
	uint32_t live, live_size;
};
extern const struct segment_row segment_rows[SEGMENT_ROWS];

/* Entries of the table that probes name. */
enum { CODE32_CUT = 6, DATA16 = 8, STACK16 = 20, STACK16_CUT = 21, STACK16_TOP = 22 };

/* What segments a case may start with, by what they are for. */
enum segment_purpose { PURPOSE_CODE16, PURPOSE_CODE32, PURPOSE_STACK, PURPOSE_DATA, PURPOSE_COUNT };

static inline uint16_t segment_selector(unsigned entry)
{
	return entry << 3 | 7;
}

/* The table as descriptors (SDM vol. 3A 3.4.5) of privilege 3, accessed, as Linux makes them. */
void segment_descriptors(uint64_t ret[SEGMENT_ROWS]);
/* The row of a selector of the LDT; NULL for any other and for empty entries. */
const struct segment_row *segment_find(uint16_t selector);
/* One of that purpose. plain: with all of the pages, as sequences want it. */
uint16_t segment_choose(struct random *random, enum segment_purpose purpose, bool plain);
/* Any selector of the table, or one beyond it. */
uint16_t segment_any(struct random *random);
/* An offset for size bytes: mostly in live pages, else at the limit, at a page's end, at 64 KiB, or anywhere. mask: of the address size. */
uint32_t segment_offset(struct random *random, const struct segment_row *row, unsigned size, uint32_t mask);
/* Whether the last bytes of 4 GiB belong to the segment, at which processors differ (prepare_wraps()). */
bool segment_reaches_top(const struct segment_row *row);

/* The base of a segment register of the state that a case starts from, whatever its mode. */
uint64_t segment_base(const struct test_case *test, unsigned index);
/* Whether it is a stack of 16 bits. */
bool segment_stack16(const struct test_case *test);

/* ESP for a 16-bit stack: SP with an upper half that IRET can enter it with (layout.h, IRET_BASE). */
uint32_t segment_stack_pointer(struct random *random, uint32_t sp);
/* Gives ESP such an upper half if, on a 16-bit stack, it has become something else as an address register. */
void segment_fit_stack(struct test_case *test);
/* Moves code of so many bytes into its code segment and, now and then, so that it reaches the limit. */
void segment_fit_code(struct random *random, struct test_case *test, unsigned length);

#endif
