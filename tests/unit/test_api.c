/* The public API without a snapshot: structs of other versions, what is refused, errors, and calls from callbacks. And a session that is
 * cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/api.h"
#include "tests/unit/snapshot_rig.h"
#include "util/build_id.h"

static void expect_code(xray86_error *err, enum xray86_code code)
{
	assert_non_null(err);
	assert_int_equal(xray86_error_code(err), code);
	assert_null(strchr(xray86_error_message(err), '\n'));
	xray86_error_destroy(err);
}

/* -- structs of options -- */

struct options {
	size_t size;
	unsigned a, b;
};

static void test_older_struct(void **state)
{
	const struct {
		size_t size;
		unsigned a;
	} theirs = {offsetof(struct options, b), 7};
	struct options taken;

	(void)state;
	assert_null(api_take(&taken, sizeof(taken), &theirs, "options"));
	assert_int_equal(taken.a, 7);
	assert_int_equal(taken.b, 0);
	assert_int_equal(taken.size, sizeof(taken));
}

static void test_newer_struct(void **state)
{
	struct {
		struct options known;
		uint8_t more[5];
	} theirs = {.known = {sizeof(theirs), 1, 2}};
	struct options taken;

	(void)state;
	assert_null(api_take(&taken, sizeof(taken), &theirs, "options"));
	assert_int_equal(taken.b, 2);
	theirs.more[4] = 1;
	expect_code(api_error(api_take(&taken, sizeof(taken), &theirs, "options")), XRAY86_INVALID);
	assert_null(api_take(&taken, sizeof(taken), NULL, "options"));
	assert_int_equal(taken.size, sizeof(taken));
	assert_int_equal(taken.a, 0);
	expect_code(api_error(api_take(&taken, sizeof(taken), &(struct options){0, 1, 2}, "options")), XRAY86_INVALID);
	expect_code(api_error(api_take(&taken, sizeof(taken), &(struct options){0x5555555555555555, 1, 2}, "options")), XRAY86_INVALID);
}

/* -- what is refused -- */

static void expect_open(struct xray86_open_options *options, enum xray86_code code)
{
	xray86_session *session = (xray86_session *)options;

	expect_code(xray86_open("/nowhere/at/all", options, &session), code);
	assert_null(session);
}

static void test_open(void **state)
{
	static const char *const colon[] = {"a:b", NULL};
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	xray86_session *session;

	(void)state;
	expect_open(NULL, XRAY86_FAILED);
	expect_open(&options, XRAY86_FAILED);
	options.flags = 1u << 31;
	expect_open(&options, XRAY86_INVALID);
	options = XRAY86_INIT(struct xray86_open_options);
	options.memory = 4096;
	expect_open(&options, XRAY86_INVALID);
	options = XRAY86_INIT(struct xray86_open_options);
	options.cache = "";
	expect_open(&options, XRAY86_INVALID);
	options = XRAY86_INIT(struct xray86_open_options);
	options.kernel_path = colon;
	expect_open(&options, XRAY86_INVALID);
	expect_code(xray86_open(NULL, NULL, &session), XRAY86_INVALID);
	expect_code(xray86_open("x", NULL, NULL), XRAY86_INVALID);
	xray86_close(NULL);
	xray86_cancel(NULL);
	xray86_result_destroy(NULL);
	xray86_error_destroy(NULL);
}

