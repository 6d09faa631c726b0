/* Snapshots: see snapshot.h. Here: which format a file has, and its extents; snapshot_read.c has the reading. */
#include "product/snapshot_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mmu/physmem.h"
#include "util/array.h"
#include "util/read_at.h"

/* Reservations beyond this fail anyway in the 2^47 bytes that a process has. */
#define MEMORY_LIMIT (1ull << 46)

/* -- the list of extents -- */

static void choose_main(struct snapshot *snapshot)
{
	snapshot->main = snapshot->ram.extent;
	for (size_t i = 1; i < snapshot->ram.count; i++) {
		if (snapshot->ram.extent[i].size > snapshot->main->size)
			snapshot->main = &snapshot->ram.extent[i];
	}
}

/* Makes the extents what snapshot.h promises. */
static struct error *arrange(struct snapshot *snapshot)
{
	snapshot->memory_size = extents_arrange(&snapshot->ram);
	extents_arrange(&snapshot->left_out);
	if (snapshot->memory_size > MEMORY_LIMIT)
		return error_create("malformed: more than %llu TiB of memory", MEMORY_LIMIT >> 40);
	if (!snapshot->memory_size)
		return error_create("it has not one whole page of memory: make the snapshot again");
	choose_main(snapshot);
	return NULL;
}

bool snapshot_split(struct snapshot *snapshot, uint64_t from, uint64_t to)
{
	struct extent *extent;

	if ((from | to) % PAGE_SIZE)
		return false;
	if (!array_reserve(&snapshot->ram.extent, snapshot->ram.count, &snapshot->ram.room, sizeof(*extent)))
		return false;
	extent = snapshot->ram.extent;
	extent[1] = (struct extent){.paddr = to, .size = extent[0].size - from, .position = extent[0].position + from, .place = from};
	extent[0].size = from;
	snapshot->ram.count = 2;
	choose_main(snapshot);
	return true;
}

void snapshot_join(struct snapshot *snapshot)
{
	snapshot->ram.extent[0].size += snapshot->ram.extent[1].size;
	snapshot->ram.count = 1;
	choose_main(snapshot);
}

/* -- opening -- */

static const struct snapshot_format *const formats[] = {
	&snapshot_elf, &snapshot_lime, &snapshot_avml, &snapshot_kdump, &snapshot_raw, /* takes anything: the last */
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

static struct error *read_head(const struct snapshot *snapshot, uint8_t head[SNAPSHOT_HEAD_SIZE], size_t *ret_size)
{
	ssize_t size = read_at(snapshot->fd, 0, head, SNAPSHOT_HEAD_SIZE);

	if (size < 0)
		return error_create("%s", strerror(errno));
	*ret_size = size;
	return size ? NULL : error_create("the file is empty");
}

static const struct snapshot_format *format_of(const uint8_t *head, size_t size)
{
	for (size_t i = 0; i < FORMATS; i++) {
		if (formats[i]->probe(head, size))
			return formats[i];
	}
	return &snapshot_raw;
}

/* Address space that costs memory only where it is written. */
static void *reserve(uint64_t size)
{
	void *space = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (space == MAP_FAILED)
		return NULL;
	madvise(space, size, MADV_NOHUGEPAGE); /* huge pages would cost more than what is touched; if this fails, they do */
	return space;
}

static uint64_t present_size(const struct snapshot *snapshot)
{
	return (snapshot->memory_size / PAGE_SIZE + 63) / 64 * sizeof(uint64_t);
}

static struct error *reserve_memory(struct snapshot *snapshot)
{
	snapshot->memory = reserve(snapshot->memory_size);
	snapshot->present = reserve(present_size(snapshot));
	if (snapshot->memory && snapshot->present)
		return NULL;
	return error_create("no address space for its %" PRIu64
			    " MiB of memory: lift the limit (ulimit -v, or sysctl vm.overcommit_memory=0)",
			    snapshot->memory_size >> 20);
}

static struct error *find_size(struct snapshot *snapshot)
{
	struct stat status;
	off_t end;

	if (fstat(snapshot->fd, &status) < 0)
		return error_create("%s", strerror(errno));
	if (S_ISDIR(status.st_mode))
		return error_create("%s", strerror(EISDIR));
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return error_create("it cannot be read at any position, as a file can: copy it into one");
	end = lseek(snapshot->fd, 0, SEEK_END);
	if (end < 0)
		return error_create("%s", strerror(errno));
	snapshot->file_size = end;
	snapshot->changed = status.st_mtim;
	return NULL;
}

/* A block device's time of change is its node's: it is left alone. */
enum snapshot_change snapshot_change(const struct snapshot *snapshot)
{
	off_t end = lseek(snapshot->fd, 0, SEEK_END);
	struct stat status;

	if (end < 0 || fstat(snapshot->fd, &status) < 0 || (uint64_t)end < snapshot->file_size)
		return SNAPSHOT_TRUNCATED;
	if (S_ISBLK(status.st_mode) || memcmp(&status.st_mtim, &snapshot->changed, sizeof(snapshot->changed)) == 0)
		return SNAPSHOT_SAME;
	return SNAPSHOT_CHANGED;
}

static struct error *open_file(struct snapshot *snapshot)
{
	uint8_t head[SNAPSHOT_HEAD_SIZE];
	struct error *err = find_size(snapshot);
	size_t size = 0;

	if (!err)
		err = read_head(snapshot, head, &size);
	if (!err)
		err = snapshot_refuse_foreign(snapshot, head, size);
	if (err)
		return err;
	snapshot->format = format_of(head, size);
	err = snapshot->format->open(snapshot);
	if (!err)
		err = arrange(snapshot);
	return err ? err : reserve_memory(snapshot);
}

struct error *snapshot_open_fd(int fd, const char *name, struct snapshot **ret)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
	struct error *err;

	if (!snapshot) {
		close(fd);
		return error_create("out of memory");
	}
	snapshot->fd = fd;
	err = open_file(snapshot);
	if (err) {
		snapshot_close(snapshot);
		return error_prefix(err, "%s", name);
	}
	*ret = snapshot;
	return NULL;
}

struct error *snapshot_open(const char *path, struct snapshot **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO is refused, not waited for */

	if (fd < 0)
		return error_create("%s: %s", path, strerror(errno));
	return snapshot_open_fd(fd, path, ret);
}

void snapshot_close(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	if (snapshot->memory)
		munmap(snapshot->memory, snapshot->memory_size);
	if (snapshot->present)
		munmap(snapshot->present, present_size(snapshot));
	if (snapshot->format && snapshot->format->close)
		snapshot->format->close(snapshot);
	close(snapshot->fd);
	extents_free(&snapshot->ram);
	extents_free(&snapshot->left_out);
	free(snapshot->cpu);
	free(snapshot);
}

const char *snapshot_format_name(const struct snapshot *snapshot)
{
	return snapshot->format->name;
}

bool snapshot_is_raw(const struct snapshot *snapshot)
{
	return snapshot->format == &snapshot_raw;
}
