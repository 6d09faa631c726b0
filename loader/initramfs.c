/* Making an initial file system: initramfs.h. */
#include "loader/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { ROOM = 65536 /* for headers and padding */ };

static bool add(struct archive *archive, const char *path, mode_t mode, dev_t device, const uint8_t *data, size_t size)
{
	struct archive_entry *entry = archive_entry_new();
	bool good;

	if (!entry)
		return false;
	archive_entry_set_pathname(entry, path);
	archive_entry_set_mode(entry, mode);
	archive_entry_set_nlink(entry, 1);
	archive_entry_set_rdev(entry, device);
	archive_entry_set_size(entry, size);
	archive_entry_set_mtime(entry, 0, 0);
	good = archive_write_header(archive, entry) == ARCHIVE_OK && archive_write_data(archive, data, size) == (la_ssize_t)size;
	archive_entry_free(entry);
	return good;
}

static bool fill(struct archive *archive, const uint8_t *init, size_t size)
{
	return add(archive, "dev", S_IFDIR | 0755, 0, NULL, 0) && add(archive, "dev/console", S_IFCHR | 0600, makedev(5, 1), NULL, 0) &&
	       add(archive, "init", S_IFREG | 0755, 0, init, size) && archive_write_close(archive) == ARCHIVE_OK;
}

struct error *initramfs_build(const uint8_t *init, size_t size, uint8_t **ret, size_t *ret_size)
{
	struct archive *archive = archive_write_new();
	uint8_t *bytes = malloc(size + ROOM);
	bool good;

	good = archive && bytes && archive_write_set_format_cpio_newc(archive) == ARCHIVE_OK &&
	       archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
	       archive_write_open_memory(archive, bytes, size + ROOM, ret_size) == ARCHIVE_OK && fill(archive, init, size);
	archive_write_free(archive);
	if (!good) {
		free(bytes);
		return error_create("making the initial file system: out of memory");
	}
	*ret = bytes;
	return NULL;
}
