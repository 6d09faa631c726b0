/*
 * Segment descriptors and segment registers: see segment.h. The checks stand in the order of the SDM's pseudocode (vol. 2, MOV; vol. 3A
 * 5.4-5.6), for the order decides which fault a doubly wrong selector raises.
 */
#include "emu/segment.h"

#include "emu/cpuid.h"

void raise_selector(struct cpu *cpu, enum vector vector, uint16_t selector, unsigned ext)
{
	cpu_raise_code(cpu, vector, (selector & ~SELECTOR_RPL) | ext);
}

/* -- descriptors -- */

bool descriptor_fetch(struct cpu *cpu, uint16_t selector, struct descriptor *ret)
{
	uint64_t base = cpu->gdtr.base;
	uint32_t limit = cpu->gdtr.limit;

	if (selector & SELECTOR_TI) {
		const struct segment *ldtr = &cpu->seg[SEG_LDTR];

		if (!(ldtr->attributes & SEGMENT_P))
			return false;
		base = ldtr->base;
		limit = ldtr->limit;
	}
	if ((selector & SELECTOR_INDEX) + 7u > limit)
		return false;
	ret->selector = selector;
	ret->address = base + (selector & SELECTOR_INDEX);
	if (!cpu_long_mode(cpu))
		ret->address = (uint32_t)ret->address;
	ret->low = system_read(cpu, ret->address, 8);
	return true;
}

void descriptor_require(struct cpu *cpu, uint16_t selector, enum vector vector, unsigned ext, struct descriptor *ret)
{
	if (!descriptor_fetch(cpu, selector, ret))
		raise_selector(cpu, vector, selector, ext);
}

struct segment segment_of(const struct descriptor *d)
{
	uint32_t limit = (d->low & 0xffff) | (d->low >> 32 & 0xf0000);
	uint16_t attributes = descriptor_attributes(d);

	if (attributes & SEGMENT_G)
		limit = limit << 12 | 0xfff;
	return (struct segment){
		.base = (d->low >> 16 & 0xffffff) | (d->low >> 32 & 0xff000000),
		.limit = limit,
		.attributes = attributes,
		.selector = d->selector,
	};
}

bool base_canonical(const struct cpu *cpu, uint64_t base)
{
	unsigned unused = cpu->features & CPU_FEATURE_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(base << unused) >> unused) == base;
}

struct segment segment_of_system(struct cpu *cpu, const struct descriptor *d)
{
	struct segment segment = segment_of(d);
	uint64_t high;

	if (!cpu_long_mode(cpu))
		return segment;
	high = system_read(cpu, d->address + 8, 8);
	segment.base |= high << 32;
	/* What would be the type field of a second descriptor must be 0 (SDM vol. 3A 3.5.2). */
	if (high >> 40 & 0x1f || !base_canonical(cpu, segment.base))
		raise_selector(cpu, VECTOR_GP, d->selector, 0);
	return segment;
}

void descriptor_write_type(struct cpu *cpu, const struct descriptor *d, unsigned type)
{
	system_write(cpu, d->address + 5, (d->low >> 40 & 0xf0) | type, 1);
}

void descriptor_mark_accessed(struct cpu *cpu, struct descriptor *d)
{
	if (d->low >> 40 & SEGMENT_ACCESSED)
		return;
	d->low |= (uint64_t)SEGMENT_ACCESSED << 40;
	descriptor_write_type(cpu, d, descriptor_type(d));
}

/* -- limits -- */

bool segment_covers(const struct segment *segment, uint64_t offset, unsigned size)
{
	uint64_t last = offset + size - 1;

	if (!(segment->attributes & SEGMENT_P))
		return false;
	if ((segment->attributes & (SEGMENT_S | SEGMENT_CODE | SEGMENT_EXPAND_DOWN)) == (SEGMENT_S | SEGMENT_EXPAND_DOWN))
		return offset > segment->limit && last <= (segment->attributes & SEGMENT_DB ? 0xffffffff : 0xffff);
	return last <= segment->limit;
}

/* Whether the type admits the access. Real and V86 mode segments always look like writable data. */
static bool segment_admits(const struct segment *segment, bool write)
{
	if (write)
		return attributes_writable_data(segment->attributes);
	return !attributes_code(segment->attributes) || (segment->attributes & SEGMENT_READABLE);
}

uint64_t segment_linear(struct cpu *cpu, enum segment_index index, uint64_t offset, unsigned size, bool write)
{
	const struct segment *segment = &cpu->seg[index];
	enum vector vector = index == SEG_SS ? VECTOR_SS : VECTOR_GP;

	if (cpu_code64(cpu)) {
		uint64_t linear = offset + (index == SEG_FS || index == SEG_GS ? segment->base : 0);

		if (!linear_canonical(cpu, linear) || !linear_canonical(cpu, linear + size - 1))
			cpu_raise_code(cpu, vector, 0);
		return linear;
	}
	if (!segment_covers(segment, offset, size) || !segment_admits(segment, write))
		cpu_raise_code(cpu, vector, 0);
	return (uint32_t)(segment->base + offset);
}

/* -- what may be loaded -- */

