/* Packages: what of them is unpacked, and where. Archives are made by libarchive, hostile ones, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/package.h"
#include "util/tree.h"

#define RELEASE "6.1.0-56-amd64"
#define KERNEL "what a kernel is"
#define MODULE "what a module is"

enum { ROOM = 1 << 20 };

/* -- making archives -- */

struct bytes {
	uint8_t *data;
	size_t size;
};

struct item {
	const char *name;
	mode_t mode;
	const char *text; /* contents, or what a link leads to */
	bool hard;
};

#define FILE_ITEM(name, text)                                                                                                              \
	{                                                                                                                                  \
		name, S_IFREG | 0644, text, false                                                                                          \
	}

static void add(struct archive *archive, const struct item *item)
{
	struct archive_entry *entry = archive_entry_new();
	size_t size = S_ISREG(item->mode) && !item->hard ? strlen(item->text) : 0;

	archive_entry_set_pathname(entry, item->name);
	archive_entry_set_mode(entry, item->mode);
	archive_entry_set_nlink(entry, 1);
	archive_entry_set_size(entry, size);
	if (item->hard)
		archive_entry_set_hardlink(entry, item->text);
	if (S_ISLNK(item->mode))
		archive_entry_set_symlink(entry, item->text);
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	if (size)
		assert_int_equal(archive_write_data(archive, item->text, size), size);
	archive_entry_free(entry);
}

/* set_format and add_filter are libarchive's. */
static struct bytes make(int (*set_format)(struct archive *), int (*add_filter)(struct archive *), const struct item *item, size_t items)
{
	struct archive *archive = archive_write_new();
	struct bytes bytes = {.data = malloc(ROOM)};

	assert_non_null(bytes.data);
	assert_int_equal(set_format(archive), ARCHIVE_OK);
	assert_int_equal(add_filter(archive), ARCHIVE_OK);
	archive_write_set_bytes_per_block(archive, 0);
	assert_int_equal(archive_write_open_memory(archive, bytes.data, ROOM, &bytes.size), ARCHIVE_OK);
	for (size_t i = 0; i < items; i++)
		add(archive, &item[i]);
	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_write_free(archive);
	return bytes;
}

static struct bytes compress_bytes(struct bytes bytes, int (*add_filter)(struct archive *))
{
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	struct bytes ret = {.data = malloc(ROOM)};

	archive_write_set_format_raw(archive);
	add_filter(archive);
	archive_write_set_bytes_per_block(archive, 0);
	assert_int_equal(archive_write_open_memory(archive, ret.data, ROOM, &ret.size), ARCHIVE_OK);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(archive, bytes.data, bytes.size), bytes.size);
	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_entry_free(entry);
	archive_write_free(archive);
	return ret;
}

static void append(struct bytes *to, const void *data, size_t size)
{
	assert_true(to->size + size <= ROOM);
	memcpy(to->data + to->size, data, size);
	to->size += size;
}

/* A member of an ar archive. */
static void append_member(struct bytes *to, const char *name, const void *data, size_t size)
{
	char header[61];

	snprintf(header, sizeof(header), "%-16s%-12d%-6d%-6d%-8o%-10zu`\n", name, 0, 0, 0, 0100644, size);
	append(to, header, 60);
	append(to, data, size);
	if (size % 2)
		append(to, "\n", 1);
}

static struct bytes make_deb(int (*add_filter)(struct archive *), const char *name, const struct item *item, size_t items)
{
	const struct item control = FILE_ITEM("./control", "Package: linux-image\n");
	struct bytes inner = make(archive_write_set_format_gnutar, add_filter, item, items), ret = {.data = malloc(ROOM)};
	struct bytes other = make(archive_write_set_format_gnutar, archive_write_add_filter_xz, &control, 1);

	append(&ret, "!<arch>\n", 8);
	append_member(&ret, "debian-binary", "2.0\n", 4);
	append_member(&ret, "control.tar.xz", other.data, other.size);
	append_member(&ret, name, inner.data, inner.size);
	free(inner.data);
	free(other.data);
	return ret;
}

static struct bytes make_deb_xz(const struct item *item, size_t items)
{
	return make_deb(archive_write_add_filter_xz, "data.tar.xz", item, items);
}

static struct bytes make_deb_zst(const struct item *item, size_t items)
{
	return make_deb(archive_write_add_filter_zstd, "data.tar.zst/", item, items);
}

