/*
 * The run loop's interface to handlers and clients: marked addresses, and calls of guest functions from outside.
 */
#ifndef XRAY86_EMU_ENGINE_H
#define XRAY86_EMU_ENGINE_H

#include "emu/cpu.h"

/* What a mark's callback wants. */
enum mark_action {
	MARK_CONTINUE, /* execute the instruction */
	MARK_LOOK,     /* the CPU's state was changed: go on at cpu->rip, whatever is there */
	MARK_EXIT,     /* leave cpu_run() with CPU_EXIT_MARK; resumed, it goes on with the instruction */
};

typedef enum mark_action mark_fn(void *opaque, struct cpu *cpu);

/*
 * Calls fn before the instruction at this linear address executes, in any mode; nothing else becomes slower. One mark per address: error if
 * there is one already. cpu->rip is exact in the callback.
 */
struct error *cpu_mark(struct cpu *cpu, uint64_t linear, mark_fn *fn, void *opaque);
bool cpu_is_marked(const struct cpu *cpu, uint64_t linear);
void cpu_unmark(struct cpu *cpu, uint64_t linear);

/*
 * The architectural state: everything but memory, time, inputs (INTR, NMI, A20) and the engine's caches. What lives in devices, the local
 * APIC's registers and TPR among them, is not in it.
 */
struct cpu_state;
struct cpu_state *cpu_state_save(const struct cpu *cpu); /* NULL: out of memory */
void cpu_state_restore(struct cpu *cpu, const struct cpu_state *state);
void cpu_state_destroy(struct cpu_state *state);

/* The same as bytes, without pointers, for another CPU of the same build; and back. INTR and the A20 line stay as they are. */
size_t cpu_packed_size(void);
void cpu_pack(const struct cpu *cpu, uint8_t *to);
void cpu_unpack(struct cpu *cpu, const uint8_t *from);
/* Whether bytes that may come from a file are a state that a CPU can be in, as far as the engine relies on it: indexes, constants, bools.
 */
bool cpu_packed_is_sound(const uint8_t *from);

/*
 * Runs the guest function at `function` with the CPU as it stands but for rip, a stack that begins at `stack_top` and a return address of
 * `return_address` (a linear address where nothing else executes), until it returns there with the stack as it was; at most `limit`
 * instructions. The caller has placed the arguments in registers. Then *ret_value gets rAX, and the whole CPU is as before the call.
 * CPU_EXIT_MARK: it returned. Anything else is why it did not; the CPU is as before all the same.
 *
 * The stack is flat and is written by way of the bank that pushes use: rSP's tag says which. Interrupts are taken as EFLAGS.IF says, faults
 * go to the guest's handlers; what was pending for the interrupted program (traps, a delivery that a client stopped) waits. A request to
 * leave that comes meanwhile is kept for the next run. Calls nest, from the callbacks of marks; not from those of TLB clients, which
 * stop the CPU for it.
 */
enum cpu_exit cpu_call(struct cpu *cpu, uint64_t function, uint64_t stack_top, uint64_t return_address, uint64_t limit,
		       uint64_t *ret_value);

/*
 * Guest arithmetic on the host's x87 and SSE units: from enter to leave the host's control words are the guest's. cpu_run() and the calls
 * of marks' callbacks do this.
 */
void cpu_enter_host(struct cpu *cpu);
void cpu_leave_host(struct cpu *cpu);

/*
 * Around callbacks from the run loop that may look at everything and run the CPU themselves: between instructions only. What begin
 * returns is for end.
 */
uint64_t cpu_begin_callback(struct cpu *cpu);
void cpu_end_callback(struct cpu *cpu, uint64_t deadline);

#endif
