/*
 * A line on a terminal's stderr which says that something is going on, while nothing else is visible. progress_tick() and progress_show()
 * redraw it, progress_clear() removes it. It appears on terminals only, follows the host's clock, and has no effect on the machine.
 */
#ifndef XRAY86_CLI_PROGRESS_H
#define XRAY86_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/machine.h"

struct progress {
	bool on;
	const struct machine *machine; /* progress_tick() asks it */
	const char *what;              /* "booting vmlinuz" */
	int shown;                     /* how many characters are */
	uint64_t next;                 /* when to draw it anew, in milliseconds of the host's clock */
};

/* machine: NULL if progress_tick() will not be called. */
void progress_start(struct progress *progress, const struct machine *machine, const char *what);
void progress_tick(struct progress *progress);
/* The same with what the machine has done so far. */
void progress_show(struct progress *progress, uint64_t instructions);
/* Removes the line for good. */
void progress_clear(struct progress *progress);

#endif
