/* Finding and reading .ko files (loader/module_files.h). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "loader/module_files.h"
#include "tests/unit/kernel_rig.h"

struct tree {
	char folder[64];
};

static void put(const struct tree *tree, const char *name, struct bytes bytes)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", tree->folder, name);
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0777);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
	fclose(file);
	free(bytes.data);
}

static struct bytes text(const char *string)
{
	struct bytes bytes = bytes_alloc(strlen(string));

	memcpy(bytes.data, string, bytes.size);
	return bytes;
}

static int make_tree(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	strcpy(tree->folder, "/tmp/test_module_files.XXXXXX");
	assert_non_null(mkdtemp(tree->folder));
	*state = tree;
	return 0;
}

static int remove_tree(void **state)
{
	struct tree *tree = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", tree->folder);
	assert_int_equal(system(command), 0);
	free(tree);
	return 0;
}

/* The paths, below the tree's folder, of the modules of a name. */
static void assert_found(const struct tree *tree, const struct module_files *files, const char *name, const char *const *paths)
{
	size_t first, count = module_files_find(files, name, &first);

	for (size_t i = 0; i < count; i++) {
		assert_non_null(paths[i]);
		assert_string_equal(files->file[first + i].path + strlen(tree->folder) + 1, paths[i]);
	}
	assert_null(paths[count]);
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_find(void **state)
{
	static const char *const names[] = {"kernel/net/a-b_c.ko", "kernel/fs/ext4/ext4.ko.xz",
					    "extra/ext4.ko",       "updates/dkms/ext4.ko.zst",
					    "kernel/a.ko.gz",      "modules.dep",
					    "kernel/x.ko.old",     "kernel/.ko",
					    "build/b.ko"};
	const struct tree *tree = *state;
	struct module_files files = {0};
	char folder[128], link[128];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put(tree, names[i], text("x"));
	snprintf(folder, sizeof(folder), "%s/kernel", tree->folder);
	snprintf(link, sizeof(link), "%s/source", tree->folder);
	assert_int_equal(symlink(folder, link), 0); /* not followed */
	snprintf(link, sizeof(link), "%s/weak-updates", tree->folder);
	mkdir(link, 0777);
	snprintf(link, sizeof(link), "%s/weak-updates/w.ko", tree->folder);
	assert_int_equal(symlink("../extra/ext4.ko", link), 0);
	assert_null(module_files_add(&files, tree->folder));
	assert_int_equal(files.count, 7);
	assert_found(tree, &files, "a_b_c", PATHS("kernel/net/a-b_c.ko"));
	assert_found(tree, &files, "a-b-c", PATHS("kernel/net/a-b_c.ko"));
	assert_found(tree, &files, "ext4", PATHS("updates/dkms/ext4.ko.zst", "extra/ext4.ko", "kernel/fs/ext4/ext4.ko.xz"));
	assert_found(tree, &files, "a", PATHS("kernel/a.ko.gz"));
	assert_found(tree, &files, "b", PATHS("build/b.ko"));
	assert_found(tree, &files, "w", PATHS("weak-updates/w.ko"));
	assert_found(tree, &files, "ext", PATHS());
	assert_found(tree, &files, "", PATHS());
	assert_found(tree, &files, "zzz", PATHS());
	module_files_deinit(&files);
}

static void assert_listed(const struct tree *tree, const char *name, const char *wanted)
{
	char *path = module_files_listed(tree->folder, name);

	if (wanted) {
		assert_non_null(path);
		assert_string_equal(path + strlen(tree->folder) + 1, wanted);
	} else {
		assert_null(path);
	}
	free(path);
}

static void test_listed(void **state)
{
	const struct tree *tree = *state;

	assert_listed(tree, "a", NULL);
	put(tree, "modules.order", text("kernel/net/a-b_c.ko\nkernel/fs/ext4/ext4.ko\n\nkernel/gone.ko\n/\nx.ko\nkernel/last.ko"));
	put(tree, "kernel/net/a-b_c.ko", text("x"));
	put(tree, "kernel/fs/ext4/ext4.ko.xz", text("x"));
	put(tree, "kernel/last.ko.zst", text("x"));
	put(tree, "x.ko", text("x"));
	assert_listed(tree, "a_b_c", "kernel/net/a-b_c.ko");
	assert_listed(tree, "a-b-c", "kernel/net/a-b_c.ko");
	assert_listed(tree, "ext4", "kernel/fs/ext4/ext4.ko.xz");
	assert_listed(tree, "last", "kernel/last.ko.zst");
	assert_listed(tree, "gone", NULL);
	assert_listed(tree, "xt4", NULL);
	assert_listed(tree, "b_c", NULL);
	assert_listed(tree, "x", NULL); /* no build lists a file without a folder */
	assert_listed(tree, "", NULL);
}

/* Folders that are not there; and two of them. */
static void test_folders(void **state)
{
	const struct tree *tree = *state;
	struct module_files files = {0};
	char folder[128];

	put(tree, "one/a.ko", text("x"));
	put(tree, "two/updates/a.ko", text("x"));
	assert_null(module_files_add(&files, "/nowhere/at/all"));
	snprintf(folder, sizeof(folder), "%s/one/a.ko/b", tree->folder);
	assert_null(module_files_add(&files, folder));
	assert_int_equal(files.count, 0);
	assert_found(tree, &files, "a", PATHS());
	snprintf(folder, sizeof(folder), "%s/one/", tree->folder);
	assert_null(module_files_add(&files, folder));
	snprintf(folder, sizeof(folder), "%s/two", tree->folder);
	assert_null(module_files_add(&files, folder));
	assert_found(tree, &files, "a", PATHS("two/updates/a.ko", "one/a.ko"));
	module_files_deinit(&files);
	module_files_deinit(&files);
}

/* -- reading -- */

enum { SIZE = 300000 };

static struct bytes make_data(void)
{
	struct bytes data = bytes_alloc(SIZE);
	uint32_t random = 1;

	for (size_t i = 0; i < SIZE; i++) {
		random = random * 1664525 + 1013904223;
		data.data[i] = i % 7 ? i >> 9 : random >> 24;
	}
	memcpy(data.data, "\177ELF", 4);
	return data;
}

static struct error *read_file(const struct tree *tree, const char *name, uint8_t **ret, size_t *ret_size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", tree->folder, name);
	return module_file_read(path, ret, ret_size);
}

static void assert_problem(const struct tree *tree, const char *name, const char *problem)
{
	uint8_t *bytes;
	size_t size;
	struct error *err = read_file(tree, name, &bytes, &size);

	assert_non_null(err);
	if (!strstr(err->message, problem) || !strstr(err->message, name))
		fail_msg("'%s' lacks '%s' or '%s'", err->message, problem, name);
	error_destroy(err);
}

/* With a checksum, as zstd(1) makes it. */
static struct bytes pack_zstd_checked(const uint8_t *data, size_t size)
{
	struct bytes out = bytes_alloc(ZSTD_compressBound(size));
	ZSTD_CCtx *context = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	out.size = ZSTD_compress2(context, out.data, out.size, data, size);
	assert_false(ZSTD_isError(out.size));
	ZSTD_freeCCtx(context);
	return out;
}

static const struct {
	const char *name;
	struct bytes (*pack)(const uint8_t *data, size_t size);
} formats[] = {{"a.ko.xz", pack_xz}, {"a.ko.gz", pack_gzip}, {"a.ko.zst", pack_zstd_checked}};

static void test_read(void **state)
{
	const struct tree *tree = *state;
	struct bytes data = make_data();

	put(tree, "a.ko", make_data());
	for (unsigned i = 0; i < 4; i++) {
		const char *name = i < 3 ? formats[i].name : "a.ko";
		uint8_t *bytes;
		size_t size;

		if (i < 3)
			put(tree, name, formats[i].pack(data.data, data.size));
		assert_null(read_file(tree, name, &bytes, &size));
		assert_int_equal(size, SIZE);
		assert_memory_equal(bytes, data.data, SIZE);
		free(bytes);
	}
	put(tree, "b.ko.xz", make_data()); /* whatever its name is */
	assert_problem(tree, "c.ko", "No such file");
	free(data.data);
}

static void test_damaged(void **state)
{
	const struct tree *tree = *state;
	struct bytes data = make_data();

	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct bytes packed = formats[i].pack(data.data, data.size), cut = bytes_alloc(packed.size / 2);

		memcpy(cut.data, packed.data, cut.size);
		put(tree, "cut.ko", cut);
		assert_problem(tree, "cut.ko", "cut off");
		for (size_t k = 0; k < 200; k++)
			packed.data[packed.size / 2 + k] ^= 0x5a;
		put(tree, "damaged.ko", packed);
		assert_problem(tree, "damaged.ko", "damaged");
	}
	free(data.data);
}

/* A file that no module has the size of. It has holes for all but nothing of it. */
static void test_too_large(void **state)
{
	const struct tree *tree = *state;
	char path[128];

	put(tree, "large.ko", text("x"));
	snprintf(path, sizeof(path), "%s/large.ko", tree->folder);
	assert_int_equal(truncate(path, (1 << 30) + 1), 0);
	assert_problem(tree, "large.ko", "more than 1 GiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_listed, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_folders, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_read, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_damaged, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_too_large, make_tree, remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
