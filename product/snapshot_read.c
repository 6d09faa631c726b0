/*
 * Reading snapshots: pages, which are kept once they have been given out, bytes for searches, and where there is something to search.
 */
#include "product/snapshot_format.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mmu/physmem.h"
#include "util/align.h"
#include "util/read_at.h"

/* -- the seam: by the format, or out of the file -- */

static enum page_lack read_position(const struct snapshot *snapshot, uint64_t position, void *to, size_t size)
{
	if (snapshot->format->read)
		return snapshot->format->read(snapshot, position, to, size);
	return read_at(snapshot->fd, position, to, size) == (ssize_t)size ? PAGE_THERE : PAGE_UNREADABLE;
}

/* What the file system knows of [from, to) of the file. */
static bool next_in_file(const struct snapshot *snapshot, uint64_t from, uint64_t to, uint64_t *ret_start, uint64_t *ret_end)
{
	off_t data = lseek(snapshot->fd, from, SEEK_DATA), hole;

	*ret_start = from;
	*ret_end = to;
	if (data < 0)
		return errno != ENXIO; /* ENXIO: a hole up to the file's end. Else the file system cannot tell: all is data */
	if ((uint64_t)data >= to)
		return false;
	*ret_start = data;
	hole = lseek(snapshot->fd, data, SEEK_HOLE);
	if (hole >= 0 && (uint64_t)hole < to)
		*ret_end = hole;
	return true;
}

static bool next_position(const struct snapshot *snapshot, uint64_t from, uint64_t to, uint64_t *ret_start, uint64_t *ret_end)
{
	if (snapshot->format->next_data)
		return snapshot->format->next_data(snapshot, from, to, ret_start, ret_end);
	if (!snapshot->format->read)
		return next_in_file(snapshot, from, to, ret_start, ret_end);
	*ret_start = from;
	*ret_end = to;
	return true;
}

/* -- pages -- */

const struct extent *snapshot_find(const struct snapshot *snapshot, uint64_t paddr)
{
	if (paddr - snapshot->main->paddr < snapshot->main->size)
		return snapshot->main;
	return extents_find(&snapshot->ram, paddr);
}

static bool is_present(const struct snapshot *snapshot, uint64_t place)
{
	return snapshot->present[place / PAGE_SIZE / 64] >> place / PAGE_SIZE % 64 & 1;
}

/* Reads a page into its place. */
static __attribute__((noinline)) enum page_lack fetch(struct snapshot *snapshot, const struct extent *extent, uint64_t place)
{
	enum page_lack lack = read_position(snapshot, extent->position + (place - extent->place), snapshot->memory + place, PAGE_SIZE);

	snapshot->lost += lack == PAGE_UNREADABLE;
	if (lack == PAGE_THERE)
		snapshot->present[place / PAGE_SIZE / 64] |= 1ull << place / PAGE_SIZE % 64;
	return lack;
}

const uint8_t *snapshot_page(struct snapshot *snapshot, uint64_t paddr, enum page_lack *ret_lack)
{
	const struct extent *extent = snapshot_find(snapshot, paddr);
	uint64_t place;

	if (!extent) {
		*ret_lack = extents_find(&snapshot->left_out, paddr) ? PAGE_LEFT_OUT : PAGE_HOLE;
		return NULL;
	}
	place = extent->place + align_down(paddr - extent->paddr, PAGE_SIZE);
	*ret_lack = is_present(snapshot, place) ? PAGE_THERE : fetch(snapshot, extent, place);
	return *ret_lack == PAGE_THERE ? snapshot->memory + place : NULL;
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

/* -- for searches -- */

bool snapshot_peek(const struct snapshot *snapshot, uint64_t paddr, void *to, size_t size)
{
	uint8_t *out = to;

	while (size) {
		const struct extent *extent = snapshot_find(snapshot, paddr);
		uint64_t into = extent ? paddr - extent->paddr : 0, part;

		if (!extent)
			return false;
		part = extent->size - into < size ? extent->size - into : size;
		if (read_position(snapshot, extent->position + into, out, part) != PAGE_THERE)
			return false;
		out += part;
		paddr += part;
		size -= part;
	}
	return true;
}

bool snapshot_scan(const struct snapshot *snapshot, uint64_t paddr, void *to, size_t size)
{
	uint8_t *out = to;
	bool any = false;

	if (snapshot_peek(snapshot, paddr, to, size))
		return true;
	while (size) {
		size_t left = PAGE_SIZE - paddr % PAGE_SIZE, part = left < size ? left : size;

		if (snapshot_peek(snapshot, paddr, out, part))
			any = true;
		else
			memset(out, 0, part);
		out += part;
		paddr += part;
		size -= part;
	}
	return any;
}

bool snapshot_next_data(const struct snapshot *snapshot, uint64_t from, uint64_t *ret_start, uint64_t *ret_end)
{
	for (size_t i = extents_first_above(&snapshot->ram, from); i < snapshot->ram.count; i++) {
		const struct extent *extent = &snapshot->ram.extent[i];
		uint64_t start = from > extent->paddr ? from - extent->paddr : 0;

		if (next_position(snapshot, extent->position + start, extent->position + extent->size, ret_start, ret_end)) {
			*ret_start += extent->paddr - extent->position;
			*ret_end += extent->paddr - extent->position;
			return true;
		}
	}
	return false;
}
