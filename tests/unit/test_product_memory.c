/* The product's kernel address space (redirect/memory.h), on a snapshot with page tables of four levels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "redirect/memory.h"
#include "util/error.h"

/* Physical pages: 0 PML4, 1 PDPT, 2 PD, 3 PT; 4.. data; HOLE has no memory. */
enum { PAGES = 16, DATA = 4, DEVICE = 40, UNREADABLE = 50, LEFT_OUT = 51, READ_ONLY = 9 };

#define KERNEL 0xffff888000000000ull

struct rig {
	uint64_t asked; /* for pages */
	uint64_t word[PAGES][PAGE_SIZE / 8];
	struct product_memory memory;
};

static const uint8_t *page(void *opaque, uint64_t paddr, enum page_lack *ret_lack)
{
	struct rig *rig = opaque;

	rig->asked++;
	*ret_lack = paddr / PAGE_SIZE == UNREADABLE                                     ? PAGE_UNREADABLE
		    : paddr / PAGE_SIZE >= LEFT_OUT && paddr / PAGE_SIZE < LEFT_OUT + 2 ? PAGE_LEFT_OUT
											: PAGE_HOLE;
	return paddr / PAGE_SIZE < PAGES ? (const uint8_t *)rig->word[paddr / PAGE_SIZE] : NULL;
}

/* KERNEL + n pages are physical pages DATA + n, then the read-only one, then DEVICE; the rest is not mapped. */
static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const struct product_memory_config config = {
		.snapshot = {rig, page},
		.paging = {.mode = PAGING_4LEVEL, .wp = true, .nxe = true, .maxphyaddr = 46},
		.kernel_start = 1ull << 63,
		.shadows = true,
		.max_pages = 64,
	};

	rig->word[0][KERNEL >> 39 & 511] = 1 * PAGE_SIZE | PTE_P | PTE_W;
	rig->word[1][0] = 2 * PAGE_SIZE | PTE_P | PTE_W;
	rig->word[2][0] = 3 * PAGE_SIZE | PTE_P | PTE_W;
	for (unsigned i = 0; i < 8; i++)
		rig->word[3][i] = (DATA + i) * PAGE_SIZE | PTE_P | (DATA + i == READ_ONLY ? 0 : PTE_W);
	rig->word[3][8] = DEVICE * PAGE_SIZE | PTE_P | PTE_W;
	for (unsigned i = DATA; i < PAGES; i++) {
		for (unsigned j = 0; j < PAGE_SIZE / 8; j++)
			rig->word[i][j] = (uint64_t)i << 32 | j;
	}
	assert_null(product_memory_init(&rig->memory, &config));
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	product_memory_deinit(&rig->memory);
	free(rig);
	return 0;
}

static uint64_t word_at(struct rig *rig, uint64_t linear)
{
	uint64_t word;

	assert_true(product_memory_read_word(&rig->memory, linear, 8, &word));
	return word;
}

/* As the CPU's slow path asks. */
static enum tlb_fill_status ask(struct rig *rig, uint64_t linear, bool write, struct tlb_page *ret)
{
	*ret = (struct tlb_page){0};
	return rig->memory.client.fill(&rig->memory.client, linear, write, ret);
}

static void test_translation(void **state)
{
	struct rig *rig = *state;
	uint64_t paddr;

	assert_true(product_memory_translate(&rig->memory, KERNEL + 0x1008, &paddr));
	assert_int_equal(paddr, (DATA + 1) * PAGE_SIZE + 8);
	assert_false(product_memory_translate(&rig->memory, KERNEL + 0x9000, &paddr));
	assert_false(product_memory_translate(&rig->memory, 0x1000, &paddr)); /* the user half is none of its business */
	assert_int_equal(word_at(rig, KERNEL + 0x1008), (uint64_t)(DATA + 1) << 32 | 1);
}

static void test_crossing(void **state)
{
	struct rig *rig = *state;
	uint64_t in[] = {1, 2, 3, 4}, out[4];

	assert_true(product_memory_write(&rig->memory, KERNEL + 0x0ff0, in, sizeof(in)));
	assert_true(product_memory_read(&rig->memory, KERNEL + 0x0ff0, out, sizeof(out)));
	assert_memory_equal(in, out, sizeof(in));
	assert_false(product_memory_write(&rig->memory, KERNEL + 0x8ff0, in, sizeof(in)));
	assert_int_equal(word_at(rig, KERNEL + 0x8ff0), 0); /* a device: reads zero */
	assert_int_equal(rig->word[DATA][510], (uint64_t)DATA << 32 | 510);
}

