/*
 * x87 state and its images in memory: environment (FNSTENV), whole state (FNSAVE) and the x87 part of FXSAVE's area.
 * SDM vol. 1, 8.1 (figures 8-9 to 8-12) and 10.5.1 (table 10-2).
 */
#include "emu/x87.h"

#include <string.h>

/* -- words -- */

static void update_summary(struct fpu *fpu)
{
	fpu->status &= ~(X87_ES | X87_B);
	if (fpu->status & ~fpu->control & X87_EXCEPTIONS)
		fpu->status |= X87_ES | X87_B;
}

/* Keeps ES and B right, and forgets the host's exception flags. */
static void set_status_word(struct cpu *cpu, uint16_t status)
{
	x87_host_forget(cpu);
	cpu->fpu.top = status >> X87_TOP_SHIFT & 7;
	cpu->fpu.status = status & (X87_EXCEPTIONS | X87_SF | X87_CONDITION);
	update_summary(&cpu->fpu);
}

void x87_set_control_word(struct cpu *cpu, uint16_t control)
{
	cpu->fpu.control = (control & X87_CONTROL_BITS) | X87_CONTROL_ONES;
	update_summary(&cpu->fpu);
}

void x87_clear_exceptions(struct cpu *cpu)
{
	x87_host_forget(cpu);
	cpu->fpu.status &= X87_CONDITION;
}

void x87_init(struct cpu *cpu)
{
	struct fpu *fpu = &cpu->fpu;

	x87_host_forget(cpu);
	fpu->control = X87_CONTROL_INITIAL;
	fpu->status = 0;
	fpu->top = 0;
	fpu->valid = 0;
	fpu->opcode = fpu->fcs = fpu->fds = 0;
	fpu->fip = fpu->fdp = 0;
}

/* -- tags -- */

enum x87_tag { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static enum x87_tag classify(const struct fpu_register *reg)
{
	unsigned exponent = reg->sign_exponent & 0x7fff;

