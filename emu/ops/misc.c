/*
 * What is left of the general-purpose instructions: flag control, LAHF SAHF SALC, BOUND, UD0-UD2, MOVNTI, XLAT, hints and fences
 * (SDM vol. 1, 7.3.13-7.3.17). Memory is strongly ordered and there is no cache, so fences, PAUSE and prefetches do nothing.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"
#include "emu/ops/offset.h"

static const struct insn *nop(struct cpu *cpu, const struct insn *insn)
{
	NEXT(cpu, insn);
}

/* -- flags -- */

static const struct insn *clc(struct cpu *cpu, const struct insn *insn)
{
	flags_replace(&cpu->flags, 0, FLAG_CF);
	NEXT(cpu, insn);
}

static const struct insn *stc(struct cpu *cpu, const struct insn *insn)
{
	flags_replace(&cpu->flags, FLAG_CF, FLAG_CF);
	NEXT(cpu, insn);
}

static const struct insn *cmc(struct cpu *cpu, const struct insn *insn)
{
	flags_replace(&cpu->flags, flags_cf(&cpu->flags) ? 0 : FLAG_CF, FLAG_CF);
	NEXT(cpu, insn);
}

static const struct insn *cld(struct cpu *cpu, const struct insn *insn)
{
	cpu->eflags &= ~FLAG_DF;
	NEXT(cpu, insn);
}

static const struct insn *std(struct cpu *cpu, const struct insn *insn)
{
	cpu->eflags |= FLAG_DF;
	NEXT(cpu, insn);
}

enum {
	FLAGS_IN_AH = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF,
	FLAG_FIXED = 1 << 1, /* the bit of EFLAGS that is always set */
	AH_OFFSET = 1,
};

static const struct insn *lahf(struct cpu *cpu, const struct insn *insn)
{
	reg_set(cpu, CPU_OFFSET(gpr[RAX]) + AH_OFFSET, 1, (struct value){(flags_get(&cpu->flags) & FLAGS_IN_AH) | FLAG_FIXED, 0});
	NEXT(cpu, insn);
}

static const struct insn *sahf(struct cpu *cpu, const struct insn *insn)
{
	uint64_t ah = reg_get(cpu, CPU_OFFSET(gpr[RAX]) + AH_OFFSET, 1).v;

	flags_set_raw(&cpu->flags, (ah & FLAGS_IN_AH) | (flags_of(&cpu->flags) ? FLAG_OF : 0));
	NEXT(cpu, insn);
}

static const struct insn *salc(struct cpu *cpu, const struct insn *insn)
{
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), 1, (struct value){flags_cf(&cpu->flags) ? 0xff : 0, 0});
	NEXT(cpu, insn);
}

/* -- exceptions on purpose -- */

static void do_undefined(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	cpu_raise(cpu, VECTOR_UD);
}

/* The bounds are two signed integers side by side. */
static void do_bound(struct cpu *cpu, const struct insn *insn)
{
	unsigned size = insn_operand_size(insn);
	uint64_t bounds = load(cpu, insn, ea(cpu, insn, 2 * size, false), 2 * size).v;
	int64_t lower = (int64_t)sign_extend(bounds, size), upper = (int64_t)sign_extend(bounds >> 8 * size, size);
	int64_t index = (int64_t)sign_extend(reg_get(cpu, insn->op1, size).v, size);

	if (index < lower || index > upper)
		cpu_raise(cpu, VECTOR_BR);
}

/* -- data -- */

ALWAYS_INLINE void move_non_temporal(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	store(cpu, insn, ea(cpu, insn, size, true), size, reg_get(cpu, insn->op2, size));
}

static const struct insn *movnti_4(struct cpu *cpu, const struct insn *insn)
{
	move_non_temporal(cpu, insn, 4);
	NEXT(cpu, insn);
}

static const struct insn *movnti_8(struct cpu *cpu, const struct insn *insn)
{
	move_non_temporal(cpu, insn, 8);
	NEXT(cpu, insn);
}

/* AL = DS:[rBX + AL] */
static const struct insn *xlat(struct cpu *cpu, const struct insn *insn)
{
	struct value base = reg_get(cpu, CPU_OFFSET(gpr[RBX]), 8), index = reg_get(cpu, CPU_OFFSET(gpr[RAX]), 1);
	uint64_t linear = offset_linear(cpu, insn, insn->segment, base.v + index.v, 1, false);

	reg_set(cpu, CPU_OFFSET(gpr[RAX]), 1, load(cpu, insn, (struct address){linear, base.tag | index.tag}, 1));
	NEXT(cpu, insn);
}

/* CLFLUSH is checked as a load of one byte. */
static void do_flush_line(struct cpu *cpu, const struct insn *insn)
{
	load(cpu, insn, ea(cpu, insn, 1, false), 1);
}

SIMPLE(undefined, do_undefined)
SIMPLE(bound, do_bound)
SIMPLE(clflush, do_flush_line)

const struct op_impl ENGINE(misc_impls)[] = {
	{OP_NOP, FORM_ANY, 0, 0, nop},        {OP_PAUSE, FORM_ANY, 0, 0, nop},       {OP_FENCE, FORM_ANY, 0, 0, nop},
	{OP_PREFETCH, FORM_ANY, 0, 0, nop},   {OP_CLFLUSH, FORM_ANY, 0, 0, clflush}, {OP_CLC, FORM_ANY, 0, 0, clc},
	{OP_STC, FORM_ANY, 0, 0, stc},        {OP_CMC, FORM_ANY, 0, 0, cmc},         {OP_CLD, FORM_ANY, 0, 0, cld},
	{OP_STD, FORM_ANY, 0, 0, std},        {OP_LAHF, FORM_ANY, 0, 0, lahf},       {OP_SAHF, FORM_ANY, 0, 0, sahf},
	{OP_SALC, FORM_ANY, 0, 0, salc},      {OP_BOUND, FORM_ANY, 0, 0, bound},     {OP_UD0, FORM_ANY, 0, 0, undefined},
	{OP_UD1, FORM_ANY, 0, 0, undefined},  {OP_UD2, FORM_ANY, 0, 0, undefined},   {OP_MOVNTI, FORM_MR, 4, 0, movnti_4},
	{OP_MOVNTI, FORM_MR, 8, 0, movnti_8}, {OP_XLAT, FORM_ANY, 0, 0, xlat},       {0},
};
