/*
 * The run loop: finds blocks, enters them, delivers exceptions and interrupts, and keeps the instruction count.
 *
 * Guest faults come back here by longjmp with cpu->current telling the instruction; unwind_instruction() makes rip and the count exact.
 * Events fall on an exact instruction count whatever blocks there are: a block that would overrun the deadline is not entered, the rest is
 * executed one throw-away instruction at a time. Throw-away execution is also how everything runs that a block cannot: instructions that
 * write to their own code or touch devices (they unwind with UNWIND_SINGLE and run again alone), single-stepped ones, code outside RAM.
 * While a throw-away instruction runs the budget is 0, so that nothing chains on from it.
 */
#include "emu/engine.h"

#include <stdlib.h>
#include <string.h>

#include "emu/access.h"
#include "emu/block.h"
#include "emu/breakpoint.h"
#include "emu/chain.h"
#include "emu/client.h"
#include "emu/mark.h"
#include "emu/paging.h"
#include "emu/segment.h"
#include "emu/sse.h"
#include "emu/x87.h"

/* -- the count -- */

uint64_t cpu_instructions(const struct cpu *cpu)
{
	return cpu->deadline - (uint64_t)cpu->budget - (cpu->current ? cpu->current->left : 0);
}

/* Outside blocks only. A deadline that the budget cannot express is as good as none. */
static void set_deadline(struct cpu *cpu, uint64_t deadline)
{
	uint64_t now = cpu->deadline - (uint64_t)cpu->budget;

	if (deadline > now && deadline - now > INT64_MAX)
		deadline = now + INT64_MAX;
	cpu->deadline = deadline;
	cpu->budget = (int64_t)(deadline - now);
}

void cpu_skip_time(struct cpu *cpu, uint64_t instructions)
{
	cpu->deadline += instructions;
}

/* -- going on -- */

void cpu_forget_jumps(struct cpu *cpu)
{
	cpu->jump_tag += 1 << 16;
}

void check_branch_target(struct cpu *cpu, const struct insn *insn, uint64_t rip)
{
	bool allowed = true;

	if (cpu_code64(cpu))
		allowed = linear_canonical(cpu, rip);
	else if (cpu->mode & MODE_CS_LIMITED)
		allowed = rip <= cpu->seg[SEG_CS].limit;
	if (allowed)
		return;
	cpu->current = insn;
	cpu_raise_code(cpu, VECTOR_GP, 0);
}

/*
 * Links stay within the page, linear and physical, of the last byte that is sure to be mapped where the block is: there the physical
 * address follows from the linear one whatever the mapping. A target cut to 16 bits does not follow from the place of the code.
 */
static bool may_link(const struct cpu *cpu, const struct insn *insn, uint64_t to, const struct block *block)
{
	uint64_t last = cpu->rip + insn->offset + insn->length - 1;

	return !(cpu->mode & MODE_CS_LIMITED) && !((last ^ to) & PAGE_MASK) && insn_operand_size(insn) != 2 &&
	       block->second_page == UINT64_MAX && block_links_of(insn)->page == (block->paddr & PAGE_MASK);
}

const struct insn *chain_slow(struct cpu *cpu, const struct insn *insn, unsigned slot, uint64_t rip)
{
	const struct block *block;

	if (jump_cache_find(cpu, rip, &block)) {
		if (may_link(cpu, insn, rip, block)) {
			block_links_of(insn)->to[slot] = (struct block *)block;
			block_links_of(insn)->generation[slot] = cpu->link_generation;
		}
		return jump_to_block(cpu, rip, block);
	}
	if (slot == 0) /* a branch not taken has nothing to fault with: fetching what follows has */
		check_branch_target(cpu, insn, rip);
	cpu->rip = rip;
	return NULL;
}

static void remember(struct cpu *cpu, struct block *block)
{
	struct jump_cache_entry *entry = jump_cache_slot(cpu, cpu->rip);

	if (cpu->mode & MODE_CS_LIMITED)
		return; /* its limit is to be checked at every entry */
	entry->rip = cpu->rip;
	entry->tag = cpu->jump_tag;
	entry->block = block;
}

/* -- handlers that only raise -- */

const struct insn *raise_ud(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	cpu_raise(cpu, VECTOR_UD);
}

const struct insn *raise_gp(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	cpu_raise_code(cpu, VECTOR_GP, 0);
}

const struct insn *raise_nm(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	cpu_raise(cpu, VECTOR_NM);
}

