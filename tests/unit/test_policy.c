/*
 * The policy's tables: a row for every system call of the kernel's headers, under its own number, with arguments that exist; flags that fit
 * their rules. Policy files: they say all that a row can say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "redirect/policy.h"
#include "session/policy_file.h"

/* Compares with "#define __NR_name number" lines. */
static void compare(enum policy_abi abi, const char *header)
{
	const struct policy_row *rows;
	char line[256], name[64];
	unsigned number, checked = 0;
	FILE *file = fopen(header, "r");
	size_t count;

	assert_non_null(file);
	rows = policy_table(abi, &count);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "#define __NR_%63s %u", name, &number) != 2 || number >= count)
			continue;
		assert_non_null(rows[number].name);
		assert_string_equal(rows[number].name, name);
		checked++;
	}
	fclose(file);
	assert_true(checked > 350);
}

static void test_numbers(void **state)
{
	(void)state;
	compare(POLICY_X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
	compare(POLICY_I386, "/usr/include/x86_64-linux-gnu/asm/unistd_32.h");
}

static void test_rows(void **state)
{
	(void)state;
	for (enum policy_abi abi = 0; abi < POLICY_ABIS; abi++) {
		size_t count;
		const struct policy_row *rows = policy_table(abi, &count);

		assert_true(count > 440); /* Linux 6.1 ends at 450 */
		for (size_t i = 0; i < count; i++) {
			if (!rows[i].name)
				continue;
			for (unsigned j = 0; j < 4 && rows[i].rule != POLICY_REFUSED; j++)
				assert_true(rows[i].argument[j] < 6);
			if (rows[i].rule == POLICY_REFUSED)
				assert_true(rows[i].argument[0] > 0 && rows[i].argument[0] < 134);
			assert_non_null(rows[i].why);
			/* What is not plain has a reason. */
			if (rows[i].rule == POLICY_REFUSED || rows[i].rule == POLICY_TRUSTED)
				assert_true(strlen(rows[i].why) > 0);
		}
	}
}

static void test_some(void **state)
{
	size_t count;
	const struct policy_row *rows = policy_table(POLICY_X86_64, &count);

	(void)state;
	assert_int_equal(rows[257].rule, POLICY_AT); /* openat */
	assert_int_equal(rows[257].argument[0], 0);
	assert_int_equal(rows[257].argument[1], 1);
	assert_int_equal(rows[257].flags, POLICY_OPENS | POLICY_WAITS_TO_OPEN);
	assert_int_equal(rows[9].rule, POLICY_MMAP);     /* mmap */
	assert_int_equal(rows[63].rule, POLICY_PRODUCT); /* uname */
}

static void test_change(void **state)
{
	struct policy policy;
	size_t count;

	(void)state;
	assert_true(policy_init(&policy));
	assert_true(policy_change(&policy, POLICY_ABIS, &(struct policy_row){"uname", POLICY_TRUSTED, {0}, 0, NULL}, false));
	assert_true(policy_change(&policy, POLICY_ABIS, &(struct policy_row){"reboot", POLICY_REFUSED, {1}, 0, NULL}, false));
	assert_false(policy_change(&policy, POLICY_ABIS, &(struct policy_row){"no_such_call", POLICY_TRUSTED, {0}, 0, NULL}, false));
	assert_int_equal(policy.row[POLICY_X86_64][63].rule, POLICY_TRUSTED);
	assert_int_equal(policy.row[POLICY_I386][122].rule, POLICY_TRUSTED);
	assert_int_equal(policy.row[POLICY_X86_64][169].argument[0], 1);
	assert_int_equal(policy_table(POLICY_X86_64, &count)[63].rule, POLICY_PRODUCT); /* not the default */
	policy_deinit(&policy);
}

static void test_paths(void **state)
{
	size_t count;
	const struct policy_row *rows = policy_table(POLICY_X86_64, &count);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(policy_is_path(&rows[2], i), i == 0);   /* open */
		assert_int_equal(policy_is_path(&rows[257], i), i == 1); /* openat */
		assert_int_equal(policy_is_path(&rows[82], i), i <= 1);  /* rename */
		assert_false(policy_is_path(&rows[0], i));               /* read */
	}
}

/* -- flags -- */

static const struct policy_row *row_of(const struct policy_row *rows, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].name && strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

static bool has_rule(const struct policy_row *row, enum policy_rule one, enum policy_rule other)
{
	return row->rule == one || row->rule == other;
}

