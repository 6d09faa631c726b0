/*
 * System instructions, as functions on values. emu/ops/system.c fetches operands and stores results.
 * Each raises what the instruction raises, in the SDM's order (vol. 2), before it changes anything.
 */
#ifndef XRAY86_EMU_SYSTEM_H
#define XRAY86_EMU_SYSTEM_H

#include "emu/segment.h"

/* -- emu/control.c: control registers -- */

uint64_t control_read(struct cpu *cpu, unsigned n);
void control_write(struct cpu *cpu, unsigned n, uint64_t value);
void control_write_cr0(struct cpu *cpu, uint64_t value);
/* LMSW, CLTS */
void control_load_msw(struct cpu *cpu, uint16_t value);
void control_clear_ts(struct cpu *cpu);
/* WRMSR to IA32_EFER. Returns false for #GP. */
bool control_write_efer(struct cpu *cpu, uint64_t value);
/* Reads the four PDPTEs at cr3 if cr0 and cr4 say PAE paging without IA-32e mode. Returns false if one has a reserved bit set. */
bool control_read_pdptes(struct cpu *cpu, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t ret[4]);
/* MOV DR */
uint64_t debug_read(struct cpu *cpu, unsigned n);
void debug_write(struct cpu *cpu, unsigned n, uint64_t value);

/* -- emu/system.c: descriptor tables, privilege -- */

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

/* -- emu/iopl.c: what EFLAGS.IOPL governs -- */

/* CLI, STI */
void clear_interrupt_flag(struct cpu *cpu);
void set_interrupt_flag(struct cpu *cpu);
/* POPF's flags (size 2, 4, 8) and PUSHF's image, at the current privilege, also in V86 mode and with VME. May raise #GP. */
void cpu_popf(struct cpu *cpu, uint32_t value, unsigned size);
uint32_t cpu_pushf(struct cpu *cpu, unsigned size);

/* Raises #GP(0) unless IOPL or the TSS's I/O bitmap allows the access. */
void require_port(struct cpu *cpu, uint16_t port, unsigned size);
uint32_t port_read(struct cpu *cpu, uint16_t port, unsigned size);
void port_write(struct cpu *cpu, uint16_t port, uint32_t value, unsigned size);

/* -- emu/msr.c -- */

uint64_t msr_read(struct cpu *cpu, uint32_t index);
void msr_write(struct cpu *cpu, uint32_t index, uint64_t value);
uint64_t time_stamp(const struct cpu *cpu);
uint64_t read_time_stamp(struct cpu *cpu); /* RDTSC: #GP(0) where CR4.TSD forbids it */
/* For RDRAND and RDSEED. Depends on the time-stamp counter alone, so that the same input gives the same run. It is no secret. */
uint64_t random_number(const struct cpu *cpu);

/* -- emu/syscall.c. next: the address of the instruction after -- */

void syscall_enter(struct cpu *cpu, uint64_t next);
void syscall_return(struct cpu *cpu, unsigned operand_size);
void sysenter(struct cpu *cpu);
void sysexit(struct cpu *cpu, unsigned operand_size);

/* -- emu/far.c. next: the return address -- */

void far_jump(struct cpu *cpu, uint16_t selector, uint64_t offset, uint64_t next);
void far_call(struct cpu *cpu, uint16_t selector, uint64_t offset, unsigned size, uint64_t next);
void far_return(struct cpu *cpu, unsigned size, unsigned release);
void interrupt_return(struct cpu *cpu, unsigned size, uint64_t next);

#endif
