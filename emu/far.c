/*
 * Far control transfers: JMP, CALL and RET between segments, gates included (SDM vol. 3A 5.8; vol. 2, CALL, JMP, RET). IRET is in
 * emu/iret.c.
 *
 * Every function here stages the new stack and segments in locals, and commits after the last access that may fault.
 */
#include "emu/far.h"

#include "emu/frame.h"
#include "emu/task.h"

void far_enter(struct cpu *cpu, const struct segment *code, uint64_t rip)
{
	cpu->seg[SEG_CS] = *code;
	cpu->cpl = cpu_protected(cpu) ? code->selector & SELECTOR_RPL : cpu->cpl;
	cpu->rip = rip;
	cpu_update_mode(cpu);
}

static struct task_resume resume_at(const struct cpu *cpu, uint64_t next)
{
	return (struct task_resume){next, cpu_get_eflags(cpu) & ~FLAG_RF};
}

/* -- real-address and V86 mode -- */

struct segment code_8086(struct cpu *cpu, uint16_t selector, uint64_t offset)
{
	struct segment code = cpu->cr0 & CR0_PE ? segment_v86(selector) : segment_real(cpu, SEG_CS, selector);

	code_check_offset(cpu, &code, offset, 0);
	return code;
}

/* -- direct transfers and gates: finding the target -- */

/* The descriptor that a far pointer's selector names. */
static struct descriptor fetch_target(struct cpu *cpu, uint16_t selector)
{
	struct descriptor d;

	if (selector_null(selector))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	descriptor_require(cpu, selector, VECTOR_GP, 0, &d);
	return d;
}

/* A code segment reached directly: conforming ones at equal or less privilege, others at the same only. */
static struct segment direct_code(struct cpu *cpu, struct descriptor *d)
{
	uint16_t attributes = descriptor_attributes(d);
	unsigned dpl = attributes_dpl(attributes), rpl = d->selector & SELECTOR_RPL;

	if (attributes_conforming(attributes) ? dpl > cpu->cpl : dpl != cpu->cpl || rpl > cpu->cpl)
		raise_selector(cpu, VECTOR_GP, d->selector, 0);
	return code_prepare(cpu, d, cpu->cpl, 0);
}

enum target_kind { TARGET_NONE, TARGET_CODE, TARGET_CALL_GATE, TARGET_TASK_GATE, TARGET_TSS };

/* What a far pointer may name besides code, [in IA-32e mode][type]. */
static const uint8_t system_targets[2][16] = {
	{
		[TYPE_TSS16_AVAILABLE] = TARGET_TSS,
		[TYPE_TSS32_AVAILABLE] = TARGET_TSS,
		[TYPE_TASK_GATE] = TARGET_TASK_GATE,
		[TYPE_CALL_GATE16] = TARGET_CALL_GATE,
		[TYPE_CALL_GATE32] = TARGET_CALL_GATE,
	},
	{[TYPE_CALL_GATE32] = TARGET_CALL_GATE},
};

/* Which of them it names; gates' and TSSs' privilege and presence are checked. */
static enum target_kind classify(struct cpu *cpu, const struct descriptor *d)
{
	uint16_t attributes = descriptor_attributes(d);
	enum target_kind kind = system_targets[cpu_long_mode(cpu)][descriptor_type(d)];

	if (attributes_code(attributes))
		return TARGET_CODE;
	if ((attributes & SEGMENT_S) || kind == TARGET_NONE)
		raise_selector(cpu, VECTOR_GP, d->selector, 0);
	if (attributes_dpl(attributes) < cpu->cpl || attributes_dpl(attributes) < (d->selector & SELECTOR_RPL))
		raise_selector(cpu, VECTOR_GP, d->selector, 0);
	if (!(attributes & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, d->selector, 0);
	return kind;
}

/* A call gate's target. */
struct gate_target {
	struct descriptor code;
	uint64_t offset;
	unsigned cpl;  /* after a CALL */
	unsigned size; /* of what is pushed */
	unsigned parameters;
};

static struct gate_target fetch_gate_target(struct cpu *cpu, const struct descriptor *gate, bool call)
{
	struct gate_target target = {.offset = gate_offset(gate), .cpl = cpu->cpl};
	uint16_t selector = gate_selector(gate), attributes;
	bool conforming;

