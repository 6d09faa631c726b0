/*
 * Snapshots: see snapshot.h. Here: which format a file has, the list of extents that formats add to, and pages.
 *
 * All that comes from the file is checked: extents lie within it and below 2^52 (SDM vol. 3A 4.1.4: the widest physical address), are
 * sorted and disjoint.
 */
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

#define PHYSICAL_LIMIT (1ull << 52)
/* Reservations beyond this fail anyway in the 2^47 bytes that a process has. */
#define MEMORY_LIMIT (1ull << 46)

/* -- files -- */

static ssize_t read_at(int fd, uint64_t offset, void *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(fd, (char *)to + done, size - done, offset + done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		done += got;
	}
	return done;
}

struct error *snapshot_read_file(const struct snapshot *snapshot, uint64_t offset, void *to, size_t size, const char *what)
{
	ssize_t got;

	if (offset > snapshot->file_size || size > snapshot->file_size - offset)
		return error_create("truncated: the file has %" PRIu64 " bytes, %s would be the %zu from byte %" PRIu64
				    " on: make the snapshot again",
				    snapshot->file_size, what, size, offset);
	got = read_at(snapshot->fd, offset, to, size);
	if (got < 0)
		return error_create("%s", strerror(errno));
	return (size_t)got == size ? NULL : error_create("the file shrank while it was read");
}

/* -- extents -- */

/* The array has room for a power of two of them. */
static struct error *push_extent(struct snapshot *snapshot, const struct snapshot_extent *extent)
{
	if (!snapshot->extent || !(snapshot->extents & (snapshot->extents - 1))) {
		struct snapshot_extent *grown =
			reallocarray(snapshot->extent, snapshot->extents ? 2 * snapshot->extents : 1, sizeof(*grown));

		if (!grown)
			return error_create("out of memory");
		snapshot->extent = grown;
	}
	snapshot->extent[snapshot->extents++] = *extent;
	return NULL;
}

/* Whether b, which does not start before a, goes on where a ends or sooner, and at the same place of the file. */
static bool continues(const struct snapshot_extent *a, const struct snapshot_extent *b)
{
	return b->paddr >= a->paddr && b->paddr - a->paddr <= a->size && b->offset - a->offset == b->paddr - a->paddr;
}

static void extend(struct snapshot_extent *a, const struct snapshot_extent *b)
{
	uint64_t end = b->paddr - a->paddr + b->size;

	if (end > a->size)
		a->size = end;
}

struct error *snapshot_add(struct snapshot *snapshot, uint64_t paddr, uint64_t size, uint64_t offset)
{
	const struct snapshot_extent extent = {.paddr = paddr, .size = size, .offset = offset};
	struct snapshot_extent *last = snapshot->extents ? &snapshot->extent[snapshot->extents - 1] : NULL;

	if (offset > snapshot->file_size || size > snapshot->file_size - offset)
		return error_create("truncated: the file has %" PRIu64 " bytes, the memory at %#" PRIx64 " would be the %" PRIu64
				    " from byte %" PRIu64 " on: make the snapshot again",
				    snapshot->file_size, paddr, size, offset);
	if (paddr > PHYSICAL_LIMIT || size > PHYSICAL_LIMIT - paddr)
		return error_create("malformed: memory at physical address %#" PRIx64 ", beyond 52 bits", paddr);
	if (!size)
		return NULL;
	if (last && continues(last, &extent)) {
		extend(last, &extent);
		return NULL;
	}
	return push_extent(snapshot, &extent);
}

static int by_paddr(const void *left, const void *right)
{
	const struct snapshot_extent *a = left, *b = right;

	if (a->paddr != b->paddr)
		return a->paddr < b->paddr ? -1 : 1;
	return a->size == b->size ? 0 : a->size > b->size ? -1 : 1;
}