static void test_tag(void **state)
{
	struct rig *rig = *state;
	struct tlb_page first, second;

	assert_true(product_memory_write_word(&rig->memory, KERNEL + 0x0ffd, 8, 0));
	product_memory_tag(&rig->memory, KERNEL + 0x0ffd, 8, 7);
	assert_int_equal(ask(rig, KERNEL, false, &first), TLB_FILL_OK);
	assert_int_equal(ask(rig, KERNEL + 0x1000, false, &second), TLB_FILL_OK);
	assert_memory_equal(first.shadow + 0xffc, "\0\7\7\7", 4);
	assert_memory_equal(second.shadow, "\7\7\7\7\7\0", 6);
}

/* Reads of what the snapshot does not have are counted; a page that it has and that cannot be read is no page of zeros. */
static void test_gaps(void **state)
{
	struct rig *rig = *state;
	struct product_memory *memory = &rig->memory;
	struct tlb_page ret;
	uint64_t word;

	rig->word[3][9] = (uint64_t)UNREADABLE * PAGE_SIZE | PTE_P | PTE_W;
	rig->word[3][10] = 0xfee00000 | PTE_P | PTE_W; /* the local APIC */
	assert_int_equal(ask(rig, KERNEL + 0x8000, true, &ret), TLB_FILL_OK);
	assert_int_equal(ask(rig, KERNEL + 0xa000, false, &ret), TLB_FILL_OK);
	assert_int_equal(memory->count.holes, 0);
	rig->word[3][8] = (DEVICE + 1) * PAGE_SIZE | PTE_P | PTE_W; /* the other one has a page of its own now */
	product_memory_invalidate(memory);
	assert_int_equal(ask(rig, KERNEL + 0x8000, false, &ret), TLB_FILL_OK);
	assert_int_equal(memory->count.holes, 1);

	assert_int_equal(ask(rig, KERNEL + 0x9000, false, &ret), TLB_FILL_FAULT);
	assert_int_equal(memory->gap, PRODUCT_GAP_UNREADABLE);
	assert_int_equal(ask(rig, KERNEL + 0x9000, true, &ret), TLB_FILL_FAULT);
	assert_int_equal(memory->gap, PRODUCT_GAP_UNREADABLE);
	assert_false(product_memory_read_word(memory, KERNEL + 0x9000, 8, &word));
	assert_int_equal(memory->count.unreadable, 3);
	rig->word[3][9] = (uint64_t)LEFT_OUT * PAGE_SIZE | PTE_P | PTE_W;
	product_memory_invalidate(memory);
	assert_int_equal(ask(rig, KERNEL + 0x9000, true, &ret), TLB_FILL_OK);
	assert_int_equal(memory->count.left_out, 0);
	rig->word[3][9] = (uint64_t)(LEFT_OUT + 1) * PAGE_SIZE | PTE_P | PTE_W;
	product_memory_invalidate(memory);
	assert_int_equal(ask(rig, KERNEL + 0x9000, false, &ret), TLB_FILL_OK);
	assert_int_equal(memory->count.left_out, 1);
	assert_int_equal(memory->count.holes, 1);
	assert_int_equal(ask(rig, KERNEL + 0xb000, false, &ret), TLB_FILL_FAULT);
	assert_int_equal(memory->gap, PRODUCT_GAP_NONE);
}

static void test_fill(void **state)
{
	struct rig *rig = *state;
	struct tlb_page ret, again;
	uint64_t generation;

	assert_int_equal(ask(rig, 0x1000, false, &ret), TLB_FILL_TRUSTED);
	assert_int_equal(ask(rig, KERNEL, false, &ret), TLB_FILL_OK);
	assert_ptr_equal(ret.host, rig->word[DATA]);
	generation = rig->memory.bank.generation;
	assert_int_equal(ask(rig, KERNEL, true, &ret), TLB_FILL_OK);
	assert_ptr_not_equal(ret.host, rig->word[DATA]);
	assert_int_not_equal(rig->memory.bank.generation, generation); /* the address for reading is stale */
	assert_int_equal(ask(rig, KERNEL, false, &again), TLB_FILL_OK);
	assert_ptr_equal(again.host, ret.host);

	assert_int_equal(ask(rig, KERNEL + 0x9000, false, &ret), TLB_FILL_FAULT);
	assert_int_equal(ret.error_code, 0);
	assert_int_equal(ask(rig, KERNEL + 0x9000, true, &ret), TLB_FILL_FAULT);
	assert_int_equal(ret.error_code, PF_W);
	assert_int_equal(ask(rig, KERNEL + (READ_ONLY - DATA) * PAGE_SIZE, true, &ret), TLB_FILL_FAULT);
	assert_int_equal(ret.error_code, PF_P | PF_W);
	assert_int_equal(rig->memory.count.faults, 3);
}

