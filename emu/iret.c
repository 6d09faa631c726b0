/*
 * IRET in all its forms (SDM vol. 2A, IRET): real-address mode, V86 mode with and without VME, protected mode to the same or less
 * privilege, to a V86 task, back from a nested task, and IA-32e mode.
 */
#include "emu/far.h"
#include "emu/task.h"

enum {
	FLAGS_ALWAYS = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT,
	FLAGS_WIDE = FLAG_RF | FLAG_AC | FLAG_ID,
};

/* What every IRET pops. */
struct frame {
	uint64_t rip;
	uint16_t cs;
	uint32_t flags;
};

static struct frame pop_frame(struct cpu *cpu, struct stack *stack, unsigned size)
{
	struct frame frame;

	frame.rip = frame_pop(cpu, stack, size);
	frame.cs = frame_pop(cpu, stack, size);
	frame.flags = frame_pop(cpu, stack, size);
	return frame;
}

/* -- 8086 modes -- */

static void return_real(struct cpu *cpu, unsigned size)
{
	struct stack stack = stack_of_instruction(cpu);
	struct frame frame = pop_frame(cpu, &stack, size);
	struct segment code = code_8086(cpu, frame.cs, frame.rip);

	frame_commit(cpu, &stack);
	cpu_set_eflags(cpu, frame.flags, FLAGS_ALWAYS | FLAG_IF | FLAG_IOPL | (size == 2 ? 0 : FLAGS_WIDE));
	far_enter(cpu, &code, frame.rip);
}

static void return_within_v86(struct cpu *cpu, unsigned size)
{
	bool virtual = (cpu->eflags & FLAG_IOPL) != FLAG_IOPL;
	uint32_t mask = FLAGS_ALWAYS | (size == 2 ? 0 : FLAGS_WIDE);
	struct stack stack = stack_of_instruction(cpu);
	struct frame frame;
	struct segment code;

	/* Below IOPL 3 only VME lets it happen, VIF standing for IF. */
	if (virtual && !((cpu->cr4 & CR4_VME) && size == 2))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	frame = pop_frame(cpu, &stack, size);
	if (virtual) {
		if ((frame.flags & FLAG_TF) || ((frame.flags & FLAG_IF) && (cpu->eflags & FLAG_VIP)))
			cpu_raise_code(cpu, VECTOR_GP, 0);
		frame.flags = (frame.flags & ~FLAG_VIF) | (frame.flags & FLAG_IF ? FLAG_VIF : 0);
	}
	code = code_8086(cpu, frame.cs, frame.rip);
	frame_commit(cpu, &stack);
	cpu_set_eflags(cpu, frame.flags, mask | (virtual ? FLAG_VIF : FLAG_IF));
	far_enter(cpu, &code, frame.rip);
}

/* -- protected mode -- */

static void return_to_v86(struct cpu *cpu, struct stack *stack, const struct frame *frame)
{
	static const enum segment_index order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
	struct segment code = segment_v86(frame->cs);
	uint32_t pointer = frame_pop(cpu, stack, 4);
	uint16_t ss = frame_pop(cpu, stack, 4), data[4];

	for (unsigned i = 0; i < 4; i++)
		data[i] = frame_pop(cpu, stack, 4);
	code_check_offset(cpu, &code, frame->rip, 0);

	for (unsigned i = 0; i < 4; i++)
		cpu->seg[order[i]] = segment_v86(data[i]);
	cpu->seg[SEG_SS] = segment_v86(ss);
	cpu->seg[SEG_CS] = code;
	cpu->gpr[RSP] = pointer;
	cpu->cpl = 3;
	cpu->rip = frame->rip;
	cpu_set_eflags(cpu, frame->flags, FLAGS_DEFINED);
	cpu_update_mode(cpu);
}

/* Which flags an IRET at the current privilege may change. */
static uint32_t flags_mask(const struct cpu *cpu, unsigned size)
{
	uint32_t mask = FLAGS_ALWAYS | (size == 2 ? 0 : FLAGS_WIDE);
	unsigned iopl = (cpu->eflags & FLAG_IOPL) >> 12;

	if (cpu->cpl <= iopl)
		mask |= FLAG_IF;
	if (cpu->cpl == 0)
		mask |= FLAG_IOPL | (size == 2 ? 0 : FLAG_VIF | FLAG_VIP);
	return mask;
}

static void return_protected(struct cpu *cpu, unsigned size)
{
	struct stack stack = stack_of_instruction(cpu);
	struct frame frame = pop_frame(cpu, &stack, size);
	uint32_t mask = flags_mask(cpu, size);
	struct segment code;
	bool outer;

	if ((frame.flags & FLAG_VM) && size == 4 && cpu->cpl == 0 && !cpu_long_mode(cpu)) {
		return_to_v86(cpu, &stack, &frame);
		return;
	}
	code = return_code(cpu, frame.cs);
	outer = (code.selector & SELECTOR_RPL) != cpu->cpl;
	if (outer || cpu_code64(cpu)) {
		/* 64-bit mode pops SS:RSP whatever the privilege. */
		uint64_t pointer = frame_pop(cpu, &stack, size);

		stack = stack_returned_to(cpu, &code, frame_pop(cpu, &stack, size), pointer);
	}
	code_check_offset(cpu, &code, frame.rip, 0);

	cpu_set_eflags(cpu, frame.flags, mask);
	if (outer) {
		return_outer(cpu, &code, frame.rip, &stack);
	} else {
		cpu->seg[SEG_SS] = stack.segment;
		frame_commit(cpu, &stack);
		far_enter(cpu, &code, frame.rip);
	}
}

void interrupt_return(struct cpu *cpu, unsigned size, uint64_t next)
{
	/* Even an IRET that faults lets NMIs in again (SDM vol. 3A 6.7.1). */
	cpu->nmi_blocked = false;
	if (!(cpu->cr0 & CR0_PE)) {
		return_real(cpu, size);
	} else if (cpu->eflags & FLAG_VM) {
		return_within_v86(cpu, size);
	} else if (cpu->eflags & FLAG_NT) {
		if (cpu_long_mode(cpu))
			cpu_raise_code(cpu, VECTOR_GP, 0);
		task_return(cpu, (struct task_resume){next, cpu_get_eflags(cpu) & ~FLAG_RF});
	} else {
		return_protected(cpu, size);
	}
}
