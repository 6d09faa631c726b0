/*
 * The emulator as an executor of cases: emulate.h.
 *
 * A case ends with an exception, always: the page at EXIT64/EXIT32 is full of INT3s here, as are the code pages. Each vector has an
 * interrupt gate
 * to a HLT of its own at privilege 0, so everything is read back from the frame that the delivery pushed and from the registers.
 */
#include "tests/differential/emulate.h"

#include <stdlib.h>
#include <string.h>

#include "emu/cpu.h"
#include "emu/segment.h"
#include "tests/differential/segments.h"

enum { RUNAWAY = 100000 };

/* Physical memory. */
enum { TABLES = 0x1000, TABLES_END = 0x20000, KERNEL = 0x20000, KERNEL_PAGES = 5, USER = 0x30000, RAM = 0x80000 };

/* The supervisor's pages, by offset from KERNEL_BASE. */
#define KERNEL_BASE 0xffff800000000000
enum { IDT = 0, GDT = 0x1000, LDT = 0x1400, TSS = 0x1800, STUBS = 0x2000, STACK = 0x3000, STACK_TOP = 0x5000, STUB_SIZE = 16 };

enum {
	SELECTOR_KERNEL_CODE = 0x10,
	SELECTOR_TSS = 0x40,
	SELECTOR_LDT = 0x50,
	LDT_LIMIT = 8 * SEGMENT_ROWS - 1,
	GDT_LIMIT = 0x7f,
	TSS_LIMIT = 0x67,
	HLT = 0xf4
};

/* Linux's GDT, as far as user space may see into it. */
static const uint64_t gdt[] = {
	0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff,
};

struct emulator {
	struct cpu *cpu;
	struct physmem mem;
	uint64_t next_table;
	uint8_t *data[DATA_REGIONS];
	const uint8_t *image;
	uint64_t ldt[SEGMENT_ROWS];
};

/* -- building the machine -- */

static void put(struct emulator *emulator, uint64_t paddr, uint64_t value)
{
	physmem_write(&emulator->mem, paddr, value, 8);
}

static void map_page(struct emulator *emulator, uint64_t linear, uint64_t paddr, uint64_t bits)
{
	uint64_t table = TABLES;

	for (unsigned shift = 39; shift > 12; shift -= 9) {
		uint64_t at = table + (linear >> shift & 511) * 8, entry = physmem_read(&emulator->mem, at, 8);

		if (!(entry & PTE_P)) {
			entry = emulator->next_table | PTE_P | PTE_W | PTE_U;
			emulator->next_table += 4096;
			put(emulator, at, entry);
		}
		table = entry & PAGE_MASK;
	}
	put(emulator, table + (linear >> 12 & 511) * 8, paddr | bits | PTE_P);
}

static void map_user(struct emulator *emulator, uint64_t *paddr, uint64_t linear, unsigned pages, uint64_t bits)
{
	for (unsigned i = 0; i < pages; i++, *paddr += 4096)
		map_page(emulator, linear + i * 4096, *paddr, bits | PTE_U);
}

static void fill(struct emulator *emulator, uint64_t paddr, uint64_t size)
{
	for (uint64_t i = 0; i < size; i += 8)
		put(emulator, paddr + i, 0xcccccccccccccccc);
}

/* User pages in the order of USER: code, exit, data regions. */
static void build_user(struct emulator *emulator)
{
	uint64_t paddr = USER;

	map_user(emulator, &paddr, CODE_BASE, CODE_SIZE / 4096, 0);
	map_user(emulator, &paddr, SUPPORT_BASE, 1, 0);
	fill(emulator, USER, paddr - USER);
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		const struct data_region *region = &data_regions[i];

		emulator->data[i] = physmem_host(&emulator->mem, paddr, true, true);
		map_user(emulator, &paddr, region->base, region->writable_pages, PTE_W | PTE_NX);
		map_user(emulator, &paddr, region->base + region->writable_pages * 4096, region->pages - region->writable_pages, PTE_NX);
	}
}

