/* Checkpoints: a machine goes on as if it had never been saved; what is not a good checkpoint is not used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emu/machine_state.h"
#include "session/checkpoint.h"
#include "util/owned.h"

enum { MEMORY = 8 << 20, CODE = 0x100000, COUNTER = 0x200000, HALFWAY = 123456, END = 1000000 };

/* PIT in mode 2 with interrupts off, so that device time matters too: L: in al, 40h; add [COUNTER], eax; imul eax, 5; inc ecx; jmp L */
static const uint8_t code[] = {0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40, 0xb0, 0x10, 0xe6, 0x40, 0xe4,
			       0x40, 0x01, 0x05, 0x00, 0x00, 0x20, 0x00, 0x6b, 0xc0, 0x05, 0x41, 0xeb, 0xf2};

static char directory[] = "/tmp/xray86-test-XXXXXX";
static char path[64];
static int folder; /* the directory */

#define NAME "one.checkpoint"

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
	struct error *err = checkpoint_save(folder, NAME, key, machine, &extra, sizeof(extra));

	assert_null(err);
}

/* A checkpoint for this key; NULL: there is none. */
static struct checkpoint *find(const char *key, size_t extra_size)
{
	struct checkpoint *checkpoint;
	struct error *err = checkpoint_open(folder, NAME, extra_size, &checkpoint);

	assert_null(err);
	if (!checkpoint || strcmp(checkpoint_key(checkpoint), key) == 0)
		return checkpoint;
	checkpoint_close(checkpoint);
	return NULL;
}

static void load(const char *key, int extra, struct machine *machine)
{
	struct checkpoint *checkpoint = find(key, sizeof(extra));

	assert_non_null(checkpoint);
	assert_memory_equal(checkpoint_extra(checkpoint), &extra, sizeof(extra));
	assert_true(checkpoint_load(checkpoint, machine));
	checkpoint_close(checkpoint);
}

static void test_goes_on(void **state)
{
	struct machine *whole = start(), *first = start(), *second = make();

	(void)state;
	run(whole, END);
	run(first, HALFWAY);
	save(first, "key", 42);
	load("key", 42, second);
	assert_int_equal(machine_digest(second), machine_digest(first));
	run(second, END);
	assert_int_equal(machine_digest(second), machine_digest(whole));
	assert_true(physmem_read(&second->mem, COUNTER, 4) != 0);
	machine_destroy(second);

	second = make(); /* the file has not changed by what the second machine did */
	load("key", 42, second);
	assert_int_equal(machine_digest(second), machine_digest(first));
	machine_destroy(whole);
	machine_destroy(first);
	machine_destroy(second);
}

static void refuse(const char *key, size_t extra_size)
{
	assert_null(find(key, extra_size));
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
	struct checkpoint *checkpoint;

	(void)state;
	save(machine, "key", 1);
	assert_null(machine_create(&config, &larger));
	checkpoint = find("key", sizeof(int));
	assert_non_null(checkpoint);
	assert_false(checkpoint_load(checkpoint, larger));
	checkpoint_close(checkpoint);
	machine_destroy(machine);
	machine_destroy(larger);
}

static void test_key(void **state)
{
	struct machine *machine = start();
	struct checkpoint *checkpoint;

	(void)state;
	save(machine, "a\nkey", 7);
	checkpoint = find("a\nkey", sizeof(int));
	assert_non_null(checkpoint);
	assert_int_equal(*(const char *)checkpoint_extra(checkpoint), 7);
	checkpoint_close(checkpoint);
	machine_destroy(machine);
}

static void test_no_place(void **state)
{
	struct machine *machine = start();
	struct error *err = checkpoint_save(folder, "nonexistent/file", "key", machine, "", 0);

	(void)state;
	assert_non_null(err);
	error_destroy(err);
	machine_destroy(machine);
}

static int make_file(const char *name)
{
	int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	return fd;
}

static bool is_there(const char *name)
{
	return faccessat(folder, name, F_OK, 0) == 0;
}

/* What a killed writer has left goes when the next one writes; what is still written, or no temporary file, stays. */
static void test_abandoned(void **state)
{
	static const char killed[] = "other.checkpoint.0123abcd", alive[] = "other.checkpoint.89abcdef";
	static const char *const others[] = {"other.checkpoint.xyz", "other.kind.01234567", "other.checkpoint.0123456"};
	struct machine *machine = start();
	int writer = make_file(alive);

	(void)state;
	assert_int_equal(flock(writer, LOCK_EX), 0);
	close(make_file(killed));
	for (unsigned i = 0; i < 3; i++)
		close(make_file(others[i]));
	save(machine, "key", 1);
	assert_false(is_there(killed));
	assert_true(is_there(alive) && is_there(NAME));
	close(writer);
	save(machine, "key", 1);
	assert_false(is_there(alive));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(unlinkat(folder, others[i], 0), 0);
	machine_destroy(machine);
}

