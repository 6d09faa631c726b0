/*
 * Calling guest functions from outside, with the whole CPU state saved and restored around the call.
 *
 * The function's return is recognised by the run loop when rip and rSP are those of the call: the return address needs no memory, it is
 * never executed. Calls nest: a mark's callback may call while the CPU runs.
 */
#include "emu/access.h"
#include "emu/engine.h"

/* Stores the return address. Else why its place cannot be written. */
static enum cpu_exit push_return_address(struct cpu *cpu, uint64_t place, uint64_t value, unsigned size)
{
	jmp_buf here, *outer = cpu->unwind;
	volatile enum cpu_exit exit = CPU_EXIT_SHUTDOWN;

	cpu->unwind = &here;
	if (!setjmp(here)) {
		cpu->current = NULL;
		stack_write(cpu, place, value, size);
		exit = CPU_EXIT_NONE;
	} else if (cpu->exit) {
		exit = cpu->exit;
		cpu->exit = CPU_EXIT_NONE;
	}
	cpu->unwind = outer;
	return exit;
}

/* The instruction count at which the call has had its `limit`. */
static uint64_t deadline_after(const struct cpu *cpu, uint64_t limit)
{
	uint64_t now = cpu_instructions(cpu);

	return limit < UINT64_MAX - now ? now + limit : UINT64_MAX;
}

/* What is about to happen to the interrupted program does not happen to the function. */
static void leave_events_behind(struct cpu *cpu)
{
	cpu->halted = cpu->interrupt_shadow = cpu->debug_shadow = false;
	cpu->pending_debug = 0;
	cpu->delivery.active = false;
}

static enum cpu_exit run_function(struct cpu *cpu, uint64_t limit)
{
	uint64_t deadline = deadline_after(cpu, limit);
	bool requested = false;
	enum cpu_exit exit;

	while ((exit = cpu_run(cpu, deadline)) == CPU_EXIT_REQUEST)
		requested = true;
	if (requested)
		cpu_request_exit(cpu, CPU_EXIT_REQUEST); /* whoever asked is heard when the call is over */
	return exit;
}

enum cpu_exit cpu_call(struct cpu *cpu, uint64_t function, uint64_t stack_top, uint64_t return_address, uint64_t limit, uint64_t *ret_value)
{
	unsigned size = 1u << (cpu->mode >> MODE_CODE_SHIFT & 3);
	uint64_t outer_return = cpu->call_return, outer_stack = cpu->call_stack, mark_skip = cpu->mark_skip;
	struct cpu_state *state = cpu_state_save(cpu);
	enum cpu_exit exit;

	if (!state)
		return CPU_EXIT_SHUTDOWN;
	leave_events_behind(cpu);
	exit = push_return_address(cpu, stack_top - size, return_address, size);
	if (!exit) {
		cpu->gpr[RSP] = stack_top - size;
		cpu->rip = function;
		cpu->call_return = return_address;
		cpu->call_stack = stack_top;
		exit = run_function(cpu, limit);
		*ret_value = cpu->gpr[RAX];
	}
	cpu->call_return = outer_return;
	cpu->call_stack = outer_stack;
	cpu->mark_skip = mark_skip;
	cpu_state_restore(cpu, state);
	cpu_state_destroy(state);
	return exit;
}
