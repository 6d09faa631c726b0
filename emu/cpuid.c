/*
 * CPUID as a table: leaves with all that the processor could offer, and a second table that takes away what cpu->features leaves out or the
 * machine's state hides. See cpuid.h.
 */
#include "emu/cpuid.h"

enum { LEAF_BASIC_MAX = 0x16, LEAF_EXTENDED = 0x80000000u, LEAF_EXTENDED_MAX = 0x80000008u, ANY_SUBLEAF = -1 };

enum reg { EAX, EBX, ECX, EDX };

#define BIT(n) (1u << (n))

struct leaf {
	uint32_t leaf;
	int32_t subleaf;
	uint32_t reg[4];
};

/* 1:EDX and 1:ECX */
#define LEAF1_EDX                                                                                                                          \
	(BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ | BIT(5) /* MSR */ |                  \
	 BIT(6) /* PAE */ | BIT(7) /* MCE */ | BIT(8) /* CX8 */ | BIT(9) /* APIC */ | BIT(11) /* SEP */ | BIT(12) /* MTRR */ |             \
	 BIT(13) /* PGE */ | BIT(14) /* MCA */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE36 */ | BIT(19) /* CLFSH */ |      \
	 BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ | BIT(26) /* SSE2 */)
#define LEAF1_ECX                                                                                                                          \
	(BIT(0) /* SSE3 */ | BIT(9) /* SSSE3 */ | BIT(13) /* CX16 */ | BIT(17) /* PCID */ | BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ |  \
	 BIT(21) /* x2APIC */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ | BIT(24) /* TSC deadline */ | BIT(30) /* RDRAND */ |           \
	 BIT(31) /* hypervisor */)
/* 7.0 */
#define LEAF7_EBX                                                                                                                          \
	(BIT(0) /* FSGSBASE */ | BIT(7) /* SMEP */ | BIT(9) /* ERMS */ | BIT(10) /* INVPCID */ | BIT(18) /* RDSEED */ | BIT(20) /* SMAP    \
																 */)
#define LEAF7_ECX (BIT(2) /* UMIP */ | BIT(16) /* LA57 */)
#define LEAF7_EDX                                                                                                                          \
	(BIT(4) /* FSRM */ | BIT(26) /* IBRS, IBPB */ | BIT(27) /* STIBP */ | BIT(29) /* ARCH_CAPABILITIES */ | BIT(31) /* SSBD */)
/* 80000001 */
#define LEAF81_ECX (BIT(0) /* LAHF64 */ | BIT(8) /* PREFETCHW */)
#define LEAF81_EDX (BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1 GB pages */ | BIT(27) /* RDTSCP */ | BIT(29) /* LM */)

/* Deterministic cache parameters (leaf 4): type and level, ways, sets. Lines of 64 bytes, one thread, one core. */
#define CACHE(type, level, ways, sets)                                                                                                     \
	{                                                                                                                                  \
		(type) | (level) << 5 | BIT(8), ((ways)-1) << 22 | 63, (sets)-1, 0                                                         \
	}

static const struct leaf leaves[] = {
	{0x0, ANY_SUBLEAF, {LEAF_BASIC_MAX, 0x756e6547 /* Genu */, 0x6c65746e /* ntel */, 0x49656e69 /* ineI */}},
	{0x1, ANY_SUBLEAF, {CPU_SIGNATURE, 1 << 16 | 8 << 8 /* one thread; CLFLUSH of 64 bytes */, LEAF1_ECX, LEAF1_EDX}},
	{0x2, ANY_SUBLEAF, {0x76035a01, 0x00f0b2ff, 0, 0x00ca0000}}, /* TLBs; ff: caches are in leaf 4 */
	{0x4, 0, CACHE(1, 1, 8, 64)},
	{0x4, 1, CACHE(2, 1, 8, 64)},
	{0x4, 2, CACHE(3, 2, 8, 512)},
	{0x4, 3, CACHE(3, 3, 16, 4096)},
	{0x6, ANY_SUBLEAF, {BIT(2) /* the APIC timer always runs */}},
	{0x7, 0, {0, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX}},
	{0xb, 0, {0, 1, 1 << 8, 0}},     /* threads of a core: one */
	{0xb, 1, {0, 1, 2 << 8 | 1, 0}}, /* processors of a package: one */
	/* TSC: ratio to the crystal clock, that clock in Hz; the APIC timer counts the same. */
	{0x15, ANY_SUBLEAF, {1, 1, 1000000000, 0}},
	{0x16, ANY_SUBLEAF, {1000, 1000, 100, 0}},
	{LEAF_EXTENDED, ANY_SUBLEAF, {LEAF_EXTENDED_MAX}},
	{0x80000001, ANY_SUBLEAF, {0, 0, LEAF81_ECX, LEAF81_EDX}},
	{0x80000002, ANY_SUBLEAF, {0x79617278 /* xray */, 0x65203638 /* 86 e */, 0x616c756d /* mula */, 0x20646574 /* ted  */}},
	{0x80000003, ANY_SUBLEAF, {0x636f7270 /* proc */, 0x6f737365 /* esso */, 0x20402072 /* r @  */, 0x30302e31 /* 1.00 */}},
	{0x80000004, ANY_SUBLEAF, {0x007a4847 /* GHz */}},
	{0x80000006, ANY_SUBLEAF, {0, 0, 256 << 16 | 6 << 12 | 64, 0}}, /* level 2: 256 KiB, 8 ways */
	{0x80000007, ANY_SUBLEAF, {0, 0, 0, BIT(8) /* invariant TSC */}},
	{0x80000008, ANY_SUBLEAF, {CPU_MAXPHYADDR | 48 << 8}},
};

