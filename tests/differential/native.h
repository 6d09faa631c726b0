/*
 * Runs cases on the host CPU, in a child process of their own.
 *
 * The child owns the fixed low addresses of layout.h, takes the signals of faulting cases on a separate stack, and may make no system
 * calls but those it needs to talk to us. It works through whole batches in shared memory. A case that kills it or never ends costs
 * that case only: the child is replaced and the batch goes on.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_NATIVE_H
#define XRAY86_TESTS_DIFFERENTIAL_NATIVE_H

#include "tests/differential/case.h"
#include "tests/differential/segments.h"
#include "util/error.h"

enum { BATCH = 1024 };

/* What parent and child share. */
struct batch {
	uint8_t image[IMAGE_SIZE];
	bool has_ldt; /* the child has the segments of segments.h: ldt[] is what its kernel made of them */
	uint64_t ldt[SEGMENT_ROWS];
	uint32_t cpu_limit; /* of SELECTOR_CPU's segment on the CPU that the child is bound to */
	uint32_t count;
	volatile uint32_t next; /* case being run */
	struct test_case test[BATCH];
	struct outcome outcome[BATCH];
};

struct native;
/* Whether the host's kernel gives programs RDFSBASE and its like. If not, a base other than 0 needs a null selector: arch_prctl() loads
 * one. */
bool native_has_fsgsbase(void);
struct error *native_create(struct native **ret);
void native_destroy(struct native *native);
/* The shared batch, to be filled in before native_start(). */
struct batch *native_batch(struct native *native);
/* Starts running batch->test[0..count); native_finish() waits for the outcomes. */
struct error *native_start(struct native *native);
struct error *native_finish(struct native *native);
/*
 * Whether the child has something at `address` that no case was given: its stack, its libraries and the like, where its kernel put them.
 * False, too, if the child's list of mappings (proc(5), /proc/PID/maps) cannot be read.
 */
bool native_has_own(const struct native *native, uint64_t address);

#endif
