/* The overlay: copies on write, transactions and their rollback, shadows, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mmu/overlay.h"

enum { PAGES = 600, HOLE = 5 };

struct rig {
	uint8_t below[PAGES][PAGE_SIZE], original[PAGES][PAGE_SIZE];
	struct overlay *overlay;
};

static const uint8_t *page_below(void *opaque, uint64_t paddr, enum page_lack *ret_lack)
{
	struct rig *rig = opaque;
	uint64_t number = paddr / PAGE_SIZE;

	assert_int_equal(paddr % PAGE_SIZE, 0);
	*ret_lack = PAGE_HOLE;
	return number < PAGES && number != HOLE ? rig->below[number] : NULL;
}

static struct rig *make(bool shadows, uint64_t max_pages)
{
	struct rig *rig = malloc(sizeof(*rig));
	struct overlay_config config = {{rig, page_below}, shadows, 2, max_pages};

	assert_non_null(rig);
	for (size_t i = 0; i < PAGES; i++) {
		for (size_t j = 0; j < PAGE_SIZE; j++)
			rig->below[i][j] = rand() >> 7;
	}
	memcpy(rig->original, rig->below, sizeof(rig->below));
	assert_null(overlay_create(&config, &rig->overlay));
	return rig;
}

static void unmake(struct rig *rig)
{
	assert_memory_equal(rig->below, rig->original, sizeof(rig->below)); /* whatever a test did */
	overlay_destroy(rig->overlay);
	free(rig);
}

static uint8_t byte_at(struct rig *rig, uint64_t paddr)
{
	uint8_t byte;

	assert_true(overlay_read(rig->overlay, paddr, &byte, 1));
	return byte;
}

static void put(struct rig *rig, uint64_t paddr, uint8_t byte)
{
	assert_true(overlay_write(rig->overlay, paddr, &byte, 1));
}

static void test_copy_on_write(void **state)
{
	struct rig *rig = make(false, PAGES);
	struct overlay_page page;

	(void)state;
	assert_true(overlay_page(rig->overlay, 3 * PAGE_SIZE + 17, false, &page));
	assert_ptr_equal(page.host, rig->below[3]);
	assert_null(page.shadow);
	assert_int_equal(overlay_pages(rig->overlay), 0);
	assert_true(overlay_page(rig->overlay, 3 * PAGE_SIZE, true, &page));
	assert_true(page.moved);
	assert_memory_equal(page.host, rig->below[3], PAGE_SIZE);
	page.host[9] ^= 0xff;
	assert_int_equal(byte_at(rig, 3 * PAGE_SIZE + 9), rig->below[3][9] ^ 0xff);
	assert_true(overlay_page(rig->overlay, 3 * PAGE_SIZE, true, &page));
	assert_false(page.moved);
	assert_int_equal(overlay_pages(rig->overlay), 1);
	unmake(rig);
}

static void test_holes(void **state)
{
	struct rig *rig = make(false, PAGES);
	uint8_t bytes[16] = {1};
	struct overlay_page page;

	(void)state;
	assert_false(overlay_page(rig->overlay, HOLE * PAGE_SIZE, false, &page));
	assert_false(overlay_page(rig->overlay, HOLE * PAGE_SIZE, true, &page));
	assert_false(overlay_read(rig->overlay, HOLE * PAGE_SIZE - 8, bytes, 16));
	assert_false(overlay_write(rig->overlay, HOLE * PAGE_SIZE - 8, bytes, 16));
	assert_int_equal(byte_at(rig, HOLE * PAGE_SIZE - 8), rig->below[HOLE - 1][PAGE_SIZE - 8]); /* nothing was written */
	assert_false(overlay_read(rig->overlay, (uint64_t)PAGES * PAGE_SIZE, bytes, 1));
	assert_false(overlay_read(rig->overlay, UINT64_MAX, bytes, 1));
	unmake(rig);
}

