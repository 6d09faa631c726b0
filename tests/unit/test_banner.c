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

static void names_debian_packages(void **state)
{
	char name[BANNER_MAX], version[BANNER_MAX];
	struct banner banner = parsed(TEXT "\n");

	(void)state;
	assert_true(banner_debian_package(&banner, name, version));
	assert_string_equal(name, "linux-image-6.1.0-56-amd64");
	assert_string_equal(version, "6.1.192-2");
	banner = parsed("Linux version 6.19.3+deb14-amd64 (a@b) (gcc) #1 SMP Debian 6.19.3-1 (2026-03-01)\n");
	assert_true(banner_debian_package(&banner, name, version));
	assert_string_equal(name, "linux-binary-6.19.3+deb14-amd64");
	banner = parsed("Linux version 7.3-cloud-amd64 (a@b) (gcc) #1 SMP Debian 7.3-1 (2026-11-01)\n");
	assert_true(banner_debian_package(&banner, name, version));
	assert_string_equal(name, "linux-binary-7.3-cloud-amd64");
	banner = parsed("Linux version 6.1.0 (me@home) (gcc) #12 SMP Tue Nov 24 2026\n");
	assert_false(banner_debian_package(&banner, name, version));
	banner = parsed("Linux version 6.1.0 (me@home) (gcc) #12 SMP Debian 1;reboot (2026-11-24)\n");
	assert_false(banner_debian_package(&banner, name, version));
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
	assert_not_found(&banner, &sources, "`apt-get download linux-image-" RELEASE "-test=6.1.192-2`");
	assert_not_found(&banner, &sources, "--kernel-path DIR");
	banner = parsed("Linux version 6.1.0-0-686-pae (a@b) (gcc) #1 SMP Debian 6.1.1-1 (2026-03-01)\n");
	assert_not_found(&banner, &sources, "linux-image-6.1.0-0-686-pae:i386=6.1.1-1");
	banner = parsed(wanted);
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
	assert_not_found(&banner, &sources, "Linux 6.1.0-none (me@home), \"#12 SMP Tue Nov 24 2026\": give the file by --kernel");
	remove_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_banners_apart),         cmocka_unit_test(refuses_what_is_none),  cmocka_unit_test(finds_banners),
		cmocka_unit_test(searches_in_linear_time),     cmocka_unit_test(names_debian_packages), cmocka_unit_test(finds_kernels),
		cmocka_unit_test(says_which_kernel_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
