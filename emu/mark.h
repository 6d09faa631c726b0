/* Marked addresses: a callback at the first instruction of a block (engine.h has the interface for clients). */
#ifndef XRAY86_EMU_MARK_H
#define XRAY86_EMU_MARK_H

#include "emu/engine.h"

struct mark {
	uint64_t linear;
	mark_fn *fn;
	void *opaque;
};

enum { NO_MARKS = -1 };

/* The mark at linear, or NULL. */
const struct mark *mark_find(const struct cpu *cpu, uint64_t linear);
/* The page of linear if it has marks, else NO_MARKS. */
uint64_t mark_page(const struct cpu *cpu, uint64_t linear);

/*
 * Calls back if the address of the next instruction is marked and not to be skipped. True: the callback ran, and the caller looks anew at
 * the state. Between instructions only.
 */
bool mark_fire(struct cpu *cpu);
/* Execution begins at cpu->rip: a mark elsewhere that would have been skipped on resuming is not skipped later either. */
void mark_resume(struct cpu *cpu);

#endif
