/* Checkpoints: checkpoint.h. */
#include "session/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/machine_state.h"
#include "util/align.h"
#include "util/owned.h"
#include "util/read_at.h"

static const char magic[8] = "xray86cp";

enum { MAX_KEY = 65536, MAX_HEAD = 16 << 20 };

struct header {
	char magic[8];
	uint64_t key_size, state_size, extra_size; /* key_size with the final 0 */
	uint64_t ram_offset, file_size;
	uint64_t checksum; /* of key, state and extra */
};

/* FNV-1a. */
static uint64_t checksum(const uint8_t *bytes, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3;
	return hash;
}

static uint64_t ram_size(const struct machine *machine)
{
	uint64_t size = 0;

	for (size_t i = 0; i < machine->mem.count; i++) {
		if (machine->mem.region[i].kind == PHYSMEM_RAM)
			size += machine->mem.region[i].size;
	}
	return size;
}

/* -- saving -- */

static bool write_at(int fd, const void *from, size_t size, uint64_t offset)
{
	const uint8_t *at = from;

	while (size) {
		ssize_t n = pwrite(fd, at, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += n;
		size -= n;
	}
	return true;
}

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

/* Runs of pages that are not zero; the rest stays a hole. */
static bool write_region(int fd, const struct physmem_region *region, uint64_t offset)
{
	for (uint64_t at = 0, end; at < region->size; at = end) {
		bool zero = is_zero(region->host + at);

		for (end = at + PAGE_SIZE; end < region->size && is_zero(region->host + end) == zero;)
			end += PAGE_SIZE;
		if (!zero && !write_at(fd, region->host + at, end - at, offset + at))
			return false;
	}
	return true;
}

static bool write_ram(int fd, const struct machine *machine, uint64_t offset)
{
	for (size_t i = 0; i < machine->mem.count; i++) {
		const struct physmem_region *region = &machine->mem.region[i];

		if (region->kind != PHYSMEM_RAM)
			continue;
		if (!write_region(fd, region, offset))
			return false;
		offset += region->size;
	}
	return true;
}

static bool write_all(int fd, const char *key, const struct machine *machine, const void *extra, size_t extra_size)
{
	struct header header = {.key_size = strlen(key) + 1, .state_size = machine_state_size(), .extra_size = extra_size};
	size_t size = header.key_size + header.state_size + header.extra_size;
	uint8_t *head = malloc(size);
	bool good;

	if (!head)
		return false;
	memcpy(header.magic, magic, sizeof(magic));
	memcpy(head, key, header.key_size);
	machine_state_save(machine, head + header.key_size);
	memcpy(head + header.key_size + header.state_size, extra, extra_size);
	header.checksum = checksum(head, size);
	header.ram_offset = align_up(sizeof(header) + size, PAGE_SIZE);
	header.file_size = header.ram_offset + ram_size(machine);
	good = ftruncate(fd, header.file_size) == 0 && write_at(fd, &header, sizeof(header), 0) &&
	       write_at(fd, head, size, sizeof(header)) && write_ram(fd, machine, header.ram_offset);
	free(head);
	return good;
}

/* -- files that are being written -- */

enum { NUMBER_DIGITS = 8 };

/* Whether it is a name that create_temporary() gives, for whatever checkpoint of this kind ("name.kind"). */
static bool is_temporary(const char *entry, const char *name)
{
	const char *number = strrchr(entry, '.'), *kind = strrchr(name, '.');
	size_t length = number ? number - entry : 0, kind_length = kind ? strlen(kind) : 0;

	return number && kind_length && strlen(number + 1) == NUMBER_DIGITS && strspn(number + 1, "0123456789abcdef") == NUMBER_DIGITS &&
	       length > kind_length && strncmp(number - kind_length, kind, kind_length) == 0;
}

/* A writer locks its file, and the lock goes with the process: what can be locked is of one that was killed. */
static void remove_if_abandoned(int directory, const char *entry)
{
	int fd = openat(directory, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(directory, entry, 0);
	close(fd);
}

static void remove_abandoned(int directory, const char *name)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(stream));) {
		if (is_temporary(entry->d_name, name))
			remove_if_abandoned(directory, entry->d_name);
	}
	closedir(stream);
}

/*
 * Another writer may have come across the new file before it was locked, and taken it for abandoned: false: it has, or is about to. Where
 * files cannot be locked, none is taken for abandoned.
 */
static bool lock_new(int directory, const char *name, int fd)
{
	struct stat ours, named;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno != EWOULDBLOCK;
	return fstat(fd, &ours) == 0 && fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == named.st_ino &&
	       ours.st_dev == named.st_dev;
}

