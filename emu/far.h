/*
 * What RET and IRET have in common: the steps of a return (SDM vol. 2, RET and IRET, "RETURN-TO-OUTER-PRIVILEGE-LEVEL").
 */
#ifndef XRAY86_EMU_FAR_H
#define XRAY86_EMU_FAR_H

#include "emu/frame.h"

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
