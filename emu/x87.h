/*
 * x87 FPU state (SDM vol. 1 chapter 8), its images in memory, and the host's FPU, which computes for it.
 *
 * Values are in struct fpu, by *physical* register. struct fpu's `status` is the status word without TOP; its ES and B bits always say
 * whether an exception flag is set that `control` does not mask.
 *
 * The host's x87 inside cpu_run(): its register stack is empty between instructions, all exceptions are masked, and its control word is
 * cpu->x87_host_control. Its exception flags are sticky and a subset of the guest's, so that an operation only has to OR them into the
 * guest's. That is why x87_host_enter() and x87_host_leave() stand around a run, and x87_host_forget() wherever the guest's flags are
 * cleared. Meanwhile no compiled code may use `long double` or MMX registers.
 */
#ifndef XRAY86_EMU_X87_H
#define XRAY86_EMU_X87_H

#include "emu/cpu.h"
#include "emu/exception.h"

/* Status word. */
enum {
	X87_IE = 1 << 0,
	X87_DE = 1 << 1,
	X87_ZE = 1 << 2,
	X87_OE = 1 << 3,
	X87_UE = 1 << 4,
	X87_PE = 1 << 5,
	X87_SF = 1 << 6,
	X87_ES = 1 << 7,
	X87_C0 = 1 << 8,
	X87_C1 = 1 << 9,
	X87_C2 = 1 << 10,
	X87_TOP_SHIFT = 11,
	X87_C3 = 1 << 14,
	X87_B = 1 << 15,
	X87_EXCEPTIONS = 0x3f,
	X87_CONDITION = X87_C0 | X87_C1 | X87_C2 | X87_C3,
};

/* Control word. */
enum {
	X87_MASKS = 0x3f,
	X87_CONTROL_ONES = 1 << 6, /* always reads as one */
	X87_CONTROL_BITS = 0x1f3f, /* masks, precision, rounding, infinity control */
	X87_CONTROL_INITIAL = 0x37f,
	X87_PC_DOUBLE = 2 << 8,
	X87_RC = 3 << 10,
	X87_RC_TRUNCATE = 3 << 10,
};

enum { X87_IMAGE_SIZE = 108, X87_ENVIRONMENT_SIZE = 28 }; /* FNSAVE and FNSTENV, 32-bit format; 16-bit ones have 14 bytes less */

/* -- registers -- */

static inline unsigned x87_physical(const struct fpu *fpu, unsigned i)
{
	return (fpu->top + i) & 7;
}

/* FNINIT: resets everything but the registers' contents. */
void x87_init(struct cpu *cpu);

static inline uint16_t x87_status_word(const struct fpu *fpu)
{
	return fpu->status | fpu->top << X87_TOP_SHIFT;
}
/* Keeps ES and B right. */
void x87_set_control_word(struct cpu *cpu, uint16_t control);
/* FNCLEX. */
void x87_clear_exceptions(struct cpu *cpu);
/* From the full tag word, two bits a physical register (SDM vol. 1, 8.1.7). */
void x87_set_tag_word(struct fpu *fpu, uint16_t tags);

/* Waiting x87 instructions and all MMX ones begin with this. Raises #MF if an unmasked exception is pending. cpu->current must be set. */
static inline void x87_check_pending(struct cpu *cpu)
{
	/*
	 * With CR0.NE = 0 a PC would raise IRQ 13 through FERR# instead (SDM vol. 1 appendix D). This CPU has no such wire. The systems
	 * that use it are older than what runs here otherwise; they get #MF, too.
	 */
	if (__builtin_expect(cpu->fpu.status & X87_ES, 0))
		cpu_raise(cpu, VECTOR_MF);
}

/* What every MMX instruction but EMMS does to the x87 state (SDM vol. 3A 12.2); EMMS sets valid to 0 instead. */
static inline void x87_enter_mmx(struct fpu *fpu)
{
	fpu->top = 0;
	fpu->valid = 0xff;
}

/* -- images -- */

/* FNSTENV's image (SDM vol. 1, 8.1.10), whose size is returned: 14 or 28. FLDENV loads such an image. */
unsigned x87_store_environment(const struct cpu *cpu, uint8_t *image, bool wide);
void x87_load_environment(struct cpu *cpu, const uint8_t *image, bool wide);
/* The same for FNSAVE and FRSTOR; the size is 94 or 108. Saving changes nothing. */
unsigned x87_store_image(const struct cpu *cpu, uint8_t *image, bool wide);
void x87_load_image(struct cpu *cpu, const uint8_t *image, bool wide);

/*
 * The x87 part of FXSAVE's and FXRSTOR's image: its bytes 0-23 and 32-159. rex_w: FIP and FDP have 64 bits and no selectors.
 * FOP, FIP and FDP are always stored and loaded, as the SDM says. (AMD's processors do so only while an unmasked exception is pending,
 * which operating systems that believe CPUID do not expect.) x87_tags() unites the registers' tags; x87_set_tags() gives all registers one.
 */
void x87_fxsave_image(const struct cpu *cpu, uint8_t *image, bool rex_w);
void x87_fxrstor_image(struct cpu *cpu, const uint8_t *image, bool rex_w);
tag_t x87_tags(const struct cpu *cpu);
void x87_set_tags(struct cpu *cpu, tag_t tag);

/* -- the host's x87 -- */

/* Before and after guest instructions execute. Whoever replaces cpu->fpu meanwhile calls x87_host_enter() again. */
void x87_host_enter(struct cpu *cpu);
void x87_host_leave(struct cpu *cpu);
/* To be called before the guest's exception flags are cleared. */
static inline void x87_host_forget(const struct cpu *cpu)
{
	if (cpu->fpu.status & X87_EXCEPTIONS) /* otherwise the host has none either, and FNCLEX is slow */
		__asm__ volatile("fnclex");
}

/* The FPU as an instruction left it. The caller commits it when nothing can fault any more. */
struct x87_outcome {
	uint8_t image[X87_IMAGE_SIZE];
	uint64_t flags; /* EFLAGS */
	bool stores;    /* its memory operand is to be written */
};

/*
 * Executes the instruction with this FOP, which must not be a control instruction, on the host, with the guest's whole x87 state and its
 * unmasked exceptions. `memory` is the value of a memory source, or the place for a destination. Only the host control word of cpu changes.
 */
void x87_compute(struct cpu *cpu, unsigned fop, void *memory, struct x87_outcome *ret);
/* `tag` is that of a memory source. */
void x87_commit(struct cpu *cpu, unsigned fop, const struct x87_outcome *outcome, tag_t tag);
/* Size of the instruction's memory operand: positive if it is read, negative if it is written, 0 if there is none. */
int x87_memory_size(unsigned fop);

/* Gives the host the guest's control word if that masks all exceptions and is not the host's already. Returns true if it did. */
bool x87_host_follow(struct cpu *cpu);

#endif
