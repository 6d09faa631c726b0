/*
 * Control registers, EFER and debug registers: what MOV CR, MOV DR, LMSW, CLTS and WRMSR do once their operands are fetched.
 * Each raises what the instruction raises, in the SDM's order (vol. 2), before it changes anything.
 */
#ifndef XRAY86_EMU_CONTROL_REGISTERS_H
#define XRAY86_EMU_CONTROL_REGISTERS_H

#include "emu/segment.h"

uint64_t control_read(struct cpu *cpu, unsigned n);
void control_write(struct cpu *cpu, unsigned n, uint64_t value);
/* LMSW, CLTS */
void control_load_msw(struct cpu *cpu, uint16_t value);
void control_clear_ts(struct cpu *cpu);
/* WRMSR to IA32_EFER. Returns false for #GP. */
bool control_write_efer(struct cpu *cpu, uint64_t value);
/* Reads the four PDPTEs at cr3 if cr0 and cr4 say PAE paging without IA-32e mode. Returns false if one has a reserved bit set. */
bool control_read_pdptes(struct cpu *cpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t ret[4]);
/* MOV DR */
uint64_t debug_read(struct cpu *cpu, unsigned n);
void debug_write(struct cpu *cpu, unsigned n, uint64_t value);

#endif
