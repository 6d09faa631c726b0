/*
 * MXCSR, SIMD floating-point exceptions, and the FXSAVE image (SDM vol. 1 chapters 10.2.3, 10.5 and 11.5).
 *
 * The host's own instructions do SSE arithmetic. While cpu_run() runs, the host's MXCSR has the guest's rounding control, FZ, DAZ and
 * sticky flags, with all exceptions masked. So no handler loads it. Masks and control bits in cpu->mxcsr are right, but its flags are
 * stale: read it with sse_mxcsr(). Between sse_host_enter() and sse_host_leave() only guest arithmetic may use the host's SSE floating
 * point. If an exception is unmasked (MODE_SIMD_TRAPS), lowering takes other handlers, which have sse_trap_begin() and sse_trap_end()
 * around the operation.
 */
#ifndef XRAY86_EMU_SSE_H
#define XRAY86_EMU_SSE_H

#include <emmintrin.h>

#include "emu/cpu.h"

enum {
	MXCSR_IE = 1 << 0,
	MXCSR_DE = 1 << 1,
	MXCSR_ZE = 1 << 2,
	MXCSR_OE = 1 << 3,
	MXCSR_UE = 1 << 4,
	MXCSR_PE = 1 << 5,
	MXCSR_FLAGS = 0x3f,
	MXCSR_DAZ = 1 << 6,
	MXCSR_MASK_SHIFT = 7, /* IM..PM stand in the order of IE..PE */
	MXCSR_MASKS = MXCSR_FLAGS << MXCSR_MASK_SHIFT,
	MXCSR_RC_SHIFT = 13,
	MXCSR_FZ = 1 << 15,
	MXCSR_VALID = 0xffff, /* MXCSR_MASK of the FXSAVE image: others raise #GP(0) */
	MXCSR_DEFAULT = 0x1f80,
};

/* Around cpu_run(): give the host the guest's MXCSR, masked; give it its own back, and take the raised flags over into cpu->mxcsr. */
void sse_host_enter(struct cpu *cpu);
void sse_host_leave(struct cpu *cpu);

/* The guest's MXCSR while cpu_run() runs. */
uint32_t sse_mxcsr(const struct cpu *cpu);
/* Sets it, and with it the mode bits and the host's MXCSR. value has no reserved bits. */
void sse_set_mxcsr(struct cpu *cpu, uint32_t value);

static inline void host_mxcsr_set(uint32_t value)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(value) : "memory");
}

static inline uint32_t host_mxcsr_get(void)
{
	uint32_t value;

	__asm__ volatile("stmxcsr %0" : "=m"(value) : : "memory");
	return value;
}

/* The elements of a result that are new and floating-point. */
enum lanes { LANES_NONE, LANES_PS, LANES_SS, LANES_PD, LANES_SD };

/* SSE_OTHER stands for operations whose result cannot overflow or underflow. SSE_NARROW: doubles to singles. */
enum sse_operation { SSE_OTHER, SSE_ADD, SSE_SUB, SSE_ADDSUB, SSE_HADD, SSE_HSUB, SSE_MUL, SSE_DIV, SSE_NARROW };

/*
 * One operation with unmasked exceptions. sse_trap_begin() clears the flags, to show the operation's own, and returns what the end needs.
 * sse_trap_end() merges the flags, or raises #XM (#UD without CR4.OSXMMEXCPT) if one of them is unmasked. So it comes before any commit.
 * The second form is for results that may overflow or underflow. A denormal result is an underflow, exact or not, if underflow is unmasked.
 * For PE beside an unmasked overflow or underflow see sse_inexact().
 */
uint32_t sse_trap_begin(struct cpu *cpu);
void sse_trap_end(struct cpu *cpu, const struct insn *insn, uint32_t begun);
void sse_trap_end_arithmetic(struct cpu *cpu, const struct insn *insn, uint32_t begun, enum sse_operation operation, enum lanes lanes,
			     __m128i a, __m128i b, __m128i result);

/*
 * Whether the operation on a and b, whose masked result is `result`, raises PE. For an element with an unmasked overflow or underflow, the
 * value that it would have with an unbounded exponent decides. (sse_precision.c)
 */
bool sse_inexact(struct cpu *cpu, enum sse_operation operation, enum lanes lanes, __m128i a, __m128i b, __m128i result);

/* Raises #GP(0): a 16-byte operand is not aligned. */
_Noreturn void sse_misaligned(struct cpu *cpu, const struct insn *insn);

/* Slow paths of 16-byte accesses that take and return the vector itself: see load_bytes_slow(). */
__m128i sse_load_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, tag_t *ret_tag);
void sse_store_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, __m128i value, tag_t tag);

/* The memory image (SDM vol. 1, 10.5.1; vol. 2 "FXSAVE"). Bytes from `unused` on are neither written nor read. */
struct fxsave_image {
	uint8_t x87[24];
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
	union xmm xmm[16];
	uint8_t unused[96];
};
_Static_assert(sizeof(struct fxsave_image) == 512, "FXSAVE area");

#endif
