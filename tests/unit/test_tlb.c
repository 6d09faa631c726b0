/* TLB banks: entering, flushing, the wrap of generations, and INVLPG of pages large and small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "mmu/tlb.h"

#define HOST 0x7f0000000000ull

static int setup(void **state)
{
	struct tlb *tlb = malloc(sizeof(*tlb));

	tlb_init(tlb);
	*state = tlb;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Where an access of size bytes at linear goes; 0: a miss. */
static uint64_t look(const struct tlb *tlb, const struct tlb_entry *array, uint64_t linear, unsigned size)
{
	const struct tlb_entry *entry = &array[tlb_index(linear)];

	return entry->tag == tlb_tag(tlb, linear, size) ? linear + entry->addend : 0;
}

static void enter(struct tlb *tlb, uint64_t linear, uint64_t host, enum tlb_rights rights)
{
	tlb_enter(tlb, linear, &(struct tlb_page){.host = (uint8_t *)host}, rights, 0x123000);
}

static void enter_all(struct tlb *tlb, uint64_t linear)
{
	enter(tlb, linear, HOST, TLB_WRITE);
	tlb_enter_fetch(tlb, linear, HOST);
}

static unsigned hits(const struct tlb *tlb, uint64_t linear)
{
	uint64_t paddr;

	return !!look(tlb, tlb->read, linear, 1) + !!look(tlb, tlb->write, linear, 1) + tlb_find_fetch(tlb, linear, &paddr);
}

static void test_enter(void **state)
{
	struct tlb *tlb = *state;

	assert_int_equal(hits(tlb, 0), 0); /* page 0 of an empty bank */
	enter(tlb, 0xffff800012345678, HOST, TLB_READ);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345678, 8), HOST + 0x678);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345ff8, 8), HOST + 0xff8);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345ff9, 8), 0); /* crosses */
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345fff, 1), HOST + 0xfff);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012346000, 1), 0);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012344fff, 2), 0);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345000 + TLB_SIZE * 4096, 1), 0); /* same slot, another page */
	assert_int_equal(look(tlb, tlb->write, 0xffff800012345678, 1), 0);

	enter(tlb, 0xfffffffffffff000, HOST, TLB_READ); /* crossing the end of the address space */
	enter(tlb, 0, HOST, TLB_READ);
	assert_int_equal(look(tlb, tlb->read, 0xfffffffffffffffc, 8), 0);
}

/* What may be written may be read, and one slot holds one page. */
static void test_rights(void **state)
{
	struct tlb *tlb = *state;

	enter(tlb, 0x5000, HOST, TLB_WRITE);
	assert_int_equal(hits(tlb, 0x5000), 2);
	enter(tlb, 0x5000 + TLB_SIZE * 4096, HOST, TLB_READ);
	assert_int_equal(hits(tlb, 0x5000 + TLB_SIZE * 4096), 1);
	assert_int_equal(hits(tlb, 0x5000), 0);
	enter(tlb, 0x5000, HOST, TLB_WRITE_SLOW);
	assert_int_equal(hits(tlb, 0x5000), 1);
	assert_int_equal(tlb->write[5].tag, tlb_tag(tlb, 0x5000, 1) | TLB_SLOW);
	assert_int_equal(0x5000 + tlb->write[5].addend, 0x123000);
}

/* Four pages share a set; the fifth takes the place of the first, and that is told. */
static void test_fetch_sets(void **state)
{
	const uint64_t next = TLB_FETCH_SETS * 4096;
	struct tlb *tlb = *state;
	uint64_t paddr = 0;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < TLB_FETCH_WAYS; i++)
			assert_false(tlb_enter_fetch(tlb, 0x5123 + i * next, 0x9123));
		assert_true(tlb_find_fetch(tlb, 0x5fff, &paddr));
		assert_int_equal(paddr, 0x9fff);
		assert_true(tlb_enter_fetch(tlb, 0x5000 + TLB_FETCH_WAYS * next, 0));
		assert_false(tlb_find_fetch(tlb, 0x5fff, &paddr));
		for (unsigned i = 1; i <= TLB_FETCH_WAYS; i++)
			assert_true(tlb_find_fetch(tlb, 0x5000 + i * next, &paddr));
		tlb_flush(tlb);
	}
}

/* Pages that were admitted for a while go one by one, or all if there were many. */
static void test_overrides(void **state)
{
	struct tlb *tlb = *state;

	for (unsigned count = 1; count < TLB_OVERRIDES + 3; count++) {
		enter(tlb, 0x100000, HOST, TLB_WRITE);
		for (unsigned i = 0; i < count; i++) {
			enter(tlb, i * 4096, HOST, TLB_WRITE);
			tlb_note_override(tlb, i * 4096);
		}
		tlb_forget_overrides(tlb);
		for (unsigned i = 0; i < count; i++)
			assert_int_equal(hits(tlb, i * 4096), 0);
		assert_int_equal(hits(tlb, 0x100000), count <= TLB_OVERRIDES ? 2 : 0);
		assert_int_equal(tlb->overrides, 0);
	}
}

