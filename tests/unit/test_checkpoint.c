/* Checkpoints: a machine goes on as if it had never been saved; what is not a good checkpoint is not used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/checkpoint.h"

enum { MEMORY = 8 << 20, CODE = 0x100000, COUNTER = 0x200000, HALFWAY = 123456, END = 1000000 };

/* PIT in mode 2 with interrupts off, so that device time matters too: L: in al, 40h; add [COUNTER], eax; imul eax, 5; inc ecx; jmp L */
static const uint8_t code[] = {0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40, 0xb0, 0x10, 0xe6, 0x40, 0xe4,
			       0x40, 0x01, 0x05, 0x00, 0x00, 0x20, 0x00, 0x6b, 0xc0, 0x05, 0x41, 0xeb, 0xf2};

static char directory[] = "/tmp/xray86-test-XXXXXX";
static char path[64];

static struct machine *make(void)
{
	const struct machine_config config = {.memory = MEMORY, .acpi = true};
	struct machine *machine;

	assert_null(machine_create(&config, &machine));
	return machine;
}

static struct machine *start(void)
{
	struct machine *machine = make();

	physmem_copy_in(&machine->mem, CODE, code, sizeof(code));
	machine_enter_protected(machine, CODE, 0, 0);
	return machine;
}

static void run(struct machine *machine, uint64_t until)
{
	assert_int_equal(machine_run(machine, until), MACHINE_STOP_LIMIT);
}

static void save(const struct machine *machine, const char *key, int extra)
{
	struct error *err = checkpoint_save(path, key, machine, &extra, sizeof(extra));

	assert_null(err);
}

static void test_goes_on(void **state)
{
	struct machine *whole = start(), *first = start(), *second = make();
	int extra = 0;

	(void)state;
	run(whole, END);
	run(first, HALFWAY);
	save(first, "key", 42);
	assert_true(checkpoint_load(path, "key", second, &extra, sizeof(extra)));
	assert_int_equal(extra, 42);
	assert_int_equal(machine_digest(second), machine_digest(first));
	run(second, END);
	assert_int_equal(machine_digest(second), machine_digest(whole));
	assert_true(physmem_read(&second->mem, COUNTER, 4) != 0);
	machine_destroy(second);

	second = make(); /* the file has not changed by what the second machine did */
	assert_true(checkpoint_load(path, "key", second, &extra, sizeof(extra)));
	assert_int_equal(machine_digest(second), machine_digest(first));
	machine_destroy(whole);
	machine_destroy(first);
	machine_destroy(second);
}

static void refuse(const char *key, size_t extra_size)
{
	struct machine *machine = make(), *untouched = make();
	uint8_t extra[64];

	assert_false(checkpoint_load(path, key, machine, extra, extra_size));
	assert_int_equal(machine_digest(machine), machine_digest(untouched));
	machine_destroy(machine);
	machine_destroy(untouched);
}

static void test_stale(void **state)
{
	struct machine *machine = start();

	(void)state;
	run(machine, HALFWAY);
	save(machine, "key", 1);
	refuse("other", sizeof(int));
	refuse("key", 8);
	machine_destroy(machine);
}

static void test_damaged(void **state)
{
	struct machine *machine = start();
	struct stat status;
	FILE *file;

	(void)state;
	run(machine, HALFWAY);
	save(machine, "key", 1);
	assert_int_equal(stat(path, &status), 0);
	for (long at = 0; at < 2000; at += 97) { /* head and state */
		int byte;

		save(machine, "key", 1);
		file = fopen(path, "r+");
		fseek(file, at, SEEK_SET);
		byte = fgetc(file);
		fseek(file, at, SEEK_SET);
		fputc(byte ^ 0x40, file);
		fclose(file);
		refuse("key", sizeof(int));
	}
	save(machine, "key", 1);
	assert_int_equal(truncate(path, status.st_size - 1), 0);
	refuse("key", sizeof(int));
	assert_int_equal(truncate(path, 10), 0);
	refuse("key", sizeof(int));
	assert_int_equal(truncate(path, 0), 0);
	refuse("key", sizeof(int));
	unlink(path);
	refuse("key", sizeof(int));
	machine_destroy(machine);
}

static void test_other_memory(void **state)
{
	const struct machine_config config = {.memory = 2 * MEMORY, .acpi = true};
	struct machine *machine = start(), *larger;
	int extra;

	(void)state;
	save(machine, "key", 1);
	assert_null(machine_create(&config, &larger));
	assert_false(checkpoint_load(path, "key", larger, &extra, sizeof(extra)));
	machine_destroy(machine);
	machine_destroy(larger);
}

static void test_peek(void **state)
{
	struct machine *machine = start();
	char *key;
	int extra;

	(void)state;
	save(machine, "a\nkey", 7);
	assert_true(checkpoint_peek(path, &extra, sizeof(extra), &key));
	assert_int_equal(extra, 7);
	assert_string_equal(key, "a\nkey");
	free(key);
	machine_destroy(machine);
}

static void test_no_place(void **state)
{
	struct machine *machine = start();
	struct error *err = checkpoint_save("/nonexistent/file", "key", machine, "", 0);

	(void)state;
	assert_non_null(err);
	error_destroy(err);
	machine_destroy(machine);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return 1;
	snprintf(path, sizeof(path), "%s/checkpoint", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory); /* nothing else was left there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),      cmocka_unit_test(test_stale), cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_other_memory), cmocka_unit_test(test_peek),  cmocka_unit_test(test_no_place),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
