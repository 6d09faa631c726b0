/*
 * For tests of the slow memory paths and of paging: a CPU that is a bare structure with banks, RAM, ROM and a device; no engine runs.
 */
#ifndef XRAY86_TESTS_UNIT_MEMORY_RIG_H
#define XRAY86_TESTS_UNIT_MEMORY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "emu/access.h"
#include "emu/paging.h"

#define P PTE_P
#define W PTE_W
#define U PTE_U
#define A PTE_A
#define D PTE_D
#define NX PTE_NX

/* Physical memory: RAM 0-2 MiB with the tables of one 2 MiB region at TABLES, ROM and a device above. */
enum { RAM_SIZE = 0x200000, ROM = 0x400000, DEVICE = 0x500000, HOLE = 0x600000, TABLES = 0x100000, PT = TABLES + 0x3000 };

/* The region's linear address, in 4-level paging: PML4, PDPT and PD index 1. The last page of the lower half is mapped too. */
#define BASE 0x8040200000ull
#define LAST_LOW 0x00007ffffffff000ull
#define FIRST_HIGH 0xffff800000000000ull

struct device_log {
	unsigned reads, writes, size;
	uint64_t offset, value;
};

struct rig {
	struct cpu *cpu;
	struct physmem mem;
	jmp_buf unwind;
	struct insn insn, stack_insn;
	struct device_log device;
	unsigned hooks;
	uint64_t hook_paddr, hook_size, hook_saw;
};

static inline uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
	struct device_log *log = opaque;

	log->reads++;
	log->offset = offset;
	log->size = size;
	return 0x8877665544332211;
}

static inline void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
	struct device_log *log = opaque;

	log->writes++;
	log->offset = offset;
	log->value = value;
	log->size = size;
}

static const struct mmio_ops device_ops = {device_read, device_write};

static inline void code_hook(void *opaque, uint64_t paddr, uint64_t size)
{
	struct rig *rig = opaque;

	rig->hooks++;
	rig->hook_paddr = paddr;
	rig->hook_size = size;
	rig->hook_saw = physmem_read(&rig->mem, paddr, 1);
}

static inline int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~63ul);

	memset(cpu, 0, sizeof(*cpu));
	physmem_init(&rig->mem);
	assert_null(physmem_add_ram(&rig->mem, 0, RAM_SIZE));
	assert_null(physmem_add_rom(&rig->mem, ROM, "\x11\x22\x33\x44\x55\x66\x77\x88", 8));
	assert_null(physmem_add_mmio(&rig->mem, DEVICE, 0x1000, &device_ops, &rig->device));
	rig->mem.code_written = code_hook;
	rig->mem.code_opaque = rig;
	rig->cpu = cpu;
	rig->insn.base = rig->insn.index = rig->insn.segment = CPU_OFFSET(zero);
	rig->insn.bits = 3 << INSN_ADDRESS_SHIFT;
	rig->stack_insn = rig->insn;
	rig->stack_insn.base = CPU_OFFSET(gpr[RSP]);

	cpu->unwind = &rig->unwind;
	cpu->mem = &rig->mem;
	cpu->banks = calloc(BANK_COUNT, sizeof(*cpu->banks));
	for (unsigned i = 0; i < BANK_COUNT; i++)
		tlb_init(&cpu->banks[i]);
	cpu->jump_cache = calloc(JUMP_CACHE_SIZE, sizeof(*cpu->jump_cache));
	cpu->data = cpu->data_by_tag[0] = cpu->data_by_tag[1] = &cpu->banks[BANK_SUPERVISOR];
	cpu->a20_mask = UINT64_MAX;
	cpu->ea_mask = UINT32_MAX;
	cpu->cr0 = CR0_PE;
	cpu_update_paging(cpu);
	*state = rig;
	return 0;
}

static inline int teardown(void **state)
{
	struct rig *rig = *state;

	physmem_deinit(&rig->mem);
	free(rig->cpu->banks);
	free(rig->cpu->jump_cache);
	free(rig->cpu);
	free(rig);
	return 0;
}