/* Each code of ours is one of the header's, but for that of no error. */
static void test_codes(void **state)
{
	static const struct {
		enum error_code ours;
		enum xray86_code theirs;
	} rows[] = {
		{ERROR_FAILED, XRAY86_FAILED},         {ERROR_NOT_FOUND, XRAY86_NOT_FOUND}, {ERROR_CANNOT_EXECUTE, XRAY86_CANNOT_EXECUTE},
		{ERROR_NO_PROCESS, XRAY86_NO_PROCESS}, {ERROR_NO_KERNEL, XRAY86_NO_KERNEL}, {ERROR_NOT_THERE, XRAY86_NOT_THERE},
		{ERROR_CANCELLED, XRAY86_CANCELLED},   {ERROR_TIMEOUT, XRAY86_TIMEOUT},     {ERROR_BUSY, XRAY86_BUSY},
		{ERROR_INVALID, XRAY86_INVALID},       {ERROR_WORKER, XRAY86_WORKER},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_code(api_error(error_create_code(rows[i].ours, "x")), rows[i].theirs);
}

/* -- a session whose work is done here -- */

struct fake {
	xray86_session *session;
	unsigned closed, busy, cancelled;
	struct xray86_run_options seen;
};

static void fake_close(void *self)
{
	((struct fake *)self)->closed++;
}

static void fake_cancel(void *self)
{
	((struct fake *)self)->cancelled++;
}

static struct error *fake_facts(void *self, struct xray86_facts *ret)
{
	(void)self;
	ret->format = "fake";
	ret->cpus = 3;
	return NULL;
}

static struct error *fake_info(void *self, char **ret_json)
{
	(void)self;
	*ret_json = strdup("{}");
	return NULL;
}

static struct error *fake_read(void *self, enum memory_kind kind, unsigned pid, uint64_t address, void *to, size_t size)
{
	(void)self, (void)kind, (void)pid;
	if (address)
		return error_create_code(ERROR_NOT_THERE, "nothing");
	memset(to, 5, size);
	return NULL;
}

/* As a worker that does not end. */
static struct error *run_endlessly(const struct xray86_run_options *options)
{
	enum { PIECE = 1 << 20 };
	void *bytes = calloc(1, PIECE);
	unsigned pieces = 0;
	int failure;

	assert_non_null(bytes);
	do
		failure = options->output(options->opaque, XRAY86_STDOUT, bytes, PIECE);
	while (!failure && pieces++ < 1000);
	free(bytes);
	assert_int_equal(failure, EFBIG);
	assert_int_equal(pieces, 256);
	return error_create("File too large");
}

static struct error *fake_run(void *self, const char *const *command, const struct xray86_run_options *options, struct outcome *ret)
{
	struct fake *fake = self;
	struct xray86_facts facts = XRAY86_INIT(struct xray86_facts);
	xray86_error *err = xray86_get_facts(fake->session, &facts);
	char bytes[4];

	fake->busy += err && xray86_error_code(err) == XRAY86_BUSY;
	xray86_error_destroy(err);
	xray86_close(fake->session); /* refused, too */
	xray86_cancel(fake->session);
	fake->seen = *options;
	if (strcmp(command[0], "endless") == 0)
		return run_endlessly(options);
	if (strcmp(command[0], "fail") == 0)
		return error_create_code(ERROR_TIMEOUT, "late");
	assert_int_equal(options->input(options->opaque, bytes, sizeof(bytes), 1), 0);
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(options->output(options->opaque, i % 3 ? XRAY86_STDOUT : XRAY86_STDERR, "ab", 2), 0);
	ret->status = 256;
	ret->stats = strdup("{}");
	return NULL;
}

static const struct backend fake_backend = {fake_close, fake_cancel, fake_facts, fake_info, fake_read, fake_run};

static xray86_session *fake_open(struct fake *fake)
{
	xray86_session *session = calloc(1, sizeof(*session));

	assert_non_null(session);
	*fake = (struct fake){.session = session};
	session->backend = &fake_backend;
	session->self = fake;
	return session;
}

static void test_run(void **state)
{
	static const char *const command[] = {"a", NULL}, *const fail[] = {"fail", NULL}, *const none[] = {NULL},
				 *const endless[] = {"endless", NULL};
	static const char *const environment[] = {"A", NULL};
	struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options);
	struct fake fake;
	xray86_session *session = fake_open(&fake);
	xray86_result *result;
	xray86_error *err;
	size_t size;

	(void)state;
	assert_null(xray86_run(session, command, NULL, &result));
	assert_int_equal(fake.busy, 1);
	assert_int_equal(fake.cancelled, 1);
	assert_int_equal(fake.closed, 0);
	assert_int_equal(xray86_result_status(result), 256);
	assert_int_equal(strlen(xray86_result_output(result, XRAY86_STDOUT, &size)), 4000);
	assert_int_equal(size, 4000);
	xray86_result_output(result, XRAY86_STDERR, &size);
	assert_int_equal(size, 2000);
	assert_null(xray86_result_losses(result));
	xray86_result_destroy(result);
	assert_string_equal(fake.seen.environment[0], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	assert_null(fake.seen.environment[1]);
	expect_code(xray86_run(session, fail, &options, &result), XRAY86_TIMEOUT);
	assert_null(result);
	err = xray86_run(session, endless, &options, &result);
	assert_non_null(strstr(xray86_error_message(err), "more than 256 MiB"));
	expect_code(err, XRAY86_FAILED);
	expect_code(xray86_run(session, none, &options, &result), XRAY86_INVALID);
	options.environment = environment;
	expect_code(xray86_run(session, command, &options, &result), XRAY86_INVALID);
	options = XRAY86_INIT(struct xray86_run_options);
	options.way = 99;
	expect_code(xray86_run(session, command, &options, &result), XRAY86_INVALID);
	expect_code(xray86_run(session, command, &options, NULL), XRAY86_INVALID);
	expect_code(xray86_run(NULL, command, NULL, &result), XRAY86_INVALID);
	xray86_close(session);
	assert_int_equal(fake.closed, 1);
}

static void test_facts_and_memory(void **state)
{
	struct {
		size_t size;
		const char *format;
	} older = {.size = sizeof(older)};
	struct xray86_facts facts = {0};
	struct fake fake;
	xray86_session *session = fake_open(&fake);
	const char *info;
	uint8_t bytes[3] = {0};

	(void)state;
	assert_null(xray86_get_facts(session, (struct xray86_facts *)&older));
	assert_string_equal(older.format, "fake");
	assert_int_equal(older.size, sizeof(older));
	expect_code(xray86_get_facts(session, &facts), XRAY86_INVALID);
	facts.size = SIZE_MAX;
	expect_code(xray86_get_facts(session, &facts), XRAY86_INVALID);
	assert_null(xray86_get_info(session, &info));
	assert_string_equal(info, "{}");
	assert_null(xray86_get_info(session, &info)); /* and the text before is gone */
	assert_null(xray86_read_physical(session, 0, bytes, sizeof(bytes)));
	assert_int_equal(bytes[2], 5);
	assert_null(xray86_read_kernel(session, 1, NULL, 0));
	expect_code(xray86_read_kernel(session, 0, NULL, 1), XRAY86_INVALID);
	expect_code(xray86_read_process(session, 1, 1, bytes, 1), XRAY86_NOT_THERE);
	xray86_close(session);
}

/* -- a session on a snapshot without a kernel -- */

static void cancel(void *opaque, const char *text)
{
	(void)text;
	xray86_cancel(*(xray86_session **)opaque);
}

/* A call that is cancelled says so, whatever has failed besides; and only that call. */
static void test_cancelled(void **state)
{
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	int fd = new_file(2 << 20);
	xray86_session *session;
	char path[64];
	uint8_t byte;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	options.flags = XRAY86_NO_CACHE;
	options.note = cancel; /* when its kernel is looked for, and not found */
	options.opaque = &session;
	assert_null(xray86_open(path, &options, &session));
	expect_code(xray86_read_kernel(session, 0, &byte, 1), XRAY86_CANCELLED);
	expect_code(xray86_read_kernel(session, 0, &byte, 1), XRAY86_NO_KERNEL);
	assert_null(xray86_read_physical(session, 0, &byte, 1));
	expect_code(xray86_read_physical(session, 2 << 20, &byte, 1), XRAY86_NOT_THERE);
	xray86_cancel(session); /* nothing runs: the next one ends */
	expect_code(xray86_read_physical(session, 0, &byte, 1), XRAY86_CANCELLED);
	assert_null(xray86_read_physical(session, 0, &byte, 1));
	xray86_close(session);
	close(fd);
}

/* It is that of this program, in which the code is; the linker makes one if it is told to. */
static void test_build_id(void **state)
{
	char id[BUILD_ID_MAX];

	(void)state;
	build_id(id);
	assert_int_equal(strlen(id), 40);
	assert_int_equal(strspn(id, "0123456789abcdef"), 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_struct), cmocka_unit_test(test_newer_struct), cmocka_unit_test(test_open),
		cmocka_unit_test(test_codes),        cmocka_unit_test(test_run),          cmocka_unit_test(test_facts_and_memory),
		cmocka_unit_test(test_cancelled),    cmocka_unit_test(test_build_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
