/* What a run has lost, and the line that tells of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/closing.h"

static const struct closing_options plain;

/* What is told; the caller's to free. */
static char *told(const struct losses *losses, const struct closing_options *options)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	closing_tell(losses, options, to);
	fclose(to);
	return text;
}

static void expect(const struct losses *losses, const struct closing_options *options, const char *expected)
{
	char *text = told(losses, options);

	assert_string_equal(text, expected);
	free(text);
}

/* Names are words, and of one cause each; what a call is given up for has an errno. */
static void test_table(void **state)
{
	(void)state;
	for (unsigned i = LOSS_NONE; i < LOSS_CAUSES; i++) {
		const struct loss_row *row = loss_row(i);

		assert_true(row->name && row->text && row->why && !row->one == !row->many);
		assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(row->name));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(row->name, loss_row(j)->name);
	}
	assert_int_equal(loss_row(LOSS_NOT_IN_MEMORY)->error, EIO);
	assert_int_equal(loss_row(LOSS_WAIT)->error, EAGAIN);
}

/* What the machine would have said, too, is counted and not told. */
static void test_silence(void **state)
{
	struct losses losses = {0};

	(void)state;
	expect(&losses, &plain, "");
	losses_record(&losses, LOSS_WAIT);
	losses_record(&losses, LOSS_MODULE_LOAD);
	losses_record(&losses, LOSS_NONE);
	assert_false(losses_any(&losses));
	expect(&losses, &plain, "");
	closing_tell_json(&losses, NULL);
}

/* Each cause alone makes the line. */
static void test_each_cause(void **state)
{
	static const char start[] = "xray86: the answer may be incomplete: ";

	(void)state;
	for (unsigned i = LOSS_NONE; i < LOSS_CAUSES; i++) {
		struct losses losses = {0};
		char *text;

		losses_record(&losses, i);
		text = told(&losses, &plain);
		assert_int_equal(losses_any(&losses), !loss_row(i)->normal);
		if (losses_any(&losses)) {
			assert_memory_equal(text, start, sizeof(start) - 1);
			assert_non_null(strstr(text, loss_row(i)->text));
			assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		}
		free(text);
	}
}

static void test_line(void **state)
{
	struct losses losses = {0};

	(void)state;
	losses_record(&losses, LOSS_DAMAGED);
	losses_record(&losses, LOSS_NOT_IN_MEMORY);
	losses_record(&losses, LOSS_DAMAGED);
	losses_record(&losses, LOSS_TRUNCATED);
	expect(&losses, &(struct closing_options){.traced = true, .strict = true},
	       "xray86: the answer may be incomplete: 1 call needed data that are not in memory (the page cache does not have them, and a "
	       "memory "
	       "image has no disk), 2 calls met damaged data, the snapshot's file was truncated during the run; check that the machine was "
	       "paused "
	       "while the snapshot was taken; run it on a copy (status 125 by --strict)\n");
	losses = (struct losses){0};
	losses_record(&losses, LOSS_NOT_IN_MEMORY);
	expect(&losses, &plain, /* --code product is no help */
	       "xray86: the answer may be incomplete: 1 call needed data that are not in memory (the page cache does not have them, and a "
	       "memory "
	       "image has no disk); --trace tells which calls\n");
}

/* A module's line is one, however many calls needed it; no more than LOSS_CODES modules have one. */
static void test_code(void **state)
{
	struct loss_code dummy = {LOSS_OWNER_MODULE, "dummy", "read", 0xffffffffc0001000, "dev_get_stats+0x5c", true, 0, ""},
			 nobody = {.call = "read"};
	struct losses losses = {0};
	char *text;

	(void)state;
	nobody.owner = LOSS_OWNER_NONE;
	for (unsigned i = 0; i < 3; i++) {
		losses_record(&losses, LOSS_CODE);
		losses_record_code(&losses, i == 2 ? &nobody : &dummy);
	}
	assert_int_equal(losses.codes, 2);
	expect(&losses, &plain,
	       "xray86: note: read needs code at 0xffffffffc0001000 (of the snapshot's module dummy), called from dev_get_stats+0x5c, that "
	       "the "
	       "trusted kernel does not have: 2 such calls were given up; --code product runs it\n"
	       "xray86: note: read needs code at 0 (of none of the snapshot's modules) that the trusted kernel does not have: the call was "
	       "given up\n"
	       "xray86: the answer may be incomplete: 3 calls needed code that the trusted kernel does not have; --code product runs the "
	       "snapshot's own "
	       "code; --trace tells which calls\n");
	expect(&losses, &(struct closing_options){.code = CODE_TRUSTED}, /* the default proves the module */
	       "xray86: note: read needs code at 0xffffffffc0001000 (of the snapshot's module dummy), called from dev_get_stats+0x5c, that "
	       "the trusted kernel does not have: 2 such calls were given up; --code verified runs it if its file proves it\n"
	       "xray86: note: read needs code at 0 (of none of the snapshot's modules) that the trusted kernel does not have: the call was "
	       "given up\n"
	       "xray86: the answer may be incomplete: 3 calls needed code that the trusted kernel does not have; --code verified runs code "
	       "of modules that their files prove; --trace tells which calls\n");
	for (unsigned i = 0; i < 2 * LOSS_CODES; i++) {
		snprintf(dummy.module, sizeof(dummy.module), "module_%u", i);
		losses_record_code(&losses, &dummy);
	}
	assert_int_equal(losses.codes, LOSS_CODES);
	text = told(&losses, &plain);
	assert_non_null(strstr(text, "module_1)"));
	free(text);
}

/* A module that could not be proven: why, and what to type to have the snapshot's own code run. */
static void test_unproven(void **state)
{
	struct loss_code dummy = {LOSS_OWNER_MODULE, "dummy", "read", 0xffffffffc0001000, "", true, 0, "its file is another one"};
	struct losses losses = {0};

	(void)state;
	losses_record(&losses, LOSS_CODE);
	losses_record_code(&losses, &dummy);
	expect(&losses, &plain,
	       "xray86: note: read needs code at 0xffffffffc0001000 (of the snapshot's module dummy) that is not proven, since its file is "
	       "another one: the call was given up; --trust-module dummy runs the snapshot's own\n"
	       "xray86: the answer may be incomplete: 1 call needed code that the trusted kernel does not have; --code product runs the "
	       "snapshot's own code; --trace tells which calls\n");
}

static void test_json(void **state)
{
	struct losses losses = {0};
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	json_t *object, *cause;

	(void)state;
	losses_record(&losses, LOSS_CODE);
	losses_record_code(&losses, &(struct loss_code){LOSS_OWNER_MODULE, "dummy", "read", 0x1000, "", true, 0, ""});
	closing_tell_json(&losses, to);
	fclose(to);
	object = json_loads(text, 0, NULL);
	assert_true(json_is_true(json_object_get(object, "incomplete")));
	cause = json_array_get(json_object_get(object, "losses"), 0);
	assert_string_equal(json_string_value(json_object_get(cause, "cause")), "missing_code");
	assert_int_equal(json_integer_value(json_object_get(cause, "count")), 1);
	cause = json_array_get(json_object_get(cause, "code"), 0);
	assert_string_equal(json_string_value(json_object_get(cause, "module")), "dummy");
	json_decref(object);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), cmocka_unit_test(test_silence), cmocka_unit_test(test_each_cause),
		cmocka_unit_test(test_line),  cmocka_unit_test(test_code),    cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
