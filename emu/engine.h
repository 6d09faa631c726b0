/*
 * The run loop's interface for handlers and clients: marked addresses, and calls of guest functions from outside.
 */
#ifndef XRAY86_EMU_ENGINE_H
#define XRAY86_EMU_ENGINE_H

#include "emu/cpu.h"

/* What a mark's callback wants. */
enum mark_action {
	MARK_CONTINUE, /* execute the instruction */
	MARK_LOOK,     /* go on at cpu->rip, whatever is there: the callback has changed the CPU's state */
	MARK_EXIT,     /* leave cpu_run() with CPU_EXIT_MARK; the next run goes on with the instruction */
};

typedef enum mark_action mark_fn(void *opaque, struct cpu *cpu);

/*
 * Calls fn before the instruction at this linear address executes, in any mode. Nothing else becomes slower. An address can have one mark;
 * a second one is an error. cpu->rip is exact in the callback.
 */
struct error *cpu_mark(struct cpu *cpu, uint64_t linear, mark_fn *fn, void *opaque);
/* The same in one kind of code alone, where two kernels have addresses in common. Then an address can have a mark in each. */
enum mark_code {
	MARK_OWN_CODE = 1,    /* that the CPU finds by its page tables, or its client for it */
	MARK_CLIENT_CODE = 2, /* that is found by the client's bank: cpu_use_code_bank() */
	MARK_ANY_CODE = MARK_OWN_CODE | MARK_CLIENT_CODE,
};
struct error *cpu_mark_code(struct cpu *cpu, enum mark_code code, uint64_t linear, mark_fn *fn, void *opaque);
/* Whether it has a mark in any of these kinds of code. */
bool cpu_is_marked(const struct cpu *cpu, enum mark_code code, uint64_t linear);
/* Takes all marks of the address away. */
void cpu_unmark(struct cpu *cpu, uint64_t linear);

/*
 * The architectural state: everything but memory, time, inputs (INTR, NMI, A20) and the engine's caches. It leaves out what devices hold,
 * such as the local APIC's registers and TPR.
 */
struct cpu_state;
struct cpu_state *cpu_state_save(const struct cpu *cpu); /* NULL: out of memory */
void cpu_state_restore(struct cpu *cpu, const struct cpu_state *state);
void cpu_state_destroy(struct cpu_state *state);

/* The same as bytes without pointers, for another CPU of the same build; and back. INTR and the A20 line stay as they are. */
size_t cpu_packed_size(void);
void cpu_pack(const struct cpu *cpu, uint8_t *to);
void cpu_unpack(struct cpu *cpu, const uint8_t *from);
/*
 * Whether bytes that may come from a file are a state that a CPU can be in. Checks what the engine relies on: indexes, constants, bools.
 */
bool cpu_packed_is_sound(const uint8_t *from);

/*
 * Runs the guest function at `function` until it returns, for at most `limit` instructions. The caller has placed the arguments in
 * registers. The stack begins at `stack_top`. The return address is `return_address`, a linear address where nothing else executes; the
 * function has returned when it comes there with the stack as it was.
 *
 * Returns CPU_EXIT_MARK if the function returned; *ret_value is rAX then. Any other value is the reason why it did not. In both cases the
 * whole CPU is as before the call.
 *
 * The stack is flat. Pushes choose its bank as usual: rSP's tag says which. Interrupts are taken as EFLAGS.IF says, and faults go to the
 * guest's handlers. What was pending for the interrupted program (traps, a delivery that a client stopped) waits. A request to leave that
 * comes meanwhile is kept for the next run. Callbacks of marks may call, so calls nest. Callbacks of TLB clients may not: they stop the CPU
 * first.
 */
enum cpu_exit cpu_call(struct cpu *cpu, uint64_t function, uint64_t stack_top, uint64_t return_address, uint64_t limit,
		       uint64_t *ret_value);

/*
 * To be called around callbacks from the run loop, between instructions only. Between the two calls a callback may look at everything and
 * run the CPU itself. cpu_end_callback() takes what cpu_begin_callback() returned.
 */
uint64_t cpu_begin_callback(struct cpu *cpu);
void cpu_end_callback(struct cpu *cpu, uint64_t deadline);

#endif