static void build_gate(struct emulator *emulator, unsigned vector)
{
	uint64_t handler = KERNEL_BASE + STUBS + vector * STUB_SIZE, dpl = vector == VECTOR_BP || vector == VECTOR_OF ? 3 : 0;
	uint64_t at = KERNEL + IDT + 16 * vector;

	put(emulator, at, (handler & 0xffff) | SELECTOR_KERNEL_CODE << 16 | (0x8e00 | dpl << 13) << 32 | (handler >> 16 & 0xffff) << 48);
	put(emulator, at + 8, handler >> 32);
	physmem_write(&emulator->mem, KERNEL + STUBS + vector * STUB_SIZE, HLT, 1);
}

static void build_kernel(struct emulator *emulator, uint32_t cpu_limit, bool code32)
{
	uint64_t tss = KERNEL_BASE + TSS;

	for (unsigned i = 0; i < KERNEL_PAGES; i++)
		map_page(emulator, KERNEL_BASE + i * 4096, KERNEL + i * 4096, PTE_W);
	for (unsigned i = 0; i < sizeof(gdt) / sizeof(gdt[0]); i++)
		put(emulator, KERNEL + GDT + 8 * i, gdt[i]);
	if (!code32)
		put(emulator, KERNEL + GDT + (SELECTOR_CODE32 & ~7), 0);
	put(emulator, KERNEL + GDT + SELECTOR_TSS, TSS_LIMIT | (tss & 0xffffff) << 16 | 0x8bull << 40 | (tss >> 24 & 0xff) << 56);
	put(emulator, KERNEL + GDT + SELECTOR_TSS + 8, tss >> 32);
	put(emulator, KERNEL + TSS + 4, KERNEL_BASE + STACK_TOP);
	put(emulator, KERNEL + GDT + (SELECTOR_CPU & ~7), 0x0040f50000000000 | (cpu_limit & 0xffff) | (uint64_t)(cpu_limit >> 16) << 48);
	for (unsigned i = 0; i < SEGMENT_ROWS; i++)
		put(emulator, KERNEL + LDT + 8 * i, emulator->ldt[i]);
	physmem_write(&emulator->mem, KERNEL + TSS + 0x66, TSS_LIMIT + 1, 2); /* no I/O bitmap */
	for (unsigned vector = 0; vector < 256; vector++)
		build_gate(emulator, vector);
}

static void start_long_mode(struct cpu *cpu)
{
	cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
	cpu->cr3 = TABLES;
	cpu->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE;
	cpu->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	cpu->gdtr = (struct table_register){KERNEL_BASE + GDT, GDT_LIMIT};
	cpu->idtr = (struct table_register){KERNEL_BASE + IDT, 0xfff};
	cpu->seg[SEG_TR] = (struct segment){KERNEL_BASE + TSS, TSS_LIMIT, 0x8b, SELECTOR_TSS};
	cpu->seg[SEG_LDTR] = (struct segment){KERNEL_BASE + LDT, LDT_LIMIT, SEGMENT_P | TYPE_LDT, SELECTOR_LDT};
	cpu_update_paging(cpu);
}

struct error *emulator_create(bool tagged, uint32_t cpu_limit, bool code32, const uint64_t *ldt, struct emulator **ret)
{
	struct emulator *emulator = calloc(1, sizeof(*emulator));
	struct error *err;

	*ret = NULL;
	if (!emulator)
		return error_create("out of memory");
	physmem_init(&emulator->mem);
	err = physmem_add_ram(&emulator->mem, 0, RAM);
	if (!err)
		err = cpu_create(&emulator->mem, NULL, &emulator->cpu);
	if (err) {
		emulator_destroy(emulator);
		return err;
	}
	emulator->next_table = TABLES + 4096;
	memcpy(emulator->ldt, ldt, sizeof(emulator->ldt));
	build_user(emulator);
	build_kernel(emulator, cpu_limit, code32);
	if (tagged)
		emulator->cpu->mode |= MODE_TAGGED;
	start_long_mode(emulator->cpu);
	*ret = emulator;
	return NULL;
}

