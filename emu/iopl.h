/* What EFLAGS.IOPL governs: the interrupt flag, PUSHF and POPF, ports. Each raises what the instruction raises. */
#ifndef XRAY86_EMU_IOPL_H
#define XRAY86_EMU_IOPL_H

#include "emu/segment.h"

/* CLI, STI */
void clear_interrupt_flag(struct cpu *cpu);
void set_interrupt_flag(struct cpu *cpu);
/* POPF's flags (size 2, 4, 8) and PUSHF's image, at the current privilege, also in V86 mode and with VME. May raise #GP. */
void cpu_popf(struct cpu *cpu, uint32_t value, unsigned size);
uint32_t cpu_pushf(struct cpu *cpu, unsigned size);

/* Raises #GP(0) unless IOPL or the TSS's I/O bitmap allows the access. */
void require_port(struct cpu *cpu, uint16_t port, unsigned size);
uint32_t port_read(struct cpu *cpu, uint16_t port, unsigned size);
void port_write(struct cpu *cpu, uint16_t port, uint32_t value, unsigned size);

#endif
