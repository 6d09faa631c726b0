/* Implicit stack accesses on stacks of any width and segment: see stack.h. */
#include "emu/stack.h"

#include "emu/segment.h"

static uint64_t width_mask(const struct cpu *cpu)
{
	unsigned width = stack_width(cpu);

	return width == 8 ? UINT64_MAX : (1ull << 8 * width) - 1;
}

uint64_t stack_address(struct cpu *cpu, int64_t delta, unsigned size, bool write)
{
	uint64_t offset = (cpu->gpr[RSP] + (uint64_t)delta) & width_mask(cpu);

	if (!cpu->stack_mask)
		return segment_linear(cpu, SEG_SS, offset, size, write);
	/* the access itself would take it for that of an operand, which raises #GP unless it is addressed by rSP or rBP */
	if (stack_width(cpu) == 8 && !(linear_canonical(cpu, offset) && linear_canonical(cpu, offset + size - 1)))
		cpu_raise_code(cpu, VECTOR_SS, 0);
	return offset;
}

/* value cut to the stack's width; the bits of ESP above SP are kept. */
static uint64_t cut_to_width(const struct cpu *cpu, uint64_t value)
{
	uint64_t mask = width_mask(cpu);

	return mask == UINT16_MAX ? (cpu->gpr[RSP] & ~mask) | (value & mask) : value & mask;
}

void stack_pointer_set(struct cpu *cpu, uint64_t value)
{
	cpu->gpr[RSP] = cut_to_width(cpu, value);
}

uint64_t stack_pointer_moved(const struct cpu *cpu, int64_t delta)
{
	return cut_to_width(cpu, cpu->gpr[RSP] + (uint64_t)delta);
}

void stack_pointer_add(struct cpu *cpu, int64_t delta)
{
	cpu->gpr[RSP] = stack_pointer_moved(cpu, delta);
}
