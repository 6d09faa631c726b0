/*
 * Where RAM is that a raw file has in one piece. PCs have a hole below 4 GiB, for devices, and hypervisors that keep RAM in a file (QEMU's
 * memory-backend-file, Firecracker, VMware's .vmem) leave it out: what follows the RAM below the hole is that from 4 GiB on. Nothing in the
 * file says so, nor where the hole begins, which differs between machine types.
 *
 * The firmware's map of memory does, which the boot loader hands to the kernel and the kernel keeps: struct boot_params, in its zeroed data
 * and where the loader had it (Documentation/arch/x86/zero-page.rst; the same in all versions). The RAM above 4 GiB is as large as the map
 * says, so the rest of the file is that below. The same sum fits a file that was cut off in the hole, where devices' memory is nearly all
 * zeros: so the layout counts if memory above 4 GiB, as the kernel's own page tables map it, has contents.
 */
#include "product/product_search.h"

#include <stdlib.h>
#include <string.h>

#include "mmu/physmem.h"

#define GIB4 (1ull << 32)
#define ENTRY_ADDRESS 0x000ffffffffff000ull

/* struct boot_params and struct boot_e820_entry */
enum {
	E820_COUNT = 0x1e8,
	E820_TABLE = 0x2d0,
	E820_MAX = 128,
	E820_ENTRY = 20,
	E820_SIZE = 8,
	E820_TYPE = 16,
	E820_RAM = 1,
	E820_LAST_TYPE = 20, /* those that are defined are fewer */
	PARAMS_SIZE = E820_TABLE + E820_MAX * E820_ENTRY,
	PARAMS_ALIGNMENT = 16,
	BASE_MEMORY_END = 0xa0000,
};

/* -- the firmware's map -- */

static uint64_t u64_at(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t u32_at(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Takes an entry up. false: no firmware makes such a one. */
static bool take_entry(const uint8_t *entry, struct ram_map *map)
{
	uint64_t start = u64_at(entry), size = u64_at(entry + E820_SIZE), end = start + size;
	uint32_t type = u32_at(entry + E820_TYPE);

	if (!size || size >> 52 || end < start || end >> 52 || !type || type > E820_LAST_TYPE)
		return false;
	if (type != E820_RAM)
		return true;
	if (start >= GIB4) {
		map->high_start = map->high_start && map->high_start < start ? map->high_start : start;
		map->high_end = map->high_end > end ? map->high_end : end;
		return true;
	}
	map->low_end = map->low_end > end ? map->low_end : end;
	return end <= GIB4;
}

/* Whether the PARAMS_SIZE bytes are parameters with a map; it begins with the first kilobytes of base memory. */
static bool parse_params(const uint8_t *params, struct ram_map *ret)
{
	unsigned count = params[E820_COUNT];
	const uint8_t *table = params + E820_TABLE;

	*ret = (struct ram_map){0};
	if (count < 2 || count > E820_MAX || u64_at(table) || u64_at(table + E820_SIZE) - 1 >= BASE_MEMORY_END)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (!take_entry(table + i * E820_ENTRY, ret))
			return false;
	}
	return ret->low_end > 1 << 20;
}

bool product_find_map(const struct snapshot *snapshot, uint64_t from, uint64_t to, struct ram_map *ret)
{
	enum { CHUNK = 1 << 20 };
	uint8_t *chunk = malloc(CHUNK + PARAMS_SIZE);
	uint64_t start, end;
	bool found = false;

	while (chunk && !found && from < to && snapshot_next_data(snapshot, from, &start, &end) && start < to) {
		uint64_t size = end - start < CHUNK ? end - start : CHUNK;

		start -= start % PARAMS_ALIGNMENT;
		memset(chunk, 0, size + PARAMS_SIZE); /* what follows may be a hole */
		if (snapshot_scan(snapshot, start, chunk, size) && size == CHUNK)
			snapshot_scan(snapshot, start + size, chunk + size, PARAMS_SIZE);
		for (uint64_t at = 0; at < size && !found; at += PARAMS_ALIGNMENT)
			found = parse_params(chunk + at, ret);
		from = start + size;
	}
	free(chunk);
	return found;
}

/* -- whether memory above 4 GiB is there -- */

enum { MAX_FRAMES = 256, MAX_TABLES_SEEN = 4096 };

struct frames {
	struct snapshot *snapshot;
	const struct ram_map *map;
	unsigned tables, seen, filled;
};

static bool is_filled(struct snapshot *snapshot, uint64_t frame)
{
	static const uint8_t zeros[PAGE_SIZE];
	uint8_t page[PAGE_SIZE];

	return snapshot_peek(snapshot, frame, page, PAGE_SIZE) && memcmp(page, zeros, PAGE_SIZE) != 0;
}

/* Counts the small pages above 4 GiB that a table maps: from its end on, since at the start of the kernel's half is the map of all memory.
 */
static void count_frames(struct frames *frames, uint64_t table, unsigned level, unsigned first)
{
	uint64_t entry[PAGE_SIZE / 8];

	if (++frames->tables > MAX_TABLES_SEEN || !snapshot_peek(frames->snapshot, table, entry, sizeof(entry)))
		return;
	for (unsigned i = PAGE_SIZE / 8; i-- > first && frames->seen < MAX_FRAMES;) {
		uint64_t frame = entry[i] & ENTRY_ADDRESS;

		if (!(entry[i] & PTE_P) || (level > 1 && (entry[i] & PTE_PS)))
			continue;
		if (level > 1) {
			count_frames(frames, frame, level - 1, 0);
		} else if (frame >= frames->map->high_start && frame < frames->map->high_end) {
			frames->seen++;
			frames->filled += is_filled(frames->snapshot, frame);
		}
	}
}

/* Stacks are mostly zeros: an eighth is enough. The kernel may have mapped none, if it has no use for so much memory. */
bool product_has_high_memory(const struct product *product, const struct ram_map *map)
{
	struct frames frames = {.snapshot = product->snapshot, .map = map};
	const struct paging *paging = &product->paging;

	if (paging->mode == PAGING_PAE && (paging->pdpte[3] & PTE_P))
		count_frames(&frames, paging->pdpte[3] & ENTRY_ADDRESS, 2, 0);
	else if (product->x86_64)
		count_frames(&frames, paging->root, paging->mode == PAGING_5LEVEL ? 5 : 4, PAGE_SIZE / 8 / 2);
	return frames.filled * 8 >= frames.seen;
}

uint64_t product_hole_start(const struct snapshot *snapshot, const struct ram_map *map)
{
	uint64_t high = map->high_end - map->high_start, start = snapshot->memory_size - high;

	if (!map->high_end || snapshot->memory_size >= map->high_end || high >= snapshot->memory_size)
		return 0;
	return start >= map->low_end && start < GIB4 ? start : 0;
}