/* SSE: CR0.EM or no CR4.OSFXSR is #UD, else it was CR0.TS (SDM vol. 3A 13.1). */
const struct insn *raise_sse_off(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	cpu_raise(cpu, (cpu->cr0 & CR0_EM) || !(cpu->cr4 & CR4_OSFXSR) ? VECTOR_UD : VECTOR_NM);
}

/* MMX: CR0.EM is #UD, TS #NM (SDM vol. 3A 12.1). */
const struct insn *raise_mmx_off(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	cpu_raise(cpu, cpu->cr0 & CR0_EM ? VECTOR_UD : VECTOR_NM);
}

/* -- the loop -- */

/* Back to the state before the instruction that unwound. */
static void unwind_instruction(struct cpu *cpu)
{
	const struct insn *insn = cpu->current;

	if (!insn)
		return;
	cpu->rip = (cpu->rip + insn->offset) & cpu->ea_mask;
	cpu->budget += insn->left;
	cpu->current = NULL;
}

static void execute(struct cpu *cpu, const struct block *block)
{
	const struct insn *insn = block->insn;

	cpu->trace_rip[cpu->trace_next++ & 15] = cpu->rip;
	cpu->budget -= block->count;
	do
		insn = insn->execute(cpu, insn);
	while (insn); /* optimised handlers call each other and return NULL */
	cpu->current = NULL;
}

/* One instruction, alone. Traps that it causes are left in pending_debug. */
static void execute_single(struct cpu *cpu, uint64_t until)
{
	const struct block *block = block_single(cpu);
	bool stepping = cpu->eflags & FLAG_TF;

	set_deadline(cpu, cpu_instructions(cpu) + 1);
	cpu->single = true;
	if (stepping || cpu_debug_armed(cpu))
		cpu->rep_limit = 1;
	cpu->found.interrupt_shadow = cpu->interrupt_shadow;
	cpu->found.debug_shadow = cpu->debug_shadow;
	cpu->found.rf = cpu->eflags & FLAG_RF;
	cpu->interrupt_shadow = cpu->debug_shadow = cpu->step_inhibited = false;
	cpu->eflags &= ~FLAG_RF; /* IRET may set it anew */
	execute(cpu, block);
	cpu->single = false;
	cpu->rep_limit = cpu->rep_limit_normal;
	set_deadline(cpu, until);
	/* MOV SS is not stepped over: the next instruction is the first that traps, and an INTn there does not. */
	if (stepping && !cpu->step_inhibited && !cpu->debug_shadow)
		cpu->pending_debug |= DR6_BS;
}

/* A throw-away instruction has not happened after all. */
static void undo_single(struct cpu *cpu)
{
	cpu->interrupt_shadow = cpu->found.interrupt_shadow;
	cpu->debug_shadow = cpu->found.debug_shadow;
	cpu->eflags |= cpu->found.rf ? FLAG_RF : 0;
}

/* After an unwinding, what execute_single() would have put back. */
static void leave_single(struct cpu *cpu, uint64_t until)
{
	cpu->single = false;
	cpu->rep_limit = cpu->rep_limit_normal;
	set_deadline(cpu, until);
}

/*
 * It counts as an instruction, so that even a guest that only faults comes to its deadline. Out of line: GCC, having inlined it into run(),
 * takes its variables for ones that a longjmp may spoil.
 */
static __attribute__((noinline)) void take_event(struct cpu *cpu, struct delivery event)
{
	cpu->halted = false;
	cpu->budget--;
	cpu_deliver_event(cpu, event);
}

/*
 * Events between instructions, in the order of SDM vol. 3A table 6-2: traps of the last instruction, NMI, INTR; before all of them the one
 * whose delivery a client has stopped. True if one was delivered.
 */
static bool take_events(struct cpu *cpu)
{
	if (cpu->delivery.active) {
		take_event(cpu, cpu->delivery);
		return true;
	}
	if (cpu->pending_debug && !cpu->debug_shadow) {
		uint64_t causes = cpu->pending_debug;

		cpu->pending_debug = 0;
		cpu_raise_debug(cpu, causes);
	}
	if (cpu->interrupt_shadow || (cpu->client && cpu->client->hold_interrupts))
		return false;
	if (cpu->nmi_pending && !cpu->nmi_blocked) {
		cpu->nmi_pending = false;
		cpu->nmi_blocked = true;
		take_event(cpu, (struct delivery){.source = EVENT_EXTERNAL, .vector = VECTOR_NMI});
		return true;
	}
	if (cpu->interrupt_line && (cpu->eflags & FLAG_IF) && cpu->bus.interrupt_acknowledge) {
		uint8_t vector = cpu->bus.interrupt_acknowledge(cpu->bus.opaque);

		take_event(cpu, (struct delivery){.source = EVENT_EXTERNAL, .vector = vector});
		return true;
	}
	return false;
}

