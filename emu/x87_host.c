/*
 * The host's x87 at the guest's service: executing any one instruction with the guest's whole x87 state.
 *
 * This is the way of all that the quick handlers (emu/ops/x87*.c) do not cover: unmasked exceptions, stack faults, rare instructions. The
 * state goes to the host by FRSTOR, one routine of a table with all x87 encodings executes the very instruction, and FNSAVE brings the
 * state back. An unmasked exception stays pending in the host, which would tell only at its next waiting instruction; FNSAVE is none and
 * clears it.
 */
#include <string.h>

#include "emu/flags.h"
#include "emu/x87.h"

/*
 * Routines of 4 bytes: those of D8-DF with ModRM C0-FF, in order, then those of D8-DF with /0 to /7 and the memory operand at RSI.
 * Those of undefined and of control instructions are never called.
 */
__asm__(".pushsection .text\n"
	".balign 4\n"
	"x87_host_routines:\n"
	".set opcode, 0xd8\n"
	".rept 8\n"
	"	.set modrm, 0xc0\n"
	"	.rept 64\n"
	"		.byte opcode, modrm, 0xc3, 0x90\n" /* ret; nop */
	"		.set modrm, modrm + 1\n"
	"	.endr\n"
	"	.set opcode, opcode + 1\n"
	".endr\n"
	".set opcode, 0xd8\n"
	".rept 8\n"
	"	.set modrm, 0x06\n"
	"	.rept 8\n"
	"		.byte opcode, modrm, 0xc3, 0x90\n"
	"		.set modrm, modrm + 8\n"
	"	.endr\n"
	"	.set opcode, opcode + 1\n"
	".endr\n"
	/* uint64_t x87_host_execute(void *image, void *memory, uint64_t eflags, const uint8_t *routine): returns EFLAGS. */
	"x87_host_execute:\n"
	"	frstor (%rdi)\n"
	"	pushq %rdx\n"
	"	popfq\n"
	"	call *%rcx\n"
	"	pushfq\n"
	"	popq %rax\n"
	"	fnsave (%rdi)\n"
	"	ret\n"
	".popsection\n");
extern const uint8_t x87_host_routines[];
uint64_t x87_host_execute(void *image, void *memory, uint64_t eflags, const uint8_t *routine);

static bool is_register_form(unsigned fop)
{
	return (fop & 0xc0) == 0xc0;
}

static const uint8_t *routine_of(unsigned fop)
{
	unsigned opcode = fop >> 8 & 7;
	unsigned index = is_register_form(fop) ? opcode << 6 | (fop & 0x3f) : 8 << 6 | opcode << 3 | (fop >> 3 & 7);

	return x87_host_routines + 4 * index;
}

int x87_memory_size(unsigned fop)
{
	/* By opcode and ModRM.reg. Control instructions, which are none of ours, and undefined ones have 0. */
	static const int8_t size[8][8] = {
		{4, 4, 4, 4, 4, 4, 4, 4}, {4, 0, -4, -4, 0, 0, 0, 0},  {4, 4, 4, 4, 4, 4, 4, 4}, {4, -4, -4, -4, 0, 10, 0, -10},
		{8, 8, 8, 8, 8, 8, 8, 8}, {8, -8, -8, -8, 0, 0, 0, 0}, {2, 2, 2, 2, 2, 2, 2, 2}, {2, -2, -2, -2, 10, 8, -10, -8},
	};

	return is_register_form(fop) ? 0 : size[fop >> 8 & 7][fop >> 3 & 7];
}

/* -- control word -- */

void x87_host_enter(struct cpu *cpu)
{
	__asm__ volatile("fninit");
	cpu->x87_host_control = X87_CONTROL_INITIAL;
}

void x87_host_leave(struct cpu *cpu)
{
	x87_host_enter(cpu); /* FNINIT's state is also the ABI's */
}

bool x87_host_follow(struct cpu *cpu)
{
	uint16_t control = cpu->fpu.control;

	if ((control & X87_MASKS) != X87_MASKS || control == cpu->x87_host_control)
		return false;
	__asm__ volatile("fldcw %0" : : "m"(control));
	cpu->x87_host_control = control;
	return true;
}

/* -- execution -- */

void x87_compute(struct cpu *cpu, unsigned fop, void *memory, struct x87_outcome *ret)
{
	uint16_t status, unmasked;

	x87_store_image(cpu, ret->image, true);
	ret->flags = x87_host_execute(ret->image, memory, flags_get(&cpu->flags), routine_of(fop));
	cpu->x87_host_control = X87_CONTROL_INITIAL; /* FNSAVE's */
	x87_host_follow(cpu);

	memcpy(&status, ret->image + 4, sizeof(status));
	unmasked = status & ~cpu->fpu.control & X87_EXCEPTIONS;
	ret->stores = x87_memory_size(fop) < 0 && !(unmasked & ~X87_PE); /* with an unmasked one but #P the destination stays */
}

/* FCOMI, FCOMIP, FUCOMI, FUCOMIP. */
static bool writes_eflags(unsigned fop)
{
	unsigned opcode = fop >> 8 & 7, reg = fop >> 3 & 7;

	return is_register_form(fop) && (opcode == 3 || opcode == 7) && (reg == 5 || reg == 6);
}

/* FPTAN pushes 1.0 after its result. */
enum { FOP_FPTAN = 0x1f2 };

/* The tag of what the instruction computes. `memory`: of its memory source. */
static tag_t result_tag(const struct cpu *cpu, unsigned fop, tag_t memory)
{
	const struct fpu *fpu = &cpu->fpu;
	unsigned opcode = fop >> 8 & 7, reg = fop >> 3 & 7;
	tag_t st0 = cpu->fpu_tag[fpu->top], st1 = cpu->fpu_tag[x87_physical(fpu, 1)], sti = cpu->fpu_tag[x87_physical(fpu, fop & 7)];

	if (!is_register_form(fop)) /* odd opcodes load and store, even ones compute with ST(0) */
		return opcode & 1 ? memory : memory | st0;
	if (opcode != 1)
		return st0 | sti;
	switch (reg) {
	case 0: /* FLD ST(i) */
		return sti;
	case 1: /* FXCH */
		return st0 | sti;
	case 5: /* constants */
		return 0;
	case 6:
	case 7:
		return st0 | st1;
	default:
		return st0;
	}
}

void x87_commit(struct cpu *cpu, unsigned fop, const struct x87_outcome *outcome, tag_t tag)
{
	struct fpu *fpu = &cpu->fpu;
	tag_t result = result_tag(cpu, fop, tag);
	uint8_t were_valid = fpu->valid;
	uint16_t status, tags;
	unsigned i;

	memcpy(&status, outcome->image + 4, sizeof(status));
	memcpy(&tags, outcome->image + 8, sizeof(tags));
	fpu->top = status >> X87_TOP_SHIFT & 7;
	fpu->status = status & ~(7 << X87_TOP_SHIFT);
	x87_set_tag_word(fpu, tags);
	for (i = 0; i < 8; i++) {
		unsigned n = x87_physical(fpu, i);
		const uint8_t *value = outcome->image + X87_ENVIRONMENT_SIZE + 10 * i;
		bool pushed = (fpu->valid & ~were_valid) >> n & 1;

		if (pushed || memcmp(&fpu->reg[n], value, 10) != 0)
			cpu->fpu_tag[n] = pushed && fop == FOP_FPTAN ? 0 : result;
		memcpy(&fpu->reg[n], value, 10);
	}
	if (writes_eflags(fop))
		flags_set_raw(&cpu->flags, outcome->flags);
}
