/* Processors by name: see cpu_model.h. */
#include "emu/cpu_model.h"

#include <string.h>

#include "emu/cpuid.h"

/* What a 32-bit processor cannot have: all that came with long mode, or after it. */
#define NOT_I686                                                                                                                           \
	(CPU_FEATURE_LONG_MODE | CPU_FEATURE_NX | CPU_FEATURE_PDPE1GB | CPU_FEATURE_LA57 | CPU_FEATURE_PCID | CPU_FEATURE_INVPCID |        \
	 CPU_FEATURE_SMEP | CPU_FEATURE_SMAP | CPU_FEATURE_UMIP | CPU_FEATURE_FSGSBASE | CPU_FEATURE_RDTSCP | CPU_FEATURE_X2APIC |         \
	 CPU_FEATURE_TSC_DEADLINE | CPU_FEATURE_RANDOM)

const struct cpu_model cpu_models[] = {
	{"x86-64", CPU_FEATURES_DEFAULT, "64 bits"},
	{"x86-64-la57", CPU_FEATURES_DEFAULT | CPU_FEATURE_LA57, "with 5-level paging"},
	{"i686", CPU_FEATURES_DEFAULT & ~NOT_I686, "32 bits only, with PAE"},
	{0},
};

const struct cpu_model *cpu_model_find(const char *name)
{
	for (const struct cpu_model *model = cpu_models; model->name; model++) {
		if (!strcmp(model->name, name))
			return model;
	}
	return NULL;
}