	target.size = descriptor_type(gate) & TYPE_32BIT ? 4 : 2;
	target.parameters = gate->low >> 32 & 0x1f;
	if (cpu_long_mode(cpu)) {
		uint64_t high;

		/* The second half of a 16-byte descriptor: it must not look like one of its own. */
		if ((gate->selector & SELECTOR_INDEX) + 15u > (gate->selector & SELECTOR_TI ? cpu->seg[SEG_LDTR].limit : cpu->gdtr.limit))
			raise_selector(cpu, VECTOR_GP, gate->selector, 0);
		high = system_read(cpu, gate->address + 8, 8);
		if (high >> 40 & 0x1f)
			raise_selector(cpu, VECTOR_GP, gate->selector, 0);
		target.offset |= high << 32;
		target.size = 8;
		target.parameters = 0;
	}
	target.code = fetch_target(cpu, selector);
	attributes = descriptor_attributes(&target.code);
	conforming = attributes_conforming(attributes);
	if (!attributes_code(attributes) || attributes_dpl(attributes) > cpu->cpl)
		raise_selector(cpu, VECTOR_GP, selector, 0);
	if (!call && !conforming && attributes_dpl(attributes) != cpu->cpl)
		raise_selector(cpu, VECTOR_GP, selector, 0);
	if (cpu_long_mode(cpu) && (attributes & (SEGMENT_L | SEGMENT_DB)) != SEGMENT_L)
		raise_selector(cpu, VECTOR_GP, selector, 0);
	if (!conforming)
		target.cpl = attributes_dpl(attributes);
	return target;
}

/* -- JMP -- */

void far_jump(struct cpu *cpu, uint16_t selector, uint64_t offset, uint64_t next)
{
	struct gate_target target;
	struct descriptor d;
	struct segment code;

	if (!cpu_protected(cpu)) {
		code = code_8086(cpu, selector, offset);
		far_enter(cpu, &code, offset);
		return;
	}
	d = fetch_target(cpu, selector);
	switch (classify(cpu, &d)) {
	case TARGET_CODE:
		code = direct_code(cpu, &d);
		break;
	case TARGET_CALL_GATE:
		target = fetch_gate_target(cpu, &d, false);
		code = code_prepare(cpu, &target.code, cpu->cpl, 0);
		offset = target.offset;
		break;
	case TARGET_TASK_GATE:
		task_switch_gate(cpu, &d, TASK_JUMP, resume_at(cpu, next), 0);
		return;
	default:
		task_switch(cpu, &d, TASK_JUMP, resume_at(cpu, next), 0);
		return;
	}
	/* From compatibility mode's view even a 64-bit target's offset has 32 bits; a gate's has 64. */
	code_check_offset(cpu, &code, offset, 0);
	far_enter(cpu, &code, offset);
}

/* -- CALL -- */

static void push_return(struct cpu *cpu, struct stack *stack, uint64_t next, unsigned size)
{
	frame_push(cpu, stack, cpu->seg[SEG_CS].selector, size);
	frame_push(cpu, stack, next, size);
}

/* CALL through a gate to more privilege: a new stack, with the old one's pointer and the parameters on it. */
static void call_inner(struct cpu *cpu, const struct gate_target *target, const struct segment *code, uint64_t next)
{
	struct stack old = stack_of_instruction(cpu);
	struct stack new = target->size == 8 ? stack_from_tss64(cpu, target->cpl, 0, 0) : stack_from_tss(cpu, target->cpl, 0);

	code_check_offset(cpu, code, target->offset, 0);
	frame_push(cpu, &new, cpu->seg[SEG_SS].selector, target->size);
	frame_push(cpu, &new, cpu->gpr[RSP], target->size);
	for (unsigned i = target->parameters; i-- > 0;)
		frame_push(cpu, &new, frame_peek(cpu, &old, i * target->size, target->size), target->size);
	push_return(cpu, &new, next, target->size);
	cpu->seg[SEG_SS] = new.segment;
	frame_commit(cpu, &new);
	far_enter(cpu, code, target->offset);
}

static void call_same(struct cpu *cpu, const struct segment *code, uint64_t offset, unsigned size, uint64_t next)
{
	struct stack stack = stack_of_instruction(cpu);

	/* A 64-bit gate's frame is made in 64-bit mode even if the caller is in compatibility mode. */
	if (size == 8)
		stack.mask = ~0ull;
	push_return(cpu, &stack, next, size);
	code_check_offset(cpu, code, offset, 0);
	frame_commit(cpu, &stack);
	far_enter(cpu, code, offset);
}

static void call_gate(struct cpu *cpu, const struct descriptor *gate, uint64_t next)
{
	struct gate_target target = fetch_gate_target(cpu, gate, true);
	struct segment code = code_prepare(cpu, &target.code, target.cpl, 0);

	if (target.cpl != cpu->cpl)
		call_inner(cpu, &target, &code, next);
	else
		call_same(cpu, &code, target.offset, target.size, next);
}

void far_call(struct cpu *cpu, uint16_t selector, uint64_t offset, unsigned size, uint64_t next)
{
	struct descriptor d;
	struct segment code;

	if (!cpu_protected(cpu)) {
		code = code_8086(cpu, selector, offset);
		call_same(cpu, &code, offset, size, next);
		return;
	}
	d = fetch_target(cpu, selector);
	switch (classify(cpu, &d)) {
	case TARGET_CODE:
		code = direct_code(cpu, &d);
		call_same(cpu, &code, offset, size, next);
		return;
	case TARGET_CALL_GATE:
		call_gate(cpu, &d, next);
		return;
	case TARGET_TASK_GATE:
		task_switch_gate(cpu, &d, TASK_CALL, resume_at(cpu, next), 0);
		return;
	default:
		task_switch(cpu, &d, TASK_CALL, resume_at(cpu, next), 0);
		return;
	}
}

/* -- RET -- */

static void return_8086(struct cpu *cpu, unsigned size, unsigned release)
{
	struct stack stack = stack_of_instruction(cpu);
	uint64_t offset = frame_pop(cpu, &stack, size);
	struct segment code = code_8086(cpu, frame_pop(cpu, &stack, size), offset);

	frame_release(&stack, release);
	frame_commit(cpu, &stack);
	far_enter(cpu, &code, offset);
}

struct segment return_code(struct cpu *cpu, uint16_t selector)
{
	unsigned rpl = selector & SELECTOR_RPL, dpl;
	struct descriptor d;
	uint16_t attributes;

