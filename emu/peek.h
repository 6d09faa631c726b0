/*
 * Guest memory by linear address, looked at from outside, as a debugger does: under the CPU's present paging, whatever the privilege,
 * without exceptions, accessed and dirty bits, breakpoints or devices. Not for use within handlers.
 */
#ifndef XRAY86_EMU_PEEK_H
#define XRAY86_EMU_PEEK_H

#include "emu/cpu.h"

/* Copies up to size bytes, as far as they are mapped RAM or ROM; returns how many. */
size_t cpu_peek(const struct cpu *cpu, uint64_t linear, void *to, size_t size);
/* All or nothing; code is invalidated as by any store. False: not all of it is RAM. */
bool cpu_poke(struct cpu *cpu, uint64_t linear, const void *from, size_t size);
/* A little-endian number of up to 8 bytes; false if it is not all there. */
bool cpu_peek_word(const struct cpu *cpu, uint64_t linear, unsigned size, uint64_t *ret);

/* Where linear is in physical memory, under the same conditions; false: nowhere. */
bool cpu_peek_translate(const struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr);

#endif
