/* Checkpoints: checkpoint.h. */
#include "loader/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/machine_state.h"

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
	header.ram_offset = (sizeof(header) + size + PAGE_SIZE - 1) & PAGE_MASK;
	header.file_size = header.ram_offset + ram_size(machine);
	good = ftruncate(fd, header.file_size) == 0 && write_at(fd, &header, sizeof(header), 0) &&
	       write_at(fd, head, size, sizeof(header)) && write_ram(fd, machine, header.ram_offset);
	free(head);
	return good;
}

struct error *checkpoint_save(const char *path, const char *key, const struct machine *machine, const void *extra, size_t extra_size)
{
	struct error *err = NULL;
	char *temporary;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return error_create("%s: out of memory", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		err = error_create("%s: %s", temporary, strerror(errno));
	} else if (!write_all(fd, key, machine, extra, extra_size) || rename(temporary, path)) {
		err = error_create("%s: %s", path, strerror(errno));
		unlink(temporary);
	}
	if (fd >= 0)
		close(fd);
	free(temporary);
	return err;
}

/* -- loading -- */

struct head {
	struct header header;
	uint8_t *bytes; /* key, state, extra */
};

static bool read_at(int fd, void *to, size_t size, uint64_t offset)
{
	uint8_t *at = to;

	while (size) {
		ssize_t n = pread(fd, at, size, offset);

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

static bool is_sound(const struct header *header, int fd, size_t extra_size)
{
	struct stat status;
	uint64_t size = header->key_size + header->state_size + header->extra_size;

	return memcmp(header->magic, magic, sizeof(magic)) == 0 && header->key_size > 0 && header->key_size <= MAX_KEY &&
	       header->state_size == machine_state_size() && header->extra_size == extra_size && size <= MAX_HEAD &&
	       header->ram_offset == ((sizeof(*header) + size + PAGE_SIZE - 1) & PAGE_MASK) && fstat(fd, &status) == 0 &&
	       (uint64_t)status.st_size == header->file_size && header->file_size >= header->ram_offset;
}

/* On success ret->bytes is to be freed. */
static bool read_head(int fd, size_t extra_size, struct head *ret)
{
	size_t size;

	if (!read_at(fd, &ret->header, sizeof(ret->header), 0) || !is_sound(&ret->header, fd, extra_size))
		return false;
	size = ret->header.key_size + ret->header.state_size + ret->header.extra_size;
	ret->bytes = malloc(size);
	if (ret->bytes && read_at(fd, ret->bytes, size, sizeof(ret->header)) && checksum(ret->bytes, size) == ret->header.checksum &&
	    ret->bytes[ret->header.key_size - 1] == 0)
		return true;
	free(ret->bytes);
	return false;
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

bool checkpoint_load(const char *path, const char *key, struct machine *machine, void *ret_extra, size_t extra_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct head head;
	bool good = fd >= 0 && read_head(fd, extra_size, &head);

	if (good) {
		good = strcmp((const char *)head.bytes, key) == 0 && head.header.file_size - head.header.ram_offset == ram_size(machine) &&
		       map_ram(fd, machine, head.header.ram_offset);
		if (good) {
			machine_state_load(machine, head.bytes + head.header.key_size);
			memcpy(ret_extra, head.bytes + head.header.key_size + head.header.state_size, extra_size);
		}
		free(head.bytes);
	}
	if (fd >= 0)
		close(fd);
	return good;
}

bool checkpoint_peek(const char *path, void *ret_extra, size_t extra_size, char **ret_key)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct head head;
	bool good = fd >= 0 && read_head(fd, extra_size, &head);

	if (good) {
		memcpy(ret_extra, head.bytes + head.header.key_size + head.header.state_size, extra_size);
		*ret_key = strdup((const char *)head.bytes);
		good = *ret_key;
		free(head.bytes);
	}
	if (fd >= 0)
		close(fd);
	return good;
}