void emulator_destroy(struct emulator *emulator)
{
	if (!emulator)
		return;
	cpu_destroy(emulator->cpu);
	physmem_deinit(&emulator->mem);
	free(emulator);
}

void emulator_load(struct emulator *emulator, const uint8_t *image)
{
	emulator->image = image;
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		memcpy(emulator->data[i], image, data_regions[i].pages * 4096);
		image += data_regions[i].pages * 4096;
	}
}

/* -- state in and out -- */

/* Segments of the LDT have bases of their own. */
static struct segment user_segment(const struct emulator *emulator, uint16_t selector, uint64_t base)
{
	bool local = selector & SELECTOR_TI;
	struct segment segment =
		segment_of(&(struct descriptor){.low = (local ? emulator->ldt : gdt)[selector >> 3], .selector = selector});

	if (selector_null(selector))
		segment = (struct segment){.selector = selector};
	if (!local)
		segment.base = base;
	return segment;
}

static void load_fx(struct cpu *cpu, const uint8_t *fx)
{
	struct fpu *fpu = &cpu->fpu;
	uint16_t status;

	memcpy(&fpu->control, fx + FX_FCW, 2);
	memcpy(&status, fx + FX_FSW, 2);
	fpu->top = status >> 11 & 7;
	fpu->status = status & ~(7 << 11);
	fpu->valid = fx[FX_FTW];
	memcpy(&fpu->opcode, fx + FX_FOP, 2);
	memcpy(&fpu->fip, fx + FX_FIP, 8);
	memcpy(&fpu->fdp, fx + FX_FDP, 8);
	fpu->fcs = fpu->fds = 0;
	for (unsigned i = 0; i < 8; i++)
		memcpy(&fpu->reg[(fpu->top + i) & 7], fx + FX_ST + 16 * i, 10);
	memcpy(&cpu->mxcsr, fx + FX_MXCSR, 4);
	memcpy(cpu->xmm, fx + FX_XMM, sizeof(cpu->xmm));
}

static void store_fx(const struct cpu *cpu, uint8_t *fx)
{
	const struct fpu *fpu = &cpu->fpu;
	uint16_t status = fpu->status | fpu->top << 11;

	memset(fx, 0, 512);
	memcpy(fx + FX_FCW, &fpu->control, 2);
	memcpy(fx + FX_FSW, &status, 2);
	fx[FX_FTW] = fpu->valid;
	memcpy(fx + FX_FOP, &fpu->opcode, 2);
	memcpy(fx + FX_FIP, &fpu->fip, 8);
	memcpy(fx + FX_FDP, &fpu->fdp, 8);
	for (unsigned i = 0; i < 8; i++)
		memcpy(fx + FX_ST + 16 * i, &fpu->reg[(fpu->top + i) & 7], 10);
	memcpy(fx + FX_MXCSR, &cpu->mxcsr, 4);
	memcpy(fx + FX_XMM, cpu->xmm, sizeof(cpu->xmm));
}

static void load_state(const struct emulator *emulator, const struct state *state)
{
	struct cpu *cpu = emulator->cpu;

	memcpy(cpu->gpr, state->gpr, sizeof(cpu->gpr));
	cpu->rip = state->rip;
	cpu->cpl = 3;
	for (unsigned i = 0; i < 6; i++)
		cpu->seg[i] = user_segment(emulator, state->selector[i], i == SEG_FS ? state->fs_base : i == SEG_GS ? state->gs_base : 0);
	load_fx(cpu, state->fx);
	cpu->halted = cpu->interrupt_shadow = cpu->debug_shadow = false;
	cpu->pending_debug = 0;
	cpu->dr[6] = 0xffff0ff0;
	cpu->cr2 = 0;
	cpu_set_eflags(cpu, state->rflags, ~0u);
	cpu_update_mode(cpu);
}

