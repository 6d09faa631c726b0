/*
 * Clocks: clocks.h.
 *
 * The timekeeper adds to the time of that tick what the clock source has counted since (kernel/time/timekeeping.c), and takes a count that
 * lies before the tick, by less than half of what the counter can hold, for no time at all (clocksource_delta()). For the TSC, a 64-bit
 * counter, that is any small number: exceptions.c. Other sources are devices, which are not there, or pages that a hypervisor filled: their
 * read functions are not entered, and what they would have returned at the tick is found by asking the product's ktime_get() for which
 * counts it adds time. No layout of the timekeeper is needed for that.
 */
#include "redirect/clocks.h"

#include "emu/peek.h"

static const struct clock_source {
	const char *read;
	unsigned bits;
} sources[] = {
	{"read_hpet", 32},
	{"acpi_pm_read", 24},
	{"acpi_pm_read_slow", 24},
	{"kvm_clock_get_cycles", 64},
	{"read_hv_clock_tsc_cs", 64},
	{"read_hv_clock_msr_cs", 64},
	{"xen_clocksource_get_cycles", 64},
};

enum { SOURCES = sizeof(sources) / sizeof(sources[0]) };
_Static_assert((int)SOURCES <= (int)CLOCK_SOURCES, "room for all");

/* The product's time if its clock source counted so far. */
static bool time_at(struct clocks *clocks, uint64_t count, uint64_t *ret)
{
	clocks->count = count;
	return worlds_call(clocks->worlds, WORLD_PRODUCT, FUNCTION_ktime_get, NULL, 0, ret);
}

/*
 * Of four counts, a quarter of the counter's circle apart, two are at or before the tick, and add no time: the later one. Before 6.10 the
 * kernel's multiplication overflows for large counts, which may give later times twice, too; the tick's is the earliest of all.
 */
static bool find_before(struct clocks *clocks, uint64_t mask, uint64_t *ret_count, uint64_t *ret_time)
{
	uint64_t quarter = (mask >> 2) + 1, before, now;
	bool found = false;

	if (!time_at(clocks, 0, &before))
		return false;
	for (unsigned i = 1; i <= 4; i++, before = now) {
		if (!time_at(clocks, (i * quarter) & mask, &now))
			return false;
		if (now != before || (found && now >= *ret_time))
			continue;
		*ret_count = (i * quarter) & mask;
		*ret_time = now;
		found = true;
	}
	return found;
}

static void set_clock(struct clocks *clocks)
{
	uint64_t ignored, mask, count = 0, time = 0, step;

	if (!time_at(clocks, 0, &ignored) || !clocks->bits)
		return;
	mask = UINT64_MAX >> (64 - clocks->bits);
	if (!find_before(clocks, mask, &count, &time))
		return;
	for (step = (mask >> 2) + 1; step; step >>= 1) { /* the last count that adds nothing lies less than 2 * step further */
		uint64_t now;

		if (time_at(clocks, (count + step) & mask, &now) && now == time)
			count = (count + step) & mask;
	}
	clocks->count = count;
}

/* The first time that a body reads it, it is set: not before, since a frozen writer of the timekeeper may have to be got past (spin.c). */
static enum mark_action on_read(void *opaque, struct cpu *cpu)
{
	const struct clock_mark *mark = opaque;
	struct clocks *clocks = mark->owner;

	if (clocks->worlds->context.phase != CONTEXT_PRODUCT)
		return MARK_CONTINUE;
	if (!clocks->known && !clocks->worlds->context.nested) {
		clocks->known = true;
		set_clock(clocks);
	}
	clocks->bits = mark->source->bits;
	if (clocks->worlds->context.abi->word == 4)
		cpu->gpr[RDX] = clocks->count >> 32;
	clocks->calls->stats.stand_ins++;
	return worlds_return(clocks->worlds, clocks->count);
}

void clock_set_wall(struct clocks *clocks)
{
	uint64_t place = context_scratch(&clocks->worlds->context, 16), time[2] = {0}, ignored; /* struct timespec64 */

	if (!worlds_call(clocks->worlds, WORLD_PRODUCT, FUNCTION_ktime_get_real_seconds, NULL, 0, &time[0]))
		return;
	if (clocks->worlds->context.abi->word == 4)
		time[0] = (uint32_t)time[0]; /* the other half is in EDX, and 0 until 2106 */
	if (cpu_poke(clocks->worlds->cpu, place, time, sizeof(time)))
		worlds_call(clocks->worlds, WORLD_TRUSTED, FUNCTION_do_settimeofday64, (uint64_t[]){place, 0}, 2, &ignored);
}

struct error *clock_mark(struct clocks *clocks)
{
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < SOURCES; i++) {
		clocks->mark[i] = (struct clock_mark){clocks, &sources[i]};
		err = worlds_mark(clocks->worlds, WORLD_PRODUCT, sources[i].read, on_read, &clocks->mark[i]);
	}
	return err;
}
