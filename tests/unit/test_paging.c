/*
 * The CPU's use of paging: accessed and dirty bits, canonical addresses, privileges' banks, fetches, PAE, flushes, A20.
 */
#include "tests/unit/memory_rig.h"

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
			PAGE_FAULTS(BASE, rows[i].error_code, rows[i].write ? write_at(rig, BASE, 0, 8) : (void)read_at(rig, BASE, 8));
		}
	}
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
	uint64_t paddr;

	turn_paging_on(rig);
	put(rig, TABLES + 0x2010, 0 | P | W | PTE_PS); /* 2 MiB at BASE + 2 MiB */
	put(rig, 0x45678, 0x1357);
	assert_int_equal(read_at(rig, BASE + 0x200000 + 0x45678, 8), 0x1357);
	put(rig, TABLES + 0x2010, 0);
	cpu_flush_page(cpu, BASE + 0x200000);
	PAGE_FAULTS(BASE + 0x245678, 0, read_at(rig, BASE + 0x200000 + 0x45678, 8));

	put(rig, TABLES + 0x2010, 0 | P | W | PTE_PS); /* the same for a fetch alone */
	cpu_flush_tlb(cpu);
	cpu_translate_fetch(cpu, BASE + 0x245678, &paddr);
	assert_int_equal(paddr, 0x45678);
	put(rig, TABLES + 0x2010, 0);
	cpu_flush_page(cpu, BASE + 0x200000);
	PAGE_FAULTS(BASE + 0x245678, PF_I, cpu_translate_fetch(cpu, BASE + 0x245678, &paddr));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a20),
		TEST(test_accessed_and_dirty),
		TEST(test_table_is_code),
		TEST(test_canonical),
		TEST(test_privilege),
		TEST(test_fetch),
		TEST(test_modes),
		TEST(test_pae),
		TEST(test_large_page_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
