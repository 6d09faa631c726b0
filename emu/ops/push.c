/*
 * PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE (SDM vol. 2). Segment registers' PUSH and POP are transfer.c's.
 */
#include "emu/stack.h"

#include "emu/iopl.h"
#include "emu/isa/isa.h"

ALWAYS_INLINE bool push(struct cpu *cpu, const struct insn *insn, bool fast, enum form form, unsigned size)
{
	struct value value;

	if (form == FORM_I)
		value = (struct value){(uint64_t)insn->imm, 0};
	else if (form == FORM_R)
		value = reg_get(cpu, insn->op1, size);
	else if (!load_operand(cpu, insn, fast, size, &value))
		return false;
	return push_value(cpu, insn, fast, size, value);
}

ALWAYS_INLINE bool pop_register(struct cpu *cpu, const struct insn *insn, bool fast, unsigned size)
{
	struct value value;

	if (!peek_value(cpu, insn, fast, size, &value))
		return false;
	drop_value(cpu, fast, size);
	reg_set(cpu, insn->op1, size, value); /* POP rSP: the popped value wins */
	return true;
}

/* A destination addressed by rSP is computed with rSP as it is after the pop. */
ALWAYS_INLINE void pop_memory(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value value;
	struct address address;

	peek_value(cpu, insn, false, size, &value);
	cpu->patched = *insn;
	if (insn->base == CPU_OFFSET(gpr[RSP]))
		cpu->patched.disp += (int32_t)size;
	address = ea(cpu, &cpu->patched, size, true);
	store(cpu, &cpu->patched, address, size, value);
	stack_pointer_add(cpu, size);
}

/* All eight, checked as a whole first: the pushes may then not fault half way. */
ALWAYS_INLINE void pusha(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct address address[8];
	unsigned i;

	for (i = 0; i < 8; i++) {
		address[i].linear = stack_address(cpu, -(int64_t)(size * (i + 1)), size, true);
		address[i].tag = reg_tag(cpu, CPU_OFFSET(gpr[RSP]));
		probe_write(cpu, insn, data_bank(cpu, address[i]), address[i].linear, size);
	}
	for (i = 0; i < 8; i++)
		store(cpu, insn, address[i], size, reg_get(cpu, CPU_OFFSET(gpr) + 8 * i, size)); /* RSP has not changed yet */
	stack_pointer_add(cpu, -8 * (int64_t)size);
}

ALWAYS_INLINE void popa(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value values[8];
	unsigned i;

	for (i = 0; i < 8; i++) {
		struct address address = {stack_address(cpu, size * i, size, false), reg_tag(cpu, CPU_OFFSET(gpr[RSP]))};

		values[i] = load(cpu, insn, address, size);
	}
	stack_pointer_add(cpu, 8 * size);
	for (i = 0; i < 8; i++)
		if (7 - i != RSP)
			reg_set(cpu, CPU_OFFSET(gpr) + 8 * (7 - i), size, values[i]);
}

ALWAYS_INLINE bool leave(struct cpu *cpu, const struct insn *insn, bool fast, unsigned size)
{
	uint64_t frame = cpu->gpr[RBP];
	struct address address = {frame & cpu->stack_mask, reg_tag(cpu, CPU_OFFSET(gpr[RBP]))};
	struct value value;
	uint64_t old = cpu->gpr[RSP];

	if (fast) {
		const struct tlb *bank = data_bank(cpu, address);
		const struct tlb_entry *entry = &bank->read[tlb_index(address.linear)];

		if (unlikely(!cpu->stack_mask || entry->tag != tlb_tag(bank, address.linear, size)))
			return false;
		value.v = load_host((const uint8_t *)(address.linear + entry->addend), size);
		value.tag = fast_load_tag(data_bank(cpu, address), address.linear, size);
		cpu->gpr[RSP] = (address.linear + size) & cpu->stack_mask;
	} else {
		cpu->current = insn;
		address.linear = stack_address(cpu, (int64_t)(frame - old), size, false);
		value = load(cpu, insn, address, size);
		stack_pointer_set(cpu, frame + size);
	}
	if (ENGINE_TAGGED)
		cpu->gpr_tag[RSP] = cpu->gpr_tag[RBP];
	reg_set(cpu, CPU_OFFSET(gpr[RBP]), size, value);
	return true;
}

