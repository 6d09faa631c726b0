/* Collecting a command of this machine with what it needs (session/program.h), and commands made for the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/program.h"

static char directory[] = "/tmp/xray86-test-XXXXXX";

static void write_bytes(const char *name, const void *bytes, size_t size, mode_t mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fwrite(bytes, 1, size, file);
	fclose(file);
	chmod(path, mode);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	write_bytes(name, text, strlen(text), mode);
}

static void expect_error(const char *name, enum kernel_arch arch, enum error_code code, const char *text)
{
	struct program program;
	struct error *err = program_collect("", name, directory, arch, &program);

	assert_non_null(err);
	assert_non_null(strstr(err->message, text));
	assert_int_equal(err->code, code);
	assert_null(strchr(err->message, '\n'));
	error_destroy(err);
}

static enum program_file_kind kind_of(const struct program *program, const char *path)
{
	enum program_file_kind kind;

	assert_true(program_has(program, path, &kind));
	return kind;
}

/* The program itself runs by the loader that this test does: its code is at AT_BASE. */
static void test_loader(void **state)
{
	const uint8_t *base = (const uint8_t *)getauxval(AT_BASE);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
	const uint8_t *entry = base + header->e_entry, *own = (const uint8_t *)(uintptr_t)test_loader;
	struct program program;

	(void)state;
	assert_null(program_collect("", "true", "/usr/bin:/bin", KERNEL_X86_64, &program));
	assert_true(program_is_loader(&program, (uintptr_t)entry, entry, 64));
	assert_false(program_is_loader(&program, (uintptr_t)entry + 1, entry, 64));
	assert_false(program_is_loader(&program, (uintptr_t)own, own, 64));
	program_deinit(&program);
	assert_false(program_is_loader(&program, (uintptr_t)entry, entry, 64));
}

static void test_dynamic(void **state)
{
	struct program program;
	bool loader = false;

	(void)state;
	assert_null(program_collect("", "true", "/nonexistent:/usr/bin:/bin", KERNEL_X86_64, &program));
	assert_non_null(strstr(program.path, "/bin/true"));
	assert_true(program_has(&program, program.path, NULL));
	assert_true(program_has(&program, "/lib/x86_64-linux-gnu/libc.so.6", NULL));
	assert_true(program_has(&program, "/wherever/libc.so.6", NULL)); /* the dynamic loader looks in many places */
	assert_false(program_has(&program, "/wherever/true", NULL));
	assert_false(program_has(&program, "/etc/passwd", NULL));
	assert_int_equal(kind_of(&program, program.path), PROGRAM_CODE);
	assert_int_equal(kind_of(&program, "/wherever/libc.so.6"), PROGRAM_LIBRARY);
	assert_int_equal(kind_of(&program, "/lib64/ld-linux-x86-64.so.2"), PROGRAM_LOADER);
	assert_int_equal(kind_of(&program, "/lib/x86_64-linux-gnu"), PROGRAM_LIBRARY);
	assert_false(program_has(&program, "/lib/x86_64-linux", NULL));
	for (size_t i = 0; i < program.files; i++) {
		loader = loader || strstr(program.file[i].path, "/ld-linux");
		assert_int_equal(access(program.file[i].source, R_OK), 0);
	}
	assert_true(loader);
	program_deinit(&program);
}

static void test_script(void **state)
{
	struct program program;

	(void)state;
	write_file("script", "#!/bin/sh -e\nexit 3\n", 0755);
	assert_null(program_collect("", "script", directory, KERNEL_X86_64, &program));
	assert_true(program_has(&program, "/bin/sh", NULL));
	assert_int_equal(kind_of(&program, program.path), PROGRAM_DATA);
	assert_int_equal(kind_of(&program, "/bin/sh"), PROGRAM_CODE);
	assert_true(program_has(&program, "libc.so.6", NULL) || program_has(&program, "/libc.so.6", NULL));
	program_deinit(&program);
}

