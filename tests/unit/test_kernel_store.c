/* Kernels that were unpacked into the cache: made, replaced, found, told from what is of no use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/kernel_find.h"
#include "session/kernel_store.h"
#include "util/tree.h"

#define RELEASE "6.1.0-1-test"
#define SHORT RELEASE " (a@b) #1 SMP"

static char home[] = "/tmp/test-kernel-store-XXXXXX";

static int make_home(void **state)
{
	(void)state;
	return !mkdtemp(home) || setenv("XDG_CACHE_HOME", home, 1);
}

static int remove_home(void **state)
{
	(void)state;
	return !tree_remove(home);
}

static struct banner wanted(void)
{
	static const char text[] = "Linux version " RELEASE " (a@b) (gcc) #1 SMP\n";
	struct banner banner;

	assert_true(banner_parse(text, strlen(text), &banner));
	return banner;
}

/* A bzImage as far as its version string. */
static void write_image(const char *folder, const char *version)
{
	uint8_t image[0x1000] = {[0x1fe] = 0x55, [0x1ff] = 0xaa, [0x20f] = 0x06};
	char path[200];
	FILE *file;

	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	strcpy((char *)image + 0x800, version);
	snprintf(path, sizeof(path), "%s/boot", folder);
	mkdir(path, 0700);
	strcat(path, "/vmlinuz-" RELEASE);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(image, 1, sizeof(image), file), sizeof(image));
	assert_int_equal(fclose(file), 0);
}

static void make_kernel(const struct cache *store, const char *version)
{
	struct banner banner = wanted();
	char *path, tree[200];

	assert_null(kernel_store_begin(store, &path));
	snprintf(tree, sizeof(tree), "%s/" KERNEL_STORE_TREE, path);
	write_image(tree, version);
	assert_null(kernel_store_keep(store, path, &banner));
	assert_true(tree_remove(path));
	free(path);
}

struct seen {
	unsigned whole, made, useless;
};

static struct error *see(void *opaque, const struct stored_kernel *kernel)
{
	struct seen *seen = opaque;

	if (kernel->whole) {
		seen->whole++;
		assert_string_equal(kernel->banner.text, wanted().text);
		assert_false(kernel->being_made);
	} else if (kernel->being_made) {
		seen->made++;
	} else {
		seen->useless++;
	}
	return NULL;
}

static void expect_kernels(const struct cache *store, unsigned whole, unsigned made, unsigned useless)
{
	struct seen seen = {0};

	assert_null(kernel_store_for_each(store, see, &seen));
	assert_int_equal(seen.whole, whole);
	assert_int_equal(seen.made, made);
	assert_int_equal(seen.useless, useless);
}

static void keeps_kernels(void **state)
{
	struct banner banner = wanted();
	struct kernel_sources sources = {0};
	struct cache store;
	char *path, name[BANNER_NAME_MAX], expected[300];

	(void)state;
	assert_null(cache_open_folder(KERNEL_STORE, &store));
	expect_kernels(&store, 0, 0, 0);
	make_kernel(&store, RELEASE " (a@b) #2 SMP");
	expect_kernels(&store, 0, 0, 1);
	make_kernel(&store, SHORT); /* in its place */
	expect_kernels(&store, 1, 0, 0);
	banner_name(&banner, name);
	snprintf(expected, sizeof(expected), "%s/xray86/kernels/%s/boot/vmlinuz-" RELEASE, home, name);
	assert_null(kernel_find(&banner, &sources, &path));
	assert_string_equal(path, expected);
	free(path);
	assert_null(kernel_store_begin(&store, &path));
	expect_kernels(&store, 1, 1, 0);
	assert_true(tree_remove(path));
	free(path);
	cache_close(&store);
}

/* Files of the user's, and folders of other names, are none of the store's; one with another's name is of no use. */
static void knows_what_is_its_own(void **state)
{
	static const char *const names[] = {"vmlinuz-" RELEASE, "boot", "lib", RELEASE "-0123456789abcde", RELEASE "-0123456789abcdeX"};
	struct cache store;
	char path[300], other[300], name[BANNER_NAME_MAX];
	struct banner banner = wanted();

	(void)state;
	assert_null(cache_open_folder(KERNEL_STORE, &store));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", store.path, names[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	expect_kernels(&store, 1, 0, 0);
	banner_name(&banner, name);
	snprintf(path, sizeof(path), "%s/%s", store.path, name);
	snprintf(other, sizeof(other), "%s/" RELEASE "-0123456789abcdef", store.path);
	assert_int_equal(rename(path, other), 0);
	expect_kernels(&store, 0, 0, 1);
	cache_close(&store);
}

/* -- trees -- */

static void removes_trees_without_following_links(void **state)
{
	char tree[64], path[200], outside[64];

	(void)state;
	snprintf(tree, sizeof(tree), "%s/tree", home);
	snprintf(outside, sizeof(outside), "%s/outside", home);
	assert_int_equal(mkdir(tree, 0700) | mkdir(outside, 0700), 0);
	write_image(tree, SHORT);
	write_image(outside, SHORT);
	snprintf(path, sizeof(path), "%s/link", tree);
	assert_int_equal(symlink(outside, path), 0);
	assert_true(tree_size(tree) >= 4096 && tree_size(tree) < 5 * 4096);
	assert_true(tree_remove(tree));
	assert_int_equal(access(tree, F_OK), -1);
	assert_true(tree_remove(tree)); /* it is not there */
	snprintf(path, sizeof(path), "%s/boot/vmlinuz-" RELEASE, outside);
	assert_int_equal(access(path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_kernels),
		cmocka_unit_test(knows_what_is_its_own),
		cmocka_unit_test(removes_trees_without_following_links),
	};

	return cmocka_run_group_tests(tests, make_home, remove_home);
}