static void test_crossing_pages(void **state)
{
	struct rig *rig = make(false, PAGES);
	uint8_t in[3 * PAGE_SIZE], out[3 * PAGE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = i * 7;
	assert_true(overlay_write(rig->overlay, 8 * PAGE_SIZE + 100, in, sizeof(in)));
	assert_true(overlay_read(rig->overlay, 8 * PAGE_SIZE + 100, out, sizeof(out)));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(byte_at(rig, 8 * PAGE_SIZE + 99), rig->below[8][99]);
	assert_int_equal(byte_at(rig, 11 * PAGE_SIZE + 100), rig->below[11][100]);
	assert_int_equal(overlay_pages(rig->overlay), 4);
	unmake(rig);
}

static void test_rollback(void **state)
{
	struct rig *rig = make(false, PAGES);
	struct overlay_page before, after;

	(void)state;
	put(rig, PAGE_SIZE, 1); /* before any transaction: for good */
	overlay_begin(rig->overlay);
	put(rig, PAGE_SIZE, 2);
	put(rig, 2 * PAGE_SIZE, 3);
	assert_int_equal(overlay_transaction_pages(rig->overlay), 2);
	overlay_commit(rig->overlay);

	assert_true(overlay_page(rig->overlay, PAGE_SIZE, false, &before));
	overlay_begin(rig->overlay);
	put(rig, PAGE_SIZE, 4);
	put(rig, PAGE_SIZE, 5);
	put(rig, 2 * PAGE_SIZE + 1, 6);
	put(rig, 7 * PAGE_SIZE, 7);
	assert_int_equal(overlay_pages(rig->overlay), 3);
	overlay_rollback(rig->overlay);

	assert_int_equal(byte_at(rig, PAGE_SIZE), 2);
	assert_int_equal(byte_at(rig, 2 * PAGE_SIZE), 3);
	assert_int_equal(byte_at(rig, 2 * PAGE_SIZE + 1), rig->below[2][1]);
	assert_int_equal(byte_at(rig, 7 * PAGE_SIZE), rig->below[7][0]);
	assert_int_equal(overlay_pages(rig->overlay), 2);
	assert_true(overlay_page(rig->overlay, PAGE_SIZE, false, &after));
	assert_ptr_equal(before.host, after.host);

	overlay_begin(rig->overlay);
	overlay_rollback(rig->overlay); /* of nothing */
	assert_int_equal(byte_at(rig, PAGE_SIZE), 2);
	unmake(rig);
}

static void test_shadows(void **state)
{
	struct rig *rig = make(true, PAGES);
	struct overlay_page page;

	(void)state;
	assert_true(overlay_page(rig->overlay, 0, false, &page));
	assert_null(page.shadow);
	overlay_begin(rig->overlay);
	assert_true(overlay_page(rig->overlay, 0, true, &page));
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(page.shadow[i], 2);
	memset(page.shadow + 8, 1, 8);
	overlay_commit(rig->overlay);
	overlay_begin(rig->overlay);
	put(rig, 9, 0xaa); /* bytes from outside carry no tag */
	assert_true(overlay_page(rig->overlay, 0, false, &page));
	assert_int_equal(page.shadow[8], 1);
	assert_int_equal(page.shadow[9], 0);
	overlay_rollback(rig->overlay);
	assert_true(overlay_page(rig->overlay, 0, false, &page));
	assert_int_equal(page.shadow[9], 1);
	assert_int_equal(page.shadow[16], 2);
	unmake(rig);
}

static void test_limit(void **state)
{
	struct rig *rig = make(false, 2);
	struct overlay_page page;

	(void)state;
	overlay_begin(rig->overlay);
	put(rig, 0, 1);
	put(rig, PAGE_SIZE, 1);
	assert_false(overlay_page(rig->overlay, 2 * PAGE_SIZE, true, &page));
	assert_true(overlay_page(rig->overlay, 2 * PAGE_SIZE, false, &page));
	put(rig, 0, 2);
	overlay_rollback(rig->overlay);
	put(rig, 2 * PAGE_SIZE, 1); /* there is room again */
	unmake(rig);
}

/* Against a model: random writes in random transactions, over so many pages that the table grows. */
static void test_model(void **state)
{
	struct rig *rig = make(false, PAGES);
	uint8_t(*model)[PAGE_SIZE] = malloc(sizeof(rig->below)), (*kept)[PAGE_SIZE] = malloc(sizeof(rig->below));
	uint8_t found[PAGE_SIZE];

	(void)state;
	memcpy(model, rig->below, sizeof(rig->below));
	for (unsigned round = 0; round < 200; round++) {
		memcpy(kept, model, sizeof(rig->below));
		overlay_begin(rig->overlay);
		for (unsigned i = 0; i < 20; i++) {
			unsigned page = rand() % PAGES, at = rand() % PAGE_SIZE;

			if (page == HOLE)
				continue;
			put(rig, (uint64_t)page * PAGE_SIZE + at, i);
			model[page][at] = i;
		}
		if (rand() % 3) {
			overlay_commit(rig->overlay);
		} else {
			overlay_rollback(rig->overlay);
			memcpy(model, kept, sizeof(rig->below));
		}
	}
	for (unsigned page = 0; page < PAGES; page++) {
		if (page == HOLE)
			continue;
		assert_true(overlay_read(rig->overlay, (uint64_t)page * PAGE_SIZE, found, PAGE_SIZE));
		assert_memory_equal(found, model[page], PAGE_SIZE);
	}
	free(model);
	free(kept);
	unmake(rig);
}

static bool collect(void *opaque, uint64_t paddr, const uint8_t *page)
{
	return overlay_write(opaque, paddr, page, PAGE_SIZE);
}

static bool stop(void *opaque, uint64_t paddr, const uint8_t *page)
{
	(void)paddr, (void)page;
	return ++*(unsigned *)opaque < 2;
}

/* One over another sees what that has, and leaves it; its pages can be moved there. */
static void test_stack(void **state)
{
	struct rig *rig = make(false, PAGES);
	const struct overlay_config config = {overlay_source(rig->overlay), true, 2, PAGES};
	struct overlay *upper;
	uint8_t byte;
	unsigned seen = 0;

	(void)state;
	assert_null(overlay_create(&config, &upper));
	put(rig, 10, 77);
	assert_true(overlay_read(upper, 10, &byte, 1) && byte == 77);
	assert_false(overlay_read(upper, (uint64_t)HOLE * PAGE_SIZE, &byte, 1));
	for (unsigned page = 0; page < 4; page++) {
		byte = 100 + page;
		assert_true(overlay_write(upper, page * PAGE_SIZE + 11, &byte, 1));
	}
	assert_true(overlay_read(rig->overlay, 11, &byte, 1) && byte == rig->below[0][11]);
	assert_false(overlay_for_each(upper, stop, &seen));
	assert_int_equal(seen, 2);
	assert_true(overlay_for_each(upper, collect, rig->overlay));
	overlay_destroy(upper);
	assert_int_equal(overlay_pages(rig->overlay), 4);
	for (unsigned page = 0; page < 4; page++)
		assert_true(overlay_read(rig->overlay, page * PAGE_SIZE + 11, &byte, 1) && byte == 100 + page);
	assert_true(overlay_read(rig->overlay, 10, &byte, 1) && byte == 77);
	unmake(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_on_write), cmocka_unit_test(test_holes),   cmocka_unit_test(test_crossing_pages),
		cmocka_unit_test(test_rollback),      cmocka_unit_test(test_shadows), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_model),         cmocka_unit_test(test_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
