/*
 * The CPU's slow memory paths and its paging: crossings, devices, code pages, breakpoints, alignment, SMAP, clients, A20, fetches.
 * The CPU here is a bare structure with banks and memory; no engine runs.
 */
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

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
	struct device_log *log = opaque;

	log->reads++;
	log->offset = offset;
	log->size = size;
	return 0x8877665544332211;
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
	struct device_log *log = opaque;

	log->writes++;
	log->offset = offset;
	log->value = value;
	log->size = size;
}

static const struct mmio_ops device_ops = {device_read, device_write};

static void code_hook(void *opaque, uint64_t paddr, uint64_t size)
{
	struct rig *rig = opaque;

	rig->hooks++;
	rig->hook_paddr = paddr;
	rig->hook_size = size;
	rig->hook_saw = physmem_read(&rig->mem, paddr, 1);
}

static int setup(void **state)
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

static int teardown(void **state)
{
	struct rig *rig = *state;

	physmem_deinit(&rig->mem);
	free(rig->cpu->banks);
	free(rig->cpu->jump_cache);
	free(rig->cpu);
	free(rig);
	return 0;
}

static void put(struct rig *rig, uint64_t paddr, uint64_t value)
{
	assert_true(physmem_copy_in(&rig->mem, paddr, &value, 8));
}

static uint64_t get(struct rig *rig, uint64_t paddr)
{
	uint64_t value;

	assert_true(physmem_copy_out(&rig->mem, paddr, &value, 8));
	return value;
}

/* 4-level paging; page n of the region at BASE is yet unmapped. */
static void turn_paging_on(struct rig *rig)
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

static void map(struct rig *rig, unsigned page, uint64_t entry)
{
	put(rig, PT + 8 * page, entry);
}

/* The last pages below and the first ones above the hole of non-canonical addresses lead to `entry`. */
static void map_edges(struct rig *rig, uint64_t entry)
{
	put(rig, TABLES + 255 * 8, (TABLES + 0x4000) | P | W | U);
	put(rig, TABLES + 256 * 8, (TABLES + 0x4000) | P | W | U);
	for (unsigned i = 0; i < 512; i += 511) {
		put(rig, TABLES + 0x4000 + i * 8, (TABLES + 0x5000) | P | W | U);
		put(rig, TABLES + 0x5000 + i * 8, (TABLES + 0x6000) | P | W | U);
		put(rig, TABLES + 0x6000 + i * 8, entry);
	}
}

static uint64_t read_at(struct rig *rig, uint64_t linear, unsigned size)
{
	struct cpu *cpu = rig->cpu;
	uint8_t *host = fast_read(cpu->data, linear, size);

	return host ? load_host(host, size) : load_slow(cpu, &rig->insn, cpu->data, linear, size, NULL);
}

static void write_at(struct rig *rig, uint64_t linear, uint64_t value, unsigned size)
{
	struct cpu *cpu = rig->cpu;
	uint8_t *host = fast_write(cpu->data, linear, size);

	if (host)
		store_host(host, value, size);
	else
		store_slow(cpu, &rig->insn, cpu->data, linear, value, size, 0);
}

