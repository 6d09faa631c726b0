/*
 * Clocks that product context reads stand at the product's last tick: the time that a tool is told is the snapshot's.
 *
 * The timekeeper adds to the time of that tick what the clock source has counted since (kernel/time/timekeeping.c), and takes a count that
 * lies before the tick, by less than half of what the counter can hold, for no time at all (clocksource_delta()). For the TSC, a 64-bit
 * counter, that is any small number: exceptions.c. Other sources are devices, which are not there, or pages that a hypervisor filled: their
 * read functions are not entered, and what they would have returned at the tick is found by asking the product's ktime_get() for which
 * counts it adds time. No layout of the timekeeper is needed for that.
 */
#include "emu/peek.h"
#include "redirect/session.h"

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
static bool time_at(struct redirect *redirect, uint64_t count, uint64_t *ret)
{
	redirect->clock.count = count;
	return redirect->function.ktime_get && kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.ktime_get, NULL, 0, ret);
}

/*
 * Of four counts, a quarter of the counter's circle apart, two are at or before the tick, and add no time: the later one. Before 6.10 the
 * kernel's multiplication overflows for large counts, which may give later times twice, too; the tick's is the earliest of all.
 */
static bool find_before(struct redirect *redirect, uint64_t mask, uint64_t *ret_count, uint64_t *ret_time)
{
	uint64_t quarter = (mask >> 2) + 1, before, now;
	bool found = false;

	if (!time_at(redirect, 0, &before))
		return false;
	for (unsigned i = 1; i <= 4; i++, before = now) {
		if (!time_at(redirect, (i * quarter) & mask, &now))
			return false;
		if (now != before || (found && now >= *ret_time))
			continue;
		*ret_count = (i * quarter) & mask;
		*ret_time = now;
		found = true;
	}
	return found;
}

static void set_clock(struct redirect *redirect)
{
	uint64_t ignored, mask, count = 0, time = 0, step;

	if (!time_at(redirect, 0, &ignored) || !redirect->clock.bits)
		return;
	mask = UINT64_MAX >> (64 - redirect->clock.bits);
	if (!find_before(redirect, mask, &count, &time))
		return;
	for (step = (mask >> 2) + 1; step; step >>= 1) { /* the last count that adds nothing lies less than 2 * step further */
		uint64_t now;

		if (time_at(redirect, (count + step) & mask, &now) && now == time)
			count = (count + step) & mask;
	}
	redirect->clock.count = count;
}

/* The first time that a body reads it, it is set: not before, since a frozen writer of the timekeeper may have to be got past (spin.c). */
static enum mark_action on_read(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;

	if (redirect->context.phase != CONTEXT_PRODUCT)
		return MARK_CONTINUE;
	if (!redirect->clock.known && !redirect->context.nested) {
		redirect->clock.known = true;
		set_clock(redirect);
	}
	for (unsigned i = 0; i < SOURCES; i++) {
		if (redirect->clock.read[i] == cpu->rip)
			redirect->clock.bits = sources[i].bits;
	}
	if (redirect->context.word == 4)
		cpu->gpr[RDX] = redirect->clock.count >> 32;
	redirect->stats.stand_ins++;
	return return_to_caller(redirect, redirect->clock.count);
}

void set_wall_clock(struct redirect *redirect)
{
	uint64_t place = (redirect->cpu->gpr[RSP] - 64) & ~15ull, time[2] = {0}, ignored; /* struct timespec64 */

	if (!kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.ktime_get_real_seconds, NULL, 0, &time[0]))
		return;
	if (redirect->context.word == 4)
		time[0] = (uint32_t)time[0]; /* the other half is in EDX, and 0 until 2106 */
	if (cpu_poke(redirect->cpu, place, time, sizeof(time)))
		kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.do_settimeofday64, (uint64_t[]){place, 0}, 2, &ignored);
}

struct error *mark_clocks(struct redirect *redirect)
{
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < SOURCES; i++) {
		redirect->clock.read[i] = find_symbol(redirect, sources[i].read);
		if (redirect->clock.read[i])
			err = cpu_mark(redirect->cpu, redirect->clock.read[i], on_read, redirect);
	}
	return err;
}
