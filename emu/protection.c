/*
 * System instructions on descriptor tables, segment bases and privilege: protection.h (SDM vol. 3A 2.8, 5.10).
 */
#include "emu/protection.h"

#include "emu/client.h"
#include "emu/cpuid.h"

/* -- privilege -- */

void require_cpl0(struct cpu *cpu)
{
	if (cpu->cpl)
		cpu_raise_code(cpu, VECTOR_GP, 0);
}

void require_protected(struct cpu *cpu)
{
	if (!cpu_protected(cpu))
		cpu_raise(cpu, VECTOR_UD);
}

void require_no_umip(struct cpu *cpu)
{
	if ((cpu->cr4 & CR4_UMIP) && cpu->cpl)
		cpu_raise_code(cpu, VECTOR_GP, 0);
}

/* -- GDTR, IDTR, LDTR, TR -- */

void load_table(struct cpu *cpu, struct table_register *table, uint64_t base, uint16_t limit)
{
	if (cpu_code64(cpu) && !base_canonical(cpu, base))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	if (client_takes_write(cpu, PRIVILEGED_TABLE_LOAD, 0, base))
		return;
	table->base = base;
	table->limit = limit;
}

/* A system descriptor in the GDT, with the second half that IA-32e mode wants also in the table. */
static struct descriptor fetch_system(struct cpu *cpu, uint16_t selector)
{
	struct descriptor d;

	if (selector & SELECTOR_TI)
		raise_selector(cpu, VECTOR_GP, selector, 0);
	descriptor_require(cpu, selector, VECTOR_GP, 0, &d);
	if (cpu_long_mode(cpu) && (selector & SELECTOR_INDEX) + 15u > cpu->gdtr.limit)
		raise_selector(cpu, VECTOR_GP, selector, 0);
	return d;
}

void load_ldtr(struct cpu *cpu, uint16_t selector)
{
	struct descriptor d;

	if (client_takes_write(cpu, PRIVILEGED_TABLE_LOAD, 0, selector))
		return;
	if (selector_null(selector)) {
		cpu->seg[SEG_LDTR] = (struct segment){.selector = selector};
		return;
	}
	d = fetch_system(cpu, selector);
	if ((descriptor_attributes(&d) & (SEGMENT_S | SEGMENT_TYPE)) != TYPE_LDT)
		raise_selector(cpu, VECTOR_GP, selector, 0);
	if (!(descriptor_attributes(&d) & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, selector, 0);
	cpu->seg[SEG_LDTR] = segment_of_system(cpu, &d);
}

void load_tr(struct cpu *cpu, uint16_t selector)
{
	struct descriptor d;
	struct segment tr;
	unsigned type;

	if (client_takes_write(cpu, PRIVILEGED_TABLE_LOAD, 0, selector))
		return;
	if (selector_null(selector))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	d = fetch_system(cpu, selector);
	type = descriptor_attributes(&d) & (SEGMENT_S | SEGMENT_TYPE);
	if (type != TYPE_TSS32_AVAILABLE && (type != TYPE_TSS16_AVAILABLE || cpu_long_mode(cpu)))
		raise_selector(cpu, VECTOR_GP, selector, 0);
	if (!(descriptor_attributes(&d) & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, selector, 0);
	tr = segment_of_system(cpu, &d);
	descriptor_write_type(cpu, &d, type | TYPE_TSS_BUSY_BIT);
	tr.attributes |= TYPE_TSS_BUSY_BIT;
	cpu->seg[SEG_TR] = tr;
}

/* -- looking at descriptors without loading them -- */

/* Types that LAR (bit 0) and LSL (bit 1) know, [in IA-32e mode][type] (SDM vol. 2A tables 3-54 and 3-57). */
enum { KNOWN_LAR = 1, KNOWN_LSL = 2 };
static const uint8_t known_types[2][16] = {
	{
		[TYPE_TSS16_AVAILABLE] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_LDT] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_TSS16_BUSY] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_CALL_GATE16] = KNOWN_LAR,
		[TYPE_TASK_GATE] = KNOWN_LAR,
		[TYPE_TSS32_AVAILABLE] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_TSS32_BUSY] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_CALL_GATE32] = KNOWN_LAR,
	},
	{
		[TYPE_LDT] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_TSS32_AVAILABLE] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_TSS32_BUSY] = KNOWN_LAR | KNOWN_LSL,
		[TYPE_CALL_GATE32] = KNOWN_LAR,
	},
};