/* Runs `statement`, which must unwind as told. */
#define UNWINDS(how, statement)                               \
	do {                                                  \
		int unwound = setjmp(*rig->cpu->unwind);       \
		if (!unwound) {                               \
			statement;                            \
			fail_msg("%s returned", #statement);  \
		}                                             \
		assert_int_equal(unwound, how);               \
	} while (0)
#define RAISES(expected_vector, code, statement)                                    \
	do {                                                                        \
		UNWINDS(UNWIND_EXCEPTION, statement);                               \
		assert_int_equal(rig->cpu->exception.vector, expected_vector);      \
		assert_int_equal(rig->cpu->exception.error_code, code);             \
		assert_true(rig->cpu->exception.has_error_code);                    \
	} while (0)
#define PAGE_FAULTS(linear, code, statement)                       \
	do {                                                       \
		RAISES(VECTOR_PF, code, statement);                \
		assert_int_equal(rig->cpu->cr2, linear);           \
	} while (0)

/* -- without paging -- */

static void test_plain(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	write_at(rig, 0x1001, 0x1122334455667788, 8);
	assert_ptr_equal(cpu->current, &rig->insn);
	assert_non_null(fast_write(cpu->data, 0x1000, 8)); /* the miss has filled both */
	assert_non_null(fast_read(cpu->data, 0x1000, 8));
	assert_int_equal(read_at(rig, 0x1001, 8), 0x1122334455667788);
	assert_int_equal(read_at(rig, 0x1003, 2), 0x5566);
	write_at(rig, 0x2ffd, 0xa1a2a3a4a5a6a7a8, 8); /* crosses */
	assert_int_equal(get(rig, 0x2ffd), 0xa1a2a3a4a5a6a7a8);
	assert_int_equal(read_at(rig, 0x2ffd, 8), 0xa1a2a3a4a5a6a7a8);
	assert_int_equal(read_at(rig, 0x2fff, 2), 0xa5a6);
}

static void test_wrap(void **state)
{
	struct rig *rig = *state;

	put(rig, 0, 0xddccbbaa);
	assert_int_equal(read_at(rig, 0xfffffffe, 4), 0xbbaaffff); /* a hole, then address 0 */
	write_at(rig, 0xffffffff, 0x99887766, 4);
	assert_int_equal(get(rig, 0), 0xdd998877);
}

static void test_a20(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	put(rig, 0x12340, 0x1111);
	put(rig, 0x112340, 0x2222);
	assert_int_equal(read_at(rig, 0x112340, 8), 0x2222);
	cpu->a20_mask = ~(1ull << 20);
	cpu_flush_tlb(cpu);
	assert_int_equal(read_at(rig, 0x112340, 8), 0x1111);
	write_at(rig, 0x112348, 0x3333, 8);
	assert_int_equal(get(rig, 0x12348), 0x3333);
}

static void test_rom_and_hole(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	assert_int_equal(read_at(rig, ROM, 8), 0x8877665544332211);
	assert_non_null(fast_read(cpu->data, ROM, 8));
	write_at(rig, ROM, 0, 8);
	assert_null(fast_write(cpu->data, ROM, 8));
	assert_int_equal(read_at(rig, ROM, 8), 0x8877665544332211);
	assert_int_equal(read_at(rig, HOLE + 1, 4), 0xffffffff);
	write_at(rig, HOLE + 1, 0, 4);
	assert_null(fast_read(cpu->data, HOLE, 1));
	assert_null(fast_write(cpu->data, HOLE, 1));
}

static void test_device(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	uint8_t bytes[16];

	UNWINDS(UNWIND_SINGLE, read_at(rig, DEVICE + 8, 4));
	UNWINDS(UNWIND_SINGLE, write_at(rig, DEVICE + 8, 0, 4));
	UNWINDS(UNWIND_SINGLE, probe_write(cpu, &rig->insn, cpu->data, DEVICE + 8, 4));
	assert_int_equal(rig->device.reads + rig->device.writes, 0);
	cpu->single = true;
	probe_write(cpu, &rig->insn, cpu->data, DEVICE + 8, 4);
	assert_int_equal(rig->device.reads + rig->device.writes, 0);
	for (unsigned size = 1; size <= 8; size *= 2) {
		assert_int_equal(read_at(rig, DEVICE + 0x123, size), 0x8877665544332211 & (UINT64_MAX >> (64 - 8 * size)));
		assert_int_equal(rig->device.offset, 0x123);
		assert_int_equal(rig->device.size, size);
		write_at(rig, DEVICE + 0x234, 0xf00d, size);
		assert_int_equal(rig->device.offset, 0x234);
		assert_int_equal(rig->device.value, size == 1 ? 0x0d : 0xf00d);
		assert_int_equal(rig->device.size, size);
	}
	assert_int_equal(rig->device.reads, 4);
	assert_int_equal(rig->device.writes, 4);
	load_bytes_slow(cpu, &rig->insn, cpu->data, DEVICE + 0x10, bytes, 16, NULL); /* two quadwords */
	assert_int_equal(rig->device.reads, 6);
	assert_int_equal(rig->device.offset, 0x18);
	assert_int_equal(bytes[15], 0x88);
	assert_int_equal(read_at(rig, DEVICE - 2, 4), 0x2211ffff); /* a hole, then the device */
	assert_int_equal(rig->device.reads, 7);

	cpu->single = false; /* outside any instruction there is nothing to restart */
	cpu->current = NULL;
	assert_int_equal(system_read(cpu, DEVICE, 4), 0x44332211);
	system_write(cpu, DEVICE, 1, 4);
	assert_int_equal(rig->device.value, 1);
}

static void test_code_page(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	static const uint8_t zeros[0x111];
	struct rmw rmw;

	write_at(rig, 0x3000, 0x55, 1);
	assert_non_null(fast_write(cpu->data, 0x3000, 1));
	*physmem_code_bitmap(&rig->mem, 0x3000) = physmem_granules(0x100, 0x80);
	cpu_protect_code_page(cpu, 0x3abc);
	assert_null(fast_write(cpu->data, 0x3000, 1));
	assert_non_null(fast_read(cpu->data, 0x3000, 1));

	write_at(rig, 0x30f8, 0x1111111111111111, 8); /* beside the code */
	write_at(rig, 0x3180, 0x2222222222222222, 8);
	assert_int_equal(get(rig, 0x30f8), 0x1111111111111111);
	assert_int_equal(rig->hooks, 0);
	assert_null(fast_write(cpu->data, 0x3000, 1));

	UNWINDS(UNWIND_SINGLE, write_at(rig, 0x30f9, 0, 8));
	UNWINDS(UNWIND_SINGLE, probe_write(cpu, &rig->insn, cpu->data, 0x317f, 1));
	UNWINDS(UNWIND_SINGLE, store_bytes_slow(cpu, &rig->insn, cpu->data, 0x2ff0, zeros, 0x111, 0)); /* crosses into it */
	assert_int_equal(get(rig, 0x30f8), 0x1111111111111111);
	assert_int_equal(rig->hooks, 0);

	cpu->single = true;
	load_rmw(cpu, &rig->insn, (struct address){0x30f9, 0}, 8, &rmw);
	assert_int_equal(rig->hooks, 0);
	store_rmw(cpu, &rig->insn, &rmw, 8, (struct value){0x3333333333333333, 0});
	assert_int_equal(rig->hooks, 1);
	assert_int_equal(rig->hook_paddr, 0x30f9);
	assert_int_equal(rig->hook_size, 8);
	assert_int_equal(rig->hook_saw, 0x11);
	assert_int_equal(get(rig, 0x30f8), 0x3333333333333311);

	*physmem_code_bitmap(&rig->mem, 0x3000) = 0; /* the last block there is gone: fast again */
	write_at(rig, 0x3000, 0x55, 1);
	assert_non_null(fast_write(cpu->data, 0x3000, 1));
}

/* -- with paging -- */

static void test_crossing_faults(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	turn_paging_on(rig);
	map(rig, 0, 0x1000 | P | W);
	map(rig, 2, 0x2000 | P | W);
	map(rig, 3, 0x3000 | P);
	PAGE_FAULTS(BASE + 0x1000, 0, read_at(rig, BASE + 0xffd, 8));
	PAGE_FAULTS(BASE + 0x1ffd, 0, read_at(rig, BASE + 0x1ffd, 8));
	PAGE_FAULTS(BASE + 0x1000, PF_W, write_at(rig, BASE + 0xffd, UINT64_MAX, 8));
	PAGE_FAULTS(BASE + 0x3000, PF_P | PF_W, write_at(rig, BASE + 0x2fff, UINT64_MAX, 2)); /* read-only */
	PAGE_FAULTS(BASE + 0x3000, PF_P | PF_W, probe_write(cpu, &rig->insn, cpu->data, BASE + 0x2fff, 2));
	assert_int_equal(get(rig, 0x1ff8), 0);
	assert_int_equal(get(rig, 0x2ff8), 0);
	put(rig, 0x2ff8, 0xab00000000000000);
	put(rig, 0x3000, 0xcd);
	assert_int_equal(read_at(rig, BASE + 0x2fff, 2), 0xcdab);

	map(rig, 3, 0x1000 | P | W); /* not next to each other in physical memory */
	cpu_flush_page(cpu, BASE + 0x3000);
	write_at(rig, BASE + 0x2ffe, 0x44332211, 4);
	assert_int_equal(get(rig, 0x2ff8), 0x2211000000000000);
	assert_int_equal(get(rig, 0x1000), 0x4433);
}

static void test_accessed_and_dirty(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	turn_paging_on(rig);
	map(rig, 0, 0x1000 | P | W);
	read_at(rig, BASE, 1);
	assert_int_equal(get(rig, PT), 0x1000 | P | W | A);
	assert_int_equal(get(rig, TABLES + 8) & A, A);
	assert_non_null(fast_read(cpu->data, BASE, 1));
	assert_null(fast_write(cpu->data, BASE, 1)); /* not before it is dirty */
	write_at(rig, BASE, 1, 1);
	assert_int_equal(get(rig, PT), 0x1000 | P | W | A | D);
	assert_non_null(fast_write(cpu->data, BASE, 1));
	map(rig, 0, 0x1000 | P | W); /* cleared behind the TLB's back ... */
	cpu_flush_page(cpu, BASE);   /* ... and told */
	write_at(rig, BASE, 2, 1);
	assert_int_equal(get(rig, PT), 0x1000 | P | W | A | D);

	map(rig, 1, 0x2000 | P | D); /* dirty but read-only */
	read_at(rig, BASE + 0x1000, 1);
	assert_null(fast_write(cpu->data, BASE + 0x1000, 1));
	map(rig, 2, 0x2000 | P | W | D); /* dirty already: a read is enough */
	read_at(rig, BASE + 0x2000, 1);
	assert_non_null(fast_write(cpu->data, BASE + 0x2000, 1));
}

/* Setting an A bit is a write to memory: the page table may be code as well. */
static void test_table_is_code(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	turn_paging_on(rig);
	map(rig, 0, 0x1000 | P | W);
	*physmem_code_bitmap(&rig->mem, PT) = 1;
	UNWINDS(UNWIND_SINGLE, read_at(rig, BASE, 1));
	assert_int_equal(get(rig, PT) & A, 0);
	cpu->single = true;
	read_at(rig, BASE, 1);
	assert_int_equal(get(rig, PT) & A, A);
	assert_int_equal(rig->hooks, 1);
}

static void test_canonical(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	turn_paging_on(rig);
	map_edges(rig, 0x1000 | P | W);
	put(rig, 0x1ff8, 0x5a00000000000000);
	assert_int_equal(read_at(rig, LAST_LOW + 0xfff, 1), 0x5a);
	assert_int_equal(read_at(rig, FIRST_HIGH, 1), 0);
	RAISES(VECTOR_GP, 0, read_at(rig, LAST_LOW + 0xfff, 2));
	RAISES(VECTOR_GP, 0, read_at(rig, FIRST_HIGH - 1, 2));
	RAISES(VECTOR_GP, 0, write_at(rig, 0x8000000000000000, 0, 8));
	RAISES(VECTOR_SS, 0, load_slow(cpu, &rig->stack_insn, cpu->data, FIRST_HIGH - 8, 8, NULL));
	RAISES(VECTOR_SS, 0, privileged_write(cpu, FIRST_HIGH - 8, 0, 8, 0));
	RAISES(VECTOR_GP, 0, system_read(cpu, FIRST_HIGH - 8, 8));
	cpu->cr4 |= CR4_LA57;
	cpu_update_paging(cpu);
	PAGE_FAULTS(FIRST_HIGH - 8, 0, read_at(rig, FIRST_HIGH - 8, 8));
	RAISES(VECTOR_GP, 0, read_at(rig, 0x0100000000000000, 8));
}

/* Which bank stands for whom. */
static void test_privilege(void **state)
{
	static const struct {
		enum bank bank;
		bool smap;
		uint64_t entry;
		bool write;
		int error_code; /* -1: none */
	} rows[] = {
		{BANK_USER, false, P | W | U, true, -1},
		{BANK_USER, true, P | W | U, true, -1},
		{BANK_USER, false, P | W, false, PF_P | PF_U},
		{BANK_USER, false, P | U, true, PF_P | PF_W | PF_U},
		{BANK_USER_ALIGNED, false, P | U, true, PF_P | PF_W | PF_U},
		{BANK_SUPERVISOR, false, P | W | U, true, -1},
		{BANK_SUPERVISOR, false, P, true, PF_P | PF_W},
		{BANK_SUPERVISOR, true, P | W | U, false, PF_P},
		{BANK_SUPERVISOR, true, P | W, true, -1},
		{BANK_SUPERVISOR_AC, true, P | W | U, true, -1},
	};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	turn_paging_on(rig);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cpu->cr4 = CR4_PAE | (rows[i].smap ? CR4_SMAP : 0);
		map(rig, 0, 0x1000 | rows[i].entry);
		cpu_update_paging(cpu);
		cpu->data = &cpu->banks[rows[i].bank];
		if (rows[i].error_code < 0) {
			rows[i].write ? write_at(rig, BASE, 0, 8) : (void)read_at(rig, BASE, 8);
		} else {
			PAGE_FAULTS(BASE, rows[i].error_code,
				    rows[i].write ? write_at(rig, BASE, 0, 8) : (void)read_at(rig, BASE, 8));
		}
	}
}

