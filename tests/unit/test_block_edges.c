/* Where code crosses the end of a page or of its segment: links between blocks after a page was mapped anew, and the limit of CS. */
#include "tests/unit/rig.h"

enum { PAGES = 0x40000000 };

/* 4 KiB pages from 1 GiB: linear page n of them at physical page[n]. */
static void map_pages(struct rig *rig, const uint64_t *page, unsigned count)
{
	rig_write64(rig, RIG_TABLES + 0x1000 + 8, (RIG_TABLES + 0x3000) | 7);
	rig_write64(rig, RIG_TABLES + 0x3000, (RIG_TABLES + 0x4000) | 7);
	for (unsigned i = 0; i < count; i++)
		rig_write64(rig, RIG_TABLES + 0x4000 + 8 * i, page[i] | 7);
}

/* Runs from the end of one page into the next, remaps that one, and runs again: the new page's code must run. */
static void run_into_remapped_page(const uint64_t pages[2])
{
	struct rig rig;

	rig_init(&rig, RIG_LONG);
	map_pages(&rig, pages, 2);
	rig_write(&rig, 0x50ffe, "\x90\x90", 2);
	rig_write(&rig, pages[1], "\xb0\x01\xeb\xfa", 4); /* mov al, 1; jmp back to the NOPs */
	rig_write(&rig, 0x61000, "\xb0\x02\xeb\xfa", 4);
	rig.cpu->rip = PAGES + 0xffe;
	rig_run(&rig, 40);
	assert_int_equal(rig.cpu->gpr[RAX], 1);
	rig_write64(&rig, RIG_TABLES + 0x4008, 0x61000 | 7);
	cpu_flush_page(rig.cpu, PAGES + 0x1000);
	rig.cpu->rip = PAGES + 0xffe;
	rig_run(&rig, 8);
	assert_int_equal(rig.cpu->gpr[RAX], 2);
	rig_deinit(&rig);
}

/* A block that ends where its page does goes on in the next linear page, wherever that is mapped now. */
static void test_fall_through_into_remapped_page(void **state)
{
	static const uint64_t pages[] = {0x50000, 0x60000};

	(void)state;
	run_into_remapped_page(pages);
}

/* The same where both linear pages were one physical page when the link could be made. */
static void test_fall_through_into_same_page(void **state)
{
	static const uint64_t pages[] = {0x50000, 0x50000};

	(void)state;
	run_into_remapped_page(pages);
}

/* A jump of 16-bit operand size leads to another page when its code runs at another linear address. */
static void test_cut_jump_at_alias(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_PAGED32);
	rig_write(&rig, 0x5000, "\x66\xeb\x00\xb0\x01\xeb\xf9", 7); /* data16 jmp short +0; mov al, 1; jmp back */
	rig.cpu->rip = 0x5000;
	rig_run(&rig, 40);
	assert_int_equal(rig.cpu->gpr[RAX], 1);
	rig_write(&rig, RIG_TABLES + 4 * 16, "\x87\x00\x00\x00", 4); /* 64 MiB: physical 0 once more */
	rig_write(&rig, RIG_TABLES, "\x87\x00\x40\x00", 4);          /* and 4 MiB at linear 0 */
	rig_write(&rig, 0x405003, "\xb0\x02\xeb\xfe", 4);
	cpu_flush_tlb(rig.cpu);
	rig.cpu->rip = 0x4005000;
	rig_run(&rig, 10);
	assert_int_equal(rig.cpu->gpr[RAX], 2);
	rig_deinit(&rig);
}

/* What #GP pushes in real mode: IP, CS, FLAGS at the top of the stack. */
static uint16_t pushed_ip(struct rig *rig)
{
	return physmem_read(&rig->mem, rig->cpu->seg[SEG_SS].base + (rig->cpu->gpr[RSP] & 0xffff), 2);
}

/* A conditional branch at the limit that is not taken has happened: what faults is the fetch of what follows. */
static void test_fall_through_beyond_limit(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_REAL);
	rig_write64(&rig, RIG_IDT + VECTOR_GP * 4, 0x0000 | (uint64_t)(RIG_CODE >> 4) << 16);
	rig_write(&rig, RIG_CODE, "\xeb\xfe", 2);
	rig_write(&rig, RIG_CODE + 0x1ffe, "\xe2\x80", 2); /* loop */
	rig.cpu->seg[SEG_CS].limit = 0x1fff;
	cpu_update_mode(rig.cpu);
	rig.cpu->gpr[RCX] = 1;
	rig.cpu->rip = 0x1ffe;
	rig_run(&rig, 3);
	assert_int_equal(rig.cpu->gpr[RCX], 0);
	assert_int_equal(pushed_ip(&rig), 0x2000);
	rig_deinit(&rig);
}

