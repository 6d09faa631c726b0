/* Banners, and the files of kernels that they name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/banner.h"
#include "loader/kernel_find.h"
#include "loader/kernel_packages.h"
#include "util/tree.h"

#define RELEASE "6.1.0-56-amd64"
#define BUILDER "debian-kernel@lists.debian.org"
#define COMPILER "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40"
#define VERSION "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
#define TEXT "Linux version " RELEASE " (" BUILDER ") (" COMPILER ") " VERSION

static struct banner parsed(const char *text)
{
	struct banner banner;

	assert_true(banner_parse(text, strlen(text), &banner));
	return banner;
}

static void takes_banners_apart(void **state)
{
	struct banner banner = parsed(TEXT "\nmore");

	(void)state;
	assert_string_equal(banner.text, TEXT);
	assert_string_equal(banner.release, RELEASE);
	assert_string_equal(banner.builder, BUILDER);
	assert_string_equal(banner.version, VERSION);
}

static void tells_whether_there_may_be_several_cpus(void **state)
{
	static const struct {
		const char *version;
		bool smp;
	} cases[] = {
		{"#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", true},
		{"#45~22.04.1-Ubuntu SMP PREEMPT_DYNAMIC Mon Sep 2 12:00:00 UTC 2026", true},
		{"#1 SMP", true},
		{"#1 Mon Sep 2 12:00:00 UTC 2026", false},
		{"#1-SMPLE PREEMPT Mon Sep 2 12:00:00 UTC 2026", false},
		{"#1 SMPLE Mon Sep 2 12:00:00 UTC 2026", false},
	};
	char text[BANNER_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct banner banner;

		snprintf(text, sizeof(text), "Linux version " RELEASE " (SMP SMP) (SMP SMP) %s\n", cases[i].version);
		banner = parsed(text);
		assert_int_equal(banner_is_smp(&banner), cases[i].smp);
	}
}

static void refuses_what_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"Linux version ",
		"Linux version %s (%s)\n",
		"Linux version " RELEASE "\n",
		TEXT,                                                                             /* does not end */
		"Linux version " RELEASE " (" BUILDER ") (" COMPILER ") # SMP PREEMPT\n",         /* the placeholder of init/version.c */
		"Linux version ../../6.1 (" BUILDER ") (" COMPILER ") " VERSION "\n",             /* no release */
		"Linux version 6.1/../../x (" BUILDER ") (" COMPILER ") " VERSION "\n",           /* not fit for a file name */
		"Linux version " RELEASE " (" BUILDER ") (" COMPILER ") #1 SMP \033[2J Debian\n", /* not fit for a terminal */
		"Linux version 6.1234567890123456789012345678901234567890123456789012345678901234567890 (a@b) (gcc) #1\n",
	};
	struct banner banner;
	char longest[2 * BANNER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(banner_parse(texts[i], strlen(texts[i]), &banner));
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, TEXT, strlen(TEXT));
	longest[sizeof(longest) - 1] = '\n';
	assert_false(banner_parse(longest, sizeof(longest), &banner));
}

static void finds_banners(void **state)
{
	static const char data[] = "Linux version %s (%s)\n\0Linux version Linux version " RELEASE "\n" TEXT "\n\0" TEXT;
	struct banner banner;
	const uint8_t *found = banner_search((const uint8_t *)data, sizeof(data) - 1, &banner);

	(void)state;
	assert_ptr_equal(found, data + sizeof(data) - 1 - 2 * strlen(TEXT) - 2);
	assert_null(banner_search(found + 1, (const uint8_t *)data + sizeof(data) - 1 - found - 1, &banner));
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* As long as it takes to look at each byte once, by simple means. */
static double measure_bytes(const uint8_t *data, size_t size)
{
	double start = seconds();
	volatile unsigned lines = 0;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return seconds() - start;
}

/* Nothing that memory can be full of makes the search slow: it took 45 times as long as looking at the bytes. */
static void searches_in_linear_time(void **state)
{
	static const char *const fillings[] = {"Linux version ", "Linux version 6", "Linux version 6\n", "LLLLLLLL",
					       "Linux version 6.1 (a) (b) (c) #"};
	enum { SIZE = 16 << 20 };
	uint8_t *data = malloc(SIZE);
	struct banner banner;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++) {
		size_t length = strlen(fillings[i]);
		double start;

		for (size_t at = 0; at < SIZE; at++)
			data[at] = fillings[i][at % length];
		memcpy(data + SIZE - sizeof(TEXT), TEXT "\n", sizeof(TEXT));
		start = seconds();
		assert_ptr_equal(banner_search(data, SIZE, &banner), data + SIZE - sizeof(TEXT));
		assert_true(seconds() - start < 20 * measure_bytes(data, SIZE));
	}
	free(data);
}