	if (exponent == 0 && reg->significand == 0)
		return TAG_ZERO;
	return exponent == 0 || exponent == 0x7fff || !(reg->significand >> 63) ? TAG_SPECIAL : TAG_VALID;
}

/* The full tag word, two bits a physical register (SDM vol. 1, 8.1.7). */
static uint16_t tag_word(const struct fpu *fpu)
{
	uint16_t tags = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		tags |= (fpu->valid >> i & 1 ? classify(&fpu->reg[i]) : TAG_EMPTY) << 2 * i;
	return tags;
}

void x87_set_tag_word(struct fpu *fpu, uint16_t tags)
{
	unsigned i;

	fpu->valid = 0;
	for (i = 0; i < 8; i++)
		fpu->valid |= ((tags >> 2 * i & 3) != TAG_EMPTY) << i;
}

/* -- little-endian pieces -- */

static void put(uint8_t *to, uint64_t value, unsigned size)
{
	memcpy(to, &value, size);
}

static uint64_t get(const uint8_t *from, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

/* -- FNSTENV and FLDENV -- */

/* Real-address and V86 mode have linear addresses in place of selectors and offsets. */
static void store_pointers_linear(const struct fpu *fpu, uint8_t *image, unsigned step)
{
	uint32_t ip = (fpu->fcs << 4) + fpu->fip, dp = (fpu->fds << 4) + fpu->fdp;
	unsigned high_bits = step == 4 ? 16 : 4;
	uint32_t high_mask = (1u << high_bits) - 1;

	put(image + 3 * step, ip, 2);
	put(image + 4 * step, (ip >> 16 & high_mask) << 12 | fpu->opcode, step);
	put(image + 5 * step, dp, 2);
	put(image + 6 * step, (dp >> 16 & high_mask) << 12, step);
}

static void load_pointers_linear(struct fpu *fpu, const uint8_t *image, unsigned step)
{
	uint32_t high_ip = get(image + 4 * step, step), high_dp = get(image + 6 * step, step);

	fpu->fip = get(image + 3 * step, 2) | high_ip >> 12 << 16;
	fpu->fdp = get(image + 5 * step, 2) | high_dp >> 12 << 16;
	fpu->opcode = high_ip & 0x7ff;
	fpu->fcs = fpu->fds = 0;
}

static void store_pointers(const struct fpu *fpu, uint8_t *image, unsigned step)
{
	put(image + 3 * step, fpu->fip, step);
	put(image + 4 * step, fpu->fcs, 2);
	put(image + 5 * step, fpu->fdp, step);
	put(image + 6 * step, fpu->fds, 2);
	if (step == 4)
		put(image + 4 * step + 2, fpu->opcode, 2);
}

static void load_pointers(struct fpu *fpu, const uint8_t *image, unsigned step)
{
	fpu->fip = get(image + 3 * step, step);
	fpu->fcs = get(image + 4 * step, 2);
	fpu->fdp = get(image + 5 * step, step);
	fpu->fds = get(image + 6 * step, 2);
	fpu->opcode = step == 4 ? get(image + 4 * step + 2, 2) & 0x7ff : 0;
}

unsigned x87_store_environment(const struct cpu *cpu, uint8_t *image, bool wide)
{
	const struct fpu *fpu = &cpu->fpu;
	unsigned step = wide ? 4 : 2;

	memset(image, 0xff, 7 * step); /* so the reserved halves read, on all CPUs of this century */
	put(image, fpu->control, 2);
	put(image + step, x87_status_word(fpu), 2);
	put(image + 2 * step, tag_word(fpu), 2);
	if (cpu_protected(cpu))
		store_pointers(fpu, image, step);
	else
		store_pointers_linear(fpu, image, step);
	return 7 * step;
}

void x87_load_environment(struct cpu *cpu, const uint8_t *image, bool wide)
{
	unsigned step = wide ? 4 : 2;

	x87_set_control_word(cpu, get(image, 2));
	set_status_word(cpu, get(image + step, 2));
	x87_set_tag_word(&cpu->fpu, get(image + 2 * step, 2));
	if (cpu_protected(cpu))
		load_pointers(&cpu->fpu, image, step);
	else
		load_pointers_linear(&cpu->fpu, image, step);
}

/* -- FNSAVE and FRSTOR -- */

unsigned x87_store_image(const struct cpu *cpu, uint8_t *image, bool wide)
{
	unsigned size = x87_store_environment(cpu, image, wide), i;

	for (i = 0; i < 8; i++)
		memcpy(image + size + 10 * i, &cpu->fpu.reg[x87_physical(&cpu->fpu, i)], 10);
	return size + 80;
}

void x87_load_image(struct cpu *cpu, const uint8_t *image, bool wide)
{
	unsigned size = wide ? 28 : 14, i;

	x87_load_environment(cpu, image, wide);
	for (i = 0; i < 8; i++)
		memcpy(&cpu->fpu.reg[x87_physical(&cpu->fpu, i)], image + size + 10 * i, 10);
}

/* -- FXSAVE and FXRSTOR -- */

void x87_fxsave_image(const struct cpu *cpu, uint8_t *image, bool rex_w)
{
	const struct fpu *fpu = &cpu->fpu;
	unsigned i;

	memset(image, 0, 24);
	put(image, fpu->control, 2);
	put(image + 2, x87_status_word(fpu), 2);
	put(image + 4, fpu->valid, 1);
	put(image + 6, fpu->opcode, 2);
	put(image + 8, fpu->fip, rex_w ? 8 : 4);
	put(image + 16, fpu->fdp, rex_w ? 8 : 4);
	if (!rex_w) {
		put(image + 12, fpu->fcs, 2);
		put(image + 20, fpu->fds, 2);
	}
	memset(image + 32, 0, 128);
	for (i = 0; i < 8; i++)
		memcpy(image + 32 + 16 * i, &fpu->reg[x87_physical(fpu, i)], 10);
}

void x87_fxrstor_image(struct cpu *cpu, const uint8_t *image, bool rex_w)
{
	struct fpu *fpu = &cpu->fpu;
	unsigned i;

	x87_set_control_word(cpu, get(image, 2));
	set_status_word(cpu, get(image + 2, 2));
	fpu->valid = image[4];
	fpu->opcode = get(image + 6, 2) & 0x7ff;
	fpu->fip = get(image + 8, rex_w ? 8 : 4);
	fpu->fdp = get(image + 16, rex_w ? 8 : 4);
	fpu->fcs = rex_w ? 0 : get(image + 12, 2);
	fpu->fds = rex_w ? 0 : get(image + 20, 2);
	for (i = 0; i < 8; i++)
		memcpy(&fpu->reg[x87_physical(fpu, i)], image + 32 + 16 * i, 10);
}

tag_t x87_tags(const struct cpu *cpu)
{
	tag_t tag = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		tag |= cpu->fpu_tag[i];
	return tag;
}

void x87_set_tags(struct cpu *cpu, tag_t tag)
{
	memset(cpu->fpu_tag, tag, sizeof(cpu->fpu_tag));
}