/* Cuts the extent's start to where it is at or above `paddr` and on a page, its end to a page. false: nothing is left. */
static bool trim(struct snapshot_extent *extent, uint64_t paddr)
{
	uint64_t start = extent->paddr > paddr ? extent->paddr : paddr, end = (extent->paddr + extent->size) & PAGE_MASK;

	start = (start + PAGE_SIZE - 1) & PAGE_MASK;
	if (start >= end)
		return false;
	extent->offset += start - extent->paddr;
	extent->paddr = start;
	extent->size = end - start;
	return true;
}

/* Joins what continues, so that pages which are in two pieces become whole. The extents are sorted. */
static void join(struct snapshot *snapshot)
{
	size_t count = 0;

	for (size_t i = 0; i < snapshot->extents; i++) {
		if (count && continues(&snapshot->extent[count - 1], &snapshot->extent[i]))
			extend(&snapshot->extent[count - 1], &snapshot->extent[i]);
		else
			snapshot->extent[count++] = snapshot->extent[i];
	}
	snapshot->extents = count;
}

static void choose_main(struct snapshot *snapshot)
{
	snapshot->main = snapshot->extent;
	for (size_t i = 1; i < snapshot->extents; i++) {
		if (snapshot->extent[i].size > snapshot->main->size)
			snapshot->main = &snapshot->extent[i];
	}
}

/* Makes the extents what snapshot.h promises. */
static struct error *arrange(struct snapshot *snapshot)
{
	size_t count = 0;
	uint64_t end = 0;

	if (snapshot->extents)
		qsort(snapshot->extent, snapshot->extents, sizeof(*snapshot->extent), by_paddr);
	join(snapshot);
	for (size_t i = 0; i < snapshot->extents; i++) {
		struct snapshot_extent extent = snapshot->extent[i];

		if (!trim(&extent, end))
			continue;
		end = extent.paddr + extent.size;
		extent.place = snapshot->memory_size;
		snapshot->memory_size += extent.size;
		if (snapshot->memory_size > MEMORY_LIMIT)
			return error_create("malformed: more than %llu TiB of memory", MEMORY_LIMIT >> 40);
		snapshot->extent[count++] = extent;
	}
	snapshot->extents = count;
	if (!count)
		return error_create("not one whole page of memory is in it");
	choose_main(snapshot);
	return NULL;
}

bool snapshot_split(struct snapshot *snapshot, uint64_t from, uint64_t to)
{
	struct snapshot_extent *extent = reallocarray(snapshot->extent, 2, sizeof(*extent));

	if (!extent)
		return false;
	snapshot->extent = extent;
	extent[1] = (struct snapshot_extent){.paddr = to, .size = extent[0].size - from, .offset = extent[0].offset + from, .place = from};
	extent[0].size = from;
	snapshot->extents = 2;
	choose_main(snapshot);
	return true;
}

void snapshot_join(struct snapshot *snapshot)
{
	snapshot->extent[0].size += snapshot->extent[1].size;
	snapshot->extents = 1;
	choose_main(snapshot);
}