static void test_own_accesses(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	turn_paging_on(rig);
	map(rig, 0, 0x1000 | P | W);
	map(rig, 1, 0x2000 | P | W | U);
	cpu->cpl = 3;
	cpu->data = &cpu->banks[BANK_USER];
	cpu->current = &rig->insn;
	system_write(cpu, BASE + 0x10, 0x1234567890, 8); /* supervisor's, whatever the CPL */
	assert_int_equal(system_read(cpu, BASE + 0x10, 8), 0x1234567890);
	assert_int_equal(system_read(cpu, BASE + 0x11, 1), 0x78);
	assert_int_equal(system_read(cpu, BASE + 0xffe, 4), 0); /* crosses */
	PAGE_FAULTS(BASE, PF_P | PF_U, privileged_read(cpu, BASE, 8, 3));
	privileged_write(cpu, BASE + 0x1000, 7, 4, 3);
	assert_int_equal(get(rig, 0x2000), 7);
	cpu->cr4 |= CR4_SMAP;
	cpu->eflags |= FLAG_AC;
	cpu_update_paging(cpu);
	PAGE_FAULTS(BASE + 0x1000, PF_P, system_read(cpu, BASE + 0x1000, 8)); /* implicit: AC does not help */
	assert_int_equal(privileged_read(cpu, BASE + 0x1000, 8, 0), 7);
	cpu->eflags = 0;
	PAGE_FAULTS(BASE + 0x1000, PF_P, privileged_read(cpu, BASE + 0x1000, 8, 0));
	PAGE_FAULTS(BASE + 0x2000, PF_W, system_probe_write(cpu, BASE + 0x2000, 8));
	privileged_probe_write(cpu, BASE, 104, 0);
	assert_ptr_equal(cpu->current, &rig->insn);
}

