/* Paths of a process's open files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "redirect/descriptor_path.h"

static void assert_named(const char *path, uint32_t pid, uint32_t fd, bool info, const char *rest)
{
	struct descriptor_path named;

	assert_true(descriptor_path_parse(path, &named));
	assert_int_equal(named.pid, pid);
	assert_int_equal(named.fd, fd);
	assert_int_equal(named.info, info);
	assert_string_equal(named.rest, rest);
}

static void finds_all_names(void **state)
{
	(void)state;
	assert_named("/dev/stdin", 0, 0, false, "");
	assert_named("/dev/stderr/", 0, 2, false, "/");
	assert_named("/dev/fd/63", 0, 63, false, "");
	assert_named("/proc/self/fd/3", 0, 3, false, "");
	assert_named("/proc/self/fdinfo/3", 0, 3, true, "");
	assert_named("/proc/thread-self/fd/0", 0, 0, false, "");
	assert_named("/proc/412/fd/3", 412, 3, false, "");
	assert_named("/proc/412/task/413/fdinfo/3", 413, 3, true, "");
	assert_named("/proc/self/task/413/fd/3", 413, 3, false, "");
	assert_named("/proc/self/fd/3/etc/../passwd", 0, 3, false, "/etc/../passwd");
	assert_named("//proc/./self///fd/./3/", 0, 3, false, "/");
	assert_named("/proc/self/fd/4294967295", 0, UINT32_MAX, false, "");
}

static void leaves_other_paths(void **state)
{
	static const char *const paths[] = {
		"",
		"/",
		"/proc",
		"/dev/fd",
		"/dev/fd/",
		"/dev/stdinx",
		"/dev/std",
		"dev/stdin",
		"proc/self/fd/3",
		"/proc/self/fd",
		"/proc/self/fd/",
		"/proc/self/fd/x",
		"/proc/self/fd/3x",
		"/proc/self/fd/03",
		"/proc/self/fd/-1",
		"/proc/self/fd/4294967296",
		"/proc/self/fd/42949672950",
		"/proc/self/task/fd/3",
		"/proc/self/task/0/fd/3",
		"/proc/self/maps/3",
		"/proc/0/fd/3",
		"/proc/1x/fd/3",
		"/proc/self/../self/fd/3",
		"/tmp/proc/self/fd/3",
	};
	struct descriptor_path named;

	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_false(descriptor_path_parse(paths[i], &named));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_all_names),
		cmocka_unit_test(leaves_other_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
