/*
 * Instructions whose right to exist depends on EFLAGS.IOPL: CLI, STI, PUSHF and POPF, with the virtual interrupt flag of VME and PVI
 * (SDM vol. 1 3.4.3, 19.5.1; vol. 3A 20.3, 20.4); and port I/O with the TSS's permission bitmap (vol. 1 19.5.2).
 */
#include "emu/iopl.h"

#include "emu/breakpoint.h"
#include "emu/client.h"

static unsigned iopl(const struct cpu *cpu)
{
	return (cpu->eflags & FLAG_IOPL) >> 12;
}

/* Whether the real IF obeys. Real-address mode has CPL 0, V86 mode 3. */
static bool owns_if(const struct cpu *cpu)
{
	return cpu->cpl <= iopl(cpu);
}

/* Whether CLI and STI then mean VIF. */
static bool has_virtual_if(const struct cpu *cpu)
{
	if (cpu->eflags & FLAG_VM)
		return cpu->cr4 & CR4_VME;
	return cpu->cpl == 3 && (cpu->cr4 & CR4_PVI);
}

void clear_interrupt_flag(struct cpu *cpu)
{
	if (!owns_if(cpu) && !has_virtual_if(cpu))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	cpu_set_eflags(cpu, 0, owns_if(cpu) ? FLAG_IF : FLAG_VIF);
}

void set_interrupt_flag(struct cpu *cpu)
{
	if (owns_if(cpu)) {
		if (!(cpu->eflags & FLAG_IF))
			cpu->interrupt_shadow = true;
		cpu_set_eflags(cpu, FLAG_IF, FLAG_IF);
		return;
	}
	if (!has_virtual_if(cpu) || (cpu->eflags & FLAG_VIP))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	cpu_set_eflags(cpu, FLAG_VIF, FLAG_VIF);
}

/* Below IOPL 3 PUSHF and POPF of V86 mode are the monitor's business, unless VME and 16 bits. */
static bool v86_virtual_flags(struct cpu *cpu, unsigned size)
{
	if (!(cpu->eflags & FLAG_VM) || iopl(cpu) == 3)
		return false;
	if (!(cpu->cr4 & CR4_VME) || size != 2)
		cpu_raise_code(cpu, VECTOR_GP, 0);
	return true;
}

void cpu_popf(struct cpu *cpu, uint32_t value, unsigned size)
{
	uint32_t mask = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT | (size == 2 ? 0 : FLAG_AC | FLAG_ID);

	if (v86_virtual_flags(cpu, size)) {
		if ((value & FLAG_TF) || ((value & FLAG_IF) && (cpu->eflags & FLAG_VIP)))
			cpu_raise_code(cpu, VECTOR_GP, 0);
		value = (value & ~FLAG_VIF) | (value & FLAG_IF ? FLAG_VIF : 0);
		mask |= FLAG_VIF;
	} else if (owns_if(cpu)) {
		mask |= FLAG_IF;
	}
	if (cpu->cpl == 0)
		mask |= FLAG_IOPL;
	cpu_set_eflags(cpu, value & ~FLAG_RF, mask | FLAG_RF);
}

uint32_t cpu_pushf(struct cpu *cpu, unsigned size)
{
	uint32_t flags = cpu_get_eflags(cpu);

	if (v86_virtual_flags(cpu, size)) {
		flags = (flags & ~FLAG_IF) | FLAG_IOPL;
		if (flags & FLAG_VIF)
			flags |= FLAG_IF;
	}
	return flags & ~(FLAG_VM | FLAG_RF);
}

/* -- ports -- */

/* Whether the TSS's bitmap has zeros for all of the ports. The processor always reads two bytes of it. */
static bool bitmap_allows(struct cpu *cpu, uint16_t port, unsigned size)
{
	const struct segment *tr = &cpu->seg[SEG_TR];
	uint64_t place;
	unsigned bits;

	if (!(tr->attributes & SEGMENT_P) || !(tr->attributes & TYPE_32BIT) || tr->limit < 0x67)
		return false;
	place = system_read(cpu, tr->base + 0x66, 2) + port / 8;
	if (place + 1 > tr->limit)
		return false;
	bits = system_read(cpu, tr->base + place, 2);
	return !(bits >> (port & 7) & ((1u << size) - 1));
}

void require_port(struct cpu *cpu, uint16_t port, unsigned size)
{
	bool free = !(cpu->cr0 & CR0_PE) || (!(cpu->eflags & FLAG_VM) && owns_if(cpu));

	if (!free && !bitmap_allows(cpu, port, size))
		cpu_raise_code(cpu, VECTOR_GP, 0);
}

uint32_t port_read(struct cpu *cpu, uint16_t port, unsigned size)
{
	uint32_t all_ones = size == 4 ? UINT32_MAX : (1u << size * 8) - 1;
	uint64_t value;

	if (client_takes(cpu, PRIVILEGED_PORT_READ, port | size << 16, &value))
		return value & all_ones;
	cpu->pending_debug |= cpu_debug_port_breakpoint(cpu, port, size);
	return cpu->bus.port_read ? cpu->bus.port_read(cpu->bus.opaque, port, size) & all_ones : all_ones;
}

void port_write(struct cpu *cpu, uint16_t port, uint32_t value, unsigned size)
{
	value &= size == 4 ? UINT32_MAX : (1u << size * 8) - 1;
	if (client_takes_write(cpu, PRIVILEGED_PORT_WRITE, port | size << 16, value))
		return;
	cpu->pending_debug |= cpu_debug_port_breakpoint(cpu, port, size);
	if (cpu->bus.port_write)
		cpu->bus.port_write(cpu->bus.opaque, port, value, size);
}