	if (selector_null(selector))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	descriptor_require(cpu, selector, VECTOR_GP, 0, &d);
	attributes = descriptor_attributes(&d);
	dpl = attributes_dpl(attributes);
	if (!attributes_code(attributes) || rpl < cpu->cpl || (attributes_conforming(attributes) ? dpl > rpl : dpl != rpl))
		raise_selector(cpu, VECTOR_GP, selector, 0);
	return code_prepare(cpu, &d, rpl, 0);
}

static struct segment return_stack(struct cpu *cpu, uint16_t selector, const struct segment *code)
{
	unsigned cpl = code->selector & SELECTOR_RPL;

	if (selector_null(selector) && code_is_64bit(cpu, code) && cpl != 3 && (selector & SELECTOR_RPL) == cpl)
		return stack_null(cpl);
	return stack_prepare(cpu, selector, cpl, VECTOR_GP, 0);
}

void return_outer(struct cpu *cpu, const struct segment *code, uint64_t rip, const struct stack *stack)
{
	cpu->seg[SEG_SS] = stack->segment;
	frame_commit(cpu, stack);
	far_enter(cpu, code, rip);
	segments_drop_inner(cpu);
	cpu_update_mode(cpu);
}

struct stack stack_returned_to(struct cpu *cpu, const struct segment *code, uint16_t selector, uint64_t pointer)
{
	struct segment segment = return_stack(cpu, selector, code);
	struct stack stack = stack_of(&segment, 0, code_is_64bit(cpu, code), code->selector & SELECTOR_RPL, 0);

	/* A 16-bit stack takes SP only: the rest of ESP shows through, as it does on hardware. */
	stack.pointer = (stack.mask == 0xffff ? cpu->gpr[RSP] & 0xffff0000 : 0) | (pointer & stack.mask);
	return stack;
}

void far_return(struct cpu *cpu, unsigned size, unsigned release)
{
	struct stack stack;
	struct segment code;
	uint64_t rip;

	if (!cpu_protected(cpu)) {
		return_8086(cpu, size, release);
		return;
	}
	stack = stack_of_instruction(cpu);
	rip = frame_pop(cpu, &stack, size);
	code = return_code(cpu, frame_pop(cpu, &stack, size));
	frame_release(&stack, release);
	if ((code.selector & SELECTOR_RPL) == cpu->cpl) {
		code_check_offset(cpu, &code, rip, 0);
		frame_commit(cpu, &stack);
		far_enter(cpu, &code, rip);
	} else {
		uint64_t pointer = frame_pop(cpu, &stack, size);
		struct stack outer = stack_returned_to(cpu, &code, frame_pop(cpu, &stack, size), pointer);

		code_check_offset(cpu, &code, rip, 0);
		frame_release(&outer, release);
		return_outer(cpu, &code, rip, &outer);
	}
}
