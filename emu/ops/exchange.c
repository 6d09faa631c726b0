/*
 * Exchanges: XCHG XADD CMPXCHG CMPXCHG8B CMPXCHG16B (SDM vol. 1, 7.3.1.2).
 *
 * With one processor every instruction is atomic, so LOCK asks for nothing. CMPXCHG and its kin write their memory operand in any case,
 * its old value if the comparison fails, and so fault where it cannot be written.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"

enum flags_use { FLAGS_LIVE, FLAGS_DEAD };

ALWAYS_INLINE void exchange_registers(struct cpu *cpu, const struct insn *insn, unsigned size, enum flags_use use)
{
	struct value first = reg_get(cpu, insn->op1, size), second = reg_get(cpu, insn->op2, size);

	(void)use;
	reg_set(cpu, insn->op2, size, first);
	reg_set(cpu, insn->op1, size, second);
}

ALWAYS_INLINE void exchange_memory(struct cpu *cpu, const struct insn *insn, unsigned size, enum flags_use use)
{
	struct rmw rmw;
	struct value memory = load_rmw(cpu, insn, ea(cpu, insn, size, true), size, &rmw);

	(void)use;
	store_rmw(cpu, insn, &rmw, size, reg_get(cpu, insn->op2, size));
	reg_set(cpu, insn->op2, size, memory);
}

/* -- XADD -- */

ALWAYS_INLINE void exchange_add_flags(struct cpu *cpu, uint64_t a, uint64_t b, unsigned size, enum flags_use use)
{
	if (use == FLAGS_LIVE)
		flags_set(&cpu->flags, FLAGS_ADD, a, b, a + b, size);
}

/* The sum goes last: it stays where both operands are one register. */
ALWAYS_INLINE void exchange_add_registers(struct cpu *cpu, const struct insn *insn, unsigned size, enum flags_use use)
{
	struct value first = reg_get(cpu, insn->op1, size), second = reg_get(cpu, insn->op2, size);

	reg_set(cpu, insn->op2, size, first);
	reg_set(cpu, insn->op1, size, (struct value){first.v + second.v, first.tag | second.tag});
	exchange_add_flags(cpu, first.v, second.v, size, use);
}

ALWAYS_INLINE void exchange_add_memory(struct cpu *cpu, const struct insn *insn, unsigned size, enum flags_use use)
{
	struct rmw rmw;
	struct value memory = load_rmw(cpu, insn, ea(cpu, insn, size, true), size, &rmw), addend = reg_get(cpu, insn->op2, size);

	store_rmw(cpu, insn, &rmw, size, (struct value){memory.v + addend.v, memory.tag | addend.tag});
	reg_set(cpu, insn->op2, size, memory);
	exchange_add_flags(cpu, memory.v, addend.v, size, use);
}

/* -- CMPXCHG: the flags are those of accumulator - destination -- */

ALWAYS_INLINE void compare_flags(struct cpu *cpu, uint64_t accumulator, uint64_t destination, unsigned size, enum flags_use use)
{
	if (use == FLAGS_LIVE)
		flags_set(&cpu->flags, FLAGS_SUB, accumulator, destination, accumulator - destination, size);
}

/* A 32-bit comparison that fails clears the upper half of RAX, one that holds leaves it; the destination likewise the other way round. */
ALWAYS_INLINE void compare_exchange_registers(struct cpu *cpu, const struct insn *insn, unsigned size, enum flags_use use)
{
	struct value accumulator = reg_get(cpu, CPU_OFFSET(gpr[RAX]), size), destination = reg_get(cpu, insn->op1, size);

	if (accumulator.v == destination.v)
		reg_set(cpu, insn->op1, size, reg_get(cpu, insn->op2, size));
	else
		reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, destination);
	compare_flags(cpu, accumulator.v, destination.v, size, use);
}

ALWAYS_INLINE void compare_exchange_memory(struct cpu *cpu, const struct insn *insn, unsigned size, enum flags_use use)
{
	struct rmw rmw;
	struct value destination = load_rmw(cpu, insn, ea(cpu, insn, size, true), size, &rmw);
	struct value accumulator = reg_get(cpu, CPU_OFFSET(gpr[RAX]), size);

	if (accumulator.v == destination.v) {
		store_rmw(cpu, insn, &rmw, size, reg_get(cpu, insn->op2, size));
	} else {
		store_rmw(cpu, insn, &rmw, size, destination);
		reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, destination);
	}
	compare_flags(cpu, accumulator.v, destination.v, size, use);
}

/* -- CMPXCHG8B, CMPXCHG16B: halves of 4 or 8 bytes; only ZF changes -- */