static inline void put(struct rig *rig, uint64_t paddr, uint64_t value)
{
	assert_true(physmem_copy_in(&rig->mem, paddr, &value, 8));
}

static inline uint64_t get(struct rig *rig, uint64_t paddr)
{
	uint64_t value;

	assert_true(physmem_copy_out(&rig->mem, paddr, &value, 8));
	return value;
}

/* 4-level paging; page n of the region at BASE is yet unmapped. */
static inline void turn_paging_on(struct rig *rig)
{
	struct cpu *cpu = rig->cpu;

	put(rig, TABLES + 8, (TABLES + 0x1000) | P | W | U);
	put(rig, TABLES + 0x1008, (TABLES + 0x2000) | P | W | U);
	put(rig, TABLES + 0x2008, PT | P | W | U);
	cpu->cr0 = CR0_PE | CR0_PG | CR0_WP;
	cpu->cr3 = TABLES;
	cpu->cr4 = CR4_PAE;
	cpu->efer = EFER_LME | EFER_LMA | EFER_NXE;
	cpu->mode = 3 << MODE_CODE_SHIFT;
	cpu->ea_mask = UINT64_MAX;
	cpu_update_paging(cpu);
}

static inline void map(struct rig *rig, unsigned page, uint64_t entry)
{
	put(rig, PT + 8 * page, entry);
}

/* The last pages below and the first ones above the hole of non-canonical addresses lead to `entry`. */
static inline void map_edges(struct rig *rig, uint64_t entry)
{
	put(rig, TABLES + 255 * 8, (TABLES + 0x4000) | P | W | U);
	put(rig, TABLES + 256 * 8, (TABLES + 0x4000) | P | W | U);
	for (unsigned i = 0; i < 512; i += 511) {
		put(rig, TABLES + 0x4000 + i * 8, (TABLES + 0x5000) | P | W | U);
		put(rig, TABLES + 0x5000 + i * 8, (TABLES + 0x6000) | P | W | U);
		put(rig, TABLES + 0x6000 + i * 8, entry);
	}
}

static inline uint64_t read_at(struct rig *rig, uint64_t linear, unsigned size)
{
	struct cpu *cpu = rig->cpu;
	uint8_t *host = fast_read(cpu->data, linear, size);

	return host ? load_host(host, size) : load_slow(cpu, &rig->insn, cpu->data, linear, size, NULL);
}

static inline void write_at(struct rig *rig, uint64_t linear, uint64_t value, unsigned size)
{
	struct cpu *cpu = rig->cpu;
	uint8_t *host = fast_write(cpu->data, linear, size);

	if (host)
		store_host(host, value, size);
	else
		store_slow(cpu, &rig->insn, cpu->data, linear, value, size, 0);
}

/* Runs `statement`, which must unwind as told. */
#define UNWINDS(how, statement)                                                                                                            \
	do {                                                                                                                               \
		int unwound = setjmp(*rig->cpu->unwind);                                                                                   \
		if (!unwound) {                                                                                                            \
			statement;                                                                                                         \
			fail_msg("%s returned", #statement);                                                                               \
		}                                                                                                                          \
		assert_int_equal(unwound, how);                                                                                            \
	} while (0)
#define RAISES(expected_vector, code, statement)                                                                                           \
	do {                                                                                                                               \
		UNWINDS(UNWIND_EXCEPTION, statement);                                                                                      \
		assert_int_equal(rig->cpu->exception.vector, expected_vector);                                                             \
		assert_int_equal(rig->cpu->exception.error_code, code);                                                                    \
		assert_true(rig->cpu->exception.has_error_code);                                                                           \
	} while (0)
#define PAGE_FAULTS(linear, code, statement)                                                                                               \
	do {                                                                                                                               \
		RAISES(VECTOR_PF, code, statement);                                                                                        \
		assert_int_equal(rig->cpu->cr2, linear);                                                                                   \
	} while (0)

#endif