static bool debian_package(const struct banner *banner, struct kernel_packages *ret)
{
	return kernel_packages_of(banner, true, ret) && ret->family == PACKAGES_APT;
}

static void names_debian_packages(void **state)
{
	struct kernel_packages packages;
	struct banner banner = parsed(TEXT "\n");

	(void)state;
	assert_true(debian_package(&banner, &packages));
	assert_string_equal(packages.package[0].name, "linux-image-6.1.0-56-amd64");
	assert_string_equal(packages.package[0].version, "6.1.192-2");
	banner = parsed("Linux version 6.19.3+deb14-amd64 (a@b) (gcc) #1 SMP Debian 6.19.3-1 (2026-03-01)\n");
	assert_true(debian_package(&banner, &packages));
	assert_string_equal(packages.package[0].name, "linux-binary-6.19.3+deb14-amd64");
	banner = parsed("Linux version 7.3-cloud-amd64 (a@b) (gcc) #1 SMP Debian 7.3-1 (2026-11-01)\n");
	assert_true(debian_package(&banner, &packages));
	assert_string_equal(packages.package[0].name, "linux-binary-7.3-cloud-amd64");
	banner = parsed("Linux version 6.1.0 (me@home) (gcc) #12 SMP Tue Nov 24 2026\n");
	assert_false(debian_package(&banner, &packages));
	banner = parsed("Linux version 6.1.0 (me@home) (gcc) #12 SMP Debian 1;reboot (2026-11-24)\n");
	assert_false(debian_package(&banner, &packages));
}