/* What a flag says is done with the arguments of certain rules. */
static void test_flags_fit(void **state)
{
	(void)state;
	for (enum policy_abi abi = 0; abi < POLICY_ABIS; abi++) {
		size_t count;
		const struct policy_row *rows = policy_table(abi, &count);

		for (const struct policy_row *row = rows; row < rows + count; row++) {
			if (row->flags & POLICY_SEARCHES)
				assert_true(has_rule(row, POLICY_PATH, POLICY_AT));
			if (row->flags & (POLICY_FOLLOWS_2 | POLICY_FOLLOWS_3))
				assert_true(row->flags & POLICY_SEARCHES);
			if (row->flags & (POLICY_READS | POLICY_MESSAGE | POLICY_MESSAGE_HEADER)) {
				assert_int_equal(row->rule, POLICY_FD);
				assert_int_equal(row->argument[0], 0);
			}
			assert_int_not_equal(row->flags & (POLICY_MESSAGE | POLICY_MESSAGE_HEADER), POLICY_MESSAGE | POLICY_MESSAGE_HEADER);
			assert_int_equal(row->flags >> POLICY_FLAGS, 0);
		}
	}
}

static void expect_flags(const char *name, uint32_t flags)
{
	for (enum policy_abi abi = 0; abi < POLICY_ABIS; abi++) {
		size_t count;
		const struct policy_row *rows = policy_table(abi, &count), *row = row_of(rows, count, name);

		if (row)
			assert_int_equal(row->flags, flags);
	}
}

static void test_some_flags(void **state)
{
	(void)state;
	expect_flags("open", POLICY_OPENS | POLICY_WAITS_TO_OPEN);
	expect_flags("stat", POLICY_SEARCHES);
	expect_flags("lstat", 0);
	expect_flags("statx", POLICY_SEARCHES | POLICY_FOLLOWS_2);
	expect_flags("newfstatat", POLICY_SEARCHES | POLICY_FOLLOWS_3);
	expect_flags("faccessat", POLICY_SEARCHES);
	expect_flags("pread64", POLICY_READS | POLICY_TRANSFERS);
	expect_flags("sendmsg", POLICY_TRANSFERS | POLICY_WAITS | POLICY_MESSAGE_HEADER);
	expect_flags("sendto", POLICY_TRANSFERS | POLICY_WAITS | POLICY_MESSAGE);
	expect_flags("clock_gettime", POLICY_IDLE);
}

/* -- policy files -- */

static struct error *read_text(const char *text, struct policy *policy)
{
	char path[64];
	int fd = memfd_create("policy", 0);
	struct error *err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = policy_file_read(path, policy);
	close(fd);
	return err;
}

static const struct policy_row *changed(const struct policy *policy, enum policy_abi abi, const char *name)
{
	const struct policy_row *row = row_of(policy->row[abi], policy->count[abi], name);

	assert_non_null(row);
	return row;
}

static void expect_row(const struct policy *policy, enum policy_abi abi, const char *name, enum policy_rule rule, const uint8_t argument[4],
		       uint32_t flags)
{
	const struct policy_row *row = changed(policy, abi, name);

	assert_int_equal(row->rule, rule);
	assert_memory_equal(row->argument, argument, 4);
	assert_int_equal(row->flags, flags);
}

/* Each rule and each flag, by its word. */
static void test_file_words(void **state)
{
	struct policy policy;
	char text[256];

	(void)state;
	for (unsigned rule = 0; rule < POLICY_RULES; rule++) {
		unsigned arguments = policy_rule_arguments(rule);

		assert_true(arguments <= 4);
		assert_true(*policy_rule_info(rule)->meaning);
		assert_true(policy_init(&policy));
		snprintf(text, sizeof(text), "getpid %s%.*s none\n", policy_rule_info(rule)->word, 2 * (int)arguments, " 5 4 3 2");
		assert_null(read_text(text, &policy));
		assert_int_equal(changed(&policy, POLICY_I386, "getpid")->rule, rule);
		for (unsigned i = 0; i < arguments; i++)
			assert_int_equal(changed(&policy, POLICY_X86_64, "getpid")->argument[i], 5 - i);
		policy_deinit(&policy);
	}
	for (unsigned flag = 0; flag < POLICY_FLAGS; flag++) {
		assert_true(*policy_flag_info(flag)->meaning);
		assert_true(policy_init(&policy));
		snprintf(text, sizeof(text), "getpid product %s", policy_flag_info(flag)->word);
		assert_null(read_text(text, &policy));
		assert_int_equal(changed(&policy, POLICY_X86_64, "getpid")->flags, 1u << flag);
		policy_deinit(&policy);
	}
}

