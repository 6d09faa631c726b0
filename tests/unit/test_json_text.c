/* Text of others as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "util/json_text.h"

static void assert_json(const char *text, const char *want)
{
	json_t *json = json_text(text);
	char *seen = json_dumps(json, JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_COMPACT);

	assert_string_equal(seen, want);
	free(seen);
	json_decref(json);
}

static void is_ascii(void **state)
{
	(void)state;
	assert_json("", "\"\"");
	assert_json("/srv/a b", "\"/srv/a b\"");
	assert_json("\"\\\n\033", "\"\\\"\\\\\\n\\u001B\"");
	assert_json("\303\251 \302\233 \360\237\230\200", "\"\\u00E9 \\u009B \\uD83D\\uDE00\"");
}

static void loses_no_byte(void **state)
{
	(void)state;
	assert_json("a\377", "[97,255]");
	assert_json("\302", "[194]");
	assert_json("\355\240\200", "[237,160,128]"); /* a surrogate is no character */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(is_ascii), cmocka_unit_test(loses_no_byte)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
