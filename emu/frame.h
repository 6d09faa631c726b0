/*
 * Stacks as far transfers, interrupts and returns use them: pushes and pops through a staged stack pointer.
 *
 * A struct stack is a copy: nothing architectural changes until the caller has done everything that may fault and commits. Words
 * pushed by an attempt that then faults stay in memory below the stack pointer, as they may on hardware.
 */
#ifndef XRAY86_EMU_FRAME_H
#define XRAY86_EMU_FRAME_H

#include "emu/segment.h"

struct stack {
	struct segment segment; /* SS */
	uint64_t pointer;       /* the whole rSP */
	uint64_t mask;          /* which part of it moves: 16, 32 or 64 bits. 64: no segmentation */
	unsigned cpl;           /* the privilege its accesses have */
	bool of_instruction;    /* accessed as PUSH and POP do, by banks that clients may have taken over; else by the CPU's own */
	uint32_t error_code;    /* of the #SS that an access outside raises */
};

/* The stack in use, for events; and for instructions that push and pop. */
struct stack stack_current(const struct cpu *cpu, uint32_t error_code);
struct stack stack_of_instruction(const struct cpu *cpu);
/* One in another segment: flat64 for 64-bit mode, else its B flag decides. */
struct stack stack_of(const struct segment *segment, uint64_t pointer, bool flat64, unsigned cpl, uint32_t error_code);

void frame_push(struct cpu *cpu, struct stack *stack, uint64_t value, unsigned size);
uint64_t frame_pop(struct cpu *cpu, struct stack *stack, unsigned size);
/* The size bytes that lie `above` bytes up from the stack pointer. */
uint64_t frame_peek(struct cpu *cpu, const struct stack *stack, uint64_t above, unsigned size);
/* Takes `size` bytes off, unread. */
void frame_release(struct stack *stack, uint64_t size);
/* Makes the pointer rSP's new value: its moving part only. */
void frame_commit(struct cpu *cpu, const struct stack *stack);

/*
 * The stack that the current TSS names for privilege cpl; and in IA-32e mode, for interrupt stack table entry ist (0: that of cpl).
 * Bad ones raise #TS and the like, with ext.
 */
struct stack stack_from_tss(struct cpu *cpu, unsigned cpl, unsigned ext);
struct stack stack_from_tss64(struct cpu *cpu, unsigned cpl, unsigned ist, unsigned ext);

#endif
