/*
 * Hardware task switching (SDM vol. 3A chapter 7).
 */
#ifndef XRAY86_EMU_TASK_H
#define XRAY86_EMU_TASK_H

#include "emu/segment.h"

enum task_reason { TASK_JUMP, TASK_CALL, TASK_INTERRUPT, TASK_RETURN };

/* The old task's EIP and EFLAGS as they are to be saved. */
struct task_resume {
	uint64_t rip;
	uint32_t eflags;
};

/*
 * Switches to the task of tss, a TSS descriptor. Checks its type, presence and size.
 * Faults before step 12 of the SDM are the old task's, and leave it unchanged. Faults from there on are the new task's: cpu->rip is its
 * EIP, and cpu->current is NULL.
 */
void task_switch(struct cpu *cpu, const struct descriptor *tss, enum task_reason reason, struct task_resume resume, unsigned ext);

/* Switches to the task that a task gate names. The caller has checked the gate. */
void task_switch_gate(struct cpu *cpu, const struct descriptor *gate, enum task_reason reason, struct task_resume resume, unsigned ext);

/* IRET with NT set: goes back along the current TSS's link. */
void task_return(struct cpu *cpu, struct task_resume resume);

/* Pushes the error code of an exception that switched tasks on the new task's stack. */
void task_push_error_code(struct cpu *cpu, uint32_t error_code, unsigned ext);

#endif
