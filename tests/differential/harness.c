/* Batches through all executors: harness.h. */
#include "tests/differential/harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/cpu.h"
#include "emu/exception.h"
#include "tests/differential/compare.h"
#include "tests/differential/measure.h"
#include "tests/differential/report.h"
#include "tests/hybrid.h"

static const char *const names[1 + ENGINE_COUNT] = {"native", "plain", "tagged"};

struct error *harness_measure(struct harness *harness)
{
	struct error *err = stay_on_one_kind() ? native_create(&harness->native) : error_create("cannot stay on one CPU");

	return err ? err : measure_host(harness->native, &harness->generator.host);
}

struct error *harness_init(struct harness *harness, bool plain, bool tagged)
{
	bool wanted[ENGINE_COUNT] = {plain, tagged};
	struct error *err = generator_init(&harness->generator);

	for (unsigned i = 0; !err && i < ENGINE_COUNT; i++) {
		if (!wanted[i])
			continue;
		err = emulator_create(i == 1, native_batch(harness->native)->cpu_limit, host_does(&harness->generator.host, TRAIT_CODE32),
				      native_batch(harness->native)->ldt, &harness->emulator[i]);
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

static const struct outcome *outcome_of(struct harness *harness, unsigned who, unsigned i)
{
	return who == 0 ? &native_batch(harness->native)->outcome[i] : &harness->outcome[who - 1][i];
}

static void emulate_batch(struct harness *harness)
{
	struct batch *batch = native_batch(harness->native);

	for (unsigned e = 0; e < ENGINE_COUNT; e++) {
		if (!harness->emulator[e])
			continue;
		emulator_load(harness->emulator[e], batch->image);
		for (unsigned i = 0; i < batch->count; i++)
			emulator_run(harness->emulator[e], &batch->test[i], &harness->outcome[e][i]);
	}
}

/* The host works at the same time; but what it must not touch is known only afterwards, if there is such memory. */
static struct error *run_batch(struct harness *harness)
{
	struct batch *batch = native_batch(harness->native);
	struct error *err = SANITIZED ? NULL : native_start(harness->native);

	emulate_batch(harness);
	for (unsigned i = 0; i < batch->count; i++)
		batch->test[i].skip = SANITIZED && compare_is_void(outcome_of(harness, harness->emulator[0] ? 1 : 2, i));
	if (SANITIZED)
		err = native_start(harness->native);
	return err ? err : native_finish(harness->native);
}

struct error *harness_run_one(struct harness *harness)
{
	native_batch(harness->native)->count = 1;
	return run_batch(harness);
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

/* A mismatching case, put aside until its batch is through, since running it again needs the batch. */
struct suspect {
	struct test_case test;
	uint64_t differs;
	bool lost_nt; /* the host's flags lack NT, and differ in nothing else */
	struct outcome native;
	struct outcome emulated[ENGINE_COUNT];
};

/* Runs the suspect again. Whether the host now agrees with the emulator, and the emulator with itself. */
static struct error *agrees_now(struct harness *harness, const struct suspect *suspect, bool *ret)
{
	struct batch *batch = native_batch(harness->native);
	struct error *err;
	unsigned a, b;

	batch->test[0] = suspect->test;
	err = harness_run_one(harness);
	*ret = !err && harness_compare(harness, 0, &a, &b) == 0;
	for (unsigned e = 0; *ret && e < ENGINE_COUNT; e++)
		*ret = !harness->emulator[e] ||
		       compare_outcomes(NULL, &suspect->test, batch->image, &suspect->emulated[e], &harness->outcome[e][0]) == 0;
	return err;
}

/*
 * Whether it is the host that changed its mind: with the same outcome of the emulator as before, it now agrees. The host's kernel can
 * come between a case and us, again and again on a busy machine, and what it does to FIP, FDP and FOP is not always invisible; hypervisors
 * may clear NT. Kernels without FSGSBASE give FS or GS the base that arch_prctl() set, once a null selector is in it. A machine that
 * stands still for seconds, or kills the child for want of memory, leaves no outcome at all.
 *
 * Any other result that the host gives once must stay away each of five times that the case is run again, and is counted as a stray: some
 * hypervisors let a fault of their own through, one in millions of cases (#UD and #GP of instructions that can raise neither). The
 * emulator's outcome has to be the same each time, so what it does differently in the company of other cases is never excused.
 */
static struct error *is_unstable(struct harness *harness, const struct suspect *suspect, bool *ret, bool *ret_stray)
{
	enum { KNOWN_TRIES = 3, STRAY_TRIES = 5 };
	const uint64_t x87_pointers = DIFFERS_FOP | DIFFERS_FIP | DIFFERS_FDP | DIFFERS_MEMORY; /* FNSTENV's */
	const uint64_t bases = host_does(&harness->generator.host, TRAIT_FSGSBASE) ? 0 : DIFFERS_FS_BASE | DIFFERS_GS_BASE;
	const bool no_outcome = suspect->native.kind == OUTCOME_RUNAWAY || suspect->native.kind == OUTCOME_DIED;
	struct error *err = NULL;

	*ret_stray = !no_outcome && suspect->differs & ~(x87_pointers | bases | (suspect->lost_nt ? DIFFERS_RFLAGS : 0));
	*ret = *ret_stray;
	for (unsigned i = 0; *ret_stray && i < STRAY_TRIES && !err && *ret; i++)
		err = agrees_now(harness, suspect, ret);
	for (unsigned i = 0; !*ret_stray && i < KNOWN_TRIES && !err && !*ret; i++)
		err = agrees_now(harness, suspect, ret);
	return err;
}

/* Shows a mismatch (in the fields that were seen to differ), sequences cut short first. */
static struct error *show(struct harness *harness, struct suspect *suspect)
{
	static const char *const kinds[] = {"nothing", "an end", "a fault", "no end", "a dead child"};
	struct test_case *test = &suspect->test;
	struct batch *batch = native_batch(harness->native);
	const struct outcome *outcomes[2];
	unsigned who[2] = {0, 1};
	const char *who_names[2];
	uint64_t differs;
	struct error *err;

	err = harness_shrink(harness, test);
	if (err)
		return err;
	batch->test[0] = *test;
	err = harness_run_one(harness);
	if (err)
		return err;
	differs = harness_compare(harness, 0, &who[0], &who[1]);
	for (unsigned n = 0; n < 2; n++) {
		who_names[n] = names[who[n]];
		outcomes[n] = outcome_of(harness, who[n], 0);
	}
	if (!differs) { /* the last pair, of two that agree, tells nothing of the one that did not */
		printf("mismatch %" PRIu64 ":%" PRIu64
		       ", which happens in the company of the cases before it or does not repeat: fields %#" PRIx64 ", natively %s\n\n",
		       harness->generator.seed, test->number, suspect->differs, kinds[suspect->native.kind]);
		return NULL;
	}
	report_mismatch(harness->generator.seed, test, batch->image, who_names, outcomes, differs);
	return NULL;
}

/*
 * Whether the case went to what only the child has, wherever its kernel put that: a random base of FS or GS, a few hundred times in a
 * million cases, lies where stacks and libraries do.
 */
static bool met_the_child(const struct harness *harness, const struct outcome *emulated)
{
	enum { PRESENT = 1 };

	return emulated->kind == OUTCOME_FAULT && emulated->vector == VECTOR_PF && !(emulated->error_code & PRESENT) &&
	       native_has_own(harness->native, emulated->cr2);
}

/* In words, at most `size` bytes. */
static const char *what_came(const struct outcome *native, char *to, size_t size)
{
	*to = '\0';
	if (native->kind == OUTCOME_FAULT)
		snprintf(to, size, ", fault %u came once", native->vector);
	else if (native->kind > OUTCOME_FAULT)
		snprintf(to, size, ", the child stood still or died");
	return to;
}

static struct error *judge(struct harness *harness, struct suspect *suspects, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct test_case *test = &suspects[i].test;
		char came[48];
		bool unstable, stray;
		struct error *err = is_unstable(harness, &suspects[i], &unstable, &stray);

		if (err)
			return err;
		if (unstable) {
			harness->unstable++;
			harness->strays += stray;
			printf("not repeatable on the host: %" PRIu64 ":%" PRIu64 ", fields %#" PRIx64 "%s\n", harness->generator.seed,
			       test->number, suspects[i].differs,
			       suspects[i].differs & DIFFERS_OUTCOME ? what_came(&suspects[i].native, came, sizeof(came)) : "");
			continue;
		}
		harness->mismatches++;
		harness->mismatched[test->instruction[test->count - 1].row]++;
		if (harness->show) {
			harness->show--;
			err = show(harness, &suspects[i]);
		}
		if (err)
			return err;
	}
	return NULL;
}

static void put_aside(struct harness *harness, unsigned i, uint64_t differs, struct suspect *suspect)
{
	const struct batch *batch = native_batch(harness->native);
	const struct outcome *emulated = outcome_of(harness, harness->emulator[0] ? 1 : 2, i);

	suspect->differs = differs;
	suspect->native = batch->outcome[i];
	suspect->test = batch->test[i];
	suspect->lost_nt = ((batch->outcome[i].after.rflags ^ emulated->after.rflags) & ~(uint64_t)FLAG_RF) == FLAG_NT &&
			   emulated->after.rflags & FLAG_NT;
	for (unsigned e = 0; e < ENGINE_COUNT; e++) {
		if (harness->emulator[e])
			suspect->emulated[e] = harness->outcome[e][i];
	}
}

static void generate_batch(struct harness *harness, uint64_t first, unsigned count)
{
	struct batch *batch = native_batch(harness->native);

	generate_image(&harness->generator, first / BATCH, batch->image);
	batch->count = 0;
	for (unsigned i = 0; i < count; i++) {
		generate_case(&harness->generator, first + i, &batch->test[batch->count]);
		if (batch->test[batch->count].count)
			batch->count++;
		else
			harness->not_made++;
	}
}

struct error *harness_batch(struct harness *harness, uint64_t first, unsigned count)
{
	struct batch *batch = native_batch(harness->native);
	struct suspect *suspects = NULL;
	unsigned suspect_count = 0;
	struct error *err;

	generate_batch(harness, first, count);
	err = run_batch(harness);
	for (unsigned i = 0; !err && i < batch->count; i++) {
		const struct outcome *emulated = outcome_of(harness, harness->emulator[0] ? 1 : 2, i);
		unsigned a, b;
		uint64_t differs = compare_is_void(emulated) ? 0 : harness_compare(harness, i, &a, &b);

		if (compare_is_void(emulated) || (differs && met_the_child(harness, emulated))) {
			harness->not_compared++;
			continue;
		}
		harness->cases++;
		count_rows(harness, &batch->test[i], &batch->outcome[i]);
		if (!differs)
			continue;
		if (!suspects)
			suspects = calloc(BATCH, sizeof(*suspects));
		if (!suspects)
			err = error_create("out of memory");
		else
			put_aside(harness, i, differs, &suspects[suspect_count++]);
	}
	if (!err)
		err = judge(harness, suspects, suspect_count);
	free(suspects);
	return err;
}
