/* Marked addresses: a callback before the first instruction of a block. engine.h has the interface for clients. */
#ifndef XRAY86_EMU_MARK_H
#define XRAY86_EMU_MARK_H

#include "emu/engine.h"

struct mark {
	uint64_t linear; /* MUST BE FIRST: the key */
	enum mark_code code;
	mark_fn *fn;
	void *opaque;
};

enum { NO_MARKS = -1 };

/* The mark at linear in the kind of code that the CPU executes now, or NULL. */
const struct mark *mark_find(const struct cpu *cpu, uint64_t linear);
/*
 * The page of linear if it has marks, else NO_MARKS. If the two kinds of code differ in marks there, the lowest bits say which one this is.
 */
uint64_t mark_page(const struct cpu *cpu, uint64_t linear);

/*
 * Calls back if the address of the next instruction has a mark that is not to be skipped. Returns true if the callback ran; the caller then
 * looks at the state anew. Between instructions only.
 */
bool mark_fire(struct cpu *cpu);
/* Tells that execution begins at cpu->rip. If the mark to be skipped is elsewhere, it will not be skipped any more. */
void mark_resume(struct cpu *cpu);

#endif
