/*
 * CPUID: the processor says what it can do, and can do what it says (SDM vol. 2A, CPUID).
 *
 * cpu->features holds the CPU_FEATURE_* bits that are on. They decide about CPUID's bits, bits of control registers, and MSRs. So a machine
 * can have, for example, a 32-bit processor.
 */
#ifndef XRAY86_EMU_CPUID_H
#define XRAY86_EMU_CPUID_H

#include "emu/cpu.h"

enum cpu_feature {
	CPU_FEATURE_VME = 1 << 0, /* and PVI */
	CPU_FEATURE_PAE = 1 << 1,
	CPU_FEATURE_PGE = 1 << 2,
	CPU_FEATURE_NX = 1 << 3,
	CPU_FEATURE_LONG_MODE = 1 << 4, /* with SYSCALL, LAHF and CMPXCHG16B */
	CPU_FEATURE_PDPE1GB = 1 << 5,
	CPU_FEATURE_LA57 = 1 << 6,
	CPU_FEATURE_PCID = 1 << 7,
	CPU_FEATURE_INVPCID = 1 << 8,
	CPU_FEATURE_SMEP = 1 << 9,
	CPU_FEATURE_SMAP = 1 << 10,
	CPU_FEATURE_UMIP = 1 << 11,
	CPU_FEATURE_FSGSBASE = 1 << 12,
	CPU_FEATURE_RDTSCP = 1 << 13,
	CPU_FEATURE_APIC = 1 << 14,
	CPU_FEATURE_X2APIC = 1 << 15,
	CPU_FEATURE_TSC_DEADLINE = 1 << 16,
	CPU_FEATURE_SPEC_CTRL = 1 << 17,  /* IBRS, STIBP, SSBD, IBPB, IA32_ARCH_CAPABILITIES: there is no speculation to control */
	CPU_FEATURE_HYPERVISOR = 1 << 18, /* the bit that says "virtual machine"; no leaves */
	CPU_FEATURE_RANDOM = 1 << 19,     /* RDRAND, RDSEED */
	/* 5-level paging and the hypervisor bit change what a kernel does, so they are on by request only. */
	CPU_FEATURES_DEFAULT = (1 << 20) - 1 - CPU_FEATURE_LA57 - CPU_FEATURE_HYPERVISOR,
};

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

/* The answer to CPUID with these inputs in EAX and ECX. */
struct cpuid cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf);

#endif
