/*
 * Model-specific registers as a table (SDM vol. 4). What is not in it raises #GP, as on hardware.
 */
#include "emu/msr.h"

#include "emu/client.h"
#include "emu/control_registers.h"
#include "emu/cpuid.h"
#include "emu/protection.h"

struct msr;
/* Both return false for #GP. */
typedef bool msr_read_fn(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t *ret);
typedef bool msr_write_fn(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value);

struct msr {
	uint32_t first, last;
	unsigned feature; /* 0: always there */
	uint16_t field;   /* offset in struct cpu of the (first) value */
	uint64_t mask;    /* bits that may be set; or the value of a constant one */
	msr_read_fn *read;
	msr_write_fn *write;
};

static uint64_t *field_of(struct cpu *cpu, const struct msr *msr, uint32_t index)
{
	return (uint64_t *)cpu_field(cpu, msr->field) + (index - msr->first);
}

/* -- common behaviours -- */

static bool read_field(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t *ret)
{
	*ret = *field_of(cpu, msr, index);
	return true;
}

static bool write_field(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	if (value & ~msr->mask)
		return false;
	*field_of(cpu, msr, index) = value;
	return true;
}

static bool write_canonical(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	if (!base_canonical(cpu, value))
		return false;
	*field_of(cpu, msr, index) = value;
	return true;
}

static bool read_constant(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t *ret)
{
	(void)cpu;
	(void)index;
	*ret = msr->mask;
	return true;
}

static bool read_nothing(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t *ret)
{
	(void)cpu;
	(void)msr;
	(void)index;
	(void)ret;
	return false;
}

static bool write_nothing(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	(void)cpu;
	(void)msr;
	(void)index;
	(void)value;
	return false;
}

static bool write_ignored(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	(void)cpu;
	(void)msr;
	(void)index;
	(void)value;
	return true;
}

/* Commands: nothing to do, but only the bits of mask exist. */
static bool write_command(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	(void)cpu;
	(void)index;
	return !(value & ~msr->mask);
}

static bool read_bus(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t *ret)
{
	(void)msr;
	return cpu->bus.msr_read && cpu->bus.msr_read(cpu->bus.opaque, index, ret);
}

static bool write_bus(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	(void)msr;
	return cpu->bus.msr_write && cpu->bus.msr_write(cpu->bus.opaque, index, value);
}

/* -- single registers -- */

static uint64_t time_stamp(const struct cpu *cpu)
{
	return cpu_instructions(cpu) + cpu->tsc_offset;
}

static bool read_tsc(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t *ret)
{
	(void)msr;
	(void)index;
	*ret = time_stamp(cpu);
	return true;
}

static bool write_tsc(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	(void)msr;
	(void)index;
	cpu->tsc_offset = value - cpu_instructions(cpu);
	return true;
}

static bool write_efer(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	(void)msr;
	(void)index;
	return control_write_efer(cpu, value);
}

static bool write_fs_gs_base(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	(void)msr;
	if (!base_canonical(cpu, value))
		return false;
	write_segment_base(cpu, index == 0xc0000100 ? SEG_FS : SEG_GS, value);
	return true;
}

/* -- memory types: a byte each (SDM vol. 3A tables 11-8 and 11-10) -- */

enum { MTRR_TYPES = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6, PAT_TYPES = MTRR_TYPES | 1 << 7 };

static bool bytes_are_types(uint64_t value, unsigned types)
{
	for (unsigned i = 0; i < 8; i++, value >>= 8)
		if ((value & 0xff) > 7 || !(types >> (value & 0xff) & 1))
			return false;
	return true;
}

static bool write_pat(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	return bytes_are_types(value, PAT_TYPES) && write_field(cpu, msr, index, value);
}

static bool write_mtrr_fixed(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	return bytes_are_types(value, MTRR_TYPES) && write_field(cpu, msr, index, value);
}

static bool write_mtrr_variable(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	bool is_mask = index & 1;
	uint64_t reserved = (is_mask ? 0x7ff : 0xf00) | ~((1ull << CPU_MAXPHYADDR) - 1);

	if (value & reserved || (!is_mask && !bytes_are_types(value & 0xff, MTRR_TYPES)))
		return false;
	return write_field(cpu, msr, index, value);
}