static void test_errors(void **state)
{
	char loop[160];

	(void)state;
	expect_error("nothing-of-this-name", KERNEL_X86_64, ERROR_NOT_FOUND, "command not found");
	expect_error("/nonexistent/program", KERNEL_X86_64, ERROR_NOT_FOUND, "command not found");
	expect_error("/etc/passwd/program", KERNEL_X86_64, ERROR_NOT_FOUND, "command not found");
	expect_error("", KERNEL_X86_64, ERROR_NOT_FOUND, "command not found");
	expect_error("/etc", KERNEL_X86_64, ERROR_CANNOT_EXECUTE, "Is a directory");
	expect_error("/dev/null", KERNEL_X86_64, ERROR_CANNOT_EXECUTE, "Permission denied");
	expect_error("/bin/true", KERNEL_I386, ERROR_CANNOT_EXECUTE, "--root");
	write_file("text", "neither this nor that\n", 0755);
	expect_error("text", KERNEL_X86_64, ERROR_CANNOT_EXECUTE, "neither a program nor a script");
	write_file("cut", "\177ELF\2\1\1", 0755);
	expect_error("cut", KERNEL_X86_64, ERROR_CANNOT_EXECUTE, "cut");
	write_file("command not found", "what a message says decides nothing\n", 0755);
	expect_error("command not found", KERNEL_X86_64, ERROR_CANNOT_EXECUTE, "command not found");
	write_file("closed", "#!/bin/sh\n", 0644);
	expect_error("closed", KERNEL_X86_64, ERROR_CANNOT_EXECUTE, "closed: Permission denied");
	write_file("orphan", "#!/nonexistent/shell\n", 0755);
	expect_error("orphan", KERNEL_X86_64, ERROR_NOT_FOUND, "orphan: its interpreter: /nonexistent/shell: command not found");
	write_file("orphan2", "#!/usr/bin/env nothing-of-this-name\n", 0755);
	expect_error("orphan2", KERNEL_X86_64, ERROR_NOT_FOUND, "orphan2: its interpreter: nothing-of-this-name: command not found");
	snprintf(loop, sizeof(loop), "#!%s/loop\n", directory);
	write_file("loop", loop, 0755);
	expect_error("loop", KERNEL_X86_64, ERROR_CANNOT_EXECUTE, "too many interpreters");
}

/* Names of the environment become names of files. */
static void test_locale_names(void **state)
{
	static char *const bad[][2] = {
		{"LC_ALL=..", NULL}, {"LC_ALL=.", NULL}, {"LANG=../../etc", NULL}, {"LC_TIME=", NULL}, {"TERM=..", NULL}};
	static char *const known[] = {"LC_ALL=C.UTF-8", NULL};
	struct program program = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(program_add_usual_data(&program, "", bad[i]));
		assert_int_equal(program.files, 0);
		assert_int_equal(program.folders, 0);
	}
	assert_null(program_add_usual_data(&program, "", known));
	assert_true(program_has(&program, "/usr/lib/locale/C.utf8/LC_CTYPE", NULL));
	program_deinit(&program);
}

/* A command's files are as they were; it is this process that cannot open any more. */
static void test_descriptors(void **state)
{
	struct rlimit old, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){0, old.rlim_max};
	for (none.rlim_cur = 3; none.rlim_cur < 16; none.rlim_cur++) {
		struct program program;
		struct error *err;

		setrlimit(RLIMIT_NOFILE, &none);
		err = program_collect("", "true", "/usr/bin:/bin", KERNEL_X86_64, &program);
		setrlimit(RLIMIT_NOFILE, &old);
		if (!err) {
			program_deinit(&program);
			break;
		}
		assert_int_equal(err->code, ERROR_FAILED);
		assert_non_null(strstr(err->message, "Too many open files"));
		error_destroy(err);
	}
	assert_true(none.rlim_cur > 4 && none.rlim_cur < 16); /* each of the limits below was met at another place */
}

/* A wrapped error is still what it was. */
static void test_codes(void **state)
{
	struct error *err = error_prefix(error_create_code(ERROR_NOT_FOUND, "%s", "inner"), "outer %d", 1);

	(void)state;
	assert_string_equal(err->message, "outer 1: inner");
	assert_int_equal(err->code, ERROR_NOT_FOUND);
	error_destroy(err);
	err = error_prefix(error_create("inner"), "outer");
	assert_int_equal(err->code, ERROR_FAILED);
	error_destroy(err);
}

static void test_data(void **state)
{
	struct program program = {0};
	char folder[128], path[160];

	(void)state;
	snprintf(folder, sizeof(folder), "%s/data", directory);
	mkdir(folder, 0755);
	write_file("data/one", "1", 0644);
	assert_null(program_add_data(&program, "", folder));
	assert_null(program_add_data(&program, "", "/nonexistent"));
	assert_int_equal(program.files, 1);
	snprintf(path, sizeof(path), "%s/one", folder);
	assert_string_equal(program.file[0].path, path);
	assert_true(program_has(&program, path, NULL));
	snprintf(path, sizeof(path), "%s/two", folder);
	assert_true(program_has(&program, path, NULL)); /* the folder's contents are the program's */
	snprintf(path, sizeof(path), "%s/../one", folder);
	assert_false(program_has(&program, path, NULL));
	program_deinit(&program);
}