/* A lead, two headers without entries (the first with 8 bytes of data), and a compressed cpio archive. */
static struct bytes make_rpm(const struct item *item, size_t items)
{
	static const uint8_t lead[96] = {0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1, 'k', 'e', 'r', 'n', 'e', 'l', [77] = 1, [79] = 5};
	static const uint8_t signature[24] = {0x8e, 0xad, 0xe8, 1, [15] = 8}, header[16] = {0x8e, 0xad, 0xe8, 1};
	struct bytes payload = make(archive_write_set_format_cpio_newc, archive_write_add_filter_xz, item, items),
		     ret = {.data = malloc(ROOM)};

	append(&ret, lead, sizeof(lead));
	append(&ret, signature, sizeof(signature));
	append(&ret, header, sizeof(header));
	append(&ret, payload.data, payload.size);
	free(payload.data);
	return ret;
}

static struct bytes make_pacman(const struct item *item, size_t items)
{
	return make(archive_write_set_format_pax_restricted, archive_write_add_filter_zstd, item, items);
}

/* Signature, control and data: three tar archives, each compressed by itself, and the first two without an end. */
static struct bytes make_apk(const struct item *item, size_t items)
{
	static const struct item first[] = {FILE_ITEM(".SIGN.RSA.pub", "signature"), FILE_ITEM(".PKGINFO", "pkgname = linux-lts\n")};
	struct bytes ret = {.data = malloc(ROOM)};

	for (int i = 0; i < 3; i++) {
		struct bytes tar = i < 2 ? make(archive_write_set_format_ustar, archive_write_add_filter_none, &first[i], 1)
					 : make(archive_write_set_format_pax_restricted, archive_write_add_filter_none, item, items);
		struct bytes compressed;

		if (i < 2)
			tar.size = 1024; /* a header, and a block of data */
		compressed = compress_bytes(tar, archive_write_add_filter_gzip);
		append(&ret, compressed.data, compressed.size);
		free(tar.data);
		free(compressed.data);
	}
	return ret;
}

static const struct {
	const char *name;
	struct bytes (*make)(const struct item *item, size_t items);
} kinds[] = {
	{".deb with xz", make_deb_xz},
	{".deb with zstd", make_deb_zst},
	{".rpm", make_rpm},
	{".pkg.tar.zst", make_pacman},
	{".apk", make_apk},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* -- unpacking them -- */

struct place {
	char outer[64], folder[80];
	int fd;
};

static void make_place(struct place *place)
{
	strcpy(place->outer, "/tmp/test-package-XXXXXX");
	assert_non_null(mkdtemp(place->outer));
	snprintf(place->folder, sizeof(place->folder), "%s/tree", place->outer);
	assert_int_equal(mkdir(place->folder, 0700), 0);
	place->fd = open(place->folder, O_RDONLY | O_DIRECTORY);
	assert_true(place->fd >= 0);
}

static void remove_place(struct place *place)
{
	close(place->fd);
	assert_true(tree_remove(place->outer));
}

static struct error *unpack(const struct bytes *bytes, const struct place *place, const struct package_limits *limits, uint64_t *ret_files)
{
	int fd = memfd_create("package", MFD_CLOEXEC);
	struct error *err;

	assert_int_equal(write(fd, bytes->data, bytes->size), bytes->size);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	err = package_unpack(fd, RELEASE, place->fd, limits, ret_files);
	close(fd);
	return err;
}

static void assert_content(const struct place *place, const char *name, const char *text)
{
	char content[64] = {0};
	int fd = openat(place->fd, name, O_RDONLY | O_NOFOLLOW);

	if (fd < 0)
		fail_msg("there is no %s", name);
	assert_true(read(fd, content, sizeof(content) - 1) >= 0);
	close(fd);
	assert_string_equal(content, text);
}

/* Regular files, and nothing else but folders. */
static bool count_file(void *opaque, const char *path, const struct stat *status)
{
	if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode))
		fail_msg("%s is neither a file nor a folder", path);
	*(uint64_t *)opaque += S_ISREG(status->st_mode);
	return true;
}

static uint64_t count_files(const char *path)
{
	uint64_t files = 0;

	assert_true(tree_walk(path, count_file, &files));
	return files;
}

/* Of a package of this kind with these items; the place is made anew. How many files there are. */
static uint64_t unpack_items(size_t kind, const struct item *items, size_t count, struct place *place)
{
	struct bytes bytes = kinds[kind].make(items, count);
	struct error *err;
	uint64_t files;

	make_place(place);
	err = unpack(&bytes, place, &package_limits, &files);
	if (err)
		fail_msg("%s: %s", kinds[kind].name, err->message);
	free(bytes.data);
	return files;
}

