/* What package managers are asked for. In their stead, scripts tell how they were called. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/package_manager.h"
#include "util/tree.h"

static char home[] = "/tmp/test-package-manager-XXXXXX";

static void make_program(const char *name, const char *script)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", home, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static void remove_program(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", home, name);
	assert_int_equal(unlink(path), 0);
}

static int make_home(void **state)
{
	(void)state;
	return !mkdtemp(home) || setenv("PATH", home, 1);
}

static int remove_home(void **state)
{
	(void)state;
	return !tree_remove(home);
}

static const struct kernel_package package = {.name = "linux-x", .version = "6.1-2"};

static void read_file(const char *name, char ret[1024])
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", home, name);
	file = fopen(path, "r");
	assert_non_null(file);
	ret[fread(ret, 1, 1023, file)] = '\0';
	fclose(file);
}

/* Each, of the family's most preferred down: it runs in the folder, its output is on our standard error, and its input is empty. */
static void asks_for_packages(void **state)
{
	static const struct {
		enum package_family family;
		const char *program, *line, *package;
	} cases[] = {
		{PACKAGES_APT, "apt-get", "-q download linux-x:amd64=6.1-2", "x_1_amd64.deb"},
		{PACKAGES_RPM, "yumdownloader", "--destdir DIR linux-x-6.1-2.amd64", "x.rpm"},
		{PACKAGES_RPM, "zypper", "--non-interactive --pkg-cache-dir DIR download linux-x.amd64=6.1-2", "x.rpm"},
		{PACKAGES_RPM, "dnf", "download --destdir DIR linux-x-6.1-2.amd64", "x.rpm"},
		{PACKAGES_PACMAN, "pacman", "-Sw --noconfirm -dd --cachedir DIR linux-x=6.1-2", "x.pkg.tar.zst"},
		{PACKAGES_APK, "apk", "fetch --output DIR linux-x=6.1-2", "x.apk"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct package_manager *manager;
		char folder[64], expected[1024], called[1024];
		const char *at = strstr(cases[i].line, "DIR");
		struct error *err;
		bool got;

		snprintf(folder, sizeof(folder), "%s/packages", home);
		mkdir(folder, 0700);
		assert_true(i && cases[i].family == cases[i - 1].family ? package_manager_find(cases[i].family) != NULL
									: package_manager_find(cases[i].family) == NULL);
		make_program(cases[i].program, "read line && exit 9; echo \"$@\" >called; pwd >>called");
		manager = package_manager_find(cases[i].family);
		assert_non_null(manager);
		assert_string_equal(package_manager_program(manager), cases[i].program);
		err = package_manager_download(manager, &package, "amd64", folder, &got);
		if (err)
			fail_msg("%s: %s", cases[i].program, err->message);
		assert_true(got);
		read_file("packages/called", called);
		snprintf(expected, sizeof(expected), "%.*s%s%s\n%s\n", (int)(at ? at - cases[i].line : 200), cases[i].line,
			 at ? folder : "", at ? at + 3 : "", folder);
		assert_string_equal(called, expected);
		assert_true(package_manager_makes(manager, cases[i].package));
		assert_false(package_manager_makes(manager, "x.pkg.tar.zst.sig"));
		assert_false(package_manager_makes(manager, "called"));
	}
}

static void tells_how_it_went(void **state)
{
	const struct package_manager *manager = package_manager_find(PACKAGES_APT);
	struct error *err;
	bool got = true;
	char *names;

	(void)state;
	signal(SIGINT, SIG_DFL); /* it is ignored in what a script runs in the background */
	make_program("apt-get", "exit 100");
	assert_null(package_manager_download(manager, &package, "amd64", home, &got));
	assert_false(got);
	make_program("apt-get", "kill -INT $$");
	err = package_manager_download(manager, &package, "amd64", home, &got);
	assert_non_null(err);
	assert_string_equal(err->message, "apt-get was ended by signal 2");
	error_destroy(err);
	make_program("apt-get", "trap 'exit 100' INT; kill -INT $PPID $$"); /* as a terminal does for Ctrl-C */
	err = package_manager_download(manager, &package, "amd64", home, &got);
	assert_non_null(err);
	assert_string_equal(err->message, "apt-get was interrupted");
	error_destroy(err);
	remove_program("apt-get");
	assert_null(package_manager_find(PACKAGES_APT));
	err = package_manager_download(manager, &package, "amd64", home, &got);
	assert_non_null(err);
	assert_string_equal(err->message, "apt-get cannot be started: No such file or directory");
	error_destroy(err);
	names = package_manager_names(PACKAGES_RPM);
	assert_string_equal(names, "dnf or zypper or yumdownloader");
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_packages),
		cmocka_unit_test(tells_how_it_went),
	};

	return cmocka_run_group_tests(tests, make_home, remove_home);
}