/* Fetches a descriptor for an instruction that answers with ZF instead of faulting. */
static bool visible(struct cpu *cpu, uint16_t selector, unsigned known, struct descriptor *ret)
{
	uint16_t attributes;

	if (selector_null(selector) || !descriptor_fetch(cpu, selector, ret))
		return false;
	attributes = descriptor_attributes(ret);
	if (!(attributes & SEGMENT_S) && !(known_types[cpu_long_mode(cpu)][descriptor_type(ret)] & known))
		return false;
	if (attributes_conforming(attributes))
		return true;
	return attributes_dpl(attributes) >= cpu->cpl && attributes_dpl(attributes) >= (selector & SELECTOR_RPL);
}

bool access_rights(struct cpu *cpu, uint16_t selector, uint32_t *ret)
{
	struct descriptor d;

	if (!visible(cpu, selector, KNOWN_LAR, &d))
		return false;
	/* Bits 16-19, which the SDM leaves undefined, are the descriptor's, as on hardware. */
	*ret = d.low >> 32 & 0x00ffff00;
	return true;
}

bool segment_limit(struct cpu *cpu, uint16_t selector, uint32_t *ret)
{
	struct descriptor d;

	if (!visible(cpu, selector, KNOWN_LSL, &d))
		return false;
	*ret = segment_of(&d).limit;
	return true;
}

bool verify_segment(struct cpu *cpu, uint16_t selector, bool write)
{
	struct descriptor d;
	uint16_t attributes;

	if (!visible(cpu, selector, 0, &d))
		return false;
	attributes = descriptor_attributes(&d);
	if (write)
		return attributes_writable_data(attributes);
	return !attributes_code(attributes) || (attributes & SEGMENT_READABLE);
}

/* -- segment bases -- */

uint64_t read_segment_base(struct cpu *cpu, enum segment_index index)
{
	return cpu->seg[index].base;
}

void write_segment_base(struct cpu *cpu, enum segment_index index, uint64_t base)
{
	if (!base_canonical(cpu, base))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	cpu->seg[index].base = base;
	cpu_update_mode(cpu);
}

void swap_gs(struct cpu *cpu)
{
	uint64_t base = cpu->seg[SEG_GS].base;

	require_cpl0(cpu);
	cpu->seg[SEG_GS].base = cpu->kernel_gs_base;
	cpu->kernel_gs_base = base;
	cpu_update_mode(cpu);
}

/* -- translations -- */

void invalidate_pcid(struct cpu *cpu, uint64_t type, const uint64_t descriptor[2])
{
	enum { ADDRESS, CONTEXT, ALL_WITH_GLOBALS, ALL };
	uint64_t pcid = descriptor[0];

	if (type > ALL || pcid >> 12)
		cpu_raise_code(cpu, VECTOR_GP, 0);
	if ((type == ADDRESS || type == CONTEXT) && pcid && !(cpu->cr4 & CR4_PCIDE))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	if (type == ADDRESS && !base_canonical(cpu, descriptor[1]))
		cpu_raise_code(cpu, VECTOR_GP, 0);
	if (client_takes_write(cpu, PRIVILEGED_INVALIDATE, 0, type == ADDRESS ? descriptor[1] : UINT64_MAX))
		return;
	/* Translations are kept for the current PCID only. */
	if (type == ADDRESS)
		cpu_flush_page(cpu, descriptor[1]);
	else
		cpu_flush_tlb(cpu);
}

void halt(struct cpu *cpu)
{
	require_cpl0(cpu);
	if (client_takes_write(cpu, PRIVILEGED_HALT, 0, 0))
		return;
	cpu->halted = true; /* the run loop finds out whether something wakes it at once */
}