static void test_fetch(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	uint64_t paddr;

	cpu_translate_fetch(cpu, 0x12345, &paddr);
	assert_int_equal(paddr, 0x12345);
	turn_paging_on(rig);
	map(rig, 0, 0x7000 | P | U);
	map(rig, 1, 0x8000 | P | U | NX);
	map(rig, 2, 0x9000 | P);
	cpu_translate_fetch(cpu, BASE + 0x123, &paddr);
	assert_int_equal(paddr, 0x7123);
	map(rig, 0, 0); /* the entry answers */
	cpu_translate_fetch(cpu, BASE + 0x456, &paddr);
	assert_int_equal(paddr, 0x7456);
	cpu_flush_page(cpu, BASE);
	cpu->current = NULL;
	PAGE_FAULTS(BASE + 0x456, PF_I, cpu_translate_fetch(cpu, BASE + 0x456, &paddr));
	map(rig, 0, 0x7000 | P | U);
	PAGE_FAULTS(BASE + 0x1000, PF_P | PF_I, cpu_translate_fetch(cpu, BASE + 0x1000, &paddr));
	RAISES(VECTOR_GP, 0, cpu_translate_fetch(cpu, FIRST_HIGH - 1, &paddr));
	cpu->cpl = 3;
	cpu_translate_fetch(cpu, BASE, &paddr);
	PAGE_FAULTS(BASE + 0x2000, PF_P | PF_U | PF_I, cpu_translate_fetch(cpu, BASE + 0x2000, &paddr));
	cpu->cpl = 0;
	cpu_translate_fetch(cpu, BASE + 0x2000, &paddr);
	cpu->cr4 |= CR4_SMEP;
	cpu_update_paging(cpu);
	PAGE_FAULTS(BASE, PF_P | PF_I, cpu_translate_fetch(cpu, BASE, &paddr));
	cpu->efer &= ~EFER_NXE;
	cpu_update_paging(cpu);
	PAGE_FAULTS(BASE + 0x1000, PF_P | PF_RSVD | PF_I, cpu_translate_fetch(cpu, BASE + 0x1000, &paddr));
	cpu->cr4 &= ~CR4_SMEP;
	cpu_update_paging(cpu);
	PAGE_FAULTS(BASE + 0x1000, PF_P | PF_RSVD, cpu_translate_fetch(cpu, BASE + 0x1000, &paddr));
}

