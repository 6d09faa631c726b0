/*
 * One case: code, the state it starts from, and what came of it. Both executors take and give these; the native one through memory that it
 * shares with its child, so there are no pointers in them.
 *
 * Memory: all data pages of a case start as a copy of the batch's image (one buffer, pages in the order of `data_regions`), with the
 * case's patches
 * on top. An outcome lists the 8-byte words that differ from the image afterwards.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_CASE_H
#define XRAY86_TESTS_DIFFERENTIAL_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/decode.h"
#include "tests/differential/layout.h"

/* Registers as they are between instructions. fx: FXSAVE64 layout (SDM vol. 2A, FXSAVE). */
struct state {
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	uint64_t fs_base, gs_base;
	uint16_t selector[6]; /* by SEG_ES .. SEG_GS */
	uint16_t unused[2];
	uint8_t fx[512];
};

/* Fields of an FXSAVE image. */
enum {
	FX_FCW = 0,
	FX_FSW = 2,
	FX_FTW = 4,
	FX_FOP = 6,
	FX_FIP = 8,
	FX_FDP = 16,
	FX_MXCSR = 24,
	FX_MXCSR_MASK = 28,
	FX_ST = 32,
	FX_XMM = 160
};

struct patch {
	uint64_t address;
	uint8_t size;
	uint8_t bytes[31];
};

enum { MAX_INSTRUCTIONS = 32, MAX_CODE = MAX_INSTRUCTIONS * 15 + 16, MAX_PATCHES = 6 };

struct instruction {
	uint8_t bytes[15];
	uint8_t length;
	uint8_t relative; /* bytes of branch displacement at its end, 0 if it is none */
	uint8_t target;   /* index of the instruction branched to (count: the end) */
	uint16_t row;     /* index in isa_rows */
	uint8_t operand_size;
};

struct test_case {
	uint64_t number;
	uint8_t code_size; /* 2, 4 or 8 */
	bool segmented;    /* with segments of the LDT (segments.h); 16-bit code always is */
	uint8_t count;     /* instructions */
	uint16_t offset;   /* of the code in its pages */
	uint16_t length;   /* of the code, the final jump included */
	uint8_t patches;
	bool skip;        /* not to be run natively */
	uint64_t operand; /* linear address of the memory operand of a single instruction, where it is known; else 0 */
	uint8_t code[MAX_CODE];
	struct instruction instruction[MAX_INSTRUCTIONS];
	struct state before;
	struct patch patch[MAX_PATCHES];
};

enum outcome_kind { OUTCOME_NONE, OUTCOME_END, OUTCOME_FAULT, OUTCOME_RUNAWAY, OUTCOME_DIED };

struct change {
	uint64_t address;
	uint64_t value;
};
enum { MAX_CHANGES = 160 };

struct outcome {
	uint8_t kind;
	uint8_t vector; /* OUTCOME_FAULT */
	uint32_t error_code;
	uint64_t cr2; /* #PF */
	struct state after;
	uint32_t changes;  /* may be more than are listed */
	uint64_t checksum; /* of all memory, if so */
	struct change change[MAX_CHANGES];
};

/* Pages that a case finds its data in. */
struct data_region {
	uint64_t base;
	unsigned pages, writable_pages;
};
enum { DATA_REGIONS = 4, IMAGE_PAGES = DATA_PAGES + 2 + 1 + 1, IMAGE_SIZE = IMAGE_PAGES * 4096 };
extern const struct data_region data_regions[DATA_REGIONS];

/* Looks for what changed in one region's `live` pages against its `image` ones, adds it to outcome and puts the pages back. */
void outcome_collect(struct outcome *outcome, const struct data_region *region, uint8_t *live, const uint8_t *image);

static inline uint64_t exit_address(const struct test_case *test)
{
	return test->code_size == 8 || test->segmented ? EXIT64 : EXIT32;
}

#endif
