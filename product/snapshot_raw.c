/*
 * Raw snapshots (QEMU's pmemsave, VMware's .vmem): the byte at offset N is that at physical address N. There is nothing to tell them by,
 * nor to tell RAM from the gap below 4 GiB, which the file holds as zeros.
 */
#include "product/snapshot_format.h"

#include <inttypes.h>

/* The least RAM with which a PC has its 1 MiB of BIOS area: smaller files are something else. */
#define SMALLEST_MEMORY (1ull << 20)

static bool probe(const uint8_t *head, size_t size)
{
	(void)head;
	(void)size;
	return true;
}

static struct error *open_raw(struct snapshot *snapshot)
{
	if (snapshot->file_size < SMALLEST_MEMORY)
		return error_create("%" PRIu64
				    " bytes are too few for a raw memory image: give one made by QEMU's pmemsave or dump-guest-memory",
				    snapshot->file_size);
	return snapshot_add(snapshot, 0, snapshot->file_size, 0);
}

const struct snapshot_format snapshot_raw = {.name = "raw", .probe = probe, .open = open_raw};