static void unpacks_packages_of_all_kinds(void **state)
{
	static const struct item items[] = {
		{"./boot/", S_IFDIR | 0755, "", false},
		FILE_ITEM("./boot/vmlinuz-" RELEASE, KERNEL),
		FILE_ITEM("./usr/share/doc/linux/copyright", "text"),
		FILE_ITEM("./lib/modules/" RELEASE "/kernel/fs/ext4/ext4.ko.xz", MODULE),
		FILE_ITEM("./lib/modules/6.1.0-55-amd64/kernel/fs/ext4/ext4.ko.xz", "another release"),
		FILE_ITEM("./usr/lib/modules/" RELEASE "/modules.builtin", ""),
		FILE_ITEM("./etc/passwd", "root::0:0::/:"),
	};

	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct place place;

		assert_int_equal(unpack_items(kind, items, sizeof(items) / sizeof(items[0]), &place), 3);
		assert_content(&place, "boot/vmlinuz-" RELEASE, KERNEL);
		assert_content(&place, "lib/modules/" RELEASE "/kernel/fs/ext4/ext4.ko.xz", MODULE);
		assert_content(&place, "lib/modules/" RELEASE "/modules.builtin", "");
		assert_int_equal(count_files(place.outer), 3);
		remove_place(&place);
	}
}

/* -- hostile ones -- */

/* Names that lead out, and links that do. Nothing of them is there afterwards, inside or outside. */
static void makes_nothing_outside(void **state)
{
	static const struct item items[] = {
		FILE_ITEM("../evil", "x"),
		FILE_ITEM("boot/../../evil", "x"),
		FILE_ITEM("/tmp/test-package-evil", "x"),
		FILE_ITEM("boot/..", "x"),
		FILE_ITEM("lib/modules/" RELEASE "/../../../../evil", "x"),
		FILE_ITEM("usr/lib/modules/../../../../evil", "x"),
		FILE_ITEM("lib/modules/" RELEASE "/new\nline", "x"),
		{"lib", S_IFLNK | 0777, "/tmp", false},
		{"boot", S_IFLNK | 0777, "..", false},
		{"boot/vmlinuz-link", S_IFLNK | 0777, "../../victim", false},
		{"boot/pipe", S_IFIFO | 0666, "", false},
		FILE_ITEM("boot/vmlinuz-link", "first"),
		FILE_ITEM("boot/vmlinuz-link", "second"),
	};

	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct place place;

		assert_int_equal(unpack_items(kind, items, sizeof(items) / sizeof(items[0]), &place), 2); /* of one name */
		assert_content(&place, "boot/vmlinuz-link", "first");
		assert_int_equal(count_files(place.outer), 1);
		assert_int_equal(access("/tmp/test-package-evil", F_OK), -1);
		remove_place(&place);
	}
}

static void assert_refused(const struct bytes *bytes, const struct package_limits *limits, const char *words)
{
	struct place place;
	struct error *err;
	uint64_t files;

	make_place(&place);
	err = unpack(bytes, &place, limits, &files);
	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	assert_null(strchr(err->message, '\n'));
	error_destroy(err);
	remove_place(&place);
}

static void refuses_hard_links(void **state)
{
	static const struct item items[] = {FILE_ITEM("boot/one", "x"), {"boot/two", S_IFREG | 0644, "/etc/passwd", true}};
	struct bytes bytes = make_pacman(items, 2);

	(void)state;
	assert_refused(&bytes, &package_limits, "boot/two is another name");
	free(bytes.data);
}

/* Of which little is in the package: what is not unpacked counts, too. */
static void refuses_what_is_huge(void **state)
{
	static char zeros[100001];
	const struct item items[] = {FILE_ITEM("boot/one", "x"), FILE_ITEM("usr/share/two", zeros), FILE_ITEM("boot/three", "x")};

	(void)state;
	memset(zeros, '0', sizeof(zeros) - 1);
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct bytes bytes = kinds[kind].make(items, 3);

		assert_true(bytes.size < 20000);
		assert_refused(&bytes, &(struct package_limits){.bytes = 50000, .files = 100}, "far more");
		assert_refused(&bytes, &(struct package_limits){.bytes = 1 << 20, .files = 2}, "far more");
		free(bytes.data);
	}
}

/* A sparse file of 8 EiB. */
static void refuses_huge_holes(void **state)
{
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	struct bytes bytes = {.data = malloc(ROOM)};

	(void)state;
	archive_write_set_format_pax(archive);
	assert_int_equal(archive_write_open_memory(archive, bytes.data, ROOM, &bytes.size), ARCHIVE_OK);
	archive_entry_set_pathname(entry, "boot/vmlinuz-" RELEASE);
	archive_entry_set_mode(entry, S_IFREG | 0644);
	archive_entry_set_size(entry, INT64_MAX / 2);
	archive_entry_sparse_add_entry(entry, INT64_MAX / 2 - 1, 1);
	assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
	archive_entry_free(entry);
	archive_write_free(archive);
	assert_refused(&bytes, &package_limits, "");
	free(bytes.data);
}

