/*
 * The state that an instruction starts from: random registers, bent so that memory operands fall where there is something to see, and so
 * that the operation does more than fault.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_PREPARE_H
#define XRAY86_TESTS_DIFFERENTIAL_PREPARE_H

#include "tests/differential/case.h"
#include "tests/differential/encode.h"
#include "tests/differential/random.h"

/* What an operation's own preparation (special.c) may see and change. */
struct preparation {
	struct random *random;
	struct test_case *test;
	const struct decoded *decoded;
	uint8_t *bytes;  /* the instruction, to patch immediates in */
	uint64_t target; /* linear address of its ModRM memory operand ... */
	bool has_target; /* ... if it has one that hits the data pages */
};

/* Random registers, without regard to the code. gentle: for sequences (exceptions masked, pointers into data pages). */
void prepare_registers(struct random *random, struct test_case *test, bool gentle);
/* Random contents for the data pages. */
void prepare_image(struct random *random, uint8_t *image);

/*
 * Makes the memory operand of the (decoded) instruction fall somewhere: by its registers or, if it has none, by its displacement
 * in bytes[]. at: the instruction's address.
 */
void prepare_memory(struct preparation *p, const struct encoding *encoding, uint64_t at);
/* The same by the displacement alone, for sequences. */
void prepare_displacement(struct random *random, const struct test_case *test, const struct decoded *decoded,
			  const struct encoding *encoding, uint8_t *bytes, uint64_t at);
/* The linear address of the memory operand of an instruction (decoded again, now that it is as it stays). */
uint64_t prepare_operand(const struct test_case *test, const struct decoded *decoded);
/* What the operation needs. */
void prepare_operation(struct preparation *p);

/*
 * Whether the instruction, in 32-bit code, may access bytes on both sides of the end of a segment of 4 GiB. Processors differ in whether
 * that
 * faults (SDM vol. 3A 5.3).
 */
bool prepare_wraps(const struct test_case *test, const struct decoded *decoded);

/* Whether its memory operand is locked: by LOCK, or as if with it. */
bool prepare_is_locked(const struct decoded *decoded);
/* Whether such an operand, of a single instruction, would cross a cache line (see choose_lock() in encode.c). test->operand is where it is.
 */
bool prepare_splits_lock(const struct test_case *test, const struct decoded *decoded);

/* An address for size bytes of data: mostly in the writable pages, else at their edges, on the read-only page, or nowhere. */
uint64_t prepare_target(struct random *random, unsigned size, unsigned address_size);
/*
 * An offset in a segment (SEG_*) for size bytes of data at such an address: what prepare_target() says or, in the segmented mode, the
 * segment's own edges as well.
 */
uint64_t prepare_offset(struct random *random, const struct test_case *test, unsigned segment, unsigned size, unsigned address_size);
/* Base of the segment that the operand uses. */
uint64_t prepare_segment_base(const struct test_case *test, const struct decoded *decoded);
/* The linear address of what is `above` bytes above the stack pointer (or below, if negative). */
uint64_t prepare_stack_address(const struct test_case *test, int64_t above);
/* Bytes put at address before the case starts. Dropped if there is no such memory. */
void prepare_patch(struct test_case *test, uint64_t address, const void *bytes, unsigned size);

#endif