/* From the exception's frame. */
static void store_state(struct emulator *emulator, struct outcome *outcome)
{
	static const uint32_t with_error_code = 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17;
	struct cpu *cpu = emulator->cpu;
	struct state *state = &outcome->after;
	uint64_t frame = cpu->gpr[RSP] - KERNEL_BASE + KERNEL;

	outcome->vector = (cpu->rip - KERNEL_BASE - STUBS) / STUB_SIZE;
	if (outcome->vector < 32 && with_error_code >> outcome->vector & 1) {
		outcome->error_code = physmem_read(&emulator->mem, frame, 8);
		frame += 8;
	}
	outcome->cr2 = outcome->vector == VECTOR_PF ? cpu->cr2 : 0;
	memcpy(state->gpr, cpu->gpr, sizeof(state->gpr));
	state->rip = physmem_read(&emulator->mem, frame, 8);
	state->rflags = physmem_read(&emulator->mem, frame + 16, 8);
	state->gpr[RSP] = physmem_read(&emulator->mem, frame + 24, 8);
	state->fs_base = cpu->seg[SEG_FS].base;
	state->gs_base = cpu->seg[SEG_GS].base;
	for (unsigned i = 0; i < 6; i++)
		state->selector[i] = cpu->seg[i].selector;
	state->selector[SEG_CS] = physmem_read(&emulator->mem, frame + 8, 8);
	state->selector[SEG_SS] = physmem_read(&emulator->mem, frame + 32, 8);
	store_fx(cpu, state->fx);
}

/* -- running -- */

static void put_code(struct emulator *emulator, const struct test_case *test, const uint8_t *bytes)
{
	uint64_t paddr = USER + test->offset;
	unsigned first = test->length, room = 4096 - test->offset % 4096;

	if (first > room)
		first = room;
	physmem_copy_in(&emulator->mem, paddr, bytes, first);
	if (first < test->length)
		physmem_copy_in(&emulator->mem, paddr + first, bytes + first, test->length - first);
}

static void put_patches(struct emulator *emulator, const struct test_case *test)
{
	for (unsigned i = 0; i < test->patches; i++) {
		const struct patch *patch = &test->patch[i];

		for (unsigned n = 0; n < DATA_REGIONS; n++) {
			uint64_t offset = patch->address - data_regions[n].base;

			if (offset < data_regions[n].writable_pages * 4096ull)
				memcpy(emulator->data[n] + offset, patch->bytes, patch->size);
		}
	}
}

void emulator_run(struct emulator *emulator, const struct test_case *test, struct outcome *outcome)
{
	static const uint8_t breakpoints[MAX_CODE] = {[0 ... MAX_CODE - 1] = 0xcc};
	struct cpu *cpu = emulator->cpu;
	const uint8_t *image = emulator->image;
	enum cpu_exit why;

	put_code(emulator, test, test->code);
	put_patches(emulator, test);
	memset(outcome, 0, offsetof(struct outcome, change));
	load_state(emulator, &test->before);
	why = cpu_run(cpu, cpu_instructions(cpu) + RUNAWAY);
	put_code(emulator, test, breakpoints);
	if (why == CPU_EXIT_HALT) {
		store_state(emulator, outcome);
		outcome->kind = OUTCOME_FAULT;
		if (outcome->vector == VECTOR_BP && outcome->after.rip == exit_address(test) + 1) {
			outcome->kind = OUTCOME_END;
			outcome->vector = 0;
			outcome->after.rip--;
			outcome->after.selector[SEG_CS] = test->before.selector[SEG_CS]; /* left for the exit, maybe */
		}
	} else {
		outcome->kind = why == CPU_EXIT_DEADLINE ? OUTCOME_RUNAWAY : OUTCOME_DIED;
	}
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		outcome_collect(outcome, &data_regions[i], emulator->data[i], image);
		image += data_regions[i].pages * 4096;
	}
}
