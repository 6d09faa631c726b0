/* Panics of the guest's kernel: see panic.h. */
#include "cli/panic.h"

#include "emu/engine.h"
#include "loader/kallsyms.h"

/* A panicking kernel prints without pause: when it has been silent for so long, in guest time, it is done. */
#define SILENCE_NS 100000000ull

/* vpanic() does the work of panic() from Linux 6.16 on, and has other callers. */
static const char *const functions[] = {"panic", "vpanic"};

/* Lets the kernel go on: it has yet to say why. */
static enum mark_action note_panic(void *opaque, struct cpu *cpu)
{
	struct panic_watch *watch = opaque;

	(void)cpu;
	if (watch->panicked)
		return MARK_CONTINUE;
	watch->panicked = true;
	return MARK_EXIT;
}

struct error *panic_watch_start(struct panic_watch *watch, struct machine *machine, const struct kernel_image *kernel)
{
	struct kallsyms table;
	struct error *err;
	struct view view;

	*watch = (struct panic_watch){0};
	view_of_kernel(kernel, &view);
	err = kallsyms_find(&view, &table);
	if (err) {
		error_destroy(err); /* it has no symbols */
		return NULL;
	}
	for (unsigned i = 0; !err && i < sizeof(functions) / sizeof(functions[0]); i++) {
		struct kallsyms_cursor cursor = {0};
		struct symbol symbol;

		if (kallsyms_next_named(&table, &cursor, functions[i], &symbol))
			err = cpu_mark(machine->cpu, symbol.address, note_panic, watch);
	}
	return err;
}

static bool stopped_by_panic(const struct machine *machine, enum machine_stop stop)
{
	return stop == MACHINE_STOP_CPU && machine->cpu_exit == CPU_EXIT_MARK;
}

static uint64_t next_end(const struct machine *machine, uint64_t limit)
{
	uint64_t now = cpu_instructions(machine->cpu);

	return limit > now && limit - now > SILENCE_NS ? now + SILENCE_NS : limit;
}

enum machine_stop panic_watch_run(struct panic_watch *watch, struct machine *machine, const struct terminal *terminal, uint64_t limit)
{
	enum machine_stop stop = machine_run(machine, limit);
	uint64_t before = terminal->written, seen;

	if (!stopped_by_panic(machine, stop))
		return stop;
	do {
		seen = terminal->written;
		stop = machine_run(machine, next_end(machine, limit));
	} while (stop == MACHINE_STOP_LIMIT && terminal->written != seen);
	watch->words = terminal->written - before;
	return stop;
}