ALWAYS_INLINE void enter_frame(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	unsigned allocated = insn->imm & 0xffff, level = insn->imm >> 16 & 31, i;
	tag_t tag = reg_tag(cpu, CPU_OFFSET(gpr[RSP]));
	struct value frame_pointer = reg_get(cpu, CPU_OFFSET(gpr[RBP]), size);
	int64_t depth = -(int64_t)size;
	uint64_t frame;

	store(cpu, insn, (struct address){stack_address(cpu, depth, size, true), tag}, size, frame_pointer);
	frame = stack_pointer_moved(cpu, -(int64_t)size);
	for (i = 1; i < level; i++) {
		int64_t from = (int64_t)(cpu->gpr[RBP] - cpu->gpr[RSP] - size * i);
		struct address display = {stack_address(cpu, from, size, false), reg_tag(cpu, CPU_OFFSET(gpr[RBP]))};
		struct value value = load(cpu, insn, display, size);

		depth -= size;
		store(cpu, insn, (struct address){stack_address(cpu, depth, size, true), tag}, size, value);
	}
	if (level) {
		depth -= size;
		store(cpu, insn, (struct address){stack_address(cpu, depth, size, true), tag}, size, (struct value){frame, tag});
	}
	/* the final stack pointer must be writable (SDM: ENTER, "#SS/#PF if the new value of SP is outside") */
	probe_write(cpu, insn, data_bank(cpu, (struct address){0, tag}), stack_address(cpu, depth - allocated, size, true), size);
	stack_pointer_add(cpu, depth - allocated);
	reg_set(cpu, CPU_OFFSET(gpr[RBP]), size, (struct value){frame, tag});
}

static void do_pushf(struct cpu *cpu, const struct insn *insn)
{
	unsigned size = insn_operand_size(insn);

	push_value(cpu, insn, false, size, (struct value){cpu_pushf(cpu, size), 0});
}

static void do_popf(struct cpu *cpu, const struct insn *insn)
{
	unsigned size = insn_operand_size(insn);
	struct value value;

	peek_value(cpu, insn, false, size, &value);
	cpu_popf(cpu, (uint32_t)value.v, size); /* may raise */
	stack_pointer_add(cpu, size);
}

#define PUSH_SIZES(name, form)                                      \
	TWO_PATHS(name##_2, push(cpu, insn, fast, form, 2))         \
	TWO_PATHS(name##_4, push(cpu, insn, fast, form, 4))         \
	TWO_PATHS(name##_8, push(cpu, insn, fast, form, 8))
PUSH_SIZES(push_r, FORM_R)
PUSH_SIZES(push_m, FORM_M)
PUSH_SIZES(push_i, FORM_I)
TWO_PATHS(pop_r_2, pop_register(cpu, insn, fast, 2))
TWO_PATHS(pop_r_4, pop_register(cpu, insn, fast, 4))
TWO_PATHS(pop_r_8, pop_register(cpu, insn, fast, 8))
TWO_PATHS(leave_2, leave(cpu, insn, fast, 2))
TWO_PATHS(leave_4, leave(cpu, insn, fast, 4))
TWO_PATHS(leave_8, leave(cpu, insn, fast, 8))

/* Out-of-line bodies, so that the handlers themselves stay free of escaping locals. */
#define BODY(name, call)                                                                                \
	static __attribute__((noinline)) void name##_body(struct cpu *cpu, const struct insn *insn)    \
	{                                                                                               \
		call;                                                                                   \
	}                                                                                               \
	SIMPLE(name, name##_body)
BODY(pop_m_2, pop_memory(cpu, insn, 2))
BODY(pop_m_4, pop_memory(cpu, insn, 4))
BODY(pop_m_8, pop_memory(cpu, insn, 8))
BODY(pusha_2, pusha(cpu, insn, 2))
BODY(pusha_4, pusha(cpu, insn, 4))
BODY(popa_2, popa(cpu, insn, 2))
BODY(popa_4, popa(cpu, insn, 4))
BODY(enter_2, enter_frame(cpu, insn, 2))
BODY(enter_4, enter_frame(cpu, insn, 4))
BODY(enter_8, enter_frame(cpu, insn, 8))
BODY(pushf_any, do_pushf(cpu, insn))
BODY(popf_any, do_popf(cpu, insn))

#define ROW_SIZES(op, form, name) {op, form, 2, 0, name##_2}, {op, form, 4, 0, name##_4}, {op, form, 8, 0, name##_8},

/* clang-format off */
const struct op_impl ENGINE(push_impls)[] = {
	ROW_SIZES(OP_PUSH, FORM_R, push_r)
	ROW_SIZES(OP_PUSH, FORM_M, push_m)
	ROW_SIZES(OP_PUSH, FORM_I, push_i)
	ROW_SIZES(OP_POP, FORM_R, pop_r)
	ROW_SIZES(OP_POP, FORM_M, pop_m)
	ROW_SIZES(OP_LEAVE, FORM_ANY, leave)
	ROW_SIZES(OP_ENTER, FORM_ANY, enter)
	{OP_PUSHA, FORM_ANY, 2, 0, pusha_2}, {OP_PUSHA, FORM_ANY, 4, 0, pusha_4},
	{OP_POPA, FORM_ANY, 2, 0, popa_2}, {OP_POPA, FORM_ANY, 4, 0, popa_4},
	{OP_PUSHF, FORM_ANY, 0, 0, pushf_any},
	{OP_POPF, FORM_ANY, 0, 0, popf_any},
	{0},
};
