/* The executors together: runs batches of cases, compares, counts, and makes mismatching sequences short. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_HARNESS_H
#define XRAY86_TESTS_DIFFERENTIAL_HARNESS_H

#include "tests/differential/case.h"
#include "tests/differential/emulate.h"
#include "tests/differential/generate.h"
#include "tests/differential/native.h"

enum { ENGINE_COUNT = 2 }; /* plain, tagged */

struct harness {
	struct generator generator;
	struct native *native;
	struct emulator *emulator[ENGINE_COUNT]; /* NULL: not asked for */
	struct outcome *outcome[ENGINE_COUNT];   /* of the batch */
	unsigned show;                           /* mismatches still to be shown */
	uint64_t cases, mismatches, not_made, not_compared;
	uint64_t unstable;    /* the host gave another result when asked again */
	uint64_t strays;      /* of those, the ones that no known way of hosts explains */
	uint64_t *executed;   /* by row: cases that ran it natively to some effect */
	uint64_t *mismatched; /* by row of the (last) instruction */
};

/* Starts the native executor and measures the host: generator.host, which may be changed before harness_init(). */
struct error *harness_measure(struct harness *harness);
struct error *harness_init(struct harness *harness, bool plain, bool tagged);
void harness_deinit(struct harness *harness);
/* Runs cases first .. first+count-1, all of one batch's image. */
struct error *harness_batch(struct harness *harness, uint64_t first, unsigned count);

/* What the two engines and the host make of batch->test[i]; 0 if they agree. Fills in whom the difference is between (0: native). */
uint64_t harness_compare(struct harness *harness, unsigned i, unsigned *ret_first, unsigned *ret_second);
/* Runs batch->test[0] alone, everywhere, from the batch's present image. */
struct error *harness_run_one(struct harness *harness);

/* Makes test shorter as long as it still mismatches (shrink.c). */
struct error *harness_shrink(struct harness *harness, struct test_case *test);

#endif
