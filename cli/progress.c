/* Progress on a terminal: see progress.h. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Short work shows nothing. */
enum { FIRST_MS = 300, INTERVAL_MS = 100, MILLION = 1000000 };

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / MILLION;
}

void progress_start(struct progress *progress, const struct machine *machine, const char *what)
{
	*progress = (struct progress){.machine = machine, .what = what, .on = isatty(STDERR_FILENO)};
	progress->next = now_ms() + FIRST_MS;
}

void progress_tick(struct progress *progress)
{
	if (progress->on)
		progress_show(progress, cpu_instructions(progress->machine->cpu));
}

void progress_show(struct progress *progress, uint64_t instructions)
{
	uint64_t now;

	if (!progress->on)
		return;
	now = now_ms();
	if (now < progress->next)
		return;
	progress->shown = fprintf(stderr, "\rxray86: %s: %" PRIu64 " M instructions", progress->what, instructions / MILLION);
	progress->next = now + INTERVAL_MS;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r%*s\r", progress->shown, "");
	progress->on = false;
	progress->shown = 0;
}
