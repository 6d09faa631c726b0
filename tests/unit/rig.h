/*
 * A rig for CPU tests: a CPU with 16 MiB of RAM in a chosen mode, flat segments, identity paging, ring 0 (or 3), ready to run snippets.
 *
 * Memory: GDT at RIG_GDT, IDT at RIG_IDT (all zero: any exception escalates to shutdown unless the test fills it), page tables from
 * RIG_TABLES, code at RIG_CODE, stack top at RIG_STACK, free for data from RIG_DATA. Selectors: RIG_CS0/RIG_DS0 (ring 0), RIG_CS3/RIG_DS3
 * (ring 3), RIG_CODE16/32 of ring 0, RIG_TSS.
 */
#ifndef XRAY86_TESTS_UNIT_RIG_H
#define XRAY86_TESTS_UNIT_RIG_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/cpu.h"
#include "emu/engine.h"
#include "emu/exception.h"

enum rig_mode { RIG_REAL, RIG_PROT16, RIG_PROT32, RIG_PAGED32, RIG_PAE, RIG_COMPAT, RIG_LONG };

enum {
	RIG_GDT = 0x1000,
	RIG_IDT = 0x2000,
	RIG_TSS_BASE = 0x3000,
	RIG_CODE = 0x10000,
	RIG_STACK = 0x20000,
	RIG_DATA = 0x30000,
	RIG_TABLES = 0x80000,
	RIG_RAM = 16 << 20,
};
enum {
	RIG_CS0 = 0x08,
	RIG_DS0 = 0x10,
	RIG_CS3 = 0x1b,
	RIG_DS3 = 0x23,
	RIG_CODE16 = 0x28,
	RIG_DATA16 = 0x30,
	RIG_CODE32 = 0x38,
	RIG_CODE64 = 0x40,
	RIG_TSS = 0x48
};

struct rig {
	struct physmem mem;
	struct cpu *cpu;
};

static inline void rig_write(struct rig *rig, uint64_t paddr, const void *from, size_t size)
{
	assert_true(physmem_copy_in(&rig->mem, paddr, from, size));
}

static inline void rig_write64(struct rig *rig, uint64_t paddr, uint64_t value)
{
	rig_write(rig, paddr, &value, 8);
}

static inline uint64_t rig_read64(struct rig *rig, uint64_t paddr)
{
	return physmem_read(&rig->mem, paddr, 8);
}

