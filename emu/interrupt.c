/*
 * Delivering interrupts and exceptions (SDM vol. 3A chapter 6; vol. 2A, INT n).
 *
 * One struct event runs through every way: the real-mode vector table, protected-mode gates of both sizes, task gates, IA-32e gates, and
 * the 8086 way of VME. Each does all that may fault on staged stacks and segments and commits at its end; so a fault on the way
 * leaves the machine as it was before the event, and cpu->rip is touched only by the commit.
 */
#include "emu/interrupt.h"

#include "emu/breakpoint.h"
#include "emu/frame.h"
#include "emu/task.h"

struct event {
	uint8_t vector;
	bool has_error_code;
	bool check_dpl; /* INT n, INT3, INTO */
	unsigned ext;   /* EXT bit of the error codes of faults met on the way */
	uint32_t error_code;
	uint64_t return_rip;
	uint32_t eflags; /* image to push */
};

/* Error code that names an IDT entry. */
static uint32_t idt_error(const struct event *event)
{
	return event->vector << 3 | 2 | event->ext;
}

/* What every delivery ends with; cpu->seg[SEG_CS], SS, cpl and rSP are set. */
static void enter_handler(struct cpu *cpu, uint64_t rip, uint32_t clear_flags)
{
	cpu->rip = rip;
	cpu_set_eflags(cpu, 0, clear_flags);
	cpu_update_mode(cpu);
}

/* -- 8086 style: real-address mode, and redirected INT n of V86 tasks -- */

