/* Model-specific registers, and what depends on the time-stamp counter. */
#ifndef XRAY86_EMU_MSR_H
#define XRAY86_EMU_MSR_H

#include "emu/segment.h"

/* RDMSR and WRMSR. Raise #GP(0) for an MSR that does not exist. */
uint64_t msr_read(struct cpu *cpu, uint32_t index);
void msr_write(struct cpu *cpu, uint32_t index, uint64_t value);
uint64_t read_time_stamp(struct cpu *cpu); /* RDTSC: #GP(0) where CR4.TSD forbids it */
/* For RDRAND and RDSEED. Depends on the time-stamp counter alone, so that the same input gives the same run. It is no secret. */
uint64_t random_number(const struct cpu *cpu);

#endif
