/*
 * Hardware task switching (SDM vol. 3A chapter 7, above all 7.3).
 *
 * Everything that belongs to the old task's context is read, judged and written first: faults there leave it restartable. Then the
 * new state is committed at once with all segment registers unusable, and the segment registers are loaded one by one in the context of the
 * new task, whose faults they are.
 */
#include "emu/task.h"

#include "emu/breakpoint.h"
#include "emu/control_registers.h"
#include "emu/frame.h"

/* Where things stand in a TSS of either size (SDM vol. 3A figures 7-2 and 7-10). */
struct tss_layout {
	uint8_t size;     /* of a register's slot */
	uint8_t segments; /* how many segment registers it has */
	uint8_t limit;    /* least limit */
	uint8_t ip, flags, registers, selectors, ldt;
};

static const struct tss_layout layouts[2] = {
	{.size = 2, .segments = 4, .limit = 0x2b, .ip = 0x0e, .flags = 0x10, .registers = 0x12, .selectors = 0x22, .ldt = 0x2a},
	{.size = 4, .segments = 6, .limit = 0x67, .ip = 0x20, .flags = 0x24, .registers = 0x28, .selectors = 0x48, .ldt = 0x60},
};
enum { TSS_LINK = 0, TSS32_CR3 = 0x1c, TSS32_TRAP = 0x64 };

/* A task's state as its TSS holds it. */
struct task_state {
	uint32_t ip, flags, gpr[8], cr3;
	uint16_t selector[6], ldt; /* selectors in the order of enum segment_index */
	bool trap;
};

static const struct tss_layout *layout_of(uint16_t attributes)
{
	return &layouts[attributes & TYPE_32BIT ? 1 : 0];
}

static uint32_t tss_get(struct cpu *cpu, const struct segment *tss, unsigned offset, unsigned size)
{
	return system_read(cpu, (uint32_t)(tss->base + offset), size);
}

static void tss_put(struct cpu *cpu, const struct segment *tss, unsigned offset, uint32_t value, unsigned size)
{
	system_write(cpu, (uint32_t)(tss->base + offset), value, size);
}

static void read_state(struct cpu *cpu, const struct segment *tss, struct task_state *ret)
{
	const struct tss_layout *layout = layout_of(tss->attributes);
	unsigned size = layout->size;

	*ret = (struct task_state){0};
	ret->ip = tss_get(cpu, tss, layout->ip, size);
	ret->flags = tss_get(cpu, tss, layout->flags, size);
	for (unsigned i = 0; i < 8; i++) {
		ret->gpr[i] = tss_get(cpu, tss, layout->registers + i * size, size);
		if (size == 2) /* the SDM does not say; the 386 loads ones above the words */
			ret->gpr[i] |= 0xffff0000;
	}
	for (unsigned i = 0; i < layout->segments; i++)
		ret->selector[i] = tss_get(cpu, tss, layout->selectors + i * size, 2);
	ret->ldt = tss_get(cpu, tss, layout->ldt, 2);
	if (size == 4) {
		ret->cr3 = tss_get(cpu, tss, TSS32_CR3, 4);
		ret->trap = tss_get(cpu, tss, TSS32_TRAP, 2) & 1;
	}
}

/* The dynamic fields of the old task (SDM vol. 3A 7.2.1): not CR3, not LDT. */
static void save_state(struct cpu *cpu, const struct segment *tss, struct task_resume resume)
{
	const struct tss_layout *layout = layout_of(tss->attributes);
	unsigned size = layout->size;

	tss_put(cpu, tss, layout->ip, resume.rip, size);
	tss_put(cpu, tss, layout->flags, resume.eflags, size);
	for (unsigned i = 0; i < 8; i++)
		tss_put(cpu, tss, layout->registers + i * size, cpu->gpr[i], size);
	for (unsigned i = 0; i < layout->segments; i++)
		tss_put(cpu, tss, layout->selectors + i * size, cpu->seg[i].selector, 2);
}

/* -- the old task's part -- */

