/*
 * Breakpoint registers: breakpoint.h.
 */
#include "emu/breakpoint.h"

/* DR6.B bits of the enabled breakpoints of the kinds given (one bit each) that [address, address + size) touches. */
static uint64_t breakpoints(const struct cpu *cpu, unsigned kinds, uint64_t address, unsigned size)
{
	static const uint8_t lengths[] = {1, 2, 8, 4}; /* DR7.LENn */
	uint64_t hits = 0;

	for (unsigned n = 0; n < 4; n++) {
		unsigned control = cpu->dr[7] >> (16 + 4 * n) & 0xf;
		uint64_t length = lengths[control >> 2], start = cpu->dr[n] & ~(length - 1);

		if (!(cpu->dr[7] >> (2 * n) & 3) || !(kinds >> (control & 3) & 1))
			continue;
		if (address - start < length || start - address < size) /* whichever starts first reaches the other */
			hits |= 1u << n;
	}
	return hits;
}

uint64_t cpu_debug_fetch_breakpoint(const struct cpu *cpu, uint64_t linear)
{
	if (!cpu_debug_armed(cpu) || (cpu->eflags & FLAG_RF) || cpu->debug_shadow)
		return 0;
	return breakpoints(cpu, 1 << BREAKPOINT_FETCH, linear, 1);
}

uint64_t cpu_debug_data_breakpoint(const struct cpu *cpu, uint64_t linear, unsigned size, bool write)
{
	if (!cpu_debug_armed(cpu))
		return 0;
	return breakpoints(cpu, 1 << BREAKPOINT_READ_WRITE | (write ? 1 << BREAKPOINT_WRITE : 0), linear, size);
}

uint64_t cpu_debug_port_breakpoint(const struct cpu *cpu, uint16_t port, unsigned size)
{
	if (!cpu_debug_armed(cpu) || !(cpu->cr4 & CR4_DE))
		return 0;
	return breakpoints(cpu, 1 << BREAKPOINT_PORT, port, size);
}

void cpu_raise_debug(struct cpu *cpu, uint64_t causes)
{
	/* B0-B3 tell of this exception only; the other causes accumulate until software clears them. */
	cpu->dr[6] = (cpu->dr[6] & ~(uint64_t)DR6_B) | DR6_FIXED | causes;
	cpu_raise(cpu, VECTOR_DB);
}
