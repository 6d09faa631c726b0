/*
 * IN, OUT, INS, OUTS (SDM vol. 1 7.3.10, chapter 19). Each ends its block: a device may do anything to the machine.
 *
 * Repeated INS and OUTS go element by element, registers written after each, so that a fault in between leaves what has been done
 * done; and they stop where the count is a multiple of cpu->rep_limit to be started again, so that interrupts need not wait, as
 * the instructions of string.c do.
 */
#include "emu/iopl.h"
#include "emu/isa/isa.h"
#include "emu/ops/offset.h"

/* There is no 64-bit I/O. */
static unsigned port_size(const struct insn *insn)
{
	unsigned size = insn_operand_size(insn);

	return size > 4 ? 4 : size;
}

/* -- IN, OUT -- */

static void input(struct cpu *cpu, const struct insn *insn, uint16_t port)
{
	unsigned size = port_size(insn);
	struct value value = {0, 0};

	require_port(cpu, port, size);
	value.v = port_read(cpu, port, size);
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, value);
}

static void output(struct cpu *cpu, const struct insn *insn, uint16_t port)
{
	unsigned size = port_size(insn);

	require_port(cpu, port, size);
	port_write(cpu, port, cpu->gpr[RAX], size);
}

static void do_in_immediate(struct cpu *cpu, const struct insn *insn)
{
	input(cpu, insn, insn->imm & 0xff);
}

static void do_in_dx(struct cpu *cpu, const struct insn *insn)
{
	input(cpu, insn, cpu->gpr[RDX]);
}

static void do_out_immediate(struct cpu *cpu, const struct insn *insn)
{
	output(cpu, insn, insn->imm & 0xff);
}

static void do_out_dx(struct cpu *cpu, const struct insn *insn)
{
	output(cpu, insn, cpu->gpr[RDX]);
}

/* -- INS, OUTS -- */

/* Writes RSI, RDI or RCX in the address size. */
static void set_index(struct cpu *cpu, const struct insn *insn, enum gpr index, uint64_t value)
{
	uint64_t mask = address_mask(insn);

	if (mask == 0xffff)
		value = (cpu->gpr[index] & ~mask) | (value & mask);
	cpu->gpr[index] = value & (mask == 0xffffffff ? mask : UINT64_MAX);
}

static void advance(struct cpu *cpu, const struct insn *insn, enum gpr index, unsigned size)
{
	set_index(cpu, insn, index, cpu->gpr[index] + (cpu->eflags & FLAG_DF ? -(uint64_t)size : size));
}

static void store_element(struct cpu *cpu, const struct insn *insn, struct address address, unsigned size, uint64_t v)
{
	struct value value = {v, 0};

	if (size == 1)
		store(cpu, insn, address, 1, value);
	else if (size == 2)
		store(cpu, insn, address, 2, value);
	else
		store(cpu, insn, address, 4, value);
}

static uint64_t load_element(struct cpu *cpu, const struct insn *insn, struct address address, unsigned size)
{
	if (size == 1)
		return load(cpu, insn, address, 1).v;
	return size == 2 ? load(cpu, insn, address, 2).v : load(cpu, insn, address, 4).v;
}

/* The port is read only once the store is sure to succeed. */
static void ins_element(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	uint16_t base = insn->bits & INSN_SLOW_EA ? CPU_OFFSET(seg[SEG_ES].base) : CPU_OFFSET(zero);
	struct address address = {0, reg_tag(cpu, CPU_OFFSET(gpr[RDI]))};

	address.linear = offset_linear(cpu, insn, base, cpu->gpr[RDI], size, true);
	probe_write(cpu, insn, data_bank(cpu, address), address.linear, size);
	store_element(cpu, insn, address, size, port_read(cpu, cpu->gpr[RDX], size));
	advance(cpu, insn, RDI, size);
}

static void outs_element(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct address address = {0, reg_tag(cpu, CPU_OFFSET(gpr[RSI]))};

	address.linear = offset_linear(cpu, insn, insn->segment, cpu->gpr[RSI], size, false);
	port_write(cpu, cpu->gpr[RDX], load_element(cpu, insn, address, size), size);
	advance(cpu, insn, RSI, size);
}

static bool interrupt_waits(const struct cpu *cpu)
{
	return (cpu->interrupt_line && (cpu->eflags & FLAG_IF)) || cpu->nmi_pending;
}

typedef void element_fn(struct cpu *cpu, const struct insn *insn, unsigned size);

static void string(struct cpu *cpu, const struct insn *insn, element_fn *element)
{
	uint64_t own = (cpu->rip + insn->offset) & cpu->ea_mask, count;
	unsigned size = port_size(insn);

	require_port(cpu, cpu->gpr[RDX], size);
	if (insn_rep(insn) == REP_NONE) {
		element(cpu, insn, size);
		cpu->rip = next_rip(cpu, insn) & cpu->ea_mask;
		return;
	}
	if (cpu->rep_allowance <= 0)
		cpu_abandon(cpu, CPU_EXIT_CLIENT);
	for (count = cpu->gpr[RCX] & address_mask(insn); count; count--) {
		element(cpu, insn, size);
		cpu->rep_allowance--;
		set_index(cpu, insn, RCX, count - 1);
		/* An interrupt gets in between. Not cpu->exit, which also says how the run was cut: that must make no difference. */
		if (count > 1 && ((count - 1) % cpu->rep_limit == 0 || interrupt_waits(cpu))) {
			cpu->rip = own;
			return;
		}
	}
	cpu->rip = next_rip(cpu, insn) & cpu->ea_mask;
}

static void do_ins(struct cpu *cpu, const struct insn *insn)
{
	string(cpu, insn, ins_element);
}

static void do_outs(struct cpu *cpu, const struct insn *insn)
{
	string(cpu, insn, outs_element);
}

/* -- the table -- */

SIMPLE(in_immediate, do_in_immediate)
SIMPLE(in_dx, do_in_dx)
SIMPLE(out_immediate, do_out_immediate)
SIMPLE(out_dx, do_out_dx)
TRANSFER(ins, do_ins)
TRANSFER(outs, do_outs)

const struct op_impl ENGINE(port_impls)[] = {
	{OP_IN, FORM_RI, 0, 0, in_immediate},
	{OP_IN, FORM_RR, 0, 0, in_dx},
	{OP_OUT, FORM(KIND_IMM, KIND_REG), 0, 0, out_immediate},
	{OP_OUT, FORM_RR, 0, 0, out_dx},
	{OP_INS, FORM_ANY, 0, 0, ins},
	{OP_OUTS, FORM_ANY, 0, 0, outs},
	{0},
};