/* A descriptor from base, limit (bytes, page-granular above 1 MiB), access byte and flags nibble (L = 2, D/B = 4). */
static inline uint64_t rig_descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
	if (limit > 0xfffff) {
		limit >>= 12;
		flags |= 8;
	}
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 | (uint64_t)(limit >> 16 & 0xf) << 48 |
	       (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

static inline struct segment rig_segment(uint16_t selector, uint64_t descriptor)
{
	uint32_t limit = (descriptor & 0xffff) | (descriptor >> 32 & 0xf0000);

	return (struct segment){
		.base = (descriptor >> 16 & 0xffffff) | (descriptor >> 56 << 24),
		.limit = descriptor >> 55 & 1 ? limit << 12 | 0xfff : limit,
		.attributes = (descriptor >> 40 & 0xff) | (descriptor >> 52 & 0xf) << 12,
		.selector = selector,
	};
}

static inline void rig_load_segments(struct rig *rig, unsigned code, unsigned data)
{
	struct cpu *cpu = rig->cpu;
	unsigned i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		cpu->seg[i] = rig_segment(data, rig_read64(rig, RIG_GDT + (data & ~7u)));
	cpu->seg[SEG_CS] = rig_segment(code, rig_read64(rig, RIG_GDT + (code & ~7u)));
	cpu->cpl = code & 3;
}

static inline void rig_fill_gdt(struct rig *rig, enum rig_mode mode)
{
	unsigned code_flags = mode == RIG_LONG ? 2 : mode == RIG_PROT16 ? 0 : 4;
	unsigned data_flags = mode == RIG_PROT16 ? 0 : 4;

	rig_write64(rig, RIG_GDT + RIG_CS0, rig_descriptor(0, 0xffffffff, 0x9b, code_flags));
	rig_write64(rig, RIG_GDT + RIG_DS0, rig_descriptor(0, 0xffffffff, 0x93, data_flags));
	rig_write64(rig, RIG_GDT + (RIG_CS3 & ~7), rig_descriptor(0, 0xffffffff, 0xfb, code_flags));
	rig_write64(rig, RIG_GDT + (RIG_DS3 & ~7), rig_descriptor(0, 0xffffffff, 0xf3, data_flags));
	rig_write64(rig, RIG_GDT + RIG_CODE16, rig_descriptor(0, 0xffff, 0x9b, 0));
	rig_write64(rig, RIG_GDT + RIG_DATA16, rig_descriptor(0, 0xffff, 0x93, 0));
	rig_write64(rig, RIG_GDT + RIG_CODE32, rig_descriptor(0, 0xffffffff, 0x9b, 4));
	rig_write64(rig, RIG_GDT + RIG_CODE64, rig_descriptor(0, 0xffffffff, 0x9b, 2));
	rig_write64(rig, RIG_GDT + RIG_TSS, rig_descriptor(RIG_TSS_BASE, 0xff, 0x8b, 0));
}

/* Identity-maps the first GiB with large pages, user-accessible and writable. */
static inline void rig_fill_tables(struct rig *rig, enum rig_mode mode)
{
	unsigned i;

	switch (mode) {
	case RIG_PAGED32: /* 4 MiB pages */
		for (i = 0; i < 256; i++) {
			uint32_t pde = i << 22 | 0x87;

			rig_write(rig, RIG_TABLES + 4 * i, &pde, 4);
		}
		break;
	case RIG_PAE:
		rig_write64(rig, RIG_TABLES, (RIG_TABLES + 0x1000) | 1);
		for (i = 0; i < 512; i++)
			rig_write64(rig, RIG_TABLES + 0x1000 + 8 * i, (uint64_t)i << 21 | 0x87);
		break;
	case RIG_COMPAT:
	case RIG_LONG:
		rig_write64(rig, RIG_TABLES, (RIG_TABLES + 0x1000) | 7);
		rig_write64(rig, RIG_TABLES + 0x1000, (RIG_TABLES + 0x2000) | 7);
		for (i = 0; i < 512; i++)
			rig_write64(rig, RIG_TABLES + 0x2000 + 8 * i, (uint64_t)i << 21 | 0x87);
		break;
	default:
		break;
	}
}

static inline void rig_init(struct rig *rig, enum rig_mode mode)
{
	struct error *err;
	struct cpu *cpu;

	physmem_init(&rig->mem);
	err = physmem_add_ram(&rig->mem, 0, RIG_RAM);
	assert_null(err);
	err = cpu_create(&rig->mem, NULL, &rig->cpu);
	assert_null(err);
	cpu = rig->cpu;
	rig_fill_gdt(rig, mode);
	rig_fill_tables(rig, mode);
	cpu->gdtr = (struct table_register){RIG_GDT, 0x7f};
	cpu->idtr = (struct table_register){RIG_IDT, mode == RIG_REAL ? 0x3ff : 0xfff};
	cpu->cr0 = CR0_ET | CR0_NE | CR0_MP;
	cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
	cpu->fpu.control = 0x37f;
	cpu->fpu.valid = 0;
	if (mode == RIG_REAL) {
		unsigned i;

		for (i = SEG_ES; i <= SEG_GS; i++)
			cpu->seg[i] = (struct segment){.limit = 0xffff, .attributes = SEGMENT_P | SEGMENT_S | 3};
		cpu->seg[SEG_CS] = (struct segment){
			.base = RIG_CODE, .selector = RIG_CODE >> 4, .limit = 0xffff, .attributes = SEGMENT_P | SEGMENT_S | 0xb};
		cpu->seg[SEG_SS] =
			(struct segment){.base = 0x10000, .selector = 0x1000, .limit = 0xffff, .attributes = SEGMENT_P | SEGMENT_S | 3};
	} else {
		cpu->cr0 |= CR0_PE;
		rig_load_segments(rig, RIG_CS0, RIG_DS0);
		cpu->seg[SEG_TR] =
			(struct segment){.base = RIG_TSS_BASE, .limit = 0xff, .selector = RIG_TSS, .attributes = SEGMENT_P | 0xb};
	}
	if (mode >= RIG_PAGED32) {
		cpu->cr0 |= CR0_PG | CR0_WP;
		cpu->cr3 = RIG_TABLES;
		cpu->cr4 |= mode == RIG_PAGED32 ? CR4_PSE : CR4_PAE;
		if (mode == RIG_PAE)
			cpu->pdpte[0] = rig_read64(rig, RIG_TABLES);
	}
	if (mode >= RIG_COMPAT)
		cpu->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
	cpu->gpr[RSP] = mode == RIG_REAL ? 0xfff0 : RIG_STACK;
	cpu->rip = mode == RIG_REAL ? 0 : RIG_CODE;
	cpu_update_paging(cpu);
	cpu_flush_tlb(cpu);
	cpu_update_mode(cpu);
}

static inline void rig_deinit(struct rig *rig)
{
	cpu_destroy(rig->cpu);
	physmem_deinit(&rig->mem);
}

/* Puts code at RIG_CODE and rip on it. */
static inline void rig_code(struct rig *rig, const void *code, size_t size)
{
	rig_write(rig, RIG_CODE, code, size);
	rig->cpu->rip = rig->cpu->seg[SEG_CS].base == RIG_CODE ? 0 : RIG_CODE;
}

/* Executes n instructions (deliveries of exceptions count as one each). */
static inline enum cpu_exit rig_run(struct rig *rig, unsigned n)
{
	return cpu_run(rig->cpu, cpu_instructions(rig->cpu) + n);
}

/* Code of a string literal, run for n instructions. */
#define RIG_RUN(rig, code, n) (rig_code(rig, code, sizeof(code) - 1), rig_run(rig, n))

#endif
