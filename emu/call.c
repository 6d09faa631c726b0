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

/* Whether what the TLBs hold in the one state holds in the other: translations and data breakpoints. */
static bool same_translations(const struct cpu *a, const struct cpu *b)
{
	return a->cr0 == b->cr0 && a->cr3 == b->cr3 && a->cr4 == b->cr4 && a->efer == b->efer &&
	       !memcmp(a->pdpte, b->pdpte, sizeof(a->pdpte)) && !memcmp(a->dr, b->dr, sizeof(a->dr));
}

void cpu_state_restore(struct cpu *cpu, const struct cpu_state *state)
{
	bool same = same_translations(cpu, &state->cpu);
	bool interrupt_line = cpu->interrupt_line, nmi_pending = cpu->nmi_pending; /* inputs, which are as the devices have them */
	uint64_t a20_mask = cpu->a20_mask;
	uint32_t eflags = cpu->eflags;

	x87_host_forget(cpu); /* the state restored may have fewer exception flags */
	copy_state(cpu, &state->cpu);
	cpu->interrupt_line = interrupt_line;
	cpu->nmi_pending = nmi_pending;
	cpu->a20_mask = a20_mask;
	cpu->eflags = eflags;
	cpu_set_eflags(cpu, state->cpu.eflags, ~(uint32_t)FLAGS_ARITHMETIC); /* follows up on AC */
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

static void copy_packed(struct cpu *cpu, const uint8_t *from)
{
	for (unsigned i = 0; i < RANGES; i++) {
		size_t size = state_ranges[i].to - state_ranges[i].from;

		memcpy((uint8_t *)cpu + state_ranges[i].from, from, size);
		from += size;
	}
}

void cpu_unpack(struct cpu *cpu, const uint8_t *from)
{
	bool interrupt_line = cpu->interrupt_line;
	uint64_t a20_mask = cpu->a20_mask;

	copy_packed(cpu, from);
	cpu->interrupt_line = interrupt_line;
	cpu->a20_mask = a20_mask;
	x87_host_forget(cpu);
	cpu_update_paging(cpu);
	cpu_update_mode(cpu);
}

/* A bool of the state. */
static bool is_flag(const bool *flag)
{
	return *(const unsigned char *)flag <= 1;
}

static bool tags_are_sound(const tag_t *tags, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (tags[i] & ~(TAG_STACK | TAG_PRODUCT))
			return false;
	}
	return true;
}

bool cpu_packed_is_sound(const uint8_t *from)
{
	struct cpu cpu;
	const bool *const flag[] = {
		&cpu.interrupt_line, &cpu.nmi_pending, &cpu.nmi_blocked,     &cpu.interrupt_shadow,        &cpu.debug_shadow,
		&cpu.step_inhibited, &cpu.halted,      &cpu.delivery.active, &cpu.delivery.has_error_code,
	};

	copy_packed(&cpu, from);
	for (size_t i = 0; i < sizeof(flag) / sizeof(flag[0]); i++) {
		if (!is_flag(flag[i]))
			return false;
	}
	return !cpu.zero && cpu.bias == CPU_BIAS && cpu.flags.kind <= FLAGS_RESULT && cpu.cpl <= 3 && cpu.fpu.top < 8 &&
	       cpu.delivery.source <= EVENT_INT1 && tags_are_sound(cpu.gpr_tag, sizeof(cpu.gpr_tag)) &&
	       tags_are_sound(cpu.xmm_tag, sizeof(cpu.xmm_tag)) && tags_are_sound(cpu.fpu_tag, sizeof(cpu.fpu_tag));
}

void cpu_state_destroy(struct cpu_state *state)
{
	free(state);
}

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
