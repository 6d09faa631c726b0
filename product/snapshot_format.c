/*
 * What formats of snapshots add: snapshot_format.h. All that comes from the file is checked: extents lie within it, if its bytes are the
 * memory's, and below 2^52 (SDM vol. 3A 4.1.4: the widest physical address).
 */
#include "product/snapshot_format.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/read_at.h"

#define PHYSICAL_LIMIT (1ull << 52)

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

struct error *snapshot_add(struct snapshot *snapshot, uint64_t paddr, uint64_t size, uint64_t position)
{
	if (!snapshot->format->read && (position > snapshot->file_size || size > snapshot->file_size - position))
		return error_create("truncated: the file has %" PRIu64 " bytes, the memory at %#" PRIx64 " would be the %" PRIu64
				    " from byte %" PRIu64 " on: make the snapshot again",
				    snapshot->file_size, paddr, size, position);
	if (paddr > PHYSICAL_LIMIT || size > PHYSICAL_LIMIT - paddr)
		return error_create("malformed: memory at physical address %#" PRIx64 ", beyond 52 bits", paddr);
	if (!size)
		return NULL;
	return extents_add(&snapshot->ram, paddr, size, position) ? NULL : error_create("out of memory");
}

struct error *snapshot_add_left_out(struct snapshot *snapshot, uint64_t paddr, uint64_t size)
{
	if (paddr >= PHYSICAL_LIMIT || !size)
		return NULL;
	if (size > PHYSICAL_LIMIT - paddr)
		size = PHYSICAL_LIMIT - paddr;
	return extents_add(&snapshot->left_out, paddr, size, paddr) ? NULL : error_create("out of memory");
}