static void test_modes(void **state)
{
	static const struct {
		uint32_t cr0, cr4, efer;
		enum paging_mode mode;
	} rows[] = {
		{CR0_PE, CR4_PAE, 0, PAGING_OFF},
		{CR0_PE | CR0_PG, 0, 0, PAGING_32BIT},
		{CR0_PE | CR0_PG, CR4_PSE, EFER_NXE, PAGING_32BIT},
		{CR0_PE | CR0_PG, CR4_PAE, 0, PAGING_PAE},
		{CR0_PE | CR0_PG, CR4_PAE, EFER_LME | EFER_LMA, PAGING_4LEVEL},
		{CR0_PE | CR0_PG, CR4_PAE | CR4_LA57, EFER_LME | EFER_LMA, PAGING_5LEVEL},
	};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		rig->cpu->cr0 = rows[i].cr0;
		rig->cpu->cr4 = rows[i].cr4;
		rig->cpu->efer = rows[i].efer;
		cpu_update_paging(rig->cpu);
		assert_int_equal(rig->cpu->paging.mode, rows[i].mode);
		assert_int_equal(rig->cpu->paging.nxe, !!(rows[i].efer & EFER_NXE));
	}
}

static void test_pae(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	put(rig, 0x5020, 0x6000 | P);
	put(rig, 0x5028, 2); /* not present: nothing is reserved */
	put(rig, 0x5038, 0x6000 | P);
	put(rig, 0x6000, 0x7000 | P | W);
	put(rig, 0x7008, 0x8000 | P | W);
	put(rig, 0x8000, 0x99);
	assert_true(cpu_load_pdptes(cpu, 0x503f));
	cpu->cr0 |= CR0_PG;
	cpu->cr3 = 0x5020;
	cpu->cr4 = CR4_PAE;
	cpu_update_paging(cpu);
	put(rig, 0x5020, 0); /* the registers count */
	assert_int_equal(read_at(rig, 0x1000, 1), 0x99);
	assert_int_equal(read_at(rig, 0xc0001000, 1), 0x99);
	PAGE_FAULTS(0x40001000, 0, read_at(rig, 0x40001000, 1));
	put(rig, 0x5030, P | W);
	assert_false(cpu_load_pdptes(cpu, 0x5020));
	assert_int_equal(cpu->pdpte[0], 0x6000 | P);
	assert_false(cpu_load_pdptes(cpu, HOLE));
}

