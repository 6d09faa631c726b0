/* The policy's tables: a row for every system call of the kernel's headers, under its own number, with arguments that exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "redirect/policy.h"

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
	assert_int_equal(rows[257].flags, POLICY_OPENS);
	assert_int_equal(rows[9].rule, POLICY_TRUSTED);  /* mmap */
	assert_int_equal(rows[63].rule, POLICY_PRODUCT); /* uname */
}

static void test_change(void **state)
{
	struct policy policy;
	size_t count;

	(void)state;
	assert_true(policy_init(&policy));
	assert_true(policy_change(&policy, "uname", POLICY_TRUSTED, 0));
	assert_true(policy_change(&policy, "reboot", POLICY_REFUSED, 1));
	assert_false(policy_change(&policy, "no_such_call", POLICY_TRUSTED, 0));
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_rows), cmocka_unit_test(test_some),
					   cmocka_unit_test(test_change), cmocka_unit_test(test_paths)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