static void test_flush(void **state)
{
	struct tlb *tlb = *state;

	enter_all(tlb, 0x1000);
	assert_int_equal(hits(tlb, 0x1000), 3);
	tlb_flush(tlb);
	assert_int_equal(hits(tlb, 0x1000), 0);
	enter_all(tlb, 0x1000);
	assert_int_equal(hits(tlb, 0x1000), 3);
}

static void test_generation_wrap(void **state)
{
	struct tlb *tlb = *state;

	for (unsigned i = 0; i < 3 * TLB_GENERATIONS; i++) {
		uint64_t linear = 0x5000 + (uint64_t)i * 0x1000;

		assert_int_equal(hits(tlb, linear - 0x1000), 0);
		assert_true(tlb->generation > 0 && tlb->generation < TLB_GENERATIONS);
		enter_all(tlb, linear);
		enter_all(tlb, 0x3000); /* in one slot over and over: the one that might come to life again */
		tlb_flush(tlb);
		assert_int_equal(hits(tlb, 0x3000), 0);
		assert_int_equal(hits(tlb, linear), 0);
	}
	enter_all(tlb, 0x3000);
	for (unsigned i = 0; i < 2 * TLB_GENERATIONS; i++) {
		tlb_flush(tlb);
		assert_int_equal(hits(tlb, 0x3000), 0);
	}
}

static void test_flush_page(void **state)
{
	struct tlb *tlb = *state;

	enter_all(tlb, 0x7fff00001000);
	enter_all(tlb, 0x7fff00002000);
	tlb_flush_page(tlb, 0x7fff00001abc);
	assert_int_equal(hits(tlb, 0x7fff00001000), 0);
	assert_int_equal(hits(tlb, 0x7fff00002000), 3);
	tlb_flush_page(tlb, 0x7fff00002000 + TLB_SIZE * 4096); /* the same slot */
	assert_int_equal(hits(tlb, 0x7fff00002000), 3);
}

static void test_flush_large(void **state)
{
	static const struct {
		uint64_t page;
		unsigned shift;
		uint64_t invlpg;
	} rows[] = {
		{0xffff888000200000, 21, 0xffff888000345678},
		{0xffff8880003ff000, 21, 0xffff888000200000},
		{0x00401000, 22, 0x00412345},
		{0x007ff000, 22, 0x00412345}, /* the other half of 4 MiB */
		{0xc0401000, 22, 0xc07ff000},
		{0xffff888040000000, 30, 0xffff888055555000},
		{0xffff88807ffff000, 30, 0xffff888040000000},
	};
	struct tlb *tlb = *state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enter_all(tlb, rows[i].page);
		tlb_note_large(tlb, rows[i].page, rows[i].shift);
		tlb_flush_page(tlb, rows[i].invlpg);
		assert_int_equal(hits(tlb, rows[i].page), 0);
	}
}

/* The filters: a small page that may be a piece of a large one is forgotten all the same; large pages of the kernel do not concern user
 * pages. */
static void test_filters(void **state)
{
	struct tlb *tlb = *state;

	tlb_note_large(tlb, 0x00000000, 21);
	tlb_note_large(tlb, 0x40000000, 30);
	enter_all(tlb, 0x7f0000005000);
	tlb_flush_page(tlb, 0x7f0000005000);
	assert_int_equal(hits(tlb, 0x7f0000005000), 0);
	enter_all(tlb, 0x7f0040005000);
	tlb_flush_page(tlb, 0x7f0040005000);
	assert_int_equal(hits(tlb, 0x7f0040005000), 0);

	for (uint64_t linear = 0; linear < 1ull << 31; linear += 1 << 21) {
		tlb_note_large(tlb, 0xffff888000000000 + linear, linear & 1 << 21 ? 30 : 21);
		tlb_note_large(tlb, 0x80000000 + linear, 22); /* of a 32-bit one */
	}
	enter_all(tlb, 0x7fff00001000);
	enter_all(tlb, 0x7fff00002000);
	enter_all(tlb, 0x08048000);
	tlb_flush_page(tlb, 0x7fff00001000);
	assert_int_equal(hits(tlb, 0x7fff00001000), 0);
	assert_int_equal(hits(tlb, 0x7fff00002000), 3);
	assert_int_equal(hits(tlb, 0x08048000), 3);
}

static void test_slow_write_target(void **state)
{
	struct tlb *tlb = *state;

	enter_all(tlb, 0x1000);
	enter_all(tlb, 0xffff888000003000); /* two names of one page */
	enter(tlb, 0x5000, HOST + 0x1000, TLB_WRITE);
	for (unsigned i = 0; i < 2; i++) { /* the second time changes nothing */
		tlb_slow_write_target(tlb, HOST, 0x777000);
		assert_int_equal(look(tlb, tlb->write, 0x1000, 1), 0);
		assert_int_equal(look(tlb, tlb->write, 0xffff888000003000, 1), 0);
		assert_int_equal(0x1000 + tlb->write[1].addend, 0x777000);
		assert_int_equal(look(tlb, tlb->write, 0x5000, 1), HOST + 0x1000);
		assert_int_equal(hits(tlb, 0x1000), 2);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_enter),           TEST(test_rights),
		TEST(test_fetch_sets),      TEST(test_overrides),
		TEST(test_flush),           TEST(test_flush_page),
		TEST(test_generation_wrap), TEST(test_flush_large),
		TEST(test_filters),         TEST(test_slow_write_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