/* The page tables are read through the overlay: what product context maps is mapped, and no more after a rollback. */
static void test_tables_in_overlay(void **state)
{
	struct rig *rig = *state;
	uint64_t entry = (DATA + 2) * PAGE_SIZE | PTE_P | PTE_W, paddr;

	product_memory_begin(&rig->memory);
	assert_true(overlay_write(rig->memory.overlay, 3 * PAGE_SIZE + 8 * 100, &entry, 8));
	assert_true(product_memory_translate(&rig->memory, KERNEL + 100 * PAGE_SIZE, &paddr));
	assert_int_equal(paddr, (DATA + 2) * PAGE_SIZE);
	product_memory_rollback(&rig->memory);
	assert_false(product_memory_translate(&rig->memory, KERNEL + 100 * PAGE_SIZE, &paddr));
}

/* As by a TLB (SDM vol. 3A 4.10.2): what was mapped may be remembered until it is invalidated; what was not mapped, or not writable, is
 * not. */
static void test_translations_kept(void **state)
{
	struct rig *rig = *state;
	uint64_t *entry = &rig->word[3][1], paddr;
	struct tlb_page ret;

	assert_true(product_memory_translate(&rig->memory, KERNEL + 0x1000, &paddr));
	*entry = (DATA + 5) * PAGE_SIZE | PTE_P | PTE_W;
	assert_int_equal(word_at(rig, KERNEL + 0x1000), (uint64_t)(DATA + 1) << 32);
	assert_false(product_memory_translate(&rig->memory, KERNEL + 0x1000 + TRANSLATIONS * PAGE_SIZE, &paddr)); /* of the same place */
	product_memory_invalidate(&rig->memory);
	assert_int_equal(word_at(rig, KERNEL + 0x1000), (uint64_t)(DATA + 5) << 32);

	assert_int_equal(ask(rig, KERNEL + 0x20000, false, &ret), TLB_FILL_FAULT);
	rig->word[3][0x20] = (DATA + 2) * PAGE_SIZE | PTE_P;
	assert_int_equal(word_at(rig, KERNEL + 0x20000), (uint64_t)(DATA + 2) << 32);
	assert_int_equal(ask(rig, KERNEL + 0x20000, true, &ret), TLB_FILL_FAULT);
	assert_int_equal(ret.error_code, PF_P | PF_W);
	rig->word[3][0x20] |= PTE_W;
	assert_int_equal(ask(rig, KERNEL + 0x20000, true, &ret), TLB_FILL_OK);
	product_memory_begin(&rig->memory); /* does not forget them */
	assert_int_equal(word_at(rig, KERNEL + 0x20000), (uint64_t)(DATA + 2) << 32);
}

/* Page tables that map everything: the table is its own next one, and the page. There is no hole, which is found out soon. */
static void test_no_window(void **state)
{
	static const enum paging_mode modes[] = {PAGING_4LEVEL, PAGING_5LEVEL};
	struct rig *rig = *state;

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		rig->word[0][i] = 0 | PTE_P | PTE_W;
	for (unsigned i = 0; i < 2; i++) {
		struct error *err;

		rig->memory.paging.mode = modes[i];
		product_memory_invalidate(&rig->memory);
		rig->asked = 0;
		err = product_memory_open_window(&rig->memory, 4 * PAGE_SIZE);
		assert_non_null(err);
		assert_non_null(strstr(err->message, "has no hole"));
		error_destroy(err);
		assert_in_range(rig->asked, 1 << 16, 1 << 20);
	}
}

/* With five levels, as with four, the hole that every kernel has is the first place that is looked at. */
static void test_window_of_five_levels(void **state)
{
	struct rig *rig = *state;

	rig->memory.paging.mode = PAGING_5LEVEL;
	assert_null(product_memory_open_window(&rig->memory, 4 * PAGE_SIZE));
	assert_int_equal(rig->memory.window, 0xff00000040000000);
}

static void test_window(void **state)
{
	struct rig *rig = *state;
	uint64_t word = 0x1122334455667788, paddr;
	struct tlb_page ret;

	assert_null(product_memory_open_window(&rig->memory, 4 * PAGE_SIZE));
	assert_true(rig->memory.window >= rig->memory.kernel_start);
	assert_int_equal(word_at(rig, rig->memory.window), 0);
	assert_true(product_memory_write(&rig->memory, rig->memory.window + 0xffc, &word, 8)); /* crosses pages */
	assert_int_equal(word_at(rig, rig->memory.window + 0xffc), word);
	assert_int_equal(ask(rig, rig->memory.window + 0x1234, true, &ret), TLB_FILL_OK);
	assert_ptr_equal(ret.host, rig->memory.window_host + 0x1000);
	assert_false(product_memory_translate(&rig->memory, rig->memory.window, &paddr));
	assert_int_equal(ask(rig, rig->memory.window + 4 * PAGE_SIZE, true, &ret), TLB_FILL_FAULT);
	assert_int_equal(ask(rig, rig->memory.window - 8, true, &ret), TLB_FILL_FAULT);
}

