/*
 * Stacks as far transfers, interrupts and returns use them: pushes and pops with a stack pointer of their own.
 *
 * A struct stack is a copy. The caller does everything that may fault, and then commits the pointer; nothing architectural changes before.
 * Words that an attempt pushed before it faulted stay in memory below the stack pointer, as they may on hardware.
 */
#ifndef XRAY86_EMU_FRAME_H
#define XRAY86_EMU_FRAME_H

#include "emu/segment.h"

struct stack {
	struct segment segment; /* SS */
	uint64_t pointer;       /* the whole rSP */
	uint64_t mask;          /* the part of it that moves: 16, 32 or 64 bits. 64: no segmentation */
	unsigned cpl;           /* the privilege of its accesses */
	bool of_instruction;    /* true: accessed as by PUSH and POP, through a client's bank if there is one; false: the CPU's own */
	uint32_t error_code;    /* of the #SS that an access beyond its limit raises */
};

/* The stack in use: for events, and for instructions that push and pop. */
struct stack stack_current(const struct cpu *cpu, uint32_t error_code);
struct stack stack_of_instruction(const struct cpu *cpu);
/* A stack in another segment. flat64: as in 64-bit mode; otherwise its B flag decides about its width. */
struct stack stack_of(const struct segment *segment, uint64_t pointer, bool flat64, unsigned cpl, uint32_t error_code);

void frame_push(struct cpu *cpu, struct stack *stack, uint64_t value, unsigned size);
uint64_t frame_pop(struct cpu *cpu, struct stack *stack, unsigned size);
/* Reads size bytes at `above` bytes above the stack pointer. */
uint64_t frame_peek(struct cpu *cpu, const struct stack *stack, uint64_t above, unsigned size);
/* Drops `size` bytes without reading them. */
void frame_release(struct stack *stack, uint64_t size);
/* Sets rSP to the pointer, as far as the mask goes. */
void frame_commit(struct cpu *cpu, const struct stack *stack);

/*
 * The stack that the current TSS names for privilege cpl. In IA-32e mode (stack_from_tss64()) ist chooses an entry of the interrupt stack
 * table; 0 means the stack for cpl. A bad stack raises #TS and the like, with ext.
 */
struct stack stack_from_tss(struct cpu *cpu, unsigned cpl, unsigned ext);
struct stack stack_from_tss64(struct cpu *cpu, unsigned cpl, unsigned ist, unsigned ext);

#endif