static void check_target(struct cpu *cpu, const struct descriptor *tss, enum task_reason reason, unsigned ext)
{
	uint16_t attributes = descriptor_attributes(tss);
	unsigned type = attributes & (SEGMENT_TYPE | SEGMENT_S) & ~TYPE_32BIT;
	unsigned wanted = reason == TASK_RETURN ? TYPE_TSS16_BUSY : TYPE_TSS16_AVAILABLE;
	struct segment segment = segment_of(tss);

	if (type != wanted)
		raise_selector(cpu, reason == TASK_RETURN ? VECTOR_TS : VECTOR_GP, tss->selector, ext);
	if (!(attributes & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, tss->selector, ext);
	if (segment.limit < layout_of(attributes)->limit)
		raise_selector(cpu, VECTOR_TS, tss->selector, ext);
	if (cpu->seg[SEG_TR].limit < layout_of(cpu->seg[SEG_TR].attributes)->limit)
		raise_selector(cpu, VECTOR_TS, cpu->seg[SEG_TR].selector, ext);
}

static void clear_busy(struct cpu *cpu)
{
	struct descriptor old;

	if (descriptor_fetch(cpu, cpu->seg[SEG_TR].selector, &old))
		descriptor_write_type(cpu, &old, descriptor_type(&old) & ~TYPE_TSS_BUSY_BIT);
}

/* -- the new task's part -- */

static void commit_state(struct cpu *cpu, const struct segment *tr, const struct task_state *state, const uint64_t pdpte[4])
{
	bool new_cr3 = (cpu->cr0 & CR0_PG) && (tr->attributes & TYPE_32BIT);

	cpu->seg[SEG_TR] = *tr;
	cpu->seg[SEG_TR].attributes |= TYPE_TSS_BUSY_BIT;
	cpu->cr0 |= CR0_TS;
	cpu->dr[7] &= ~(uint64_t)DR7_LOCAL;
	cpu->rip = state->ip;
	cpu->current = NULL;
	for (unsigned i = 0; i < 8; i++) {
		cpu->gpr[i] = state->gpr[i];
		cpu->gpr_tag[i] = 0;
	}
	for (unsigned i = 0; i < 6; i++)
		cpu->seg[i] = (struct segment){.selector = state->selector[i]};
	cpu->seg[SEG_LDTR] = (struct segment){.selector = state->ldt};
	cpu->cpl = state->flags & FLAG_VM ? 3 : state->selector[SEG_CS] & SELECTOR_RPL;
	cpu_set_eflags(cpu, state->flags, FLAGS_DEFINED);
	if (new_cr3) {
		cpu->cr3 = state->cr3;
		memcpy(cpu->pdpte, pdpte, sizeof(cpu->pdpte));
		cpu_update_paging(cpu);
		cpu_flush_tlb(cpu);
	}
	cpu_update_mode(cpu);
}

static void load_task_ldtr(struct cpu *cpu, uint16_t selector, unsigned ext)
{
	struct descriptor d;

	if (selector_null(selector))
		return;
	if (selector & SELECTOR_TI)
		raise_selector(cpu, VECTOR_TS, selector, ext);
	descriptor_require(cpu, selector, VECTOR_TS, ext, &d);
	if ((descriptor_attributes(&d) & (SEGMENT_P | SEGMENT_S | SEGMENT_TYPE)) != (SEGMENT_P | TYPE_LDT))
		raise_selector(cpu, VECTOR_TS, selector, ext);
	cpu->seg[SEG_LDTR] = segment_of(&d);
}

static void load_task_code(struct cpu *cpu, uint16_t selector, unsigned ext)
{
	unsigned rpl = selector & SELECTOR_RPL, dpl;
	struct descriptor d;
	uint16_t attributes;

	if (selector_null(selector))
		raise_selector(cpu, VECTOR_TS, selector, ext);
	descriptor_require(cpu, selector, VECTOR_TS, ext, &d);
	attributes = descriptor_attributes(&d);
	dpl = attributes_dpl(attributes);
	if (!attributes_code(attributes) || (attributes_conforming(attributes) ? dpl > rpl : dpl != rpl))
		raise_selector(cpu, VECTOR_TS, selector, ext);
	cpu->seg[SEG_CS] = code_prepare(cpu, &d, rpl, ext);
}

/* As segment_prepare() for a data segment, with #TS in place of #GP. */
static void load_task_data(struct cpu *cpu, enum segment_index index, uint16_t selector, unsigned ext)
{
	struct descriptor d;
	uint16_t attributes;
	unsigned rpl = selector & SELECTOR_RPL;

	if (selector_null(selector))
		return;
	descriptor_require(cpu, selector, VECTOR_TS, ext, &d);
	attributes = descriptor_attributes(&d);
	if (!(attributes & SEGMENT_S) || (attributes_code(attributes) && !(attributes & SEGMENT_READABLE)))
		raise_selector(cpu, VECTOR_TS, selector, ext);
	if (!attributes_conforming(attributes) && (attributes_dpl(attributes) < cpu->cpl || attributes_dpl(attributes) < rpl))
		raise_selector(cpu, VECTOR_TS, selector, ext);
	if (!(attributes & SEGMENT_P))
		raise_selector(cpu, VECTOR_NP, selector, ext);
	descriptor_mark_accessed(cpu, &d);
	cpu->seg[index] = segment_of(&d);
}

static void load_task_segments(struct cpu *cpu, const struct task_state *state, unsigned ext)
{
	static const enum segment_index data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};

	load_task_ldtr(cpu, state->ldt, ext);
	if (state->flags & FLAG_VM) {
		for (unsigned i = 0; i < 6; i++)
			cpu->seg[i] = segment_v86(state->selector[i]);
		return;
	}
	load_task_code(cpu, state->selector[SEG_CS], ext);
	cpu->seg[SEG_SS] = stack_prepare(cpu, state->selector[SEG_SS], cpu->cpl, VECTOR_TS, ext);
	for (unsigned i = 0; i < 4; i++)
		load_task_data(cpu, data[i], state->selector[data[i]], ext);
}

