/*
 * Control registers, EFER and debug registers: what may be written to them, and what follows from it (SDM vol. 3A 2.5, 4.1.2, 9.8.5;
 * vol. 3B 17.2; vol. 2B, MOV CR and MOV DR). Privilege has been checked by the caller.
 */
#include "emu/control_registers.h"

#include "emu/breakpoint.h"
#include "emu/client.h"
#include "emu/cpuid.h"
#include "emu/paging.h"

#define CR0_WRITABLE (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

/* What CR0 and CR4 bits' change makes cached translations wrong, and PAE's PDPTE registers reload (SDM vol. 3A 4.4.1, 4.10.4.1). */
#define CR0_TRANSLATION (CR0_PG | CR0_WP | CR0_CD | CR0_NW)
#define CR4_TRANSLATION (CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP)

/* CR4 bits that are there only if CPUID offers what they turn on. */
static const struct {
	uint32_t bit;
	unsigned feature;
} cr4_features[] = {
	{CR4_VME, CPU_FEATURE_VME},   {CR4_PVI, CPU_FEATURE_VME},   {CR4_PAE, CPU_FEATURE_PAE},           {CR4_PGE, CPU_FEATURE_PGE},
	{CR4_UMIP, CPU_FEATURE_UMIP}, {CR4_LA57, CPU_FEATURE_LA57}, {CR4_FSGSBASE, CPU_FEATURE_FSGSBASE}, {CR4_PCIDE, CPU_FEATURE_PCID},
	{CR4_SMEP, CPU_FEATURE_SMEP}, {CR4_SMAP, CPU_FEATURE_SMAP},
};

static uint64_t cr4_allowed(const struct cpu *cpu)
{
	uint64_t allowed = CR4_TSD | CR4_DE | CR4_PSE | CR4_MCE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	for (unsigned i = 0; i < sizeof(cr4_features) / sizeof(cr4_features[0]); i++)
		if (cpu->features & cr4_features[i].feature)
			allowed |= cr4_features[i].bit;
	return allowed;
}

_Noreturn static void refuse(struct cpu *cpu)
{
	cpu_raise_code(cpu, VECTOR_GP, 0);
}

bool control_read_pdptes(struct cpu *cpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t ret[4])
{
	uint64_t saved[4];
	bool good;

	if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || cpu_long_mode(cpu))
		return true;
	memcpy(saved, cpu->pdpte, sizeof(saved));
	good = cpu_load_pdptes(cpu, cr3);
	if (good)
		memcpy(ret, cpu->pdpte, sizeof(saved));
	memcpy(cpu->pdpte, saved, sizeof(saved));
	return good;
}

/* -- CR0 -- */

/* Paging goes on with EFER.LME set: IA-32e mode (SDM vol. 3A 9.8.5). */
static void check_enter_long_mode(struct cpu *cpu)
{
	if (!(cpu->cr4 & CR4_PAE) || (cpu->seg[SEG_CS].attributes & SEGMENT_L))
		refuse(cpu);
	if ((cpu->seg[SEG_TR].attributes & SEGMENT_P) && !(cpu->seg[SEG_TR].attributes & TYPE_32BIT))
		refuse(cpu);
}

static void write_cr0(struct cpu *cpu, uint64_t value)
{
	uint64_t wanted = (value & CR0_WRITABLE) | CR0_ET, changed = wanted ^ cpu->cr0;
	bool paging_on = changed & wanted & CR0_PG, paging_off = changed & ~wanted & CR0_PG;
	uint64_t pdpte[4];

	if (value >> 32 || ((wanted & CR0_PG) && !(wanted & CR0_PE)) || ((wanted & CR0_NW) && !(wanted & CR0_CD)))
		refuse(cpu);
	if (paging_off && (cpu_code64(cpu) || (cpu->cr4 & CR4_PCIDE)))
		refuse(cpu);
	if (paging_on && (cpu->efer & EFER_LME)) {
		check_enter_long_mode(cpu);
		cpu->efer |= EFER_LMA;
	} else if (changed & CR0_TRANSLATION) {
		memcpy(pdpte, cpu->pdpte, sizeof(pdpte));
		if (!control_read_pdptes(cpu, wanted, cpu->cr3, cpu->cr4, pdpte))
			refuse(cpu);
		memcpy(cpu->pdpte, pdpte, sizeof(pdpte));
	}
	if (paging_off)
		cpu->efer &= ~(uint64_t)EFER_LMA;
	cpu->cr0 = wanted;
	/* Leaving protected mode: privilege is what it was at reset. */
	if (!(wanted & CR0_PE))
		cpu->cpl = 0;
	if (changed & CR0_TRANSLATION)
		cpu_update_paging(cpu);
	cpu_update_mode(cpu);
}

void control_load_msw(struct cpu *cpu, uint16_t value)
{
	enum { MSW = CR0_PE | CR0_MP | CR0_EM | CR0_TS };

	/* It sets PE but does not clear it. */
	control_write(cpu, 0, (cpu->cr0 & ~(uint64_t)(MSW & ~CR0_PE)) | (value & MSW));
}

void control_clear_ts(struct cpu *cpu)
{
	if (client_takes_write(cpu, PRIVILEGED_CONTROL_WRITE, 0, cpu->cr0 & ~(uint64_t)CR0_TS))
		return;
	cpu->cr0 &= ~(uint64_t)CR0_TS;
	cpu_update_mode(cpu);
}

