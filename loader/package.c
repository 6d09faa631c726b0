/* Unpacking packages: package.h. libarchive knows the formats; of a .deb, the archive data.tar.* is in an archive of the kind ar. */
#include "loader/package.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/quote.h"

const struct package_limits package_limits = {.bytes = 4ull << 30, .files = 100000};

enum { BLOCK = 65536 };

/* -- names -- */

/* Every component is a name of printable ASCII, and no step to elsewhere. */
static bool is_plain(const char *name)
{
	for (const char *at = name; *at; at++) {
		if (*at <= ' ' || *at > '~')
			return false;
	}
	for (;;) {
		size_t length = strcspn(name, "/");

		if (!length || (length <= 2 && strspn(name, ".") == length))
			return false;
		if (!name[length])
			return true;
		name += length + 1;
	}
}

static const char *skip(const char *name, const char *start)
{
	size_t length = strlen(start);

	return strncmp(name, start, length) == 0 ? name + length : NULL;
}

bool package_place(const char *name, const char *release, char *ret)
{
	const char *at = skip(name, "./"), *rest;

	name = at ? at : name;
	at = skip(name, "usr/lib/modules/");
	if (at)
		name += strlen("usr/");
	if (!is_plain(name) || (size_t)snprintf(ret, PACKAGE_PLACE_MAX, "%s", name) >= PACKAGE_PLACE_MAX)
		return false;
	rest = skip(name, "boot/");
	if (rest)
		return !strchr(rest, '/');
	rest = skip(name, "lib/modules/");
	rest = rest ? skip(rest, release) : NULL;
	return rest && *rest == '/';
}

/* -- files -- */

struct unpacking {
	struct archive *archive;
	const char *release;
	int folder;
	struct package_limits left;
	uint64_t files;
};

/* libarchive does not give a reason for every error. */
static const char *error_text(struct archive *archive)
{
	const char *text = archive_error_string(archive);

	return text ? text : "it makes no sense";
}

static struct error *describe(struct archive *archive)
{
	char quoted[QUOTE_LINE];

	return error_create("damaged, or no package: %s", quote_string(quoted, sizeof(quoted), error_text(archive)));
}

static struct error *too_large(void)
{
	return error_create("far more is in it than in a kernel's package");
}

static bool make_folders(int folder, const char *place)
{
	char path[PACKAGE_PLACE_MAX];

	for (const char *slash = strchr(place, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(slash - place), place);
		if (mkdirat(folder, path, 0777) != 0 && errno != EEXIST)
			return false;
	}
	return true;
}

/* No links are ever made below the folder, so none can be followed. -1, without an error: another file has the name. */
static struct error *make_file(const struct unpacking *unpacking, const char *place, int *ret_fd)
{
	bool good = make_folders(unpacking->folder, place);

	*ret_fd = good ? openat(unpacking->folder, place, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
	return *ret_fd >= 0 || (good && errno == EEXIST) ? NULL : error_create("%s: %s", place, strerror(errno));
}

/* pwrite() until all is written. */
static bool write_all(int fd, const uint8_t *data, size_t size, uint64_t offset)
{
	while (size) {
		ssize_t written = pwrite(fd, data, size, (off_t)offset);

		if (written < 0 && errno != EINTR)
			return false;
		if (written > 0) {
			data += written;
			offset += written;
			size -= written;
		}
	}
	return true;
}

/* Counts what goes up to `end`, holes, too. Returns false if it is too much, or goes back. */
static bool count(struct unpacking *unpacking, la_int64_t offset, size_t size, uint64_t *end)
{
	uint64_t left = unpacking->left.bytes, hole = (uint64_t)offset - *end;

	if (offset < 0 || (uint64_t)offset < *end || hole > left || size > left - hole)
		return false;
	unpacking->left.bytes -= hole + size;
	*end += hole + size;
	return true;
}

/* The entry's data, into a file; fd -1: nowhere. They are read in any case: what is passed over is counted, too. */
static struct error *copy_data(struct unpacking *unpacking, int fd)
{
	uint64_t end = 0;
	int status;

	do {
		const void *data = NULL;
		size_t size = 0;
		la_int64_t offset = (la_int64_t)end;

		status = archive_read_data_block(unpacking->archive, &data, &size, &offset);
		if (status != ARCHIVE_OK && status != ARCHIVE_WARN && status != ARCHIVE_EOF)
			return describe(unpacking->archive);
		if (status == ARCHIVE_EOF)
			size = 0; /* the offset is the file's size, which may be behind a hole */
		if (!count(unpacking, offset, size, &end))
			return too_large();
		if (fd >= 0 && !write_all(fd, data, size, offset))
			return error_create("%s", strerror(errno));
	} while (status != ARCHIVE_EOF);
	return fd < 0 || ftruncate(fd, (off_t)end) == 0 ? NULL : error_create("%s", strerror(errno));
}

static struct error *unpack_file(struct unpacking *unpacking, struct archive_entry *entry, const char *place)
{
	struct error *err;
	int fd;

