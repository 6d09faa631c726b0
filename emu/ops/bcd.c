/*
 * Decimal arithmetic: DAA DAS AAA AAS AAM AAD (SDM vol. 1, 7.3.4).
 *
 * Flags that the SDM leaves undefined are those of the addition or subtraction that each instruction amounts to, as on AMD processors
 * (established exhaustively): of 6, 60H or 66H to AL for DAA and DAS, of 106H to AX for AAA and AAS.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"

/* AL or AX after an instruction, and all arithmetic flags. */
struct decimal {
	uint16_t value;
	uint32_t flags;
};

/* The OF of a + b = sum (a - b = difference) of `size` bytes. */
static uint32_t overflow_of_sum(uint32_t a, uint32_t b, uint32_t sum, unsigned size)
{
	return (a ^ sum) & (b ^ sum) & 1u << (8 * size - 1) ? FLAG_OF : 0;
}

static uint32_t overflow_of_difference(uint32_t a, uint32_t b, uint32_t difference, unsigned size)
{
	return (a ^ b) & (a ^ difference) & 1u << (8 * size - 1) ? FLAG_OF : 0;
}

/* DAA, DAS: what is to be added to (subtracted from) AL, and the CF and AF that tell of it. */
static uint32_t packed_adjustment(uint8_t al, uint32_t flags, uint32_t *ret_carries)
{
	bool low = (al & 0xf) > 9 || (flags & FLAG_AF), high = al > 0x99 || (flags & FLAG_CF);

	*ret_carries = (low ? FLAG_AF : 0) | (high ? FLAG_CF : 0);
	return (low ? 6 : 0) + (high ? 0x60 : 0);
}

static struct decimal daa(uint16_t ax, uint32_t flags)
{
	uint32_t carries;
	uint8_t al = ax, adjustment = packed_adjustment(al, flags, &carries), result = al + adjustment;

	return (struct decimal){result, carries | flags_of_result(result, 1) | overflow_of_sum(al, adjustment, result, 1)};
}

static struct decimal das(uint16_t ax, uint32_t flags)
{
	uint32_t carries;
	uint8_t al = ax, adjustment = packed_adjustment(al, flags, &carries), result = al - adjustment;

	if ((carries & FLAG_AF) && al < 6)
		carries |= FLAG_CF;
	return (struct decimal){result, carries | flags_of_result(result, 1) | overflow_of_difference(al, adjustment, result, 1)};
}

static uint16_t unpacked_adjustment(uint16_t ax, uint32_t flags)
{
	return (ax & 0xf) > 9 || (flags & FLAG_AF) ? 0x106 : 0;
}

/* SF and ZF are those of AX, PF is that of AL as always, and all see AL before its upper half is cleared. */
static struct decimal aaa(uint16_t ax, uint32_t flags)
{
	uint16_t adjustment = unpacked_adjustment(ax, flags), sum = ax + adjustment;

	return (struct decimal){sum & 0xff0f,
				(adjustment ? FLAG_AF | FLAG_CF : 0) | flags_of_result(sum, 2) | overflow_of_sum(ax, adjustment, sum, 2)};
}

static struct decimal aas(uint16_t ax, uint32_t flags)
{
	uint16_t adjustment = unpacked_adjustment(ax, flags), difference = ax - adjustment;

	return (struct decimal){difference & 0xff0f, (adjustment ? FLAG_AF | FLAG_CF : 0) | flags_of_result(difference, 2) |
							     overflow_of_difference(ax, adjustment, difference, 2)};
}

static struct decimal aam(uint8_t al, uint8_t base)
{
	uint8_t low = al % base;

	return (struct decimal){(al / base) << 8 | low, flags_of_result(low, 1)};
}

/* All flags are those of adding AH * base to AL. */
static struct decimal aad(uint16_t ax, uint8_t base)
{
	struct lazy_flags flags;
	uint8_t al = ax, addend = (ax >> 8) * base;

	flags_set(&flags, FLAGS_ADD, al, addend, al + addend, 1);
	return (struct decimal){(uint8_t)(al + addend), flags_get(&flags)};
}

/* -- handlers -- */

static void commit(struct cpu *cpu, struct decimal result, unsigned size)
{
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, (struct value){result.value, reg_tag(cpu, CPU_OFFSET(gpr[RAX]))});
	flags_set_raw(&cpu->flags, result.flags);
}

static void do_daa(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	commit(cpu, daa(cpu->gpr[RAX], flags_get(&cpu->flags)), 1);
}

static void do_das(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	commit(cpu, das(cpu->gpr[RAX], flags_get(&cpu->flags)), 1);
}

static void do_aaa(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	commit(cpu, aaa(cpu->gpr[RAX], flags_get(&cpu->flags)), 2);
}

static void do_aas(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	commit(cpu, aas(cpu->gpr[RAX], flags_get(&cpu->flags)), 2);
}

static void do_aam(struct cpu *cpu, const struct insn *insn)
{
	uint8_t base = insn->imm;

	if (base == 0)
		cpu_raise(cpu, VECTOR_DE);
	commit(cpu, aam(cpu->gpr[RAX], base), 2);
}

/* AH = 0. */
static void do_aad(struct cpu *cpu, const struct insn *insn)
{
	commit(cpu, aad(cpu->gpr[RAX], insn->imm), 2);
}

SIMPLE(handle_daa, do_daa)
SIMPLE(handle_das, do_das)
SIMPLE(handle_aaa, do_aaa)
SIMPLE(handle_aas, do_aas)
SIMPLE(handle_aam, do_aam)
SIMPLE(handle_aad, do_aad)

const struct op_impl ENGINE(bcd_impls)[] = {
	{OP_DAA, FORM_ANY, 0, 0, handle_daa},
	{OP_DAS, FORM_ANY, 0, 0, handle_das},
	{OP_AAA, FORM_ANY, 0, 0, handle_aaa},
	{OP_AAS, FORM_ANY, 0, 0, handle_aas},
	{OP_AAM, FORM_ANY, 0, 0, handle_aam},
	{OP_AAD, FORM_ANY, 0, 0, handle_aad},
	{0},
};