/* Bits that are there only with a feature. */
static const struct {
	uint32_t leaf;
	uint8_t reg, bit;
	unsigned feature;
} gates[] = {
	{0x1, EDX, 1, CPU_FEATURE_VME},
	{0x1, EDX, 6, CPU_FEATURE_PAE},
	{0x1, EDX, 9, CPU_FEATURE_APIC},
	{0x1, EDX, 13, CPU_FEATURE_PGE},
	{0x1, ECX, 13, CPU_FEATURE_LONG_MODE},
	{0x1, ECX, 17, CPU_FEATURE_PCID},
	{0x1, ECX, 21, CPU_FEATURE_X2APIC},
	{0x1, ECX, 24, CPU_FEATURE_TSC_DEADLINE},
	{0x1, ECX, 30, CPU_FEATURE_RANDOM},
	{0x1, ECX, 31, CPU_FEATURE_HYPERVISOR},
	{0x7, EBX, 0, CPU_FEATURE_FSGSBASE},
	{0x7, EBX, 7, CPU_FEATURE_SMEP},
	{0x7, EBX, 10, CPU_FEATURE_INVPCID},
	{0x7, EBX, 18, CPU_FEATURE_RANDOM},
	{0x7, EBX, 20, CPU_FEATURE_SMAP},
	{0x7, ECX, 2, CPU_FEATURE_UMIP},
	{0x7, ECX, 16, CPU_FEATURE_LA57},
	{0x7, EDX, 26, CPU_FEATURE_SPEC_CTRL},
	{0x7, EDX, 27, CPU_FEATURE_SPEC_CTRL},
	{0x7, EDX, 29, CPU_FEATURE_SPEC_CTRL},
	{0x7, EDX, 31, CPU_FEATURE_SPEC_CTRL},
	{0x80000001, ECX, 0, CPU_FEATURE_LONG_MODE},
	{0x80000001, EDX, 11, CPU_FEATURE_LONG_MODE},
	{0x80000001, EDX, 20, CPU_FEATURE_NX},
	{0x80000001, EDX, 26, CPU_FEATURE_PDPE1GB},
	{0x80000001, EDX, 27, CPU_FEATURE_RDTSCP},
	{0x80000001, EDX, 29, CPU_FEATURE_LONG_MODE},
};

static const struct leaf *find_leaf(uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		if (leaves[i].leaf == leaf && (leaves[i].subleaf == ANY_SUBLEAF || (uint32_t)leaves[i].subleaf == subleaf))
			return &leaves[i];
	return NULL;
}

/* Whether IA32_APIC_BASE has the local APIC enabled: CPUID hides it else. */
static bool apic_enabled(const struct cpu *cpu)
{
	enum { IA32_APIC_BASE = 0x1b, APIC_GLOBAL_ENABLE = 1 << 11 };
	uint64_t base;

	return cpu->bus.msr_read && cpu->bus.msr_read(cpu->bus.opaque, IA32_APIC_BASE, &base) && (base & APIC_GLOBAL_ENABLE);
}

/* What depends on more than a feature bit. */
static void adjust(const struct cpu *cpu, uint32_t leaf, uint32_t reg[4])
{
	switch (leaf) {
	case 0x1:
		if (!apic_enabled(cpu))
			reg[EDX] &= ~BIT(9);
		break;
	case 0x80000001:
		/* Intel's SYSCALL exists in 64-bit mode only. */
		if (!cpu_code64(cpu))
			reg[EDX] &= ~BIT(11);
		break;
	case 0x80000008:
		if (!(cpu->features & CPU_FEATURE_LONG_MODE))
			reg[EAX] = (reg[EAX] & 0xff) | 32 << 8;
		else if (cpu->features & CPU_FEATURE_LA57)
			reg[EAX] = (reg[EAX] & 0xff) | 57 << 8;
		break;
	default:
		break;
	}
}

struct cpuid cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
	const struct leaf *found = find_leaf(leaf, subleaf);
	uint32_t reg[4] = {0};

	if (found)
		for (unsigned i = 0; i < 4; i++)
			reg[i] = found->reg[i];
	else if (leaf == 0xb)
		reg[ECX] = subleaf & 0xff;
	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		if (gates[i].leaf == leaf && !(cpu->features & gates[i].feature))
			reg[gates[i].reg] &= ~BIT(gates[i].bit);
	adjust(cpu, leaf, reg);
	return (struct cpuid){reg[EAX], reg[EBX], reg[ECX], reg[EDX]};
}
