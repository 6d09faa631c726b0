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
	*progress = (struct progress){.what = what};
	if (!isatty(STDERR_FILENO))
		return;
	progress->machine = machine;
	progress->next = now_ms() + FIRST_MS;
}

void progress_tick(struct progress *progress)
{
	uint64_t now;

	if (!progress->machine)
		return;
	now = now_ms();
	if (now < progress->next)
		return;
	progress->shown = fprintf(stderr, "\rxray86: %s: %" PRIu64 " M instructions", progress->what,
				  cpu_instructions(progress->machine->cpu) / MILLION);
	progress->next = now + INTERVAL_MS;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r%*s\r", progress->shown, "");
	progress->machine = NULL;
	progress->shown = 0;
}