static void deliver_real(struct cpu *cpu, const struct event *event)
{
	struct stack stack = stack_current(cpu, event->ext);
	uint32_t pointer;

	if (event->vector * 4u + 3 > cpu->idtr.limit)
		cpu_raise_code(cpu, VECTOR_GP, idt_error(event));
	pointer = system_read(cpu, (uint32_t)(cpu->idtr.base + event->vector * 4u), 4);
	frame_push(cpu, &stack, event->eflags, 2);
	frame_push(cpu, &stack, cpu->seg[SEG_CS].selector, 2);
	frame_push(cpu, &stack, event->return_rip, 2);
	frame_commit(cpu, &stack);
	cpu->seg[SEG_CS] = segment_real(cpu, SEG_CS, pointer >> 16);
	enter_handler(cpu, pointer & 0xffff, FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
}

/* With IOPL 3 the task has the real IF; below it VIF plays its part, and the image says so. */
static void deliver_v86_redirected(struct cpu *cpu, const struct event *event)
{
	bool virtual = (event->eflags & FLAG_IOPL) != FLAG_IOPL;
	uint32_t flags = event->eflags | FLAG_IOPL;
	struct stack stack = stack_current(cpu, event->ext);
	uint32_t pointer = privileged_read(cpu, event->vector * 4u, 4, 3);

	if (virtual)
		flags = (flags & ~FLAG_IF) | (flags & FLAG_VIF ? FLAG_IF : 0);
	frame_push(cpu, &stack, flags, 2);
	frame_push(cpu, &stack, cpu->seg[SEG_CS].selector, 2);
	frame_push(cpu, &stack, event->return_rip, 2);
	frame_commit(cpu, &stack);
	cpu->seg[SEG_CS] = segment_v86(pointer >> 16);
	enter_handler(cpu, pointer & 0xffff, (virtual ? FLAG_VIF : FLAG_IF) | FLAG_TF | FLAG_RF | FLAG_NT);
}

/* -- gates -- */

/* Types that an IDT may hold, one bit each. */
enum {
	GATES_32 = 1 << TYPE_TASK_GATE | 1 << TYPE_INTERRUPT_GATE16 | 1 << TYPE_TRAP_GATE16 | 1 << TYPE_INTERRUPT_GATE32 |
		   1 << TYPE_TRAP_GATE32,
	GATES_64 = 1 << TYPE_INTERRUPT_GATE32 | 1 << TYPE_TRAP_GATE32,
};

/* Reads and judges the IDT entry. high: the second 8 bytes in IA-32e mode. */
static struct descriptor fetch_gate(struct cpu *cpu, const struct event *event, uint64_t *high)
{
	unsigned size = cpu_long_mode(cpu) ? 16 : 8;
	struct descriptor gate = {.address = cpu->idtr.base + event->vector * size};
	uint16_t attributes;

	if (event->vector * size + size - 1 > cpu->idtr.limit)
		cpu_raise_code(cpu, VECTOR_GP, idt_error(event));
	*high = 0;
	if (size == 16)
		*high = system_read(cpu, gate.address + 8, 8);
	else
		gate.address = (uint32_t)gate.address;
	gate.low = system_read(cpu, gate.address, 8);
	attributes = descriptor_attributes(&gate);
	if ((attributes & SEGMENT_S) || !((size == 16 ? GATES_64 : GATES_32) >> descriptor_type(&gate) & 1))
		cpu_raise_code(cpu, VECTOR_GP, idt_error(event));
	if (event->check_dpl && attributes_dpl(attributes) < cpu->cpl)
		cpu_raise_code(cpu, VECTOR_GP, idt_error(event));
	if (!(attributes & SEGMENT_P))
		cpu_raise_code(cpu, VECTOR_NP, idt_error(event));
	return gate;
}

/* The handler's code segment, as far as protected and IA-32e mode agree. */
static struct segment gate_code(struct cpu *cpu, const struct descriptor *gate, const struct event *event, unsigned *ret_cpl)
{
	uint16_t selector = gate_selector(gate), attributes;
	struct descriptor d;

	if (selector_null(selector))
		cpu_raise_code(cpu, VECTOR_GP, event->ext);
	descriptor_require(cpu, selector, VECTOR_GP, event->ext, &d);
	attributes = descriptor_attributes(&d);
	if (!attributes_code(attributes) || attributes_dpl(attributes) > cpu->cpl)
		raise_selector(cpu, VECTOR_GP, selector, event->ext);
	if (cpu_long_mode(cpu) && (attributes & (SEGMENT_L | SEGMENT_DB)) != SEGMENT_L)
		raise_selector(cpu, VECTOR_GP, selector, event->ext);
	if (!(attributes & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, selector, event->ext);
	*ret_cpl = attributes_conforming(attributes) ? cpu->cpl : attributes_dpl(attributes);
	/* A V86 task is left for privilege 0 or not at all. */
	if ((cpu->eflags & FLAG_VM) && *ret_cpl != 0)
		raise_selector(cpu, VECTOR_GP, selector, event->ext);
	return code_prepare(cpu, &d, *ret_cpl, event->ext);
}

static void push_return(struct cpu *cpu, struct stack *stack, const struct event *event, unsigned size)
{
	frame_push(cpu, stack, event->eflags, size);
	frame_push(cpu, stack, cpu->seg[SEG_CS].selector, size);
	frame_push(cpu, stack, event->return_rip, size);
	if (event->has_error_code)
		frame_push(cpu, stack, event->error_code, size);
}

static uint32_t gate_clears(const struct descriptor *gate)
{
	bool trap = descriptor_type(gate) & 1;

	return FLAG_TF | FLAG_NT | FLAG_VM | FLAG_RF | (trap ? 0 : FLAG_IF);
}

static void push_v86_segments(struct cpu *cpu, struct stack *stack, unsigned size)
{
	static const enum segment_index order[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};

	for (unsigned i = 0; i < 4; i++)
		frame_push(cpu, stack, cpu->seg[order[i]].selector, size);
}

static void deliver_gate32(struct cpu *cpu, const struct descriptor *gate, const struct event *event)
{
	unsigned size = descriptor_type(gate) & TYPE_32BIT ? 4 : 2, cpl;
	struct segment code = gate_code(cpu, gate, event, &cpl);
	bool from_v86 = cpu->eflags & FLAG_VM, inner = cpl != cpu->cpl;
	struct stack stack = inner ? stack_from_tss(cpu, cpl, event->ext) : stack_current(cpu, event->ext);

	code_check_offset(cpu, &code, gate_offset(gate), event->ext);
	if (from_v86)
		push_v86_segments(cpu, &stack, size);
	if (inner) {
		frame_push(cpu, &stack, cpu->seg[SEG_SS].selector, size);
		frame_push(cpu, &stack, cpu->gpr[RSP], size);
	}
	push_return(cpu, &stack, event, size);

	if (from_v86)
		cpu->seg[SEG_DS] = cpu->seg[SEG_ES] = cpu->seg[SEG_FS] = cpu->seg[SEG_GS] = (struct segment){0};
	cpu->seg[SEG_SS] = stack.segment;
	cpu->seg[SEG_CS] = code;
	cpu->cpl = cpl;
	frame_commit(cpu, &stack);
	enter_handler(cpu, gate_offset(gate), gate_clears(gate));
}

static void deliver_gate64(struct cpu *cpu, const struct descriptor *gate, uint64_t high, const struct event *event)
{
	uint64_t rip = gate_offset(gate) | high << 32;
	unsigned ist = gate->low >> 32 & 7, cpl;
	struct segment code = gate_code(cpu, gate, event, &cpl);
	struct stack stack;

	if (ist || cpl != cpu->cpl)
		stack = stack_from_tss64(cpu, cpl, ist, event->ext);
	else
		stack = stack_of(&cpu->seg[SEG_SS], cpu->gpr[RSP], true, cpl, event->ext);
	code_check_offset(cpu, &code, rip, event->ext);
	stack.pointer &= ~15ull;
	frame_push(cpu, &stack, cpu->seg[SEG_SS].selector, 8);
	frame_push(cpu, &stack, cpu->gpr[RSP], 8);
	push_return(cpu, &stack, event, 8);

	cpu->seg[SEG_SS] = stack.segment;
	cpu->seg[SEG_CS] = code;
	cpu->cpl = cpl;
	frame_commit(cpu, &stack);
	enter_handler(cpu, rip, gate_clears(gate));
}

static void deliver_protected(struct cpu *cpu, const struct event *event)
{
	uint64_t high;
	struct descriptor gate = fetch_gate(cpu, event, &high);

	if (cpu_long_mode(cpu)) {
		deliver_gate64(cpu, &gate, high, event);
	} else if (descriptor_type(&gate) == TYPE_TASK_GATE) {
		struct task_resume resume = {event->return_rip, event->eflags};

		task_switch_gate(cpu, &gate, TASK_INTERRUPT, resume, event->ext);
		if (event->has_error_code)
			task_push_error_code(cpu, event->error_code, event->ext);
	} else {
		deliver_gate32(cpu, &gate, event);
	}
}

/* -- the ways in -- */

/*
 * Whether the pushed image has RF set: for faults, so that an instruction breakpoint does not hit again on return (SDM vol. 3B 17.3.1.1).
 * Of the debug exceptions only general detect is such a fault; #DF and #MC are aborts.
 */
static bool pushes_rf(const struct cpu *cpu, uint8_t vector)
{
	switch (vector) {
	case VECTOR_DB:
		return cpu->dr[6] & DR6_BD;
	case VECTOR_NMI:
	case VECTOR_BP:
	case VECTOR_OF:
	case VECTOR_DF:
	case VECTOR_MC:
		return false;
	default:
		return true;
	}
}

static void deliver(struct cpu *cpu, const struct event *event)
{
	if (cpu->cr0 & CR0_PE)
		deliver_protected(cpu, event);
	else
		deliver_real(cpu, event);
	cpu->interrupt_shadow = cpu->debug_shadow = false;
	cpu->halted = false;
}

void cpu_deliver(struct cpu *cpu, uint8_t vector, enum event_source source, bool has_error_code, uint32_t error_code)
{
	struct event event = {
		.vector = vector,
		.has_error_code = has_error_code,
		.check_dpl = source == EVENT_SOFTWARE,
		.ext = source != EVENT_SOFTWARE,
		.error_code = error_code,
		.return_rip = cpu->rip,
		.eflags = cpu_get_eflags(cpu),
	};

	if (source == EVENT_FAULT_OR_TRAP && pushes_rf(cpu, vector))
		event.eflags |= FLAG_RF;
	deliver(cpu, &event);
	if (source == EVENT_FAULT_OR_TRAP && vector == VECTOR_DB)
		cpu->dr[7] &= ~(uint64_t)DR7_GD;
	if (source == EVENT_EXTERNAL && vector == VECTOR_NMI)
		cpu->nmi_blocked = true;
}

void cpu_deliver_software(struct cpu *cpu, uint8_t vector, enum event_source source, uint64_t return_rip)
{
	struct event event = {
		.vector = vector,
		.check_dpl = source == EVENT_SOFTWARE,
		.ext = source != EVENT_SOFTWARE,
		.return_rip = return_rip,
		.eflags = cpu_get_eflags(cpu) & ~FLAG_RF,
	};

	deliver(cpu, &event);
	/* TF has been cleared, and the trap that it announced goes with it (SDM vol. 3B 17.3.1.4). */
	cpu->step_inhibited = true;
}

/* Whether the TSS's redirection bitmap, the 32 bytes below the I/O bitmap, has a 0 for vector: the 8086 program handles it itself. */
static bool redirected(struct cpu *cpu, uint8_t vector)
{
	const struct segment *tr = &cpu->seg[SEG_TR];
	uint32_t place;

	if (!(tr->attributes & TYPE_32BIT) || tr->limit < 0x67)
		return false;
	place = system_read(cpu, (uint32_t)(tr->base + 0x66), 2) - 32u + vector / 8;
	if (place > tr->limit)
		return false;
	return !(system_read(cpu, (uint32_t)(tr->base + place), 1) >> (vector & 7) & 1);
}

void cpu_interrupt_v86(struct cpu *cpu, uint8_t vector, uint64_t return_rip)
{
	struct event event = {.vector = vector, .return_rip = return_rip, .eflags = cpu_get_eflags(cpu) & ~FLAG_RF};

	if ((cpu->cr4 & CR4_VME) && redirected(cpu, vector)) {
		deliver_v86_redirected(cpu, &event);
		cpu->step_inhibited = true;
		return;
	}
	if ((cpu->eflags & FLAG_IOPL) != FLAG_IOPL)
		cpu_raise_code(cpu, VECTOR_GP, 0);
	cpu_deliver_software(cpu, vector, EVENT_SOFTWARE, return_rip);
}
