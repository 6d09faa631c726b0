/*
 * Fuzzes the snapshot formats: any file gives extents within it, sorted and disjoint, or an error. `make fuzz` builds and runs it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "product/snapshot_format.h"
#include "mmu/physmem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A page is what a search sees there, whenever it is asked for; one of a file that was not compressed is there. */
static void check_page(struct snapshot *snapshot, uint64_t paddr)
{
	enum page_lack lack = PAGE_THERE;
	const uint8_t *page = snapshot_page(snapshot, paddr, &lack);
	uint8_t bytes[PAGE_SIZE];

	if (!page != (lack != PAGE_THERE) || (!page && !snapshot->format->read))
		abort();
	if (snapshot_peek(snapshot, paddr & PAGE_MASK, bytes, PAGE_SIZE) != !!page || (page && memcmp(page, bytes, PAGE_SIZE) != 0))
		abort();
}

static void check(struct snapshot *snapshot)
{
	uint64_t end = 0, place = 0, start;

	for (size_t i = 0; i < snapshot->ram.count; i++) {
		const struct extent *extent = &snapshot->ram.extent[i];

		if (extent->paddr < end || !extent->size || (extent->paddr | extent->size) % PAGE_SIZE || extent->place != place)
			abort();
		end = extent->paddr + extent->size;
		place += extent->size;
		check_page(snapshot, extent->paddr);
		check_page(snapshot, end - 1);
		if (snapshot_find(snapshot, extent->paddr) != extent || snapshot_find(snapshot, end - 1) != extent)
			abort();
	}
	for (uint64_t from = 0; snapshot_next_data(snapshot, from, &start, &end); from = end) {
		if (start < from || end <= start || !snapshot_find(snapshot, start))
			abort();
		check_page(snapshot, start);
		check_page(snapshot, start + (end - start) / 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct snapshot *snapshot;
	struct error *err;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	err = snapshot_open_fd(fd, "fuzz", &snapshot);
	if (!err) {
		check(snapshot);
		snapshot_close(snapshot);
	}
	error_destroy(err);
	return 0;
}
