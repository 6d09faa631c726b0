/*
 * Fuzzes the snapshot formats: any file gives extents within it, sorted and disjoint, or an error. `make fuzz` builds and runs it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "product/snapshot.h"
#include "mmu/physmem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct snapshot *snapshot)
{
	uint64_t end = 0, place = 0, start;
	enum page_lack lack;

	for (size_t i = 0; i < snapshot->extents; i++) {
		const struct snapshot_extent *extent = &snapshot->extent[i];

		if (extent->paddr < end || !extent->size || (extent->paddr | extent->size) % PAGE_SIZE || extent->place != place)
			abort();
		if (extent->offset > snapshot->file_size || extent->size > snapshot->file_size - extent->offset)
			abort();
		end = extent->paddr + extent->size;
		place += extent->size;
		if (!snapshot_page(snapshot, extent->paddr, &lack) || !snapshot_page(snapshot, end - 1, &lack))
			abort();
		if (snapshot_find(snapshot, extent->paddr) != extent || snapshot_find(snapshot, end - 1) != extent)
			abort();
	}
	for (uint64_t from = 0; snapshot_next_data(snapshot, from, &start, &end); from = end) {
		if (start < from || end <= start)
			abort();
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
