/* Clocks in product context stand at the product's last tick, so that tools see the time of the snapshot. */
#ifndef XRAY86_REDIRECT_CLOCKS_H
#define XRAY86_REDIRECT_CLOCKS_H

#include "redirect/call.h"

enum { CLOCK_SOURCES = 8 /* at most */ };

struct clocks {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;

	/* -- its state -- */
	struct clock_mark {
		struct clocks *owner;
		const struct clock_source *source; /* of the table */
	} mark[CLOCK_SOURCES];
	bool known;
	uint64_t count; /* what the clock source returns in product context */
	unsigned bits;  /* of the clock source; 0: the TSC */
};

struct error *clock_mark(struct clocks *clocks);
/* Sets the trusted VM's wall clock to the product's, for tools that wait until a time of it. */
void clock_set_wall(struct clocks *clocks);

#endif
