/*
 * Keeps pages of the tool's own memory as they were before a body in product context wrote to them. So a call that is given up leaves the
 * tool's buffers as it found them.
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
 * Keeps the page of this linear address, before it is written. Each page is kept once. Pages beyond 16 MiB are not kept, and neither are
 * pages for which there is no memory.
 */
void user_pages_keep(struct user_pages *pages, const struct cpu *cpu, uint64_t linear);
/* Puts all of them back, and forgets them. In the trusted state. */
void user_pages_restore(struct user_pages *pages, struct cpu *cpu);
void user_pages_deinit(struct user_pages *pages);

#endif
