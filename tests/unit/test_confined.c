/* Processes that look at files of strangers: what comes back of them, and how it is told that they ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/confined.h"

struct found {
	char text[32];
	uint64_t number;
};

static struct error *call(struct error *(*fn)(void *opaque, void *ret), struct found *ret)
{
	bool told = false;
	int changed = 0;
	const struct confined how = {true, SANDBOX_READING, -1, &told};
	struct error *err = confined_call(&how, fn, &changed, ret, sizeof(*ret));

	assert_int_equal(changed, 0);
	assert_false(told);
	return err;
}

static struct error *find(void *opaque, void *ret)
{
	struct found *found = ret;

	*(int *)opaque = 1; /* in that process alone */
	if (found->number)
		return error_create("it was not zero at first");
	strcpy(found->text, "found");
	found->number = UINT64_MAX;
	return NULL;
}

static void brings_back_what_was_found(void **state)
{
	struct found found;

	(void)state;
	assert_null(call(find, &found));
	assert_string_equal(found.text, "found");
	assert_true(found.number == UINT64_MAX);
}

static struct error *fail_to_find(void *opaque, void *ret)
{
	(void)opaque, (void)ret;
	return error_create_code(ERROR_NO_KERNEL, "no kernel\nand \033[2J");
}

static struct error *be_killed(void *opaque, void *ret)
{
	(void)opaque, (void)ret;
	raise(SIGKILL);
	return NULL;
}

static struct error *end_early(void *opaque, void *ret)
{
	(void)opaque, (void)ret;
	_exit(0);
}

/* A terminal sends the signal of Ctrl-C to both. */
static struct error *be_interrupted(void *opaque, void *ret)
{
	(void)opaque, (void)ret;
	kill(getppid(), SIGINT);
	raise(SIGINT);
	return NULL;
}

static void tells_how_it_ended(void **state)
{
	static const struct {
		struct error *(*fn)(void *opaque, void *ret);
		enum error_code code;
		const char *message;
	} cases[] = {
		{fail_to_find, ERROR_NO_KERNEL, "no kernel?and ?[2J"},
		{be_killed, ERROR_FAILED, "the process that looks at it was ended by signal 9"},
		{be_interrupted, ERROR_FAILED, "interrupted"},
		{end_early, ERROR_FAILED, "the process that looks at it ended with status 0"},
	};

	(void)state;
	signal(SIGINT, SIG_DFL); /* it is ignored in what a script runs in the background */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct found found;
		struct error *err = call(cases[i].fn, &found);

		assert_non_null(err);
		assert_int_equal(err->code, cases[i].code);
		assert_string_equal(err->message, cases[i].message);
		error_destroy(err);
	}
}

/* Whom nobody can interrupt, as below nohup(1), that stays so. */
static void goes_on_if_signals_are_ignored(void **state)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	struct found found;

	(void)state;
	sigaction(SIGINT, &ignore, &before);
	assert_null(call(be_interrupted, &found));
	sigaction(SIGINT, &before, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brings_back_what_was_found),
		cmocka_unit_test(tells_how_it_ended),
		cmocka_unit_test(goes_on_if_signals_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
