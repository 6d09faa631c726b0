/*
 * LDMXCSR, STMXCSR, FXSAVE, FXRSTOR (SDM vol. 1 chapters 10.2.3 and 10.5; vol. 2).
 *
 * Without CR4.OSFXSR, FXSAVE and FXRSTOR leave the XMM registers out. Outside 64-bit code there are eight of them.
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"
#include "emu/segment.h"

static void check_mxcsr(struct cpu *cpu, uint32_t value)
{
	if (value & ~(uint32_t)MXCSR_VALID)
		cpu_raise_code(cpu, VECTOR_GP, 0);
}

static void ldmxcsr(struct cpu *cpu, const struct insn *insn)
{
	uint32_t value = (uint32_t)load(cpu, insn, ea(cpu, insn, 4, false), 4).v;

	check_mxcsr(cpu, value);
	sse_set_mxcsr(cpu, value);
}
SIMPLE(LDMXCSR_m, ldmxcsr)

static void stmxcsr(struct cpu *cpu, const struct insn *insn)
{
	store(cpu, insn, ea(cpu, insn, 4, true), 4, (struct value){sse_mxcsr(cpu), 0});
}
SIMPLE(STMXCSR_m, stmxcsr)

static unsigned xmm_count(const struct cpu *cpu)
{
	if (!(cpu->cr4 & CR4_OSFXSR))
		return 0;
	return cpu_code64(cpu) ? 16 : 8;
}

static struct address image_address(struct cpu *cpu, const struct insn *insn, bool write)
{
	struct address address = ea(cpu, insn, sizeof(struct fxsave_image), write);

	if (address.linear & 15) {
		/* #SS, if it is in the stack segment, comes first, as processors look at a doubleword. */
		if (!linear_canonical(cpu, address.linear) || !linear_canonical(cpu, address.linear + 3))
			load(cpu, insn, address, 4);
		cpu_raise_code(cpu, VECTOR_GP, 0);
	}
	return address;
}

/* Part of the image, as its address in memory. */
static struct address part(struct address image, size_t offset)
{
	return (struct address){image.linear + offset, image.tag};
}

static void fxsave(struct cpu *cpu, const struct insn *insn, bool rex_w)
{
	struct address address = image_address(cpu, insn, true);
	struct fxsave_image image = {.mxcsr = sse_mxcsr(cpu), .mxcsr_mask = MXCSR_VALID};
	unsigned i, count = xmm_count(cpu);
	const size_t head = offsetof(struct fxsave_image, xmm);

	x87_fxsave_image(cpu, (uint8_t *)&image, rex_w);
	/* All of it must be there, though not all is written. */
	probe_write(cpu, insn, data_bank(cpu, address), address.linear, sizeof(image));
	store_bytes(cpu, insn, address, &image, head, x87_tags(cpu));
	for (i = 0; i < count; i++) /* one by one: each has its tag */
		store_packed(cpu, insn, part(address, head + i * sizeof(union xmm)), xmm_get(cpu, CPU_OFFSET(xmm[i])));
}

static void fxrstor(struct cpu *cpu, const struct insn *insn, bool rex_w)
{
	struct address address = image_address(cpu, insn, false);
	struct fxsave_image image;
	tag_t head_tag, tags[16];
	unsigned i, count = xmm_count(cpu);
	const size_t head = offsetof(struct fxsave_image, xmm);

	head_tag = load_bytes(cpu, insn, address, &image, head);
	for (i = 0; i < count; i++)
		tags[i] = load_bytes(cpu, insn, part(address, head + i * sizeof(union xmm)), &image.xmm[i], sizeof(union xmm));
	load(cpu, insn, part(address, sizeof(image) - 1), 1); /* all of it must be there, though not all is used */
	check_mxcsr(cpu, image.mxcsr);

	x87_fxrstor_image(cpu, (const uint8_t *)&image, rex_w);
	x87_set_tags(cpu, head_tag);
	for (i = 0; i < count; i++) {
		cpu->xmm[i] = image.xmm[i];
		cpu->xmm_tag[i] = tags[i];
	}
	sse_set_mxcsr(cpu, image.mxcsr);
}

static void fxsave32(struct cpu *cpu, const struct insn *insn)
{
	fxsave(cpu, insn, false);
}
static void fxsave64(struct cpu *cpu, const struct insn *insn)
{
	fxsave(cpu, insn, true);
}
static void fxrstor32(struct cpu *cpu, const struct insn *insn)
{
	fxrstor(cpu, insn, false);
}
static void fxrstor64(struct cpu *cpu, const struct insn *insn)
{
	fxrstor(cpu, insn, true);
}
SIMPLE(FXSAVE_m, fxsave32)
SIMPLE(FXSAVE64_m, fxsave64)
SIMPLE(FXRSTOR_m, fxrstor32)
SIMPLE(FXRSTOR64_m, fxrstor64)

const struct op_impl ENGINE(sse_state_impls)[] = {
	{OP_LDMXCSR, FORM_M, 0, 0, LDMXCSR_m},
	{OP_STMXCSR, FORM_M, 0, 0, STMXCSR_m},
	{OP_FXSAVE, FORM_M, 0, 0, FXSAVE_m},
	{OP_FXSAVE64, FORM_M, 0, 0, FXSAVE64_m},
	{OP_FXRSTOR, FORM_M, 0, 0, FXRSTOR_m},
	{OP_FXRSTOR64, FORM_M, 0, 0, FXRSTOR64_m},
	{0},
};
