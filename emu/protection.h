/*
 * System instructions on descriptor tables, segment bases and privilege, once their operands are fetched (by emu/ops/system.c).
 * Each raises what the instruction raises, in the SDM's order (vol. 2), before it changes anything.
 */
#ifndef XRAY86_EMU_PROTECTION_H
#define XRAY86_EMU_PROTECTION_H

#include "emu/segment.h"

/* Raises #GP(0) unless CPL is 0. */
void require_cpl0(struct cpu *cpu);
/* Raises #UD in real-address and virtual-8086 mode. */
void require_protected(struct cpu *cpu);
/* For SGDT, SIDT, SLDT, STR and SMSW: raises #GP(0) if CR4.UMIP forbids them. */
void require_no_umip(struct cpu *cpu);
void load_ldtr(struct cpu *cpu, uint16_t selector);
void load_tr(struct cpu *cpu, uint16_t selector);
void load_table(struct cpu *cpu, struct table_register *table, uint64_t base, uint16_t limit);
/* LAR and LSL, VERR and VERW. Each returns the new ZF. */
bool access_rights(struct cpu *cpu, uint16_t selector, uint32_t *ret);
bool segment_limit(struct cpu *cpu, uint16_t selector, uint32_t *ret);
bool verify_segment(struct cpu *cpu, uint16_t selector, bool write);
void invalidate_pcid(struct cpu *cpu, uint64_t type, const uint64_t descriptor[2]);
void halt(struct cpu *cpu);
void swap_gs(struct cpu *cpu);
/* The base of FS or GS, for RDFSBASE, WRFSBASE and the like. */
uint64_t read_segment_base(struct cpu *cpu, enum segment_index index);
void write_segment_base(struct cpu *cpu, enum segment_index index, uint64_t base);

#endif