void task_switch(struct cpu *cpu, const struct descriptor *tss, enum task_reason reason, struct task_resume resume, unsigned ext)
{
	bool nests = reason == TASK_CALL || reason == TASK_INTERRUPT;
	struct segment new = segment_of(tss), old = cpu->seg[SEG_TR];
	struct task_state state;
	uint64_t pdpte[4];

	check_target(cpu, tss, reason, ext);
	new.selector &= ~SELECTOR_RPL;
	read_state(cpu, &new, &state);
	memcpy(pdpte, cpu->pdpte, sizeof(pdpte));
	if ((new.attributes &TYPE_32BIT) && !control_read_pdptes(cpu, cpu->cr0, state.cr3, cpu->cr4, pdpte))
		raise_selector(cpu, VECTOR_TS, tss->selector, ext);
	if (reason == TASK_RETURN)
		resume.eflags &= ~FLAG_NT;
	save_state(cpu, &old, resume);
	if (nests) {
		tss_put(cpu, &new, TSS_LINK, old.selector, 2);
		state.flags |= FLAG_NT;
	} else {
		clear_busy(cpu);
	}
	if (reason != TASK_RETURN)
		descriptor_write_type(cpu, tss, descriptor_type(tss) | TYPE_TSS_BUSY_BIT);

	commit_state(cpu, &new, &state, pdpte);
	load_task_segments(cpu, &state, ext);
	cpu_update_mode(cpu);
	code_check_offset(cpu, &cpu->seg[SEG_CS], cpu->rip, ext);
	if (state.trap)
		cpu->pending_debug |= DR6_BT;
}

void task_switch_gate(struct cpu *cpu, const struct descriptor *gate, enum task_reason reason, struct task_resume resume, unsigned ext)
{
	uint16_t selector = gate_selector(gate);
	struct descriptor tss;

	if (selector & SELECTOR_TI || selector_null(selector))
		raise_selector(cpu, VECTOR_GP, selector, ext);
	descriptor_require(cpu, selector, VECTOR_GP, ext, &tss);
	task_switch(cpu, &tss, reason, resume, ext);
}

void task_return(struct cpu *cpu, struct task_resume resume)
{
	uint16_t selector = tss_get(cpu, &cpu->seg[SEG_TR], TSS_LINK, 2);
	struct descriptor tss;

	if (selector & SELECTOR_TI || selector_null(selector))
		raise_selector(cpu, VECTOR_TS, selector, 0);
	descriptor_require(cpu, selector, VECTOR_TS, 0, &tss);
	task_switch(cpu, &tss, TASK_RETURN, resume, 0);
}

void task_push_error_code(struct cpu *cpu, uint32_t error_code, unsigned ext)
{
	struct stack stack = stack_current(cpu, ext);

	frame_push(cpu, &stack, error_code, cpu->seg[SEG_TR].attributes & TYPE_32BIT ? 4 : 2);
	frame_commit(cpu, &stack);
}
