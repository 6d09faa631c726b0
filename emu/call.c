/*
 * Calling guest functions from outside, with the whole CPU state saved and restored around the call.
 *
 * The function's return is recognised by the run loop when rip and rSP are those of the call: the return address needs no memory, it is
 * never executed. Calls nest: a mark's callback may call while the CPU runs.
 */
#include <stdlib.h>
#include <string.h>

#include "emu/access.h"
#include "emu/engine.h"
#include "emu/x87.h"

/* The architectural state within struct cpu, as ranges [from, to). */
static const struct range {
	size_t from, to;
} state_ranges[] = {
	{offsetof(struct cpu, gpr), offsetof(struct cpu, budget)},
	{offsetof(struct cpu, eflags), offsetof(struct cpu, eflags) + sizeof(uint32_t)},
	{offsetof(struct cpu, cpl), offsetof(struct cpu, mxcsr) + sizeof(uint32_t)},
	{offsetof(struct cpu, gpr_tag), offsetof(struct cpu, cr0)},
	{offsetof(struct cpu, cr0), offsetof(struct cpu, deadline)},
};

enum { RANGES = sizeof(state_ranges) / sizeof(state_ranges[0]) };

struct cpu_state {
	struct cpu cpu; /* its state_ranges only */
};

static void copy_state(struct cpu *to, const struct cpu *from)
{
	unsigned i;

	for (i = 0; i < RANGES; i++) {
		const struct range *range = &state_ranges[i];

		memcpy((uint8_t *)to + range->from, (const uint8_t *)from + range->from, range->to - range->from);
	}
}

struct cpu_state *cpu_state_save(const struct cpu *cpu)
{
	struct cpu_state *state = malloc(sizeof(*state));

	if (state)
		copy_state(&state->cpu, cpu);
	return state;
}

/* Whether what the TLBs hold in the one state holds in the other: translations, data breakpoints, and SMAP for a client's banks. */
static bool same_translations(const struct cpu *a, const struct cpu *b)
{
	return a->cr0 == b->cr0 && a->cr3 == b->cr3 && a->cr4 == b->cr4 && a->efer == b->efer &&
	       !memcmp(a->pdpte, b->pdpte, sizeof(a->pdpte)) && !memcmp(a->dr, b->dr, sizeof(a->dr)) &&
	       !((a->eflags ^ b->eflags) & FLAG_AC);
}

void cpu_state_restore(struct cpu *cpu, const struct cpu_state *state)
{
	bool same = same_translations(cpu, &state->cpu);
	bool interrupt_line = cpu->interrupt_line; /* these two are inputs, which are as the devices have them */
	uint64_t a20_mask = cpu->a20_mask;

	x87_host_forget(cpu); /* the state restored may have fewer exception flags */
	copy_state(cpu, &state->cpu);
	cpu->interrupt_line = interrupt_line;
	cpu->a20_mask = a20_mask;
	if (!same)
		cpu_update_paging(cpu); /* flushes */
	cpu_update_mode(cpu);
}

size_t cpu_packed_size(void)
{
	size_t size = 0;

	for (unsigned i = 0; i < RANGES; i++)
		size += state_ranges[i].to - state_ranges[i].from;
	return size;
}

void cpu_pack(const struct cpu *cpu, uint8_t *to)
{
	for (unsigned i = 0; i < RANGES; i++) {
		size_t size = state_ranges[i].to - state_ranges[i].from;

		memcpy(to, (const uint8_t *)cpu + state_ranges[i].from, size);
		to += size;
	}
}

void cpu_unpack(struct cpu *cpu, const uint8_t *from)
{
	bool interrupt_line = cpu->interrupt_line;
	uint64_t a20_mask = cpu->a20_mask;

	for (unsigned i = 0; i < RANGES; i++) {
		size_t size = state_ranges[i].to - state_ranges[i].from;

		memcpy((uint8_t *)cpu + state_ranges[i].from, from, size);
		from += size;
	}
	cpu->interrupt_line = interrupt_line;
	cpu->a20_mask = a20_mask;
	x87_host_forget(cpu);
	cpu_update_paging(cpu);
	cpu_update_mode(cpu);
}

void cpu_state_destroy(struct cpu_state *state)
{
	free(state);
}

/* Stores the return address; false if its place cannot be written. */
static bool push_return_address(struct cpu *cpu, uint64_t place, uint64_t value, unsigned size)
{
	jmp_buf here, *outer = cpu->unwind;
	volatile bool done = false;

	cpu->unwind = &here;
	if (!setjmp(here)) {
		cpu->current = NULL;
		privileged_write(cpu, place, value, size, cpu->cpl);
		done = true;
	}
	cpu->unwind = outer;
	return done;
}

static unsigned word_size(const struct cpu *cpu)
{
	return cpu_code64(cpu) ? 8 : 4;
}

enum cpu_exit cpu_call_pushed(struct cpu *cpu, uint64_t function, uint64_t stack_top, uint64_t return_address, uint64_t limit,
			      uint64_t *ret_value)
{
	uint64_t outer_return = cpu->call_return, outer_stack = cpu->call_stack, mark_skip = cpu->mark_skip;
	struct cpu_state *state = cpu_state_save(cpu);
	enum cpu_exit exit;

	if (!state)
		return CPU_EXIT_SHUTDOWN;
	cpu->gpr[RSP] = stack_top - word_size(cpu);
	cpu->rip = function;
	cpu->halted = false;
	cpu->call_return = return_address;
	cpu->call_stack = stack_top;
	exit = cpu_run(cpu, cpu_instructions(cpu) + limit);
	*ret_value = cpu->gpr[RAX];
	cpu->call_return = outer_return;
	cpu->call_stack = outer_stack;
	cpu->mark_skip = mark_skip;
	cpu_state_restore(cpu, state);
	cpu_state_destroy(state);
	return exit;
}

enum cpu_exit cpu_call(struct cpu *cpu, uint64_t function, uint64_t stack_top, uint64_t return_address, uint64_t limit, uint64_t *ret_value)
{
	unsigned size = word_size(cpu);

	if (!push_return_address(cpu, stack_top - size, return_address, size))
		return CPU_EXIT_SHUTDOWN;
	return cpu_call_pushed(cpu, function, stack_top, return_address, limit, ret_value);
}