/* An instruction across a page end that CS's limit cut off once runs when the limit has grown. */
static void test_limit_grows(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_REAL);
	rig_write64(&rig, RIG_IDT + VECTOR_GP * 4, 0x0000 | (uint64_t)(RIG_CODE >> 4) << 16);
	rig_write(&rig, RIG_CODE, "\xeb\xfe", 2);
	rig_write(&rig, RIG_CODE + 0x1fff, "\xb0\x07\xeb\xfe", 4); /* mov al, 7 */
	rig.cpu->seg[SEG_CS].limit = 0x1fff;
	cpu_update_mode(rig.cpu);
	rig.cpu->rip = 0x1fff;
	rig_run(&rig, 2);
	assert_int_equal(rig.cpu->rip, 0);
	assert_int_equal(pushed_ip(&rig), 0x1fff);
	rig.cpu->seg[SEG_CS].limit = 0xffff;
	cpu_update_mode(rig.cpu);
	rig.cpu->rip = 0x1fff;
	rig_run(&rig, 2);
	assert_int_equal(rig.cpu->gpr[RAX], 7);
	rig_deinit(&rig);
}

/* Runs code of which the last byte is that of the code segment (limited) and of the last page; returns the vector that it raises. */
static unsigned vector_at_the_end(const char *code, unsigned size, bool limited)
{
	unsigned vector;
	struct rig rig;

	rig_init(&rig, RIG_PAE);
	rig_write64(&rig, RIG_TABLES + 0x1000, 0x90000 | 7);
	for (uint64_t i = 0; i < 512; i++)
		rig_write64(&rig, 0x90000 + 8 * i, i == 0x52 ? 0 : i << 12 | 7);
	for (vector = VECTOR_UD; vector <= VECTOR_PF; vector++) {
		rig_write64(&rig, RIG_IDT + 8 * vector, (RIG_CODE + 0x10 * vector) | RIG_CS0 << 16 | 0x8e00ull << 32 | 1ull << 48);
		rig_write(&rig, RIG_CODE + 0x10 * vector, "\xeb\xfe", 2);
	}
	rig_write(&rig, 0x52000 - size, code, size);
	if (limited)
		rig.cpu->seg[SEG_CS].limit = 0x51fff;
	cpu_update_mode(rig.cpu);
	rig.cpu->rip = 0x52000 - size;
	rig_run(&rig, 2);
	vector = (rig.cpu->rip & 0xffff) / 0x10;
	rig_deinit(&rig);
	return vector;
}

/* The limit is checked before the page beyond it is looked for, and both before an instruction is found to be undefined. */
static void test_limit_before_page_fault(void **state)
{
	static const struct {
		const char *code;
		unsigned size;
		bool whole;
	} codes[] = {
		{"\xb0", 1, false},
		{"\x0f\xba\x05\x00\x00\x00\x00", 7, false}, /* group 8, /0: the immediate is missing */
		{"\x0f\xba\x05\x00\x00\x00\x00\x00", 8, true},
		{"\xf0\xff\x7e", 3, false}, /* LOCK and group 5, /7: the displacement is missing */
		{"\xdd\x68\x00", 3, true},  /* x87: DD /5 */
		{"\xdd\x68", 2, false},
		{"\x0f\x3a\x00\x00", 4, false},
		{"\x0f\x38\xff", 3, false},
		{"\x0f\x04", 2, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		assert_int_equal(vector_at_the_end(codes[i].code, codes[i].size, true), codes[i].whole ? VECTOR_UD : VECTOR_GP);
		assert_int_equal(vector_at_the_end(codes[i].code, codes[i].size, false), codes[i].whole ? VECTOR_UD : VECTOR_PF);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fall_through_into_remapped_page),
		cmocka_unit_test(test_fall_through_into_same_page),
		cmocka_unit_test(test_cut_jump_at_alias),
		cmocka_unit_test(test_fall_through_beyond_limit),
		cmocka_unit_test(test_limit_grows),
		cmocka_unit_test(test_limit_before_page_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