/* In place of the C library's: so often, another writer comes across the new file before it is locked, and takes it for abandoned. */
static unsigned meetings;

int flock(int fd, int operation)
{
	char link[32], name[PATH_MAX] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (meetings && readlink(link, name, sizeof(name) - 1) > 0) {
		meetings--;
		unlink(name);
	}
	return syscall(SYS_flock, fd, operation);
}

static void test_cleaner_meets_writer(void **state)
{
	struct machine *machine = start();

	(void)state;
	assert_int_equal(unlinkat(folder, NAME, 0), 0);
	meetings = 3;
	save(machine, "key", 1);
	assert_int_equal(meetings, 0);
	assert_true(is_there(NAME));
	load("key", 1, machine);
	machine_destroy(machine);
}

/* Loads, and runs what can be loaded: without harm, which sanitizers see best. */
static bool try_state(struct machine *machine, const uint8_t *bytes)
{
	bool good = machine_state_load(machine, bytes);

	if (good)
		machine_run(machine, cpu_instructions(machine->cpu) + 300);
	return good;
}

/* Each byte of the state in turn. */
static void test_every_field(void **state)
{
	static const uint8_t values[] = {0x00, 0x02, 0x7f, 0x80, 0xff};
	struct machine *machine = start(), *second = NULL;
	size_t size = machine_state_size(), refused = 0;
	uint8_t *good = malloc(size), *bytes = malloc(size);

	(void)state;
	run(machine, HALFWAY);
	machine_state_save(machine, good);
	memcpy(bytes, good, size);
	for (size_t i = 0; i < size * sizeof(values); i++) {
		size_t at = i / sizeof(values);

		if (i % 64 == 0) { /* making one takes far longer than all the rest */
			machine_destroy(second);
			second = start();
		}
		bytes[at] = values[i % sizeof(values)];
		refused += !try_state(second, bytes);
		bytes[at] = good[at];
	}
	assert_in_range(refused, 100, size * sizeof(values) / 2);
	assert_true(try_state(second, good));
	machine_destroy(second);
	free(good);
	free(bytes);
	machine_destroy(machine);
}

/* -- whose file it is -- */

static void expect_foreign(const char *why)
{
	struct checkpoint *checkpoint;
	struct error *err = checkpoint_open(folder, NAME, sizeof(int), &checkpoint);

	assert_non_null(err);
	assert_null(checkpoint);
	assert_non_null(strstr(err->message, why));
	error_destroy(err);
}

static void test_foreign_files(void **state)
{
	struct machine *machine = start();
	char other[80];

	(void)state;
	save(machine, "key", 1);
	assert_int_equal(chmod(path, 0620), 0);
	expect_foreign("others can write");
	assert_int_equal(chmod(path, 0602), 0);
	expect_foreign("others can write");
	assert_int_equal(chmod(path, 0644), 0);
	load("key", 1, machine);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		expect_foreign("belongs to another user (number 12345");
		assert_int_equal(chown(path, 0, 0), 0);
	}
	snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	expect_foreign("symbolic link");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes into it: opening it must not wait */
	expect_foreign("not a regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_foreign("not a regular file");
	rmdir(path);
	unlink(other);
	refuse("key", sizeof(int)); /* that there is none is no error */
	machine_destroy(machine);
}

static void expect_foreign_folder(const char *name, const char *why)
{
	int fd;
	struct error *err = owned_directory_open(name, &fd);

	assert_non_null(err);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(err->message, why));
	error_destroy(err);
}

static void test_foreign_folders(void **state)
{
	char link[80];

	(void)state;
	assert_int_equal(chmod(directory, 0720), 0);
	expect_foreign_folder(directory, "others can write");
	assert_int_equal(chmod(directory, 01777), 0);
	expect_foreign_folder(directory, "others can write");
	assert_int_equal(chmod(directory, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(directory, 12345, 0), 0);
		expect_foreign_folder(directory, "belongs to another user");
		assert_int_equal(chown(directory, 0, 0), 0);
	}
	snprintf(link, sizeof(link), "%s/link", directory);
	assert_int_equal(symlink(directory, link), 0);
	expect_foreign_folder(link, "symbolic link");
	unlink(link);
	expect_foreign_folder("/dev/null", "Not a directory");
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return 1;
	snprintf(path, sizeof(path), "%s/" NAME, directory);
	folder = open(directory, O_RDONLY | O_DIRECTORY);
	return folder < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(folder);
	unlink(path);
	return rmdir(directory); /* nothing else was left there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_other_memory),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_no_place),
		cmocka_unit_test(test_every_field),
		cmocka_unit_test(test_foreign_files),
		cmocka_unit_test(test_foreign_folders),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_cleaner_meets_writer),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
