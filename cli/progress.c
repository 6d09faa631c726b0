/* Progress on a terminal: see progress.h. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Short work shows nothing. */
enum { FIRST_MS = 300, INTERVAL_MS = 100, MILLION = 1000000 };
#define CLEAR_LINE "\r\033[K"

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
	fprintf(stderr, CLEAR_LINE "xray86: %s: %" PRIu64 " M instructions", progress->what,
		cpu_instructions(progress->machine->cpu) / MILLION);
	fflush(stderr);
	progress->shown = true;
	progress->next = now + INTERVAL_MS;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs(CLEAR_LINE, stderr);
	progress->machine = NULL;
	progress->shown = false;
}