	if (archive_entry_hardlink(entry))
		return error_create("its %s is another name of a file, which is not supported", place);
	err = make_file(unpacking, place, &fd);
	if (err)
		return err;
	err = copy_data(unpacking, fd);
	if (fd >= 0 && close(fd) != 0 && !err)
		err = error_create("%s", strerror(errno));
	unpacking->files++;
	return err ? error_prefix(err, "%s", place) : NULL;
}

static struct error *unpack_entry(struct unpacking *unpacking, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);
	char place[PACKAGE_PLACE_MAX];

	if (!unpacking->left.files--)
		return too_large();
	/* Of another name of a file libarchive does not always say that it is one. */
	if (name && (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFREG) &&
	    package_place(name, unpacking->release, place))
		return unpack_file(unpacking, entry, place);
	return copy_data(unpacking, -1);
}

/* -- archives -- */

/* Only what packages are made of, and nothing for which libarchive would start a program. */
static struct archive *open_formats(void)
{
	struct archive *archive = archive_read_new();

	if (!archive)
		return NULL;
	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_bzip2(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_lzma(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_filter_rpm(archive);
	archive_read_support_format_tar(archive);
	archive_read_support_format_cpio(archive);
	return archive;
}

static bool next(struct archive *archive, struct archive_entry **ret, struct error **ret_error)
{
	int status = archive_read_next_header(archive, ret);

	if (status == ARCHIVE_OK || status == ARCHIVE_WARN)
		return true;
	*ret_error = status == ARCHIVE_EOF ? NULL : describe(archive);
	return false;
}

static struct error *unpack_archive(struct unpacking *unpacking)
{
	struct archive_entry *entry;
	struct error *err = NULL;

	while (!err && next(unpacking->archive, &entry, &err))
		err = unpack_entry(unpacking, entry);
	return err;
}

/* The inner archive of a .deb, which is read from the outer one. */
static la_ssize_t read_outer(struct archive *inner, void *opaque, const void **ret)
{
	size_t size;
	la_int64_t offset;
	int status = archive_read_data_block(opaque, ret, &size, &offset);

	if (status == ARCHIVE_EOF)
		return 0;
	if (status == ARCHIVE_OK || status == ARCHIVE_WARN)
		return (la_ssize_t)size;
	archive_set_error(inner, EIO, "%s", error_text(opaque));
	return -1;
}

static struct error *unpack_inner(struct unpacking *unpacking, struct archive *outer)
{
	struct error *err;

	unpacking->archive = open_formats();
	if (!unpacking->archive)
		return error_create("out of memory");
	if (archive_read_open(unpacking->archive, outer, NULL, read_outer, NULL) == ARCHIVE_OK)
		err = unpack_archive(unpacking);
	else
		err = describe(unpacking->archive);
	archive_read_free(unpacking->archive);
	return err;
}

static struct error *unpack_deb(struct unpacking *unpacking, struct archive *outer)
{
	struct archive_entry *entry;
	struct error *err = NULL;

	while (!err && next(outer, &entry, &err)) {
		const char *name = archive_entry_pathname(entry);

		if (name && strncmp(name, "data.tar", strlen("data.tar")) == 0)
			return unpack_inner(unpacking, outer);
	}
	return err ? err : error_create("it has no data.tar: it is no .deb package");
}

static struct error *unpack_other(struct unpacking *unpacking, struct archive *archive)
{
	unpacking->archive = archive;
	return unpack_archive(unpacking);
}

struct error *package_unpack(int package, const char *release, int folder, const struct package_limits *limits, uint64_t *ret_files)
{
	static const char deb[] = "!<arch>\n";
	struct unpacking unpacking = {.release = release, .folder = folder, .left = *limits};
	struct archive *archive;
	struct error *err;
	char start[sizeof(deb) - 1];
	bool is_deb = pread(package, start, sizeof(start), 0) == sizeof(start) && memcmp(start, deb, sizeof(start)) == 0;

	archive = is_deb ? archive_read_new() : open_formats();
	if (!archive)
		return error_create("out of memory");
	if (is_deb)
		archive_read_support_format_ar(archive);
	if (archive_read_open_fd(archive, package, BLOCK) != ARCHIVE_OK)
		err = describe(archive);
	else
		err = is_deb ? unpack_deb(&unpacking, archive) : unpack_other(&unpacking, archive);
	archive_read_free(archive);
	*ret_files = unpacking.files;
	return err;
}
