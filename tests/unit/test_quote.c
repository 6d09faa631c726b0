/* Text of others in messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "util/quote.h"

static void assert_quoted(const char *text, size_t length, const char *want)
{
	char to[QUOTE_NAME];

	assert_ptr_equal(quote(to, sizeof(to), text, length), to);
	assert_string_equal(to, want);
}

static void leaves_names_bare(void **state)
{
	static const char names[][24] = {"nf_tables", "6.1.0-13-amd64", "/usr/lib/a+b~1", "a@b:c=d,e%f$g"};

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_quoted(names[i], sizeof(names[i]), names[i]);
}

static void quotes_what_is_no_name(void **state)
{
	(void)state;
	assert_quoted("", 0, "\"\"");
	assert_quoted("ext4: all is well", 99, "\"ext4: all is well\"");
	assert_quoted("a\"b\\c", 99, "\"a\\\"b\\\\c\"");
	assert_quoted("a\nb\tc\rd", 99, "\"a\\nb\\tc\\rd\"");
	assert_quoted("\033[2J\177\001", 99, "\"\\033[2J\\177\\001\"");
	assert_quoted("\302\233\377", 99, "\"\\302\\233\\377\"");
	assert_quoted("`id`", 99, "\"`id`\"");
}

static void looks_at_no_more_than_it_may(void **state)
{
	static const char field[4] = {'n', 'f', 't', 'x'};
	char to[QUOTE_NAME];

	(void)state;
	assert_quoted(field, sizeof(field), "nftx");
	assert_quoted("ab\0cd", 5, "ab");
	assert_string_equal(quote_string(to, sizeof(to), "a b"), "\"a b\"");
}

/* Cut or not, it fits, and is cut only if it has to be. */
static void cuts_what_is_too_long(void **state)
{
	char text[300], to[400];

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		for (size_t size = 16; size < 60; size++) {
			memset(text, byte ? (int)byte : 'x', sizeof(text));
			memset(to, 'Z', sizeof(to));
			quote(to, size, text, sizeof(text));
			assert_true(strlen(to) < size && strlen(to) + 8 >= size);
			assert_int_equal(to[0], '"');
			assert_string_equal(to + strlen(to) - 4, "\"...");
			assert_int_equal(to[size], 'Z');
		}
	}
	memset(text, 'x', sizeof(text));
	assert_string_equal(quote(to, 16, text, 15), "xxxxxxxxxxxxxxx");
	assert_string_equal(quote(to, 16, text, 16), "\"xxxxxxx\"...");
}

/* What is written can be read back. */
static void loses_nothing(void **state)
{
	(void)state;
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < a; b++) {
			char first[QUOTE_BYTE], second[QUOTE_BYTE];
			unsigned n = quote_byte(a, first), m = quote_byte(b, second);

			assert_true(n != m || memcmp(first, second, n) != 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_names_bare),
		cmocka_unit_test(quotes_what_is_no_name),
		cmocka_unit_test(looks_at_no_more_than_it_may),
		cmocka_unit_test(cuts_what_is_too_long),
		cmocka_unit_test(loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