/* What the setup header of a bzImage has of the banner. */
static void compares_with_images(void **state)
{
#define UBUNTU                                                                                                                             \
	"Linux version 5.15.0-91-generic (buildd@lcy02-amd64-045) (gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0) #101-Ubuntu SMP Tue Nov 14"
#define SQUEEZE                                                                                                                            \
	"Linux version 2.6.32-5-amd64 (Debian 2.6.32-48squeeze6) (jmm@debian.org) (gcc version 4.3.5) #1 SMP Tue May 13 16:34:35 UTC "     \
	"2014\n"
	static const struct {
		const char *banner, *image;
		bool fits;
	} cases[] = {
		{TEXT "\n", RELEASE " (" BUILDER ") " VERSION, true},
		{TEXT "\n", RELEASE " (" BUILDER ") " VERSION " ", false},
		{TEXT "\n", RELEASE " (" BUILDER ") #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-11-01)", false},
		{TEXT "\n", RELEASE " (" BUILDER ") #1 SMP PREEMPT_DYNAMIC Debian 6.1.192", false},
		{TEXT "\n", RELEASE " (" BUILDER ") #1", false},
		{TEXT "\n", RELEASE " (else@where) " VERSION, false},
		{TEXT "\n", RELEASE " (gcc-12 (Debian 12.2.0-14+deb12u1) " VERSION, false},
		{TEXT "\n", RELEASE "-x (" BUILDER ") " VERSION, false},
		{TEXT "\n", "6.1.0-56 (" BUILDER ") " VERSION, false},
		{TEXT "\n", RELEASE, false},
		{TEXT "\n", "", false},
		{UBUNTU " (Ubuntu 5.15.0-91.101-generic 5.15.131)\n",
		 "5.15.0-91-generic (buildd@lcy02-amd64-045) #101-Ubuntu SMP Tue Nov 14", true},
		{UBUNTU "\n", "5.15.0-91-generic (buildd@lcy02-amd64-045) #101-Ubuntu SMP Tue Nov 14", true},
		{UBUNTU " (Ubuntu 5.15.0-91.101-generic 5.15.131)\n", "5.15.0-91-generic (buildd@lcy02-amd64-045) #101-Ubuntu SMP Tue Nov",
		 false},
		{UBUNTU " (Ubuntu 5.15.0-91.101-generic 5.15.131) x\n",
		 "5.15.0-91-generic (buildd@lcy02-amd64-045) #101-Ubuntu SMP Tue Nov 14", false},
		{SQUEEZE, "2.6.32-5-amd64 (Debian 2.6.32-48squeeze6) (jmm@debian.org) #1 SMP Tue May 13 16:34:35 UTC 2014", true},
		{SQUEEZE, "2.6.32-5-amd64 (jmm@debian.org) #1 SMP Tue May 13 16:34:35 UTC 2014", true},
		{SQUEEZE, "2.6.32-5-amd64 (Debian 2.6.32-48squeeze6) #1 SMP Tue May 13 16:34:35 UTC 2014", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct banner banner = parsed(cases[i].banner);

		if (banner_fits_bzimage(&banner, cases[i].image) != cases[i].fits)
			fail_msg("%s: %s", cases[i].banner, cases[i].image);
	}
}

static void names_builds(void **state)
{
	struct banner banner = parsed(TEXT "\n"), other = parsed("Linux version " RELEASE " (a@b) (gcc) #2\n");
	char name[BANNER_NAME_MAX], second[BANNER_NAME_MAX];

	(void)state;
	banner_name(&banner, name);
	banner_name(&other, second);
	assert_memory_equal(name, RELEASE "-", strlen(RELEASE "-"));
	assert_int_equal(strlen(name), strlen(RELEASE "-") + 16);
	assert_string_not_equal(name, second);
}

/* What another process filled in. */
static void knows_unsound_banners(void **state)
{
	struct banner banner = parsed(TEXT "\n");

	(void)state;
	assert_true(banner_is_sound(&banner));
	strcpy(banner.release, "../../x");
	assert_false(banner_is_sound(&banner));
	banner = parsed(TEXT "\n");
	banner.text[20] = '\n';
	assert_false(banner_is_sound(&banner));
	banner = parsed(TEXT "\n");
	memset(banner.version, 'x', sizeof(banner.version));
	assert_false(banner_is_sound(&banner));
}

/* -- finding files -- */

/* A bzImage as far as its version string. */
static void write_bzimage(const char *path, const char *version)
{
	uint8_t image[0x4000] = {0};
	const uint16_t pointer = 0x3000 - 0x200;
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	memcpy(image + 0x1fe, "\x55\xaa", 2);
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	memcpy(image + 0x20e, &pointer, sizeof(pointer));
	strcpy((char *)image + 0x3000, version);
	assert_int_equal(fwrite(image, 1, sizeof(image), file), sizeof(image));
	assert_int_equal(fclose(file), 0);
}

struct place {
	char directory[64], boot[96], kernel[160];
};

static void make_place(struct place *place)
{
	strcpy(place->directory, "/tmp/test-banner-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->boot, sizeof(place->boot), "%s/boot", place->directory);
	assert_int_equal(mkdir(place->boot, 0700), 0);
	snprintf(place->kernel, sizeof(place->kernel), "%s/vmlinuz-" RELEASE "-test", place->boot);
	assert_int_equal(setenv("XDG_CACHE_HOME", place->directory, 1), 0);
}

static void remove_place(const struct place *place)
{
	unlink(place->kernel);
	rmdir(place->boot);
	rmdir(place->directory);
}

static const char wanted[] = "Linux version " RELEASE "-test (" BUILDER ") (" COMPILER ") " VERSION "\n";

static void finds_kernels(void **state)
{
	struct banner banner = parsed(wanted);
	struct kernel_sources sources = {0};
	struct place place;
	char list[200], *path = NULL;
	struct error *err;

	(void)state;
	make_place(&place);
	write_bzimage(place.kernel, RELEASE "-test (" BUILDER ") " VERSION);
	snprintf(list, sizeof(list), "/none::%s", place.directory);
	sources.path = list;
	err = kernel_find(&banner, &sources, &path);
	if (err)
		fail_msg("%s", err->message);
	assert_string_equal(path, place.kernel);
	free(path);
	sources.path = place.boot;
	assert_null(kernel_find(&banner, &sources, &path));
	free(path);
	sources = (struct kernel_sources){.file = place.kernel};
	assert_null(kernel_find(&banner, &sources, &path));
	free(path);
	remove_place(&place);
}

/* Where packages put an image, of a release whose flavour is `test`; and what was unpacked in the cache. */
static void finds_kernels_of_packages(void **state)
{
	static const char *const places[] = {
		"vmlinuz-" RELEASE "-test",
		"boot/vmlinuz-" RELEASE "-test",
		"lib/modules/" RELEASE "-test/vmlinuz",
		"boot/vmlinuz-test",
		"usr/lib/modules/" RELEASE "-test/vmlinuz",
		NULL,
	};
	struct banner banner = parsed(wanted);

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char name[BANNER_NAME_MAX], path[300], *found;
		struct kernel_sources sources = {0};
		struct place place;
		struct error *err;

		make_place(&place);
		banner_name(&banner, name);
		if (places[i])
			snprintf(path, sizeof(path), "%s/%s", place.directory, places[i]);
		else
			snprintf(path, sizeof(path), "%s/xray86/kernels/%s/boot/vmlinuz-" RELEASE "-test", place.directory, name);
		for (char *slash = path + strlen(place.directory); (slash = strchr(slash + 1, '/'));) {
			*slash = '\0';
			mkdir(path, 0700);
			*slash = '/';
		}
		write_bzimage(path, RELEASE "-test (" BUILDER ") " VERSION);
		sources.path = places[i] ? place.directory : NULL;
		err = kernel_find(&banner, &sources, &found);
		if (err)
			fail_msg("%s: %s", path, err->message);
		assert_string_equal(found, path);
		free(found);
		if (places[i]) {
			assert_null(kernel_find_below(place.directory, &banner, &found));
			assert_string_equal(found, path);
			free(found);
			write_bzimage(path, RELEASE "-test (" BUILDER ") #2");
			err = kernel_find_below(place.directory, &banner, &found);
			assert_non_null(err);
			assert_memory_equal(err->message, path + strlen(place.directory) + 1, strlen(path) - strlen(place.directory) - 1);
			assert_non_null(strstr(err->message, "is a kernel of another build"));
			error_destroy(err);
		}
		assert_true(tree_remove(place.directory));
	}
}

static bool add_line(void *opaque, const char *path)
{
	strcat(opaque, path);
	strcat(opaque, "\n");
	return true;
}

static void tells_where_modules_are(void **state)
{
	struct banner banner = parsed("Linux version 6.1-x (a@b) (gcc) #1\n");
	struct kernel_sources sources = {.file = "/image/vmlinuz", .path = "/one//:two"};
	char lines[4096] = "", expected[4096], name[BANNER_NAME_MAX];

	(void)state;
	assert_int_equal(setenv("XDG_CACHE_HOME", "/cache", 1), 0);
	banner_name(&banner, name);
	snprintf(expected, sizeof(expected),
		 "/image/lib/modules/6.1-x\n/image/usr/lib/modules/6.1-x\n"
		 "/image/../lib/modules/6.1-x\n/image/../usr/lib/modules/6.1-x\n/image/../6.1-x\n"
		 "/one/lib/modules/6.1-x\n/one/usr/lib/modules/6.1-x\n"
		 "/one/../lib/modules/6.1-x\n/one/../usr/lib/modules/6.1-x\n/one/../6.1-x\n"
		 "two/lib/modules/6.1-x\ntwo/usr/lib/modules/6.1-x\n"
		 "two/../lib/modules/6.1-x\ntwo/../usr/lib/modules/6.1-x\ntwo/../6.1-x\n"
		 "/lib/modules/6.1-x\n/usr/lib/modules/6.1-x\n"
		 "/cache/xray86/kernels/lib/modules/6.1-x\n/cache/xray86/kernels/usr/lib/modules/6.1-x\n"
		 "/cache/xray86/kernels/%s/lib/modules/6.1-x\n/cache/xray86/kernels/%s/usr/lib/modules/6.1-x\n",
		 name, name);
	kernel_module_folders(&banner, &sources, add_line, lines);
	assert_string_equal(lines, expected);
}

static void assert_not_found(const struct banner *banner, const struct kernel_sources *sources, const char *words)
{
	char *path;
	struct error *err = kernel_find(banner, sources, &path);

	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	assert_null(strchr(err->message, '\n'));
	error_destroy(err);
}

static void says_which_kernel_is_needed(void **state)
{
	struct banner banner = parsed(wanted);
	struct kernel_sources sources = {0};
	struct place place;

	(void)state;
	make_place(&place);
	assert_not_found(&banner, &sources, "needed is Linux " RELEASE "-test (" BUILDER ")");
	assert_not_found(&banner, &sources, "type xray86 kernel SNAPSHOT --get");
	assert_not_found(&banner, &sources, "by --kernel-path");
	write_bzimage(place.kernel, RELEASE "-test (" BUILDER ") #1 SMP PREEMPT_DYNAMIC Debian 6.1.190-1 (2026-10-01)");
	sources.path = place.boot;
	assert_not_found(&banner, &sources, "is a kernel of another build");
	assert_not_found(&banner, &sources, "Debian 6.1.192-2 (2026-11-16)");
	sources = (struct kernel_sources){.file = place.kernel};
	assert_not_found(&banner, &sources, "is not the kernel of the snapshot; needed is Linux " RELEASE "-test");
	sources.file = "/none/at/all";
	assert_not_found(&banner, &sources, "No such file");
	banner = parsed("Linux version 6.1.0-none (me@home) (gcc) #12 SMP Tue Nov 24 2026\n");
	sources.file = NULL;
	assert_not_found(&banner, &sources, "Linux 6.1.0-none (me@home), \"#12 SMP Tue Nov 24 2026\": to get it");
	remove_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_banners_apart),     cmocka_unit_test(tells_whether_there_may_be_several_cpus),
		cmocka_unit_test(refuses_what_is_none),    cmocka_unit_test(finds_banners),
		cmocka_unit_test(searches_in_linear_time), cmocka_unit_test(names_debian_packages),
		cmocka_unit_test(finds_kernels),           cmocka_unit_test(says_which_kernel_is_needed),
		cmocka_unit_test(compares_with_images),    cmocka_unit_test(names_builds),
		cmocka_unit_test(knows_unsound_banners),   cmocka_unit_test(finds_kernels_of_packages),
		cmocka_unit_test(tells_where_modules_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