static void test_file_rows(void **state)
{
	static const char text[] = "# what follows is not the default\n"
				   "uname trusted # here\n"
				   "\treboot   refused\tEROFS\r\n"
				   "\n"
				   "kexec_load refused\n"
				   "mkdirat at 0 1 refuses\n"
				   "rename at2 0 1 2 3\n"
				   "open/x86-64 path 1\n"
				   "sendto fd 0 transfers message\n"
				   "setns fd 0\n"
				   "read trusted none";
	struct policy policy;

	(void)state;
	assert_true(policy_init(&policy));
	assert_null(read_text(text, &policy));
	expect_row(&policy, POLICY_X86_64, "uname", POLICY_TRUSTED, (uint8_t[4]){0}, POLICY_IDLE); /* what the call does stays */
	expect_row(&policy, POLICY_I386, "uname", POLICY_TRUSTED, (uint8_t[4]){0}, POLICY_IDLE);
	expect_row(&policy, POLICY_I386, "reboot", POLICY_REFUSED, (uint8_t[4]){EROFS}, 0);
	expect_row(&policy, POLICY_X86_64, "kexec_load", POLICY_REFUSED, (uint8_t[4]){EPERM}, 0);
	expect_row(&policy, POLICY_X86_64, "mkdirat", POLICY_AT, (uint8_t[4]){0, 1}, POLICY_REFUSES);
	expect_row(&policy, POLICY_X86_64, "rename", POLICY_AT2, (uint8_t[4]){0, 1, 2, 3}, 0);
	expect_row(&policy, POLICY_X86_64, "open", POLICY_PATH, (uint8_t[4]){1}, POLICY_OPENS | POLICY_WAITS_TO_OPEN);
	expect_row(&policy, POLICY_I386, "open", POLICY_PATH, (uint8_t[4]){0}, POLICY_OPENS | POLICY_WAITS_TO_OPEN);
	expect_row(&policy, POLICY_X86_64, "sendto", POLICY_FD, (uint8_t[4]){0}, POLICY_TRANSFERS | POLICY_MESSAGE);
	expect_row(&policy, POLICY_X86_64, "setns", POLICY_FD, (uint8_t[4]){0}, 0); /* `moves` narrowed the rule that it had */
	expect_row(&policy, POLICY_X86_64, "read", POLICY_TRUSTED, (uint8_t[4]){0}, 0);
	policy_deinit(&policy);
}

static void expect_refused(const char *text, const char *message)
{
	struct policy policy;
	struct error *err;

	assert_true(policy_init(&policy));
	err = read_text(text, &policy);
	assert_non_null(err);
	if (!strstr(err->message, message))
		fail_msg("%s: %s", text, err->message);
	error_destroy(err);
	policy_deinit(&policy);
}

static void test_file_errors(void **state)
{
	char many[256] = "uname trusted";

	(void)state;
	expect_refused("uname trusted\nfrob product", ":2: there is no system call frob");
	expect_refused("uname", ":1: must be: CALL RULE [ARGUMENT...] [FLAG...]; rules are: trusted product refused fd ");
	expect_refused("uname maybe", ":1: maybe is no rule; rules are: trusted product refused fd ");
	expect_refused("uname \033[2J", "\"\\033[2J\" is no rule");
	expect_refused("uname refused EFROB", ":1: EFROB is no error of Linux");
	expect_refused("statx at 0", ":1: must be: CALL at FD PATH [FLAG...]; each argument by its number, 0 to 5");
	expect_refused("statx at 0 6", ":1: must be: CALL at FD PATH");
	expect_refused("statx at 0 10", ":1: must be: CALL at FD PATH");
	expect_refused("read fd opens", ":1: must be: CALL fd FD");
	expect_refused("read fd 0 1", ":1: 1 is no flag; flags are: opens refuses only moves ");
	expect_refused("read fd 0 open", ":1: open is no flag; flags are: opens ");
	expect_refused("read fd 0 none opens", ":1: none is no flag");
	expect_refused("read/arm fd 0", ":1: read/arm names no ABI: there are /x86-64 and /i386");
	expect_refused("socketcall/x86-64 trusted", "there is no system call socketcall on x86-64");
	for (unsigned i = 0; i < 32; i++)
		strcat(many, " opens");
	expect_refused(many, ":1: more than 32 words");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),    cmocka_unit_test(test_rows),
					   cmocka_unit_test(test_some),       cmocka_unit_test(test_change),
					   cmocka_unit_test(test_paths),      cmocka_unit_test(test_flags_fit),
					   cmocka_unit_test(test_some_flags), cmocka_unit_test(test_file_words),
					   cmocka_unit_test(test_file_rows),  cmocka_unit_test(test_file_errors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
