/* Where the boot has changed read-only data: by two views of the same addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "loader/rodata.h"

enum { BASE = 0xc1000000, SIZE = 64 };

static struct view view_of(const uint8_t *bytes, size_t size)
{
	return (struct view){
		.pointer_size = 4,
		.base = BASE,
		.end = BASE + SIZE,
		.pieces = 1,
		.piece = {{.vaddr = BASE, .memory_size = SIZE, .data = bytes, .size = size}},
	};
}

/* Of a section that ends two bytes before the view, with a byte of the booted kernel changed (-1: none). */
static struct rodata compare(int changed, size_t known)
{
	static const uint8_t linked[SIZE];
	uint8_t booted[SIZE] = {0};
	struct rodata rodata = {.start = BASE + 8, .end = BASE + SIZE - 2, .changed = BASE + SIZE - 2};
	struct view before = view_of(linked, SIZE), after = view_of(booted, known);

	if (changed >= 0)
		booted[changed] = 1;
	rodata_compare(&rodata, &before, &after);
	return rodata;
}

static void finds_the_word(void **state)
{
	(void)state;
	assert_int_equal(compare(8, SIZE).changed, BASE + 8);
	assert_int_equal(compare(11, SIZE).changed, BASE + 8);
	assert_int_equal(compare(30, SIZE).changed, BASE + 28);
	assert_int_equal(compare(7, SIZE).changed, BASE + 62); /* before the section, whose last word is incomplete */
	assert_int_equal(compare(-1, SIZE).changed, BASE + 62);
}

static void missing_bytes_are_not_guessed(void **state)
{
	struct rodata rodata = compare(-1, SIZE - 8);

	(void)state;
	assert_int_equal(rodata.start | rodata.end | rodata.changed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_word),
		cmocka_unit_test(missing_bytes_are_not_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
