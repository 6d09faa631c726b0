/*
 * The end of a run by the host's clock (--timeout). What a run does in many steps asks between them whether to stop (struct cancel); what
 * cannot ask (it waits for another process, or for a disk) has a second more, and then the process ends where it is.
 *
 * Time in which nothing but a terminal's input can make the command go on does not count.
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

/* From now on. Uses SIGALRM. The deadline must not move until deadline_stop(). */
struct error *deadline_start(struct deadline *deadline, unsigned seconds);
/* A zeroed one is allowed. */
void deadline_stop(struct deadline *deadline);

/* What asks for it: cheap. */
struct cancel deadline_cancel(struct deadline *deadline);
bool deadline_passed(const struct deadline *deadline);
/* Says so on stderr, if there is room: nobody may read that, either. */
void deadline_tell(const struct deadline *deadline);

/* Between what these return lies time that does not count: deadline_add(deadline, deadline_now() - before). */
int64_t deadline_now(void);
void deadline_add(struct deadline *deadline, int64_t ns);

#endif
