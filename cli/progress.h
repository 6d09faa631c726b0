/*
 * A line on a terminal's stderr that says that something is going on, while nothing else is to be seen: redrawn by progress_tick(), gone
 * after progress_clear(). Not on anything but a terminal. It goes by the host's clock and has no effect on the machine.
 */
#ifndef XRAY86_CLI_PROGRESS_H
#define XRAY86_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "emu/machine.h"

struct progress {
	const struct machine *machine; /* NULL: off */
	const char *what;              /* "booting vmlinuz" */
	int shown;                     /* how many characters are */
	uint64_t next;                 /* when to draw it anew, in milliseconds of the host's clock */
};

void progress_start(struct progress *progress, const struct machine *machine, const char *what);
void progress_tick(struct progress *progress);
/* Takes the line away, for good. */
void progress_clear(struct progress *progress);

#endif