/* The number of the first extent that ends above paddr; snapshot->extents if there is none. */
static size_t first_above(const struct snapshot *snapshot, uint64_t paddr)
{
	size_t low = 0, high = snapshot->extents;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct snapshot_extent *extent = &snapshot->extent[middle];

		if (extent->paddr + extent->size <= paddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct snapshot_extent *snapshot_find(const struct snapshot *snapshot, uint64_t paddr)
{
	size_t found;

	if (paddr - snapshot->main->paddr < snapshot->main->size)
		return snapshot->main;
	found = first_above(snapshot, paddr);
	return found < snapshot->extents && snapshot->extent[found].paddr <= paddr ? &snapshot->extent[found] : NULL;
}

/* -- opening -- */

static const struct snapshot_format *const formats[] = {
	&snapshot_elf, &snapshot_raw, /* takes anything: the last */
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
		if (formats[i]->detect(head, size))
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
		return error_create("not a file that can be read from any place: copy it into one");
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
		err = snapshot_refuse_foreign(head, size);
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
	close(snapshot->fd);
	free(snapshot->extent);
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

/* -- reading -- */

/* Reads a page into its place. */
static __attribute__((noinline)) enum page_lack fetch(struct snapshot *snapshot, const struct snapshot_extent *extent, uint64_t place)
{
	if (read_at(snapshot->fd, extent->offset + (place - extent->place), snapshot->memory + place, PAGE_SIZE) != PAGE_SIZE) {
		snapshot->lost++;
		return PAGE_UNREADABLE;
	}
	snapshot->present[place / PAGE_SIZE / 64] |= 1ull << place / PAGE_SIZE % 64;
	return PAGE_THERE;
}

const uint8_t *snapshot_page(struct snapshot *snapshot, uint64_t paddr, enum page_lack *ret_lack)
{
	const struct snapshot_extent *extent = snapshot_find(snapshot, paddr);
	uint64_t place;

	*ret_lack = PAGE_HOLE;
	if (!extent)
		return NULL;
	place = extent->place + ((paddr - extent->paddr) & PAGE_MASK);
	if (!(snapshot->present[place / PAGE_SIZE / 64] >> place / PAGE_SIZE % 64 & 1)) {
		*ret_lack = fetch(snapshot, extent, place);
		if (*ret_lack != PAGE_THERE)
			return NULL;
	}
	return snapshot->memory + place;
}

static const uint8_t *source_page(void *opaque, uint64_t paddr, enum page_lack *ret_lack)
{
	return snapshot_page(opaque, paddr, ret_lack);
}

struct page_source snapshot_source(struct snapshot *snapshot)
{
	return (struct page_source){snapshot, source_page};
}

bool snapshot_read(struct snapshot *snapshot, uint64_t paddr, void *to, size_t size)
{
	uint8_t *out = to;

	while (size) {
		enum page_lack lack;
		const uint8_t *page = snapshot_page(snapshot, paddr, &lack);
		size_t offset = paddr & (PAGE_SIZE - 1), part = PAGE_SIZE - offset < size ? PAGE_SIZE - offset : size;

		if (!page)
			return false;
		memcpy(out, page + offset, part);
		out += part;
		paddr += part;
		size -= part;
	}
	return true;
}

bool snapshot_peek(const struct snapshot *snapshot, uint64_t paddr, void *to, size_t size)
{
	uint8_t *out = to;

	while (size) {
		const struct snapshot_extent *extent = snapshot_find(snapshot, paddr);
		uint64_t into = extent ? paddr - extent->paddr : 0, part;

		if (!extent)
			return false;
		part = extent->size - into < size ? extent->size - into : size;
		if (read_at(snapshot->fd, extent->offset + into, out, part) != (ssize_t)part)
			return false;
		out += part;
		paddr += part;
		size -= part;
	}
	return true;
}

/* The data of an extent's part [from, ...) that the file system knows of. false: none. */
static bool data_in(const struct snapshot *snapshot, const struct snapshot_extent *extent, uint64_t from, uint64_t *ret_start,
		    uint64_t *ret_end)
{
	uint64_t last = extent->offset + extent->size;
	off_t data = lseek(snapshot->fd, extent->offset + (from - extent->paddr), SEEK_DATA), hole;

	*ret_start = from;
	*ret_end = extent->paddr + extent->size;
	if (data < 0)
		return errno != ENXIO; /* ENXIO: a hole up to the file's end. Else the file system cannot tell: all is data */
	if ((uint64_t)data >= last)
		return false;
	*ret_start = extent->paddr + (data - extent->offset);
	hole = lseek(snapshot->fd, data, SEEK_HOLE);
	if (hole >= 0 && (uint64_t)hole < last)
		*ret_end = extent->paddr + (hole - extent->offset);
	return true;
}

bool snapshot_next_data(const struct snapshot *snapshot, uint64_t from, uint64_t *ret_start, uint64_t *ret_end)
{
	for (size_t i = first_above(snapshot, from); i < snapshot->extents; i++) {
		const struct snapshot_extent *extent = &snapshot->extent[i];

		if (data_in(snapshot, extent, from > extent->paddr ? from : extent->paddr, ret_start, ret_end))
			return true;
	}
	return false;
}
