/*
 * The end of a run by the host's clock (--timeout). Work in many steps asks between them whether to stop (struct cancel). Work that cannot
 * ask (it waits for another process, or for a disk) has a second more; then the process ends where it is.
 *
 * Time in which only a terminal's input can make the command go on does not count.
 */
#ifndef XRAY86_CLI_DEADLINE_H
#define XRAY86_CLI_DEADLINE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "util/cancel.h"
#include "util/error.h"

struct deadline {
	unsigned seconds;
	volatile int64_t at; /* CLOCK_MONOTONIC, in nanoseconds */
	timer_t timer;
	bool started;
	volatile sig_atomic_t passed;
	char message[80];
};

/* Starts the clock. Uses SIGALRM. The deadline must not move in memory until deadline_stop(). */
struct error *deadline_start(struct deadline *deadline, unsigned seconds);
/* A zeroed one is allowed. */
void deadline_stop(struct deadline *deadline);

/* Asks whether it has passed. Asking is cheap. */
struct cancel deadline_cancel(struct deadline *deadline);
bool deadline_passed(const struct deadline *deadline);
/* Says on stderr that it has passed, if there is room: maybe nobody reads stderr, either. */
void deadline_tell(const struct deadline *deadline);

/* For time that does not count: deadline_add(deadline, deadline_now() - before). */
int64_t deadline_now(void);
void deadline_add(struct deadline *deadline, int64_t ns);

#endif
