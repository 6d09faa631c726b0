/*
 * Looks at guest memory by linear address from outside, as a debugger does. It uses the CPU's present paging and ignores privilege. It
 * raises nothing, sets no accessed and dirty bits, and touches no breakpoints or devices. Not for use within handlers.
 */
#ifndef XRAY86_EMU_PEEK_H
#define XRAY86_EMU_PEEK_H

#include "emu/cpu.h"

/* Copies up to size bytes, as far as mapped RAM or ROM goes. Returns how many. */
size_t cpu_peek(const struct cpu *cpu, uint64_t linear, void *to, size_t size);
/* Writes all bytes, and invalidates code as any store does. Returns false, with nothing written, if some of it is not RAM. */
bool cpu_poke(struct cpu *cpu, uint64_t linear, const void *from, size_t size);
/* Reads a little-endian number of up to 8 bytes. Returns false if some of it is not there. */
bool cpu_peek_word(const struct cpu *cpu, uint64_t linear, unsigned size, uint64_t *ret);

#endif
