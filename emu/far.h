/*
 * Far control transfers: JMP, CALL, RET and IRET. Each raises what the instruction raises, in the SDM's order (vol. 2), before it changes
 * anything.
 */
#ifndef XRAY86_EMU_FAR_H
#define XRAY86_EMU_FAR_H

#include "emu/frame.h"

/* next: the return address */
void far_jump(struct cpu *cpu, uint16_t selector, uint64_t offset, uint64_t next);
void far_call(struct cpu *cpu, uint16_t selector, uint64_t offset, unsigned size, uint64_t next);
void far_return(struct cpu *cpu, unsigned size, unsigned release);
/* IRET: emu/iret.c */
void interrupt_return(struct cpu *cpu, unsigned size, uint64_t next);

/* -- steps that RET and IRET have in common (SDM vol. 2, RET and IRET, "RETURN-TO-OUTER-PRIVILEGE-LEVEL") -- */

/* Commits CS (and CPL, its RPL) and rip. */
void far_enter(struct cpu *cpu, const struct segment *code, uint64_t rip);
/* CS in real-address and V86 mode. Raises #GP(0) if offset is beyond its limit. */
struct segment code_8086(struct cpu *cpu, uint16_t selector, uint64_t offset);
/* The code segment that a return goes to, at privilege RPL. */
struct segment return_code(struct cpu *cpu, uint16_t selector);
/* The outer stack that a return to `code` goes to. Its selector and pointer come from the inner stack. */
struct stack stack_returned_to(struct cpu *cpu, const struct segment *code, uint16_t selector, uint64_t pointer);
/* Commits a return to an outer (less privileged) level. */
void return_outer(struct cpu *cpu, const struct segment *code, uint64_t rip, const struct stack *stack);

#endif
