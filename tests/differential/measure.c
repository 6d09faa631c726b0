/* Measuring: measure.h. Each probe is a case of its own; a trait is known if all its probes say the same. */
#include "tests/differential/measure.h"

#include <string.h>

#include "emu/cpu.h"

/* The host's kernel may come between a probe and us (what it does to FIP, FDP and FOP can be seen): the first that is known counts. */
enum { ATTEMPTS = 3 };

struct measurement {
	measure_run run;
	void *with;
	bool fsgsbase, code32, segments;
};

/* Whether the probe's code can run here. If not, neither can cases that it would tell of: it has no say. */
static bool is_runnable(const struct measurement *m, const struct probe *probe)
{
	return (!probe->code32 || m->code32) && (!probe->segmented || m->segments);
}

static struct error *ask(const struct measurement *m, const struct probe *probe, enum answer *ret)
{
	struct outcome outcome;
	struct test_case test;
	struct error *err = NULL;

	*ret = UNKNOWN;
	probe_prepare(probe, m->fsgsbase, &test);
	for (unsigned i = 0; i < ATTEMPTS && !err && *ret != EMULATED; i++) {
		err = m->run(m->with, &test, &outcome);
		if (!err)
			*ret = probe_judge(probe, &outcome);
	}
	return err;
}

static struct error *measure_traits(const struct measurement *m, struct host *host)
{
	bool asked[TRAITS] = {false};

	for (unsigned i = 0; i < probe_count; i++) {
		uint8_t *answer = &host->answer[probes[i].trait];
		enum answer found;
		struct error *err;

		if (!is_runnable(m, &probes[i]))
			continue;
		err = ask(m, &probes[i], &found);
		if (err)
			return err;
		*answer = !asked[probes[i].trait] || *answer == found ? found : UNKNOWN;
		asked[probes[i].trait] = true;
	}
	return NULL;
}

/* A flag follows the rule, or is kept, if it does so with every operation of the group and all operands. */
static struct error *measure_flags(const struct measurement *m, struct host *host)
{
	for (unsigned group = 0; group < FLAG_GROUPS; group++)
		host->flags[group].emulated = host->flags[group].kept = FLAGS_ARITHMETIC;
	for (unsigned i = 0; i < flag_probe_count * FLAG_VECTORS; i++) {
		const struct flag_probe *probe = &flag_probes[i / FLAG_VECTORS];
		uint64_t unlike = FLAGS_ARITHMETIC, changed = FLAGS_ARITHMETIC;
		struct outcome outcome = {0};
		struct error *err = NULL;
		struct test_case test;

		flag_probe_prepare(probe, i % FLAG_VECTORS, m->fsgsbase, &test);
		if (!probe->code32 || m->code32)
			err = m->run(m->with, &test, &outcome);
		if (err)
			return err;
		if (outcome.kind == OUTCOME_END) {
			unlike = (outcome.after.rflags ^ flag_probe_expected(probe, &test)) & probe->undefined;
			changed = (outcome.after.rflags ^ test.before.rflags) & probe->undefined;
		}
		host->flags[probe->group].emulated &= ~unlike;
		host->flags[probe->group].kept &= ~changed;
	}
	return NULL;
}

struct error *measure(measure_run run, void *with, bool fsgsbase, bool code32, bool segments, struct host *ret)
{
	struct measurement m = {run, with, fsgsbase, code32, segments};
	struct error *err;

	memset(ret, 0, sizeof(*ret));
	err = measure_traits(&m, ret);
	if (!fsgsbase) /* where the instructions are there nevertheless, the kernel does not keep what they write */
		ret->answer[TRAIT_FSGSBASE] = OTHER;
	return err ? err : measure_flags(&m, ret);
}

static struct error *run_natively(void *with, const struct test_case *test, struct outcome *ret)
{
	struct native *native = with;
	struct batch *batch = native_batch(native);
	struct error *err;

	batch->test[0] = *test;
	batch->count = 1;
	err = native_start(native);
	if (!err)
		err = native_finish(native);
	if (!err)
		*ret = batch->outcome[0];
	return err;
}

/* Kernels without 32-bit programs, and some hypervisors, have no such segment. */
static bool has_segment(uint32_t selector)
{
	uint32_t rights;
	bool valid;

	__asm__("lar %2, %0" : "=&r"(rights), "=@ccz"(valid) : "r"(selector));
	return valid;
}

struct error *measure_host(struct native *native, struct host *ret)
{
	memset(native_batch(native)->image, 0, IMAGE_SIZE);
	return measure(run_natively, native, native_has_fsgsbase(), has_segment(SELECTOR_CODE32), native_batch(native)->has_ldt, ret);
}