/* -- CR3, CR4, CR8 -- */

static void write_cr3(struct cpu *cpu, uint64_t value)
{
	const uint64_t no_flush = 1ull << 63;
	uint64_t pdpte[4];

	/* "Do not flush" is only advice: translations of other PCIDs are not kept. */
	if (cpu->cr4 & CR4_PCIDE)
		value &= ~no_flush;
	if (cpu_long_mode(cpu) && value >> CPU_MAXPHYADDR)
		refuse(cpu);
	memcpy(pdpte, cpu->pdpte, sizeof(pdpte));
	if (!control_read_pdptes(cpu, cpu->cr0, value, cpu->cr4, pdpte))
		refuse(cpu);
	memcpy(cpu->pdpte, pdpte, sizeof(pdpte));
	cpu->cr3 = value;
	cpu_update_paging(cpu);
}

static void write_cr4(struct cpu *cpu, uint64_t value)
{
	uint64_t changed = value ^ cpu->cr4;
	uint64_t pdpte[4];

	if (value & ~cr4_allowed(cpu))
		refuse(cpu);
	if (cpu_long_mode(cpu) && (!(value & CR4_PAE) || (changed & CR4_LA57)))
		refuse(cpu);
	if ((changed & value & CR4_PCIDE) && (!cpu_long_mode(cpu) || (cpu->cr3 & 0xfff)))
		refuse(cpu);
	memcpy(pdpte, cpu->pdpte, sizeof(pdpte));
	if ((changed & CR4_TRANSLATION) && !control_read_pdptes(cpu, cpu->cr0, cpu->cr3, value, pdpte))
		refuse(cpu);
	memcpy(cpu->pdpte, pdpte, sizeof(pdpte));
	cpu->cr4 = value;
	if (changed & CR4_TRANSLATION)
		cpu_update_paging(cpu);
	cpu_update_mode(cpu);
}

static void write_cr8(struct cpu *cpu, uint64_t value)
{
	if (value > 15)
		refuse(cpu);
	if (cpu->bus.tpr_write)
		cpu->bus.tpr_write(cpu->bus.opaque, value);
}

void control_write(struct cpu *cpu, unsigned n, uint64_t value)
{
	if (client_takes_write(cpu, PRIVILEGED_CONTROL_WRITE, n, value))
		return;
	switch (n) {
	case 0:
		write_cr0(cpu, value);
		break;
	case 2:
		cpu->cr2 = value;
		break;
	case 3:
		write_cr3(cpu, value);
		break;
	case 4:
		write_cr4(cpu, value);
		break;
	case 8:
		write_cr8(cpu, value);
		break;
	default:
		cpu_raise(cpu, VECTOR_UD);
	}
}

uint64_t control_read(struct cpu *cpu, unsigned n)
{
	switch (n) {
	case 0:
		return cpu->cr0;
	case 2:
		return cpu->cr2;
	case 3:
		return cpu->cr3;
	case 4:
		return cpu->cr4;
	case 8:
		return cpu->bus.tpr_read ? cpu->bus.tpr_read(cpu->bus.opaque) : 0;
	default:
		cpu_raise(cpu, VECTOR_UD);
	}
}

/* -- EFER -- */

bool control_write_efer(struct cpu *cpu, uint64_t value)
{
	uint64_t allowed = 0;

	if (cpu->features & CPU_FEATURE_LONG_MODE)
		allowed |= EFER_SCE | EFER_LME | EFER_LMA;
	if (cpu->features & CPU_FEATURE_NX)
		allowed |= EFER_NXE;
	if (!allowed || (value & ~allowed))
		return false;
	if ((cpu->cr0 & CR0_PG) && ((value ^ cpu->efer) & EFER_LME))
		return false;
	/* LMA is the processor's own. */
	cpu->efer = (value & ~(uint64_t)EFER_LMA) | (cpu->efer & EFER_LMA);
	cpu_update_paging(cpu);
	cpu_update_mode(cpu);
	return true;
}

/* -- debug registers -- */

/* DR4 and DR5 are other names of DR6 and DR7, unless CR4.DE makes them undefined; DR7.GD catches every access. */
static unsigned debug_register(struct cpu *cpu, unsigned n)
{
	if (n == 4 || n == 5) {
		if (cpu->cr4 & CR4_DE)
			cpu_raise(cpu, VECTOR_UD);
		n += 2;
	}
	if (cpu->dr[7] & DR7_GD)
		cpu_raise_debug(cpu, DR6_BD);
	return n;
}

uint64_t debug_read(struct cpu *cpu, unsigned n)
{
	n = debug_register(cpu, n);
	if (n == 6)
		return cpu->dr[6] | DR6_FIXED;
	return n == 7 ? cpu->dr[7] | DR7_FIXED : cpu->dr[n];
}

void debug_write(struct cpu *cpu, unsigned n, uint64_t value)
{
	n = debug_register(cpu, n);
	if (n >= 6 && value >> 32)
		refuse(cpu);
	if (client_takes_write(cpu, PRIVILEGED_DEBUG_WRITE, n, value))
		return;
	if (n == 6)
		value = (value & DR6_WRITABLE) | DR6_FIXED;
	else if (n == 7)
		value = (value & DR7_WRITABLE) | DR7_FIXED;
	cpu->dr[n] = value;
	cpu_flush_tlb(cpu); /* pages with data breakpoints must not be in the TLBs */
	cpu_update_mode(cpu);
}
