/* The CPU as boot loaders leave it: see machine.h. Long mode is entered as SDM vol. 3A 9.8.5 has it, all steps at once. */
#include <string.h>

#include "emu/machine.h"

static void set_flat(struct cpu *cpu, enum segment_index index, uint16_t selector, uint16_t attributes)
{
	cpu->seg[index] = (struct segment){
		.limit = UINT32_MAX,
		.attributes = attributes | SEGMENT_S | SEGMENT_P | SEGMENT_G,
		.selector = selector,
	};
}

static void set_mode(struct cpu *cpu, const struct machine_entry *entry)
{
	cpu->cr0 = CR0_PE | CR0_ET;
	if (!entry->long_mode)
		return;
	cpu->cr0 |= CR0_PG;
	cpu->cr3 = entry->cr3;
	cpu->cr4 = CR4_PAE | (entry->five_level ? CR4_LA57 : 0);
	cpu->efer = EFER_LME | EFER_LMA;
}

void machine_enter(struct machine *machine, const struct machine_entry *entry)
{
	enum { CODE_READABLE_ACCESSED = 0xb, DATA_WRITABLE_ACCESSED = 0x3 };
	struct cpu *cpu = machine->cpu;

	set_mode(cpu, entry);
	cpu->cpl = 0;
	cpu_set_eflags(cpu, 2, UINT32_MAX);
	for (enum segment_index i = SEG_ES; i <= SEG_GS; i++)
		set_flat(cpu, i, entry->data_selector, DATA_WRITABLE_ACCESSED | SEGMENT_DB);
	set_flat(cpu, SEG_CS, entry->code_selector, CODE_READABLE_ACCESSED | (entry->long_mode ? SEGMENT_L : SEGMENT_DB));
	cpu->gdtr = entry->gdt;
	memcpy(cpu->gpr, entry->gpr, sizeof(cpu->gpr));
	cpu->rip = entry->rip;
	cpu_update_paging(cpu);
	cpu_update_mode(cpu);
}

void machine_enter_protected(struct machine *machine, uint32_t eip, uint32_t eax, uint32_t ebx)
{
	struct machine_entry entry = {.rip = eip, .code_selector = 0x08, .data_selector = 0x10, .gpr = {[RAX] = eax, [RBX] = ebx}};

	entry.gdt = machine->cpu->gdtr; /* as it was */
	machine_enter(machine, &entry);
}