/* An interpreter made for the test: its name, and what is compiled into it, say where it looks. */
static void test_modules(void **state)
{
	struct program program = {0};
	static const char compiled_in[] = "x/no/perl\0/usr/share/perl/5.36\0/a/perl:/b/perl5\0/usr/share/doc\0/cut/perl";
	char perl[128], python[128], library[128], expect[128];
	struct program_file files[] = {{perl, perl, 0755, PROGRAM_CODE},
				       {"/bin/python3", python, 0755, PROGRAM_CODE},
				       {library, library, 0755, PROGRAM_LIBRARY},
				       {"/bin/expect", expect, 0755, PROGRAM_CODE},
				       {"/bin/perldoc", "/bin/perldoc", 0755, PROGRAM_CODE}};

	(void)state;
	snprintf(perl, sizeof(perl), "%s/perl5.36", directory);
	snprintf(python, sizeof(python), "%s/python3.11", directory);
	snprintf(library, sizeof(library), "%s/libtcl8.6.so.0", directory);
	snprintf(expect, sizeof(expect), "%s/expect", directory);
	write_bytes("perl5.36", compiled_in, sizeof(compiled_in) - 1, 0755);
	write_file("python3.11", "", 0755);
	write_file("libtcl8.6.so.0", "", 0644);
	write_bytes("expect", "\0libtcl8.6.so.0", 16, 0755);
	program.file = files;
	program.files = sizeof(files) / sizeof(files[0]);
	assert_null(program_find_modules(&program, 0));
	program.files = 0;
	program.file = NULL;
	assert_true(program_has_modules_at(&program, perl, "/usr/share/perl/5.36/strict.pm"));
	assert_true(program_has_modules_at(&program, NULL, "/usr/share/perl/5.36"));
	assert_true(program_has_modules_at(&program, perl, "/a/perl/A.pm") && program_has_modules_at(&program, perl, "/b/perl5"));
	assert_false(program_has_modules_at(&program, "/bin/cat", "/usr/share/perl/5.36/strict.pm"));
	assert_false(program_has_modules_at(&program, perl, "/usr/share/perl/5.361"));
	assert_false(program_has_modules_at(&program, perl, "/no/perl/x") || program_has_modules_at(&program, perl, "/cut/perl/x"));
	assert_false(program_has_modules_at(&program, perl, "/usr/share/doc/x"));
	assert_true(program_has_modules_at(&program, "/bin/python3", "/root/.local/lib/python3.11/site-packages/x.pth"));
	assert_true(program_has_modules_at(&program, "/bin/python3", "/bin/pyvenv.cfg"));
	assert_true(program_has_modules_at(&program, "/bin/python3", "/usr/lib/python311.zip"));
	assert_false(program_has_modules_at(&program, "/bin/python3", "/usr/lib/python3.12/os.py"));
	assert_false(program_has_modules_at(&program, perl, "/usr/lib/python3.11/os.py"));
	assert_true(program_has_modules_at(&program, "/bin/expect", "/usr/lib/tcl8.6/init.tcl")); /* by the library */
	assert_false(program_has_modules_at(&program, "/bin/python3", "/usr/lib/tcl8.6/init.tcl"));
	program_deinit(&program);
}

/* A library that loads plug-ins for the program that has it: the folder is compiled into the library, beside other paths. */
static void test_plug_ins(void **state)
{
	struct program program = {0};
	static const char compiled_in[] = "x\0/usr/lib/x86_64-linux-gnu/xtables\0/run/xtables.lock\0/proc/net/ip_tables_names";
	char library[128], iptables[128];
	struct program_file files[] = {{iptables, iptables, 0755, PROGRAM_CODE}, {library, library, 0755, PROGRAM_LIBRARY}};

	(void)state;
	snprintf(library, sizeof(library), "%s/libxtables.so.12", directory);
	snprintf(iptables, sizeof(iptables), "%s/xtables-nft-multi", directory);
	write_bytes("libxtables.so.12", compiled_in, sizeof(compiled_in), 0644);
	write_bytes("xtables-nft-multi", "\0libxtables.so.12", 18, 0755);
	program.file = files;
	program.files = sizeof(files) / sizeof(files[0]);
	assert_null(program_find_modules(&program, 0));
	program.files = 0;
	program.file = NULL;
	assert_true(program_has_modules_at(&program, iptables, "/usr/lib/x86_64-linux-gnu/xtables/libxt_limit.so"));
	assert_false(program_has_modules_at(&program, iptables, "/run/xtables.lock"));
	assert_false(program_has_modules_at(&program, "/bin/cat", "/usr/lib/x86_64-linux-gnu/xtables/libxt_limit.so"));
	program_deinit(&program);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : 1;
}

static int teardown(void **state)
{
	char command[160];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dynamic),      cmocka_unit_test(test_loader),  cmocka_unit_test(test_script),
		cmocka_unit_test(test_errors),       cmocka_unit_test(test_data),    cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_codes),        cmocka_unit_test(test_modules), cmocka_unit_test(test_plug_ins),
		cmocka_unit_test(test_locale_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
