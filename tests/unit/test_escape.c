/* Output that is shown on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/escape.h"

enum { MOST = 64 };

/* In pieces of every length. */
static void assert_shown(bool utf8, const char *text, const char *want)
{
	size_t size = strlen(text);

	for (size_t piece = 1; piece <= size; piece++) {
		struct escape state = {.utf8 = utf8};
		char to[ESCAPED_SIZE(MOST) + 1];
		size_t at = 0;

		for (size_t i = 0; i < size; i += piece)
			at += escape_bytes(&state, (const uint8_t *)text + i, i + piece < size ? piece : size - i, to + at);
		at += escape_end(&state, to + at);
		to[at] = '\0';
		assert_string_equal(to, want);
	}
}

static void shows_text_as_it_is(void **state)
{
	(void)state;
	for (int utf8 = 0; utf8 < 2; utf8++) {
		assert_shown(utf8, "a b\tc\r\nd~", "a b\tc\r\nd~");
		assert_shown(utf8, "C:\\dir \"x\" \\033", "C:\\dir \"x\" \\033");
	}
	assert_shown(true,
		     "\302\240 \303\251 \337\277 \340\240\200 \342\202\254 \355\237\277 \356\200\200 \360\220\200\200 \364\217\277\277",
		     "\302\240 \303\251 \337\277 \340\240\200 \342\202\254 \355\237\277 \356\200\200 \360\220\200\200 \364\217\277\277");
}

static void escapes_control_characters(void **state)
{
	(void)state;
	for (int utf8 = 0; utf8 < 2; utf8++) {
		assert_shown(utf8, "\033[2J\033]0;title\a", "\\033[2J\\033]0;title\\007");
		assert_shown(utf8, "\b\v\f\177\001", "\\010\\013\\014\\177\\001");
		assert_shown(utf8, "\23331m", "\\23331m");
	}
	assert_shown(true, "\302\23331m\302\200\302\237", "\\302\\23331m\\302\\200\\302\\237");
}

/* Every control byte, alone: nothing that a terminal obeys is left. */
static void leaves_nothing_to_obey(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		struct escape plain = {0}, utf8 = {.utf8 = true};
		char to[ESCAPED_SIZE(1)];
		uint8_t one = byte;
		bool shown = (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\t' || byte == '\r';

		assert_int_equal(escape_bytes(&plain, &one, 1, to), shown ? 1 : 4);
		if (byte < 0x80)
			assert_int_equal(escape_bytes(&utf8, &one, 1, to), shown ? 1 : 4);
	}
}

static void escapes_what_is_no_utf8(void **state)
{
	(void)state;
	assert_shown(true, "\377 \300\233 \301\277 \365\200\200\200", "\\377 \\300\\233 \\301\\277 \\365\\200\\200\\200");
	assert_shown(true, "\340\237\277 \355\240\200 \360\217\277\277 \364\220\200\200",
		     "\\340\\237\\277 \\355\\240\\200 \\360\\217\\277\\277 \\364\\220\\200\\200");
	assert_shown(true, "\342\202x \303\303\251 \342\302\233", "\\342\\202x \\303\303\251 \\342\\302\\233");
	assert_shown(true, "\342\033[m", "\\342\\033[m");
	assert_shown(true, "a\360\237\230", "a\\360\\237\\230");
}

static void shows_ascii_only_where_the_terminal_takes_no_utf8(void **state)
{
	(void)state;
	assert_shown(false, "\303\233 \303\251", "\\303\\233 \\303\\251");
}

/* Whatever comes, it fits, and what remains is printable or a character. */
static void fits(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned run = 0; run < 20000; run++) {
		struct escape state = {.utf8 = run & 1};
		uint8_t bytes[MOST];
		char to[ESCAPED_SIZE(MOST)];
		size_t size = random() % MOST, length;

		for (size_t i = 0; i < size; i++)
			bytes[i] = run & 2 ? random() : 0x80 | (random() & 0x7f);
		length = escape_bytes(&state, bytes, size, to);
		assert_true(length <= sizeof(to));
		for (size_t i = 0; i < length; i++)
			assert_true(to[i] >= ' ' || to[i] == '\n' || to[i] == '\t' || to[i] == '\r' || (state.utf8 && to[i] < 0));
		assert_true(escape_end(&state, to) <= ESCAPED_SIZE(0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_text_as_it_is),
		cmocka_unit_test(escapes_control_characters),
		cmocka_unit_test(leaves_nothing_to_obey),
		cmocka_unit_test(escapes_what_is_no_utf8),
		cmocka_unit_test(shows_ascii_only_where_the_terminal_takes_no_utf8),
		cmocka_unit_test(fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