/* What is written while transactions are held is taken back, whatever they say meanwhile. */
static void test_hold(void **state)
{
	struct rig *rig = *state;
	uint64_t before = word_at(rig, KERNEL);
	struct tlb_page ret;

	product_memory_begin(&rig->memory);
	assert_true(product_memory_write_word(&rig->memory, KERNEL + 8, 8, 1));
	product_memory_commit(&rig->memory);
	product_memory_hold(&rig->memory);
	for (unsigned i = 0; i < 2; i++) {
		product_memory_begin(&rig->memory);
		assert_int_equal(ask(rig, KERNEL, true, &ret), TLB_FILL_OK);
		memset(ret.host, 0x11 + i, 16);
		if (i)
			product_memory_rollback(&rig->memory);
		else
			product_memory_commit(&rig->memory);
	}
	assert_int_equal(word_at(rig, KERNEL), 0x1212121212121212);
	assert_true(product_memory_write_word(&rig->memory, KERNEL + PAGE_SIZE, 8, 2));
	product_memory_let_go(&rig->memory);
	assert_int_equal(word_at(rig, KERNEL), before);
	assert_int_equal(word_at(rig, KERNEL + 8), 1);
	assert_int_equal(word_at(rig, KERNEL + PAGE_SIZE), (uint64_t)(DATA + 1) << 32);
	assert_int_equal(overlay_pages(rig->memory.overlay), 1);
	product_memory_begin(&rig->memory);
	assert_true(product_memory_write_word(&rig->memory, KERNEL, 8, 3));
	product_memory_commit(&rig->memory);
	assert_int_equal(word_at(rig, KERNEL), 3);
}

static uint8_t *constant_page(void *opaque, uint64_t linear)
{
	return linear & PAGE_SIZE ? opaque : NULL;
}

/* Reads of constant data have what their owner gives, if he gives anything; writes go to the product. */
static void test_constants(void **state)
{
	static uint8_t right[2][PAGE_SIZE];
	struct rig *rig = *state;
	const struct product_constants constants[] = {
		{KERNEL + 4 * PAGE_SIZE, 2 * PAGE_SIZE, constant_page, right[0]},
		{KERNEL + PAGE_SIZE, PAGE_SIZE, constant_page, right[1]},
	};
	struct tlb_page ret;

	memset(right[0], 0x55, PAGE_SIZE);
	memset(right[1], 0x66, PAGE_SIZE);
	for (unsigned i = 0; i < 2; i++)
		assert_null(product_memory_add_constants(&rig->memory, &constants[i]));
	assert_int_equal(word_at(rig, KERNEL), (uint64_t)DATA << 32);
	assert_int_equal(word_at(rig, KERNEL + PAGE_SIZE), 0x6666666666666666);
	assert_int_equal(word_at(rig, KERNEL + 2 * PAGE_SIZE - 8), 0x6666666666666666);
	assert_int_equal(word_at(rig, KERNEL + 3 * PAGE_SIZE), (uint64_t)(DATA + 3) << 32);
	assert_int_equal(word_at(rig, KERNEL + 4 * PAGE_SIZE), (uint64_t)(DATA + 4) << 32);
	assert_int_equal(word_at(rig, KERNEL + 5 * PAGE_SIZE), 0x5555555555555555);
	assert_int_equal(ask(rig, KERNEL + PAGE_SIZE + 16, false, &ret), TLB_FILL_OK);
	assert_ptr_equal(ret.host, right[1]);
	assert_int_equal(ask(rig, KERNEL + PAGE_SIZE + 16, true, &ret), TLB_FILL_OK);
	assert_ptr_not_equal(ret.host, right[1]);
	assert_int_equal(ask(rig, KERNEL + 6 * PAGE_SIZE, false, &ret), TLB_FILL_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_translation),
		TEST(test_tag),
		TEST(test_crossing),
		TEST(test_fill),
		TEST(test_gaps),
		TEST(test_tables_in_overlay),
		TEST(test_translations_kept),
		TEST(test_window),
		TEST(test_no_window),
		TEST(test_window_of_five_levels),
		TEST(test_hold),
		TEST(test_constants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
