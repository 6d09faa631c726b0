/* Processors to choose from, by name: sets of CPU_FEATURE_*. */
#ifndef XRAY86_EMU_CPU_MODEL_H
#define XRAY86_EMU_CPU_MODEL_H

struct cpu_model {
	const char *name;
	unsigned features; /* CPU_FEATURE_* */
	const char *summary;
};

/* The first is the default; ended by {0}. */
extern const struct cpu_model cpu_models[];

/* NULL if there is no model of that name. */
const struct cpu_model *cpu_model_find(const char *name);

#endif