/* Whether anything but plain execution may be called for. */
static bool events_possible(const struct cpu *cpu)
{
	return cpu->pending_debug || (cpu->nmi_pending | cpu->interrupt_line | cpu->halted | cpu->delivery.active);
}

/* Whether the next instruction must run alone. */
static bool must_step(const struct cpu *cpu)
{
	return cpu->interrupt_shadow || (cpu->eflags & FLAG_TF) || cpu_debug_armed(cpu);
}

static void step(struct cpu *cpu, uint64_t until)
{
	if (cpu_debug_armed(cpu)) {
		uint64_t hit = cpu_debug_fetch_breakpoint(cpu, (cpu->seg[SEG_CS].base + cpu->rip) & cpu->ea_mask);

		if (hit)
			cpu_raise_debug(cpu, hit);
	}
	if (!cpu->mark_count || !mark_fire(cpu))
		execute_single(cpu, until);
}

static void run_block(struct cpu *cpu, uint64_t until)
{
	struct block *block = block_find(cpu);

	if (!block || block->count > cpu->budget) {
		step(cpu, until);
		return;
	}
	cpu->eflags &= ~FLAG_RF; /* no breakpoints: nothing can tell that it was the next instruction's, and faults push it set */
	remember(cpu, block);
	execute(cpu, block);
}

/* Delivers what cpu->exception holds; counted as in take_event(). */
static bool deliver(struct cpu *cpu)
{
	cpu->budget--;
	cpu->interrupt_shadow = cpu->debug_shadow = false;
	cpu->pending_debug = 0; /* data breakpoints that an instruction met which then did not complete */
	if (client_takes_exception(cpu))
		return true;
	return cpu_deliver_exception(cpu);
}

static enum cpu_exit take_exit(struct cpu *cpu)
{
	enum cpu_exit exit = cpu->exit;

	cpu->exit = CPU_EXIT_NONE;
	return exit;
}

static enum cpu_exit run(struct cpu *cpu, uint64_t until, jmp_buf here)
{
	switch (setjmp(here)) {
	case UNWIND_EXCEPTION:
		unwind_instruction(cpu);
		leave_single(cpu, until);
		if (!deliver(cpu))
			return CPU_EXIT_SHUTDOWN;
		break;
	case UNWIND_SINGLE:
		unwind_instruction(cpu);
		leave_single(cpu, until);
		execute_single(cpu, until);
		break;
	case UNWIND_EXIT:
		unwind_instruction(cpu);
		if (cpu->single)
			undo_single(cpu);
		if (cpu->delivery.active)
			cpu->budget++; /* it will count when it happens */
		leave_single(cpu, until);
		break;
	default:
		break;
	}
	for (;;) {
		if (cpu->exit)
			return take_exit(cpu);
		if (cpu->rip == cpu->call_return && cpu->gpr[RSP] == cpu->call_stack)
			return CPU_EXIT_MARK;
		if (cpu->budget <= 0)
			return CPU_EXIT_DEADLINE;
		if (events_possible(cpu)) {
			if (take_events(cpu))
				continue;
			if (cpu->halted)
				return CPU_EXIT_HALT;
		}
		if (must_step(cpu))
			step(cpu, until);
		else
			run_block(cpu, until);
	}
}

/* Guest arithmetic on the host's x87 and SSE units: from enter to leave the host's control words are the guest's. */
static void enter_host(struct cpu *cpu)
{
	x87_host_enter(cpu);
	sse_host_enter(cpu);
}

static void leave_host(struct cpu *cpu)
{
	sse_host_leave(cpu);
	x87_host_leave(cpu);
}

uint64_t cpu_begin_callback(struct cpu *cpu)
{
	cpu->current = NULL;
	leave_host(cpu);
	return cpu->deadline;
}

void cpu_end_callback(struct cpu *cpu, uint64_t deadline)
{
	enter_host(cpu);
	cpu->budget += (int64_t)(deadline - cpu->deadline);
	cpu->deadline = deadline;
}

enum cpu_exit cpu_run(struct cpu *cpu, uint64_t until)
{
	jmp_buf here, *outer = cpu->unwind; /* a mark's callback may run the CPU too */
	enum cpu_exit exit;

	cpu->unwind = &here;
	set_deadline(cpu, until);
	mark_resume(cpu);
	enter_host(cpu);
	exit = run(cpu, until, here);
	leave_host(cpu);
	cpu->unwind = outer;
	return exit;
}

void cpu_request_exit(struct cpu *cpu, enum cpu_exit why)
{
	cpu->exit = why;
}
