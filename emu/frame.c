/*
 * Staged stacks: see frame.h. Stack limits: SDM vol. 1 6.2, vol. 3A 5.3 (expand-down) and 6.14.2 (64-bit).
 */
#include "emu/frame.h"

struct stack stack_of(const struct segment *segment, uint64_t pointer, bool flat64, unsigned cpl, uint32_t error_code)
{
	return (struct stack){
		.segment = *segment,
		.pointer = pointer,
		.mask = flat64                             ? ~0ull
			: segment->attributes & SEGMENT_DB ? 0xffffffff
							   : 0xffff,
		.cpl = cpl,
		.error_code = error_code,
	};
}

struct stack stack_current(const struct cpu *cpu, uint32_t error_code)
{
	return stack_of(&cpu->seg[SEG_SS], cpu->gpr[RSP], cpu_code64(cpu), cpu->cpl, error_code);
}

struct stack stack_of_instruction(const struct cpu *cpu)
{
	struct stack stack = stack_current(cpu, 0);

	stack.of_instruction = true;
	return stack;
}

/* The linear address of size bytes at offset (already cut), or #SS. */
static uint64_t frame_linear(struct cpu *cpu, const struct stack *stack, uint64_t offset, unsigned size)
{
	if (stack->mask == ~0ull) {
		if (!linear_canonical(cpu, offset) || !linear_canonical(cpu, offset + size - 1))
			cpu_raise_code(cpu, VECTOR_SS, stack->error_code);
		return offset;
	}
	if (!segment_covers(&stack->segment, offset, size))
		cpu_raise_code(cpu, VECTOR_SS, stack->error_code);
	return (uint32_t)(stack->segment.base + offset);
}

static void frame_move(struct stack *stack, uint64_t by)
{
	stack->pointer = (stack->pointer & ~stack->mask) | ((stack->pointer + by) & stack->mask);
}

void frame_push(struct cpu *cpu, struct stack *stack, uint64_t value, unsigned size)
{
	uint64_t linear;

	frame_move(stack, -(uint64_t)size);
	linear = frame_linear(cpu, stack, stack->pointer & stack->mask, size);
	if (stack->of_instruction)
		stack_write(cpu, linear, value, size);
	else
		privileged_write(cpu, linear, value, size, stack->cpl);
}

uint64_t frame_peek(struct cpu *cpu, const struct stack *stack, uint64_t above, unsigned size)
{
	uint64_t linear = frame_linear(cpu, stack, (stack->pointer + above) & stack->mask, size);

	return stack->of_instruction ? stack_read(cpu, linear, size) : privileged_read(cpu, linear, size, stack->cpl);
}

uint64_t frame_pop(struct cpu *cpu, struct stack *stack, unsigned size)
{
	uint64_t value = frame_peek(cpu, stack, 0, size);

	frame_move(stack, size);
	return value;
}

void frame_release(struct stack *stack, uint64_t size)
{
	frame_move(stack, size);
}

void frame_commit(struct cpu *cpu, const struct stack *stack)
{
	cpu->gpr[RSP] = stack->pointer;
}

/* -- stacks of inner privileges -- */

/* Reads size bytes of the current TSS; #TS(TR) if they are beyond its limit. */
static uint64_t tss_read(struct cpu *cpu, unsigned offset, unsigned size, unsigned ext)
{
	const struct segment *tr = &cpu->seg[SEG_TR];
	uint64_t linear = tr->base + offset;

	if (offset + size - 1 > tr->limit)
		raise_selector(cpu, VECTOR_TS, tr->selector, ext);
	return system_read(cpu, cpu_long_mode(cpu) ? linear : (uint32_t)linear, size);
}

struct stack stack_from_tss(struct cpu *cpu, unsigned cpl, unsigned ext)
{
	bool wide = cpu->seg[SEG_TR].attributes & TYPE_32BIT;
	unsigned pointer_size = wide ? 4 : 2, place = wide ? cpl * 8 + 4 : cpl * 4 + 2;
	uint64_t both = tss_read(cpu, place, pointer_size * 2, ext);
	uint64_t pointer = wide ? (uint32_t)both : (uint16_t)both;
	uint16_t selector = both >> (pointer_size * 8);
	struct segment segment = stack_prepare(cpu, selector, cpl, VECTOR_TS, ext);

	return stack_of(&segment, pointer, false, cpl, (selector & ~SELECTOR_RPL) | ext);
}

struct stack stack_from_tss64(struct cpu *cpu, unsigned cpl, unsigned ist, unsigned ext)
{
	struct segment segment = cpl == cpu->cpl ? cpu->seg[SEG_SS] : stack_null(cpl);
	unsigned place = ist ? 0x24 + (ist - 1) * 8 : 4 + cpl * 8;

	return stack_of(&segment, tss_read(cpu, place, 8, ext), true, cpl, ext);
}