/* Cut anywhere, and with any byte changed: an error or less, never a crash, and never anything outside. */
static void survives_damage(void **state)
{
	static const struct item items[] = {
		FILE_ITEM("boot/vmlinuz-" RELEASE, KERNEL),
		FILE_ITEM("lib/modules/" RELEASE "/kernel/fs/ext4/ext4.ko.xz", MODULE),
	};

	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct bytes bytes = kinds[kind].make(items, 2);
		size_t whole = bytes.size;
		struct place place;
		uint64_t files;

		make_place(&place);
		for (bytes.size = 0; bytes.size < whole; bytes.size += 7) {
			error_destroy(unpack(&bytes, &place, &package_limits, &files));
			assert_true(files <= 2);
		}
		bytes.size = whole;
		for (size_t at = 0; at < whole; at += 3) {
			bytes.data[at] ^= 0x5a;
			error_destroy(unpack(&bytes, &place, &(struct package_limits){1 << 20, 100}, &files));
			bytes.data[at] ^= 0x5a;
		}
		assert_true(count_files(place.folder) == count_files(place.outer));
		remove_place(&place);
		free(bytes.data);
	}
}

/* What is truncated before the kernel is at its end says so. */
static void tells_what_is_truncated(void **state)
{
	static char text[50001];
	const struct item item = FILE_ITEM("boot/vmlinuz-" RELEASE, text);

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = 'a' + (i * i % 251 + i / 7) % 26;
	for (size_t kind = 0; kind < KINDS; kind++) {
		struct bytes bytes = kinds[kind].make(&item, 1);

		bytes.size = bytes.size * 2 / 3;
		assert_refused(&bytes, &package_limits, "damaged");
		free(bytes.data);
	}
}

static void refuses_what_is_no_package(void **state)
{
	static const struct item control = FILE_ITEM("./control", "x");
	struct bytes bytes = {(uint8_t *)(uintptr_t) "This is a text, and no package at all.\n", 39};
	struct bytes deb = make_deb(archive_write_add_filter_xz, "other.tar.xz", &control, 1);

	(void)state;
	assert_refused(&bytes, &package_limits, "no package");
	assert_refused(&deb, &package_limits, "it has no data.tar");
	free(deb.data);
}

/* -- names -- */

static void knows_places(void **state)
{
	static const struct {
		const char *name, *place;
	} cases[] = {
		{"./boot/vmlinuz-1", "boot/vmlinuz-1"},
		{"boot/.vmlinuz.hmac", "boot/.vmlinuz.hmac"},
		{"lib/modules/" RELEASE "/vmlinuz", "lib/modules/" RELEASE "/vmlinuz"},
		{"./usr/lib/modules/" RELEASE "/a/b", "lib/modules/" RELEASE "/a/b"},
		{"boot/grub/grub.cfg", NULL},
		{"boot/", NULL},
		{"boot", NULL},
		{"/boot/vmlinuz-1", NULL},
		{"././boot/x", NULL},
		{"boot//x", NULL},
		{"usr/boot/x", NULL},
		{"usr/usr/lib/modules/" RELEASE "/x", NULL},
		{"lib/modules/" RELEASE "-rt/x", NULL},
		{"lib/modules/" RELEASE, NULL},
		{"lib/modules/" RELEASE "/", NULL},
		{"lib/modules/" RELEASE "/..", NULL},
		{"lib/modules/" RELEASE "/a/./b", NULL},
		{"lib/modules/" RELEASE "/...", "lib/modules/" RELEASE "/..."},
		{"lib/modules/" RELEASE "/a b", NULL},
		{"", NULL},
	};
	char place[PACKAGE_PLACE_MAX], name[2 * PACKAGE_PLACE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool belongs = package_place(cases[i].name, RELEASE, place);

		if (belongs != (cases[i].place != NULL))
			fail_msg("%s: %s", cases[i].name, belongs ? place : "nowhere");
		if (belongs)
			assert_string_equal(place, cases[i].place);
	}
	snprintf(name, sizeof(name), "boot/%0*d", PACKAGE_PLACE_MAX, 0);
	assert_false(package_place(name, RELEASE, place));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacks_packages_of_all_kinds),
		cmocka_unit_test(makes_nothing_outside),
		cmocka_unit_test(refuses_hard_links),
		cmocka_unit_test(refuses_what_is_huge),
		cmocka_unit_test(refuses_huge_holes),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(tells_what_is_truncated),
		cmocka_unit_test(refuses_what_is_no_package),
		cmocka_unit_test(knows_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
