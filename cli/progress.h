/*
 * A line on a terminal's stderr that says that something is going on, while nothing else is to be seen: redrawn by progress_tick() or
 * progress_show(), gone after progress_clear(). Not on anything but a terminal. It goes by the host's clock and has no effect on the
 * machine.
 */
#ifndef XRAY86_CLI_PROGRESS_H
#define XRAY86_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/machine.h"

struct progress {
	bool on;
	const struct machine *machine; /* that progress_tick() asks */
	const char *what;              /* "booting vmlinuz" */
	int shown;                     /* how many characters are */
	uint64_t next;                 /* when to draw it anew, in milliseconds of the host's clock */
};

/* machine: NULL if progress_tick() will not be called. */
void progress_start(struct progress *progress, const struct machine *machine, const char *what);
void progress_tick(struct progress *progress);
/* The same with what the machine has done so far. */
void progress_show(struct progress *progress, uint64_t instructions);
/* Takes the line away, for good. */
void progress_clear(struct progress *progress);

#endif