static void write_zf(struct cpu *cpu, bool equal)
{
	flags_set_raw(&cpu->flags, (flags_get(&cpu->flags) & ~FLAG_ZF) | (equal ? FLAG_ZF : 0));
}

/* Two registers side by side: `high`:`low`. */
static tag_t get_pair(struct cpu *cpu, enum gpr high, enum gpr low, unsigned half, uint64_t ret[2])
{
	ret[0] = reg_get(cpu, low * 8, half).v;
	ret[1] = reg_get(cpu, high * 8, half).v;
	return reg_tag(cpu, low * 8) | reg_tag(cpu, high * 8);
}

static void compare_exchange_pair(struct cpu *cpu, const struct insn *insn, struct address address, unsigned half)
{
	struct tlb *bank = data_bank(cpu, address);
	uint8_t bytes[16], replacement[16];
	uint64_t expected[2], desired[2], old[2];
	tag_t old_tag, desired_tag;
	bool equal;

	get_pair(cpu, RDX, RAX, half, expected);
	desired_tag = get_pair(cpu, RCX, RBX, half, desired);
	if (!fast_write(bank, address.linear, 2 * half))
		probe_write(cpu, insn, bank, address.linear, 2 * half);
	old_tag = load_bytes(cpu, insn, address, bytes, 2 * half);
	old[0] = load_host(bytes, half);
	old[1] = load_host(bytes + half, half);
	equal = old[0] == expected[0] && old[1] == expected[1];
	store_host(replacement, equal ? desired[0] : old[0], half);
	store_host(replacement + half, equal ? desired[1] : old[1], half);
	store_bytes(cpu, insn, address, replacement, 2 * half, equal ? desired_tag : old_tag);
	if (!equal) {
		reg_set(cpu, CPU_OFFSET(gpr[RAX]), half, (struct value){old[0], old_tag});
		reg_set(cpu, CPU_OFFSET(gpr[RDX]), half, (struct value){old[1], old_tag});
	}
	write_zf(cpu, equal);
}

static void do_compare_exchange_8(struct cpu *cpu, const struct insn *insn)
{
	compare_exchange_pair(cpu, insn, ea(cpu, insn, 8, true), 4);
}

static void do_compare_exchange_16(struct cpu *cpu, const struct insn *insn)
{
	struct address address = ea(cpu, insn, 16, true);

	if (address.linear & 15)
		cpu_raise_code(cpu, VECTOR_GP, 0);
	compare_exchange_pair(cpu, insn, address, 8);
}

SIMPLE(compare_exchange_8, do_compare_exchange_8)
SIMPLE(compare_exchange_16, do_compare_exchange_16)

/* -- instances: HANDLER(operation, form, size, flags, template) -- */

#define SIZES(HANDLER, op, form, flags, template)                                                                                          \
	HANDLER(op, form, 1, flags, template)                                                                                              \
	HANDLER(op, form, 2, flags, template)                                                                                              \
	HANDLER(op, form, 4, flags, template)                                                                                              \
	HANDLER(op, form, 8, flags, template)
#define INSTANCES(HANDLER)                                                                                                                 \
	SIZES(HANDLER, XCHG, RR, FLAGS_LIVE, exchange_registers)                                                                           \
	SIZES(HANDLER, XCHG, MR, FLAGS_LIVE, exchange_memory)                                                                              \
	SIZES(HANDLER, XADD, RR, FLAGS_LIVE, exchange_add_registers)                                                                       \
	SIZES(HANDLER, XADD, MR, FLAGS_LIVE, exchange_add_memory)                                                                          \
	SIZES(HANDLER, XADD, MR, FLAGS_DEAD, exchange_add_memory)                                                                          \
	SIZES(HANDLER, CMPXCHG, RR, FLAGS_LIVE, compare_exchange_registers)                                                                \
	SIZES(HANDLER, CMPXCHG, MR, FLAGS_LIVE, compare_exchange_memory)

#define DEFINE(op, form, size, flags, template)                                                                                            \
	static const struct insn *op##_##form##_##size##_##flags(struct cpu *cpu, const struct insn *insn)                                 \
	{                                                                                                                                  \
		template(cpu, insn, size, flags);                                                                                          \
		NEXT(cpu, insn);                                                                                                           \
	}
INSTANCES(DEFINE)

#define ROW(op, form, size, flags, template) {OP_##op, FORM_##form, size, flags == FLAGS_DEAD, op##_##form##_##size##_##flags},
const struct op_impl ENGINE(exchange_impls)[] = {
	INSTANCES(ROW){OP_CMPXCHG8B, FORM_M, 0, 0, compare_exchange_8},
	{OP_CMPXCHG16B, FORM_M, 0, 0, compare_exchange_16},
	{0},
};
