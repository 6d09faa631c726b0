/*
 * The CPU's slow memory paths: crossings, devices, code pages, breakpoints, alignment, clients; effective addresses with segments.
 */
#include "tests/unit/memory_rig.h"

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
	PAGE_FAULTS(BASE + 0x2000, PF_W, system_write(cpu, BASE + 0x2000, 0, 8));
	assert_ptr_equal(cpu->current, &rig->insn);
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
	cpu_set_supervisor_banks(cpu, bank, NULL);

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

/* A client that counts is asked at every access; both bytes of a crossing one make one, a read-modify-write makes two. */
static void test_traffic(void **state)
{
	static uint8_t page[PAGE_SIZE];
	struct rig *rig = *state;
	struct cpu *cpu = rig->cpu;
	struct tlb *bank = calloc(1, sizeof(*bank));
	struct tlb_traffic traffic = {0};
	struct client client = {.base = {client_fill, 0}, .status = TLB_FILL_OK, .page = {.host = page, .traffic = &traffic}};
	struct rmw rmw;

	turn_paging_on(rig);
	tlb_init(bank);
	bank->client = &client.base;
	cpu_set_supervisor_banks(cpu, bank, NULL);
	for (unsigned i = 1; i <= 3; i++) {
		load(cpu, &rig->insn, (struct address){BASE + 0x5008, 0}, 8);
		assert_int_equal(client.asked, i);
		assert_null(fast_read(bank, BASE + 0x5008, 8));
	}
	assert_int_equal(traffic.loads, 3);
	load(cpu, &rig->insn, (struct address){BASE + 0x5ffc, 0}, 8);
	assert_int_equal(traffic.loads, 4);
	assert_int_equal(traffic.stores, 0);
	store(cpu, &rig->insn, (struct address){BASE + 0x5ffe, 0}, 4, (struct value){0x11223344, 0});
	assert_int_equal(traffic.stores, 1);
	load_rmw(cpu, &rig->insn, (struct address){BASE + 0x5010, 0}, 4, &rmw);
	store_rmw(cpu, &rig->insn, &rmw, 4, (struct value){7, 0});
	assert_int_equal(page[0x10], 7);
	probe_write(cpu, &rig->insn, bank, BASE + 0x5010, 4); /* transfers nothing */
	assert_int_equal(traffic.loads, 5);
	assert_int_equal(traffic.stores, 2);
	client.page.traffic = NULL;
	load(cpu, &rig->insn, (struct address){BASE + 0x5008, 0}, 8);
	assert_non_null(fast_read(bank, BASE + 0x5008, 8));
	assert_int_equal(traffic.loads, 5);
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
		unsigned segment;       /* SEG_COUNT: none */
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
		{2, 2, SEG_GS, {0}, 0, 0, 4, false, VECTOR_GP, 0},                             /* null */
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
		TEST(test_plain),        TEST(test_wrap),        TEST(test_rom_and_hole),
		TEST(test_device),       TEST(test_code_page),   TEST(test_crossing_faults),
		TEST(test_own_accesses), TEST(test_breakpoints), TEST(test_alignment),
		TEST(test_client),       TEST(test_traffic),     TEST(test_shadow_functions),
		TEST(test_ea_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
