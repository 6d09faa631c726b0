/*
 * MXCSR, unmasked SIMD floating-point exceptions and the slow paths of vector operands: see sse.h.
 */
#include "emu/access.h"
#include "emu/sse.h"

static uint32_t masked(uint32_t mxcsr)
{
	return (mxcsr & MXCSR_VALID) | MXCSR_MASKS;
}

void sse_host_enter(struct cpu *cpu)
{
	host_mxcsr_set(masked(cpu->mxcsr));
}

void sse_host_leave(struct cpu *cpu)
{
	cpu->mxcsr = sse_mxcsr(cpu);
	host_mxcsr_set(MXCSR_DEFAULT);
}

uint32_t sse_mxcsr(const struct cpu *cpu)
{
	return (cpu->mxcsr & ~MXCSR_FLAGS) | (host_mxcsr_get() & MXCSR_FLAGS);
}

void sse_set_mxcsr(struct cpu *cpu, uint32_t value)
{
	cpu->mxcsr = value;
	host_mxcsr_set(masked(value));
	cpu_update_mode(cpu);
}

/* Whether one of them is denormal. */
static bool is_tiny(__m128i result, enum lanes lanes)
{
	static const unsigned counts[] = {[LANES_PS] = 4, [LANES_SS] = 1, [LANES_PD] = 2, [LANES_SD] = 1};
	union xmm r;
	bool tiny = false;

	_mm_store_si128((__m128i *)&r, result);
	for (unsigned i = 0; i < counts[lanes]; i++) {
		if (lanes == LANES_PS || lanes == LANES_SS)
			tiny |= (r.u32[i] & 0x7f800000) == 0 && (r.u32[i] & 0x7fffff) != 0;
		else
			tiny |= (r.u64[i] & 0x7ff0000000000000) == 0 && (r.u64[i] & 0xfffffffffffff) != 0;
	}
	return tiny;
}

static uint32_t unmasked(const struct cpu *cpu)
{
	return ~cpu->mxcsr >> MXCSR_MASK_SHIFT & MXCSR_FLAGS;
}

uint32_t sse_trap_begin(struct cpu *cpu)
{
	uint32_t begun = host_mxcsr_get();
	uint32_t without = MXCSR_FLAGS;

	if (unmasked(cpu) & MXCSR_UE)
		without |= MXCSR_FZ; /* flushing is part of the masked response to underflow */
	host_mxcsr_set(begun & ~without);
	return begun;
}

/*
 * SDM vol. 1, 11.5.3: exceptions found before computing (invalid, denormal, divide by zero) that are unmasked keep the others from being
 * looked for. All that were found show in the flags, masked or not.
 */
static const uint32_t found_before = MXCSR_IE | MXCSR_DE | MXCSR_ZE;

/* Merges an operation's flags into those before it and raises what is unmasked of them. */
static void merge(struct cpu *cpu, const struct insn *insn, uint32_t begun, uint32_t flags)
{
	uint32_t traps = unmasked(cpu);

	if (flags & traps & found_before)
		flags &= found_before;
	host_mxcsr_set(begun | flags);
	if (!(flags & traps))
		return;
	cpu->current = insn;
	cpu_raise(cpu, cpu->cr4 & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD);
}

void sse_trap_end(struct cpu *cpu, const struct insn *insn, uint32_t begun)
{
	merge(cpu, insn, begun, host_mxcsr_get() & MXCSR_FLAGS);
}

void sse_trap_end_arithmetic(struct cpu *cpu, const struct insn *insn, uint32_t begun, enum sse_operation operation, enum lanes lanes,
			     __m128i a, __m128i b, __m128i result)
{
	uint32_t flags = host_mxcsr_get() & MXCSR_FLAGS, traps = unmasked(cpu);

	if (traps & MXCSR_UE && is_tiny(result, lanes))
		flags |= MXCSR_UE;
	if (flags & traps & (MXCSR_OE | MXCSR_UE) && flags & MXCSR_PE && !sse_inexact(cpu, operation, lanes, a, b, result))
		flags &= ~(uint32_t)MXCSR_PE;
	merge(cpu, insn, begun, flags);
}

void sse_misaligned(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	cpu_raise_code(cpu, VECTOR_GP, 0);
}

__m128i sse_load_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, tag_t *ret_tag)
{
	__m128i value;

	load_bytes_slow(cpu, insn, bank, linear, &value, sizeof(value), ret_tag);
	return value;
}

void sse_store_slow(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear, __m128i value, tag_t tag)
{
	store_bytes_slow(cpu, insn, bank, linear, &value, sizeof(value), tag);
}
