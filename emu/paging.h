/*
 * How the CPU uses paging: it translates addresses of data and code by its registers, and follows changes of these (SDM vol. 3A 4.1-4.10).
 * cpu_update_paging(), cpu_flush_tlb() and cpu_flush_page() are declared in emu/cpu.h.
 */
#ifndef XRAY86_EMU_PAGING_H
#define XRAY86_EMU_PAGING_H

#include "emu/cpu.h"

/*
 * For MOV CR3 (and CR0, CR4) under PAE paging: reads the four PDPTEs at cr3 into cpu->pdpte, which cpu_update_paging() then uses. Returns
 * false, with nothing changed, if a present one has reserved bits set: the instruction raises #GP(0).
 */
bool cpu_load_pdptes(struct cpu *cpu, uint64_t cr3);

/*
 * Translates one canonical linear address for the privilege that `bank` stands for, and sets accessed and dirty bits. Raises #PF. The A20
 * gate is applied to the physical address in *ret.
 */
void cpu_walk(struct cpu *cpu, enum bank bank, uint64_t linear, enum access access, struct walk_result *ret);

/* Translates the address of code at the current privilege, with the fetch TLB. Raises #PF, or #GP(0) if it is not canonical. */
void cpu_translate_fetch(struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr);

/*
 * An instruction that writes to code must run alone in a throw-away block, since it may change the running block. So must one that writes
 * to a device. Restarts the current instruction that way if it does not run so. Does nothing in event delivery, where there is no
 * instruction.
 */
void cpu_require_single(struct cpu *cpu);

/* Makes writes to the RAM page at paddr go the slow way from now on. For a page that gets its first code. */
void cpu_protect_code_page(struct cpu *cpu, uint64_t paddr);

#endif
