/* Fast system calls: SYSCALL and SYSRET, SYSENTER and SYSEXIT. */
#ifndef XRAY86_EMU_SYSCALL_H
#define XRAY86_EMU_SYSCALL_H

#include "emu/segment.h"

/* next: the address of the instruction after */
void syscall_enter(struct cpu *cpu, uint64_t next);
void syscall_return(struct cpu *cpu, unsigned operand_size);
void sysenter(struct cpu *cpu);
void sysexit(struct cpu *cpu, unsigned operand_size);

#endif