static bool write_mtrr_default(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	return bytes_are_types(value & 0xff, MTRR_TYPES) && write_field(cpu, msr, index, value);
}

/*
 * IA32_ARCH_CAPABILITIES: an interpreter executes nothing speculatively, so it has none of RDCL, L1TF, SSB, MDS, PSCHANGE, TAA, SBDR,
 * FBSDP, PSDP, BHI, PBRSB, GDS, RFDS; and IBRS is "always on".
 */
#define ARCH_CAPABILITIES                                                                                                                  \
	(1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 13 | 1 << 14 | 1 << 15 | 1 << 20 | 1 << 24 | 1 << 26 | 1 << 27)

/* MISC_ENABLE: no BTS, no PEBS. */
#define MISC_ENABLE_FIXED (1ull << 11 | 1ull << 12)

static bool read_misc_enable(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t *ret)
{
	*ret = *field_of(cpu, msr, index) | MISC_ENABLE_FIXED;
	return true;
}

static bool write_misc_enable(struct cpu *cpu, const struct msr *msr, uint32_t index, uint64_t value)
{
	return write_field(cpu, msr, index, value & ~MISC_ENABLE_FIXED);
}

#define ALL (~0ull)
#define LOW32 0xffffffffull
#define FIELD(member) CPU_OFFSET(member)

/* In order of index. NULL behaviours: read_field and write_field. */
static const struct msr msrs[] = {
	{0x000, 0x001, 0, 0, 0, read_constant, write_ignored},                    /* IA32_P5_MC_ADDR, IA32_P5_MC_TYPE */
	{0x010, 0x010, 0, 0, 0, read_tsc, write_tsc},                             /* IA32_TIME_STAMP_COUNTER */
	{0x017, 0x017, 0, 0, 0, read_constant, write_nothing},                    /* IA32_PLATFORM_ID */
	{0x01b, 0x01b, CPU_FEATURE_APIC, 0, 0, read_bus, write_bus},              /* IA32_APIC_BASE */
	{0x048, 0x048, CPU_FEATURE_SPEC_CTRL, FIELD(spec_ctrl), 7, NULL, NULL},   /* IA32_SPEC_CTRL: IBRS, STIBP, SSBD */
	{0x049, 0x049, CPU_FEATURE_SPEC_CTRL, 0, 1, read_nothing, write_command}, /* IA32_PRED_CMD: IBPB */
	{0x079, 0x079, 0, 0, 0, read_nothing, write_ignored},                     /* IA32_BIOS_UPDT_TRIG */
	{0x08b, 0x08b, 0, 0, 0x21ull << 32, read_constant, write_ignored},        /* IA32_BIOS_SIGN_ID: microcode revision */
	{0x0fe, 0x0fe, 0, 0, 0x508, read_constant, write_nothing},                /* IA32_MTRRCAP: WC, fixed, 8 variable */
	{0x10a, 0x10a, CPU_FEATURE_SPEC_CTRL, 0, ARCH_CAPABILITIES, read_constant, write_nothing},
	{0x174, 0x174, 0, FIELD(sysenter_cs), LOW32, NULL, NULL},
	{0x175, 0x175, 0, FIELD(sysenter_esp), 0, NULL, write_canonical},
	{0x176, 0x176, 0, FIELD(sysenter_eip), 0, NULL, write_canonical},
	{0x179, 0x179, 0, 0, 0, read_constant, write_nothing}, /* IA32_MCG_CAP: no banks */
	{0x17a, 0x17a, 0, 0, 0, read_constant, write_ignored}, /* IA32_MCG_STATUS */
	{0x1a0, 0x1a0, 0, FIELD(misc_enable), ALL, read_misc_enable, write_misc_enable},
	{0x1d9, 0x1d9, 0, 0, 0, read_constant, write_ignored}, /* IA32_DEBUGCTL: nothing of it is offered */
	{0x200, 0x20f, 0, FIELD(mtrr_variable), ALL, NULL, write_mtrr_variable},
	{0x250, 0x250, 0, FIELD(mtrr_fixed[0]), ALL, NULL, write_mtrr_fixed},
	{0x258, 0x259, 0, FIELD(mtrr_fixed[1]), ALL, NULL, write_mtrr_fixed},
	{0x268, 0x26f, 0, FIELD(mtrr_fixed[3]), ALL, NULL, write_mtrr_fixed},
	{0x277, 0x277, 0, FIELD(pat), ALL, NULL, write_pat},
	{0x2ff, 0x2ff, 0, FIELD(mtrr_def_type), 0xcff, NULL, write_mtrr_default},
	{0x6e0, 0x6e0, CPU_FEATURE_TSC_DEADLINE, 0, 0, read_bus, write_bus},
	{0x800, 0x8ff, CPU_FEATURE_X2APIC, 0, 0, read_bus, write_bus},
	{0xc0000080, 0xc0000080, CPU_FEATURE_LONG_MODE | CPU_FEATURE_NX, FIELD(efer), 0, NULL, write_efer},
	{0xc0000081, 0xc0000081, CPU_FEATURE_LONG_MODE, FIELD(star), ALL, NULL, NULL},
	{0xc0000082, 0xc0000082, CPU_FEATURE_LONG_MODE, FIELD(lstar), 0, NULL, write_canonical},
	{0xc0000083, 0xc0000083, CPU_FEATURE_LONG_MODE, FIELD(cstar), 0, NULL, write_canonical},
	{0xc0000084, 0xc0000084, CPU_FEATURE_LONG_MODE, FIELD(fmask), LOW32, NULL, NULL},
	{0xc0000100, 0xc0000100, CPU_FEATURE_LONG_MODE, FIELD(seg[SEG_FS].base), 0, NULL, write_fs_gs_base},
	{0xc0000101, 0xc0000101, CPU_FEATURE_LONG_MODE, FIELD(seg[SEG_GS].base), 0, NULL, write_fs_gs_base},
	{0xc0000102, 0xc0000102, CPU_FEATURE_LONG_MODE, FIELD(kernel_gs_base), 0, NULL, write_canonical},
	{0xc0000103, 0xc0000103, CPU_FEATURE_RDTSCP, FIELD(tsc_aux), LOW32, NULL, NULL},
};

