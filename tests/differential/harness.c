/* Batches through all executors: harness.h. */
#include "tests/differential/harness.h"

#include <stdlib.h>
#include <string.h>

#include "emu/exception.h"
#include "tests/differential/compare.h"
#include "tests/differential/report.h"

static const char *const names[1 + ENGINE_COUNT] = {"native", "plain", "tagged"};

struct error *harness_init(struct harness *harness, bool plain, bool tagged)
{
	bool wanted[ENGINE_COUNT] = {plain, tagged};
	struct error *err = generator_init(&harness->generator);

	if (!err)
		err = native_create(&harness->native);
	for (unsigned i = 0; !err && i < ENGINE_COUNT; i++) {
		if (!wanted[i])
			continue;
		err = emulator_create(i == 1, native_batch(harness->native)->cpu_limit, &harness->emulator[i]);
		harness->outcome[i] = calloc(BATCH, sizeof(struct outcome));
		if (!err && !harness->outcome[i])
			err = error_create("out of memory");
	}
	harness->executed = calloc(isa_row_count, sizeof(uint64_t));
	harness->mismatched = calloc(isa_row_count, sizeof(uint64_t));
	if (!err && (!harness->executed || !harness->mismatched))
		err = error_create("out of memory");
	return err;
}

void harness_deinit(struct harness *harness)
{
	generator_deinit(&harness->generator);
	native_destroy(harness->native);
	for (unsigned i = 0; i < ENGINE_COUNT; i++) {
		emulator_destroy(harness->emulator[i]);
		free(harness->outcome[i]);
	}
	free(harness->executed);
	free(harness->mismatched);
}

static struct error *run_batch(struct harness *harness)
{
	struct batch *batch = native_batch(harness->native);
	struct error *err = native_start(harness->native);

	for (unsigned e = 0; !err && e < ENGINE_COUNT; e++) {
		if (!harness->emulator[e])
			continue;
		emulator_load(harness->emulator[e], batch->image);
		for (unsigned i = 0; i < batch->count; i++)
			emulator_run(harness->emulator[e], &batch->test[i], &harness->outcome[e][i]);
	}
	return err ? err : native_finish(harness->native);
}

struct error *harness_run_one(struct harness *harness)
{
	native_batch(harness->native)->count = 1;
	return run_batch(harness);
}

static const struct outcome *outcome_of(struct harness *harness, unsigned who, unsigned i)
{
	return who == 0 ? &native_batch(harness->native)->outcome[i] : &harness->outcome[who - 1][i];
}

uint64_t harness_compare(struct harness *harness, unsigned i, unsigned *ret_first, unsigned *ret_second)
{
	const struct batch *batch = native_batch(harness->native);
	uint64_t differs = 0;

	for (unsigned first = 0; first <= ENGINE_COUNT && !differs; first++) {
		for (unsigned second = first + 1; second <= ENGINE_COUNT && !differs; second++) {
			if (!harness->emulator[second - 1] || (first > 0 && !harness->emulator[first - 1]))
				continue;
			*ret_first = first;
			*ret_second = second;
			differs = compare_outcomes(first == 0 ? &harness->generator.host : NULL, &batch->test[i], batch->image,
						   outcome_of(harness, first, i), outcome_of(harness, second, i));
		}
	}
	return differs;
}

/* A row counts as executed when it did what it is for: faults are that only for a few. */
static bool has_effect(const struct isa_row *row, const struct outcome *native)
{
	if (native->kind == OUTCOME_END || exempt_find(row))
		return true;
	return native->kind == OUTCOME_FAULT && (native->vector == VECTOR_BP || native->vector == VECTOR_DB || row->op == OP_UD0 ||
						 row->op == OP_UD1 || row->op == OP_UD2 || row->op == OP_INTO);
}

static void count_rows(struct harness *harness, const struct test_case *test, const struct outcome *native)
{
	for (unsigned i = 0; i < test->count; i++) {
		if (has_effect(&isa_rows[test->instruction[i].row], native))
			harness->executed[test->instruction[i].row]++;
	}
}

/* Shows mismatches, sequences cut short first. Their cases were put aside, since running one again needs the batch. */
static struct error *show(struct harness *harness, struct test_case *tests, unsigned count)
{
	struct batch *batch = native_batch(harness->native);
	struct error *err = NULL;

	for (unsigned i = 0; i < count && !err; i++) {
		unsigned who[2] = {0, 0};
		const char *who_names[2];
		const struct outcome *outcomes[2];
		uint64_t differs;

		err = harness_shrink(harness, &tests[i]);
		if (err)
			break;
		batch->test[0] = tests[i];
		err = harness_run_one(harness);
		if (err)
			break;
		differs = harness_compare(harness, 0, &who[0], &who[1]);
		for (unsigned n = 0; n < 2; n++) {
			who_names[n] = names[who[n]];
			outcomes[n] = outcome_of(harness, who[n], 0);
		}
		report_mismatch(harness->generator.seed, &tests[i], batch->image, who_names, outcomes, differs);
	}
	return err;
}

struct error *harness_batch(struct harness *harness, uint64_t first, unsigned count)
{
	struct batch *batch = native_batch(harness->native);
	struct test_case *bad;
	unsigned bad_count = 0;
	struct error *err;

	generate_image(&harness->generator, first / BATCH, batch->image);
	batch->count = 0;
	for (unsigned i = 0; i < count; i++) {
		generate_case(&harness->generator, first + i, &batch->test[batch->count]);
		if (batch->test[batch->count].count)
			batch->count++;
		else
			harness->not_made++;
	}
	err = run_batch(harness);
	if (err)
		return err;
	bad = malloc((harness->show + 1) * sizeof(*bad));
	if (!bad)
		return error_create("out of memory");
	for (unsigned i = 0; i < batch->count; i++) {
		const struct test_case *test = &batch->test[i];
		unsigned a, b;

		if (compare_is_void(outcome_of(harness, harness->emulator[0] ? 1 : 2, i))) {
			harness->not_compared++;
			continue;
		}
		harness->cases++;
		count_rows(harness, test, &batch->outcome[i]);
		if (!harness_compare(harness, i, &a, &b))
			continue;
		harness->mismatches++;
		harness->mismatched[test->instruction[test->count - 1].row]++;
		if (harness->show) {
			bad[bad_count++] = *test;
			harness->show--;
		}
	}
	err = show(harness, bad, bad_count);
	free(bad);
	return err;
}
