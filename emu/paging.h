/*
 * The CPU's use of paging: translation under its own registers, of data and of code, and what changes of those registers entail
 * (SDM vol. 3A 4.1-4.10). cpu_update_paging(), cpu_flush_tlb() and cpu_flush_page() are declared in emu/cpu.h.
 */
#ifndef XRAY86_EMU_PAGING_H
#define XRAY86_EMU_PAGING_H

#include "emu/cpu.h"

/*
 * MOV CR3 (and CR0, CR4) under PAE paging: reads the four PDPTEs that cr3 points to into cpu->pdpte, which cpu_update_paging() then uses.
 * False, with nothing changed, if a present one has reserved bits set: the instruction raises #GP(0).
 */
bool cpu_load_pdptes(struct cpu *cpu, uint64_t cr3);

/*
 * Translates one canonical linear address as the requester that `bank` stands for, setting accessed and dirty bits. Raises #PF. The
 * physical address in *ret has been through the A20 gate.
 */
void cpu_walk(struct cpu *cpu, enum bank bank, uint64_t linear, enum access access, struct walk_result *ret);

/* Translates the address of code at the current privilege, by way of the fetch TLB. Raises #PF, or #GP(0) if it is not canonical. */
void cpu_translate_fetch(struct cpu *cpu, uint64_t linear, uint64_t *ret_paddr);

/*
 * A write to code by the current instruction must find that instruction alone in a throw-away block, as the blocks it changes may include
 * the running one; so must one to a device. Restarts the instruction if it is not. No instruction (event delivery): nothing to do.
 */
void cpu_require_single(struct cpu *cpu);

/* Makes writes to the RAM page at paddr, which gets its first code, go the slow way from now on. */
void cpu_protect_code_page(struct cpu *cpu, uint64_t paddr);

#endif