static void test_large_page_flush(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	turn_paging_on(rig);
	put(rig, TABLES + 0x2010, 0 | P | W | PTE_PS); /* 2 MiB at BASE + 2 MiB */
	put(rig, 0x45678, 0x1357);
	assert_int_equal(read_at(rig, BASE + 0x200000 + 0x45678, 8), 0x1357);
	put(rig, TABLES + 0x2010, 0);
	cpu_flush_page(cpu, BASE + 0x200000);
	PAGE_FAULTS(BASE + 0x245678, 0, read_at(rig, BASE + 0x200000 + 0x45678, 8));
}

/* -- breakpoints, alignment -- */

static void set_breakpoint(struct cpu *cpu, unsigned n, uint64_t linear, unsigned condition, unsigned length)
{
	cpu->dr[n] = linear;
	cpu->dr[7] |= 1ull << (2 * n) | (uint64_t)condition << (16 + 4 * n) | (uint64_t)length << (18 + 4 * n);
	cpu_flush_tlb(cpu);
}

static void test_breakpoints(void **state)
{
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	read_at(rig, 0x1000, 1);
	set_breakpoint(cpu, 1, 0x1106, 1, 3); /* writes to 4 bytes at 1104 */
	set_breakpoint(cpu, 3, 0x2000, 3, 2); /* any access to 8 bytes at 2000 */
	set_breakpoint(cpu, 0, 0x1200, 0, 0); /* an instruction's */
	set_breakpoint(cpu, 2, 0x1300, 2, 0); /* a port */

	write_at(rig, 0x1103, 0, 1);
	write_at(rig, 0x1108, 0, 8);
	write_at(rig, 0x1200, 0, 8);
	write_at(rig, 0x1300, 0, 8);
	assert_int_equal(read_at(rig, 0x1104, 4), 0);
	assert_null(fast_write(cpu->data, 0x1000, 1));
	assert_null(fast_read(cpu->data, 0x1000, 1));
	assert_int_equal(cpu->pending_debug, 0);

	UNWINDS(UNWIND_SINGLE, write_at(rig, 0x1100, UINT64_MAX, 8));
	assert_int_equal(get(rig, 0x1100), 0);
	cpu->single = true;
	write_at(rig, 0x1100, UINT64_MAX, 8);
	assert_int_equal(cpu->pending_debug, 1 << 1);
	assert_int_equal(read_at(rig, 0x1ffe, 4), 0); /* crosses into the other one */
	assert_int_equal(cpu->pending_debug, 1 << 1 | 1 << 3);
	cpu->pending_debug = 0;
	probe_write(cpu, &rig->insn, cpu->data, 0x2007, 1);
	assert_int_equal(cpu->pending_debug, 0); /* has not happened yet */
	system_write(cpu, 0x2000, 0, 8);
	assert_int_equal(cpu->pending_debug, 0);
	read_at(rig, 0x3000, 1);
	assert_non_null(fast_read(cpu->data, 0x3000, 1)); /* other pages are as fast as ever */
}

static void test_alignment(void **state)
{
	static const struct {
		unsigned size, good, bad;
	} rows[] = {{1, 1, 0}, {2, 2, 1}, {4, 4, 2}, {8, 8, 4}, {10, 8, 4}, {16, 16, 8}, {28, 4, 2}, {108, 4, 2}, {512, 16, 1}};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	uint8_t bytes[512] = {0};

	turn_paging_on(rig);
	map(rig, 0, 0x1000 | P | W | U);
	cpu->cpl = 3;
	cpu->data = &cpu->banks[BANK_USER_ALIGNED];
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (unsigned repeat = 0; repeat < 2; repeat++) { /* what the first access caches must not help the second */
			uint64_t bad = BASE + 0x100 + rows[i].bad;

			store_bytes(cpu, &rig->insn, (struct address){BASE + 0x100 + rows[i].good, 0}, bytes, rows[i].size, 0);
			load_bytes(cpu, &rig->insn, (struct address){BASE + 0x100 + rows[i].good, 0}, bytes, rows[i].size);
			if (!rows[i].bad)
				continue;
			RAISES(VECTOR_AC, 0, load_bytes(cpu, &rig->insn, (struct address){bad, 0}, bytes, rows[i].size));
			RAISES(VECTOR_AC, 0, store_bytes(cpu, &rig->insn, (struct address){bad, 0}, bytes, rows[i].size, 0));
		}
	}
	assert_null(fast_read(cpu->data, BASE + 0x100, 1));
	assert_non_null(fast_read(&cpu->banks[BANK_USER], BASE + 0x100, 1));
}

/* -- clients -- */

struct client {
	struct tlb_client base;
	enum tlb_fill_status status;
	struct tlb_page page;
	unsigned asked;
	uint64_t linear;
	bool write;
};