static const struct msr *find_msr(const struct cpu *cpu, uint32_t index)
{
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]) && msrs[i].first <= index; i++)
		if (index <= msrs[i].last)
			return !msrs[i].feature || (cpu->features & msrs[i].feature) ? &msrs[i] : NULL;
	return NULL;
}

uint64_t msr_read(struct cpu *cpu, uint32_t index)
{
	const struct msr *msr = find_msr(cpu, index);
	uint64_t value;

	if (client_takes(cpu, PRIVILEGED_MSR_READ, index, &value))
		return value;
	if (!msr || !(msr->read ? msr->read : read_field)(cpu, msr, index, &value))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	return value;
}

void msr_write(struct cpu *cpu, uint32_t index, uint64_t value)
{
	const struct msr *msr = find_msr(cpu, index);

	if (client_takes_write(cpu, PRIVILEGED_MSR_WRITE, index, value))
		return;
	if (!msr || !(msr->write ? msr->write : write_field)(cpu, msr, index, value))
		cpu_raise_code(cpu, VECTOR_GP, 0);
}

/* -- time -- */

uint64_t read_time_stamp(struct cpu *cpu)
{
	uint64_t value;

	if ((cpu->cr4 & CR4_TSD) && cpu->cpl)
		cpu_raise_code(cpu, VECTOR_GP, 0);
	return client_takes(cpu, PRIVILEGED_TIME, 0, &value) ? value : time_stamp(cpu);
}

/* -- randomness -- */

/*
 * The time-stamp counter, which differs at every instruction, spread over 64 bits and mixed by multiplications and shifts (the constants
 * are those of SplitMix64: G. Steele et al., OOPSLA 2014). Kernels that test their hardware at boot find such numbers good.
 */
uint64_t random_number(const struct cpu *cpu)
{
	uint64_t x = time_stamp(cpu) * 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}