struct segment segment_real(const struct cpu *cpu, enum segment_index index, uint16_t selector)
{
	const struct segment *old = &cpu->seg[index];

	return (struct segment){
		.base = (uint32_t)selector << 4,
		.limit = old->limit,
		/* Size and granularity stay what they were ("unreal mode"); as to its type any segment is readable and writable. */
		.attributes = (old->attributes & (SEGMENT_DB | SEGMENT_G | SEGMENT_AVL)) | SEGMENT_P | SEGMENT_S | SEGMENT_WRITABLE |
			      SEGMENT_ACCESSED,
		.selector = selector,
	};
}

struct segment segment_v86(uint16_t selector)
{
	return (struct segment){
		.base = (uint32_t)selector << 4,
		.limit = 0xffff,
		.attributes = SEGMENT_P | 3 << SEGMENT_DPL_SHIFT | SEGMENT_S | SEGMENT_WRITABLE | SEGMENT_ACCESSED,
		.selector = selector,
	};
}

/* DS, ES, FS, GS in protected mode at the privilege cpl; a null selector gives an unusable segment. */
static struct segment data_prepare(struct cpu *cpu, uint16_t selector, unsigned cpl)
{
	struct descriptor d;
	uint16_t attributes;

	if (selector_null(selector))
		return (struct segment){.selector = selector};
	descriptor_require(cpu, selector, VECTOR_GP, 0, &d);
	attributes = descriptor_attributes(&d);
	if (!(attributes & SEGMENT_S) || (attributes_code(attributes) && !(attributes & SEGMENT_READABLE)))
		raise_selector(cpu, VECTOR_GP, selector, 0);
	if (!attributes_conforming(attributes) &&
	    (attributes_dpl(attributes) < cpl || attributes_dpl(attributes) < (selector & SELECTOR_RPL)))
		raise_selector(cpu, VECTOR_GP, selector, 0);
	if (!(attributes & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, selector, 0);
	descriptor_mark_accessed(cpu, &d);
	return segment_of(&d);
}

struct segment stack_prepare(struct cpu *cpu, uint16_t selector, unsigned cpl, enum vector vector, unsigned ext)
{
	struct descriptor d;
	uint16_t attributes;

	if (selector_null(selector))
		cpu_raise_code(cpu, vector, ext);
	descriptor_require(cpu, selector, vector, ext, &d);
	attributes = descriptor_attributes(&d);
	if ((selector & SELECTOR_RPL) != cpl || attributes_dpl(attributes) != cpl || !attributes_writable_data(attributes))
		raise_selector(cpu, vector, selector, ext);
	if (!(attributes & SEGMENT_P))
		raise_selector(cpu, VECTOR_SS, selector, ext);
	descriptor_mark_accessed(cpu, &d);
	return segment_of(&d);
}

struct segment stack_null(unsigned cpl)
{
	return (struct segment){.selector = cpl};
}

struct segment code_prepare(struct cpu *cpu, struct descriptor *d, unsigned cpl, unsigned ext)
{
	uint16_t attributes = descriptor_attributes(d);
	struct segment code;

	if (cpu_long_mode(cpu) && (attributes & SEGMENT_L) && (attributes & SEGMENT_DB))
		raise_selector(cpu, VECTOR_GP, d->selector, ext);
	if (!(attributes & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, d->selector, ext);
	descriptor_mark_accessed(cpu, d);
	code = segment_of(d);
	code.selector = (d->selector & ~SELECTOR_RPL) | cpl;
	return code;
}

void code_check_offset(struct cpu *cpu, const struct segment *code, uint64_t offset, unsigned ext)
{
	if (code_is_64bit(cpu, code) ? !linear_canonical(cpu, offset) : offset > code->limit)
		cpu_raise_code(cpu, VECTOR_GP, ext);
}

struct segment segment_prepare(struct cpu *cpu, enum segment_index index, uint16_t selector)
{
	if (!(cpu->cr0 & CR0_PE))
		return segment_real(cpu, index, selector);
	if (cpu->eflags & FLAG_VM)
		return segment_v86(selector);
	if (index != SEG_SS)
		return data_prepare(cpu, selector, cpu->cpl);
	if (selector_null(selector) && cpu_code64(cpu) && cpu->cpl != 3 && (selector & SELECTOR_RPL) == cpu->cpl)
		return stack_null(cpu->cpl);
	return stack_prepare(cpu, selector, cpu->cpl, VECTOR_GP, 0);
}

void segment_load(struct cpu *cpu, enum segment_index index, uint16_t selector)
{
	cpu->seg[index] = segment_prepare(cpu, index, selector);
	cpu_update_mode(cpu);
}

void segments_drop_inner(struct cpu *cpu)
{
	static const enum segment_index data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

	for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
		struct segment *segment = &cpu->seg[data[i]];

		bool inner = (segment->attributes & SEGMENT_P) && !attributes_conforming(segment->attributes) &&
			     attributes_dpl(segment->attributes) < cpu->cpl;

		/* A null selector loses its RPL. The base stays: FS and GS bases of 64-bit mode live on. */
		if (inner || selector_null(segment->selector))
			*segment = (struct segment){.base = segment->base};
	}
}
