/*
 * Delivery of interrupts and exceptions by instructions. exception.h has the engine's side.
 */
#ifndef XRAY86_EMU_INTERRUPT_H
#define XRAY86_EMU_INTERRUPT_H

#include "emu/exception.h"

/*
 * INT n, INT3, INTO (EVENT_SOFTWARE) or INT1. return_rip is the address after the instruction. If delivery faults, nothing has changed, and
 * the fault's RIP is the instruction's own.
 */
void cpu_deliver_software(struct cpu *cpu, uint8_t vector, enum event_source source, uint64_t return_rip);

/* INT n in virtual-8086 mode: IOPL and, with CR4.VME, the redirection bitmap (SDM vol. 3A 20.3). */
void cpu_interrupt_v86(struct cpu *cpu, uint8_t vector, uint64_t return_rip);

#endif
