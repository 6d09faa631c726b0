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

static void enter_all(struct tlb *tlb, uint64_t linear)
{
	tlb_enter(tlb, tlb->read, linear, HOST);
	tlb_enter(tlb, tlb->write, linear, HOST);
	tlb_enter(tlb, tlb->fetch, linear, HOST);
}

static unsigned hits(const struct tlb *tlb, uint64_t linear)
{
	return !!look(tlb, tlb->read, linear, 1) + !!look(tlb, tlb->write, linear, 1) + !!look(tlb, tlb->fetch, linear, 1);
}

static void test_enter(void **state)
{
	struct tlb *tlb = *state;

	assert_int_equal(hits(tlb, 0), 0); /* page 0 of an empty bank */
	tlb_enter(tlb, tlb->read, 0xffff800012345678, HOST);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345678, 8), HOST + 0x678);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345ff8, 8), HOST + 0xff8);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345ff9, 8), 0); /* crosses */
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345fff, 1), HOST + 0xfff);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012346000, 1), 0);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012344fff, 2), 0);
	assert_int_equal(look(tlb, tlb->read, 0xffff800012345000 + TLB_SIZE * 4096, 1), 0); /* same slot, another page */
	assert_int_equal(look(tlb, tlb->write, 0xffff800012345678, 1), 0);

	tlb_enter(tlb, tlb->read, 0xfffffffffffff000, HOST); /* crossing the end of the address space */
	tlb_enter(tlb, tlb->read, 0, HOST);
	assert_int_equal(look(tlb, tlb->read, 0xfffffffffffffffc, 8), 0);
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

static void test_flush_write_target(void **state)
{
	struct tlb *tlb = *state;

	enter_all(tlb, 0x1000);
	enter_all(tlb, 0xffff888000003000); /* two names of one page */
	tlb_enter(tlb, tlb->write, 0x5000, HOST + 0x1000);
	tlb_flush_write_target(tlb, HOST);
	assert_int_equal(look(tlb, tlb->write, 0x1000, 1), 0);
	assert_int_equal(look(tlb, tlb->write, 0xffff888000003000, 1), 0);
	assert_int_equal(look(tlb, tlb->write, 0x5000, 1), HOST + 0x1000);
	assert_int_equal(hits(tlb, 0x1000), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_enter),       TEST(test_flush),   TEST(test_generation_wrap),    TEST(test_flush_page),
		TEST(test_flush_large), TEST(test_filters), TEST(test_flush_write_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