static enum tlb_fill_status client_fill(struct tlb_client *base, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct client *client = (struct client *)base;

	client->asked++;
	client->linear = linear;
	client->write = write;
	*ret_page = client->page;
	return client->status;
}

static void test_client(void **state)
{
	static uint8_t page[PAGE_SIZE], shadow[PAGE_SIZE];
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	struct tlb *bank = calloc(1, sizeof(*bank));
	struct client client = {.base = {client_fill, TAG_PRODUCT}, .page = {page, shadow}};
	tag_t tag;

	turn_paging_on(rig);
	map(rig, 0, 0x1000 | P | W);
	put(rig, 0x1000, 0x4242);
	tlb_init(bank);
	bank->client = &client.base;
	cpu->data = bank;

	client.status = TLB_FILL_OK;
	page[8] = 0x77;
	shadow[15] = TAG_STACK;
	assert_int_equal(load_slow(cpu, &rig->insn, bank, BASE + 0x5008, 8, &tag), 0x77);
	assert_int_equal(tag, TAG_STACK);
	assert_int_equal(client.linear, BASE + 0x5008);
	assert_false(client.write);
	assert_non_null(fast_read(bank, BASE + 0x5000, 8));
	assert_null(fast_write(bank, BASE + 0x5000, 8)); /* to be asked for */
	store_slow(cpu, &rig->insn, bank, BASE + 0x5010, 0x88, 4, TAG_PRODUCT);
	assert_true(client.write);
	assert_int_equal(page[16], 0x88);
	assert_memory_equal(&shadow[15], "\1\2\2\2\2\0", 6);
	assert_non_null(fast_write(bank, BASE + 0x5000, 8));
	client.page.shadow = NULL;
	load_slow(cpu, &rig->insn, bank, BASE + 0x6ffc, 8, &tag); /* two pages without shadow */
	assert_int_equal(tag, TAG_PRODUCT);
	load_slow(cpu, &rig->insn, bank, BASE + 0x5ffc, 8, &tag); /* one with, one without */
	assert_int_equal(tag, TAG_PRODUCT);

	client.status = TLB_FILL_TRUSTED;
	assert_int_equal(load_slow(cpu, &rig->insn, bank, BASE, 8, &tag), 0x4242);
	assert_non_null(fast_read(bank, BASE, 8));
	PAGE_FAULTS(BASE + 0x1000, 0, read_at(rig, BASE + 0x1000, 1));
	map(rig, 0, 0);
	cpu_flush_tlb(cpu); /* the client's bank too */
	PAGE_FAULTS(BASE, 0, read_at(rig, BASE, 8));
	RAISES(VECTOR_GP, 0, read_at(rig, FIRST_HIGH - 1, 1)); /* the client is not bothered */
	assert_int_equal(client.linear, BASE);

	client.status = TLB_FILL_STOP;
	UNWINDS(UNWIND_EXIT, read_at(rig, BASE, 8));
	assert_int_equal(cpu->exit, CPU_EXIT_CLIENT);
	free(bank);
}

static void test_shadow_functions(void **state)
{
	uint8_t shadow[40] = {0};

	(void)state;
	for (unsigned size = 1; size <= 32; size++)
		for (unsigned at = 0; at < size; at++) {
			shadow[at] = TAG_PRODUCT;
			assert_int_equal(shadow_get(shadow, size), TAG_PRODUCT);
			assert_int_equal(shadow_get(shadow, at ? at : 1), at ? 0 : TAG_PRODUCT);
			shadow[at] = 0;
		}
	shadow_set(shadow + 1, 4, TAG_STACK);
	assert_memory_equal(shadow, "\0\1\1\1\1\0", 6);
}

/* -- effective addresses -- */

/* The vector raised, or 0 with the linear address in *ret_linear. */
static int try_ea(struct cpu *cpu, const struct insn *insn, unsigned size, bool write, uint64_t *ret_linear)
{
	if (setjmp(*cpu->unwind))
		return cpu->exception.vector;
	*ret_linear = ea(cpu, insn, size, write).linear;
	return 0;
}