/* A name that no file has yet, and the new file, locked. */
static int create_temporary(int directory, const char *name, char **ret_temporary)
{
	for (unsigned tries = 0; tries < 16; tries++) {
		uint32_t number;
		int fd;

		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -1;
		if (asprintf(ret_temporary, "%s.%08" PRIx32, name, number) < 0) {
			*ret_temporary = NULL;
			return -1;
		}
		fd = openat(directory, *ret_temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
		if (fd < 0 ? errno != EEXIST : lock_new(directory, *ret_temporary, fd))
			return fd;
		if (fd >= 0)
			close(fd);
		free(*ret_temporary);
		*ret_temporary = NULL;
	}
	return -1;
}

/* The contents come before the name, or a power failure leaves a name without contents. Some file systems cannot sync folders. */
static bool publish(int directory, int fd, const char *temporary, const char *name)
{
	if (fsync(fd) < 0 || renameat(directory, temporary, directory, name) < 0)
		return false;
	return fsync(directory) == 0 || errno == EINVAL;
}

struct error *checkpoint_save(int directory, const char *name, const char *key, const struct machine *machine, const void *extra,
			      size_t extra_size)
{
	struct error *err = NULL;
	char *temporary = NULL;
	int fd;

	remove_abandoned(directory, name);
	fd = create_temporary(directory, name, &temporary);
	if (fd < 0) {
		err = error_create("%s: %s", name, strerror(errno));
	} else if (!write_all(fd, key, machine, extra, extra_size) || !publish(directory, fd, temporary, name)) {
		err = error_create("%s: %s", name, strerror(errno));
		unlinkat(directory, temporary, 0);
	}
	if (fd >= 0)
		close(fd);
	free(temporary);
	return err;
}

/* -- loading -- */

struct checkpoint {
	int fd;
	struct header header;
	uint8_t *head; /* key, state, extra */
};

static bool read_whole(int fd, void *to, size_t size, uint64_t offset)
{
	return read_at(fd, offset, to, size) == (ssize_t)size;
}

static bool is_sound(const struct header *header, int fd, size_t extra_size)
{
	struct stat status;
	uint64_t size = header->key_size + header->state_size + header->extra_size;

	return memcmp(header->magic, magic, sizeof(magic)) == 0 && header->key_size > 0 && header->key_size <= MAX_KEY &&
	       header->state_size == machine_state_size() && header->extra_size == extra_size && size <= MAX_HEAD &&
	       header->ram_offset == align_up(sizeof(*header) + size, PAGE_SIZE) && fstat(fd, &status) == 0 &&
	       (uint64_t)status.st_size == header->file_size && header->file_size >= header->ram_offset;
}

static bool read_head(struct checkpoint *checkpoint, size_t extra_size)
{
	struct header *header = &checkpoint->header;
	size_t size;

	if (!read_whole(checkpoint->fd, header, sizeof(*header), 0) || !is_sound(header, checkpoint->fd, extra_size))
		return false;
	size = header->key_size + header->state_size + header->extra_size;
	checkpoint->head = malloc(size);
	return checkpoint->head && read_whole(checkpoint->fd, checkpoint->head, size, sizeof(*header)) &&
	       checksum(checkpoint->head, size) == header->checksum &&
	       memchr(checkpoint->head, 0, size) == checkpoint->head + header->key_size - 1;
}

struct checkpoint *checkpoint_open_fd(int fd, size_t extra_size)
{
	struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));

	if (!checkpoint) {
		close(fd);
		return NULL;
	}
	checkpoint->fd = fd;
	if (read_head(checkpoint, extra_size))
		return checkpoint;
	checkpoint_close(checkpoint);
	return NULL;
}

struct error *checkpoint_open(int directory, const char *name, size_t extra_size, struct checkpoint **ret)
{
	int fd;
	struct error *err = owned_file_open(directory, name, &fd);

	*ret = fd < 0 ? NULL : checkpoint_open_fd(fd, extra_size);
	return err;
}

struct error *checkpoint_hold(const char *key, const struct machine *machine, const void *extra, size_t extra_size, struct checkpoint **ret)
{
	int fd = memfd_create("checkpoint", MFD_CLOEXEC);

	*ret = NULL;
	if (fd >= 0 && write_all(fd, key, machine, extra, extra_size)) {
		*ret = checkpoint_open_fd(fd, extra_size);
		return *ret ? NULL : error_create("out of memory");
	}
	if (fd >= 0)
		close(fd);
	return error_create("no memory to keep a booted kernel in: %s", strerror(errno));
}

void checkpoint_close(struct checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	close(checkpoint->fd);
	free(checkpoint->head);
	free(checkpoint);
}

const char *checkpoint_key(const struct checkpoint *checkpoint)
{
	return (const char *)checkpoint->head;
}

const void *checkpoint_extra(const struct checkpoint *checkpoint)
{
	return checkpoint->head + checkpoint->header.key_size + checkpoint->header.state_size;
}

static bool map_ram(int fd, struct machine *machine, uint64_t offset)
{
	for (size_t i = 0; i < machine->mem.count; i++) {
		const struct physmem_region *region = &machine->mem.region[i];
		struct error *err;

		if (region->kind != PHYSMEM_RAM)
			continue;
		err = physmem_map_file(&machine->mem, region->start, fd, offset);
		if (err) {
			error_destroy(err);
			return false;
		}
		offset += region->size;
	}
	return true;
}

bool checkpoint_load(const struct checkpoint *checkpoint, struct machine *machine)
{
	const struct header *header = &checkpoint->header;

	return header->file_size - header->ram_offset == ram_size(machine) && map_ram(checkpoint->fd, machine, header->ram_offset) &&
	       machine_state_load(machine, checkpoint->head + header->key_size);
}
