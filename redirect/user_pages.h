/*
 * Pages of the tool's own memory that a body in product context writes: as they were, so that a call that is given up leaves the tool's
 * buffers as it found them.
 */
#ifndef XRAY86_REDIRECT_USER_PAGES_H
#define XRAY86_REDIRECT_USER_PAGES_H

#include "emu/cpu.h"

struct user_page;

struct user_pages {
	struct user_page *page;
	size_t count, room;
};

/* Forgets all: a call begins, or has ended well. */
void user_pages_clear(struct user_pages *pages);
/*
 * The page of this linear address is about to be written. Each is kept once; those beyond 16 MiB, or for which there is no memory, are not
 * kept.
 */
void user_pages_keep(struct user_pages *pages, const struct cpu *cpu, uint64_t linear);
/* Puts all of them back, and forgets them. In the trusted state. */
void user_pages_restore(struct user_pages *pages, struct cpu *cpu);
void user_pages_deinit(struct user_pages *pages);

#endif
