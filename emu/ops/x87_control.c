/*
 * x87 control instructions (SDM vol. 1, 8.3.11 to 8.3.13). They leave FIP, FOP and FDP alone. Those spelt FN... are
 * executed even with an unmasked exception pending.
 */
#include "emu/ops/x87_quick.h"

/* -- words -- */

static void fldcw(struct cpu *cpu, const struct insn *insn)
{
	x87_check_pending(cpu);
	x87_set_control_word(cpu, load(cpu, insn, ea(cpu, insn, 2, false), 2).v);
}
SIMPLE(fldcw_m16, fldcw)

static const struct insn *fnstcw_m16(struct cpu *cpu, const struct insn *insn)
{
	store(cpu, insn, ea(cpu, insn, 2, true), 2, (struct value){cpu->fpu.control, 0});
	NEXT(cpu, insn);
}

static const struct insn *fnstsw_m16(struct cpu *cpu, const struct insn *insn)
{
	store(cpu, insn, ea(cpu, insn, 2, true), 2, (struct value){x87_status_word(&cpu->fpu), 0});
	NEXT(cpu, insn);
}

static const struct insn *fnstsw_ax(struct cpu *cpu, const struct insn *insn)
{
	reg_set(cpu, insn->op1, 2, (struct value){x87_status_word(&cpu->fpu), 0});
	NEXT(cpu, insn);
}

/* -- the whole state -- */

static bool is_wide(const struct insn *insn)
{
	return insn_operand_size(insn) != 2;
}

static void fnstenv(struct cpu *cpu, const struct insn *insn)
{
	uint8_t image[X87_ENVIRONMENT_SIZE];
	unsigned size = x87_store_environment(cpu, image, is_wide(insn));

	store_bytes(cpu, insn, ea(cpu, insn, size, true), image, size, 0);
	x87_set_control_word(cpu, cpu->fpu.control | X87_MASKS);
}
SIMPLE(fnstenv_m, fnstenv)

static void fldenv(struct cpu *cpu, const struct insn *insn)
{
	uint8_t image[X87_ENVIRONMENT_SIZE];
	unsigned size = is_wide(insn) ? X87_ENVIRONMENT_SIZE : X87_ENVIRONMENT_SIZE / 2;

	x87_check_pending(cpu);
	load_bytes(cpu, insn, ea(cpu, insn, size, false), image, size);
	x87_load_environment(cpu, image, is_wide(insn));
}
SIMPLE(fldenv_m, fldenv)

static void fnsave(struct cpu *cpu, const struct insn *insn)
{
	uint8_t image[X87_IMAGE_SIZE];
	unsigned size = x87_store_image(cpu, image, is_wide(insn));

	store_bytes(cpu, insn, ea(cpu, insn, size, true), image, size, x87_tags(cpu));
	x87_init(cpu);
}
SIMPLE(fnsave_m, fnsave)

static void frstor(struct cpu *cpu, const struct insn *insn)
{
	uint8_t image[X87_IMAGE_SIZE];
	unsigned size = is_wide(insn) ? X87_IMAGE_SIZE : X87_IMAGE_SIZE - X87_ENVIRONMENT_SIZE / 2;
	tag_t tag;

	x87_check_pending(cpu);
	tag = load_bytes(cpu, insn, ea(cpu, insn, size, false), image, size);
	x87_load_image(cpu, image, is_wide(insn));
	if (ENGINE_TAGGED)
		x87_set_tags(cpu, tag);
}
SIMPLE(frstor_m, frstor)

/* -- the rest -- */

static void fninit(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	x87_init(cpu);
}
SIMPLE(fninit_none, fninit)

static void fnclex(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	x87_clear_exceptions(cpu);
}
SIMPLE(fnclex_none, fnclex)

/* CR0.EM does not concern WAIT, and TS only together with MP (SDM vol. 3A table 9-1). */
static void wait(struct cpu *cpu, const struct insn *insn)
{
	(void)insn;
	if ((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		cpu_raise(cpu, VECTOR_NM);
	x87_check_pending(cpu);
}
SIMPLE(wait_none, wait)

static const struct insn *nothing(struct cpu *cpu, const struct insn *insn)
{
	NEXT(cpu, insn);
}

const struct op_impl ENGINE(x87_control_impls)[] = {
	{OP_FLDCW, FORM_M, 0, 0, fldcw_m16},
	{OP_FNSTCW, FORM_M, 0, 0, fnstcw_m16},
	{OP_FNSTSW, FORM_M, 0, 0, fnstsw_m16},
	{OP_FNSTSW, FORM_R, 0, 0, fnstsw_ax},
	{OP_FNSTENV, FORM_M, 0, 0, fnstenv_m},
	{OP_FLDENV, FORM_M, 0, 0, fldenv_m},
	{OP_FNSAVE, FORM_M, 0, 0, fnsave_m},
	{OP_FRSTOR, FORM_M, 0, 0, frstor_m},
	{OP_FNINIT, FORM_NONE, 0, 0, fninit_none},
	{OP_FNCLEX, FORM_NONE, 0, 0, fnclex_none},
	{OP_FNENI, FORM_NONE, 0, 0, nothing},
	{OP_FNDISI, FORM_NONE, 0, 0, nothing},
	{OP_FNSETPM, FORM_NONE, 0, 0, nothing},
	{OP_WAIT, FORM_NONE, 0, 0, wait_none},
	{OP_FNOP, FORM_NONE, 0, 0, x87_any},
	{OP_FINCSTP, FORM_NONE, 0, 0, x87_any},
	{OP_FDECSTP, FORM_NONE, 0, 0, x87_any},
	{OP_FFREE, FORM_R, 0, 0, x87_any},
	{OP_FFREEP, FORM_R, 0, 0, x87_any},
	{0},
};