static void test_ea_slow(void **state)
{
	enum { DATA = SEGMENT_P | SEGMENT_S | 2, CODE = SEGMENT_P | SEGMENT_S | 8, DOWN = DATA | 4 };
	static const struct {
		unsigned code, address; /* sizes: log2 */
		unsigned segment;	/* SEG_COUNT: none */
		struct segment value;
		uint64_t base;
		int32_t disp;
		unsigned size;
		bool write;
		int vector; /* 0: none */
		uint64_t linear;
	} rows[] = {
		{1, 1, SEG_DS, {0x12340, 0xffff, DATA, 0}, 0xfff0, 0x20, 2, true, 0, 0x12350}, /* 16 bits wrap */
		{1, 1, SEG_DS, {0x12340, 0xffff, DATA, 0}, 0x8000, 0x7ffe, 2, true, 0, 0x2233e},
		{1, 1, SEG_DS, {0x12340, 0xffff, DATA, 0}, 0x8000, 0x7fff, 2, true, VECTOR_GP, 0},
		{1, 2, SEG_DS, {0x12340, 0xffff, DATA, 0}, 0xfff0, 0x20, 1, false, VECTOR_GP, 0},
		{2, 2, SEG_SS, {0x1000, 0xfff, DATA | SEGMENT_DB, 0}, 0xffd, 0, 4, true, VECTOR_SS, 0},
		{2, 2, SEG_SS, {0x1000, 0xfff, DATA | SEGMENT_DB, 0}, 0xffc, 0, 4, true, 0, 0x1ffc},
		{2, 2, SEG_ES, {0, 0xfff, DOWN | SEGMENT_DB, 0}, 0xfff, 0, 1, true, VECTOR_GP, 0},
		{2, 2, SEG_ES, {0, 0xfff, DOWN | SEGMENT_DB, 0}, 0x1000, 0, 1, true, 0, 0x1000},
		{2, 2, SEG_ES, {0, 0xfff, DOWN | SEGMENT_DB, 0}, 0xfffffffc, 0, 4, true, 0, 0xfffffffc},
		{2, 2, SEG_ES, {0, 0xfff, DOWN, 0}, 0xffff, 0, 1, true, 0, 0xffff},
		{2, 2, SEG_ES, {0, 0xfff, DOWN, 0}, 0xffff, 0, 2, true, VECTOR_GP, 0},
		{2, 2, SEG_DS, {0, 0xffffffff, DATA & ~2, 0}, 0, 0, 4, false, 0, 0}, /* read-only data */
		{2, 2, SEG_DS, {0, 0xffffffff, DATA & ~2, 0}, 0, 0, 4, true, VECTOR_GP, 0},
		{2, 2, SEG_CS, {0, 0xffffffff, CODE, 0}, 0, 0, 4, false, VECTOR_GP, 0}, /* execute-only */
		{2, 2, SEG_CS, {0, 0xffffffff, CODE | 2, 0}, 4, 4, 4, false, 0, 8},
		{2, 2, SEG_CS, {0, 0xffffffff, CODE | 2, 0}, 4, 4, 4, true, VECTOR_GP, 0},
		{2, 2, SEG_GS, {0}, 0, 0, 4, false, VECTOR_GP, 0}, /* null */
		{2, 2, SEG_FS, {0xfffff000, 0xffff, DATA, 0}, 0x2000, 0, 4, false, 0, 0x1000}, /* linear addresses wrap */
		{3, 2, SEG_COUNT, {0}, 0xffffffff00000010, -0x20, 4, false, 0, 0xfffffff0},
		{3, 2, SEG_GS, {0xffff888000000000, 0, 0, 0}, 0x10, -0x20, 4, false, 0, 0xffff8880fffffff0},
		{3, 3, SEG_GS, {0xffff888000000000, 0, 0, 0}, 0x30, -0x20, 4, true, 0, 0xffff888000000010},
	};
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct insn insn = {
			.base = CPU_OFFSET(gpr[RBX]),
			.index = CPU_OFFSET(zero),
			.disp = rows[i].disp,
			.segment = CPU_OFFSET(zero),
			.bits = INSN_SLOW_EA | rows[i].address << INSN_ADDRESS_SHIFT,
		};
		uint64_t linear = 0;
		int vector;

		cpu->mode = rows[i].code << MODE_CODE_SHIFT;
		cpu->ea_mask = rows[i].code == 3 ? UINT64_MAX : UINT32_MAX;
		cpu->gpr[RBX] = rows[i].base;
		if (rows[i].segment < SEG_COUNT) {
			cpu->seg[rows[i].segment] = rows[i].value;
			insn.segment = CPU_OFFSET(seg[0].base) + rows[i].segment * sizeof(struct segment);
		}
		cpu->exception.error_code = 0;
		vector = try_ea(cpu, &insn, rows[i].size, rows[i].write, &linear);
		assert_int_equal(cpu->exception.error_code, 0);
		if (vector != rows[i].vector || linear != rows[i].linear)
			fail_msg("row %u: vector %d, linear 0x%llx", i, vector, (unsigned long long)linear);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_plain),	       TEST(test_wrap),		TEST(test_a20),		TEST(test_rom_and_hole),
		TEST(test_device),	       TEST(test_code_page),	TEST(test_crossing_faults), TEST(test_accessed_and_dirty),
		TEST(test_table_is_code),      TEST(test_canonical),	TEST(test_privilege),	TEST(test_own_accesses),
		TEST(test_fetch),	       TEST(test_modes),	TEST(test_pae),		TEST(test_large_page_flush),
		TEST(test_breakpoints),	       TEST(test_alignment),	TEST(test_client),	TEST(test_shadow_functions),
		TEST(test_ea_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
