/* Headers of kdump-compressed dumps: kdump_header.h. */
#include "product/kdump_header.h"

#include <inttypes.h>
#include <string.h>

/* Versions of the header since which members are there: DUMP levels are of version 1. */
enum { HAS_SPLIT = 2, HAS_NOTES = 4, HAS_64_BIT_PAGES = 6, NEWEST = 6 };

enum { STATUS_INCOMPLETE = 8 };

enum { SIGNATURE = 0, SIGNATURE_SIZE = 8, VERSION = 8, MACHINE = 12 + 4 * 65, MACHINE_SIZE = 65 };

/* Offsets of members, for either word size. Behind utsname, a timeval is what makes the header's first part differ. */
struct layout {
	unsigned word;
	unsigned status, block_size, sub_header_blocks, bitmap_blocks, pages;
	/* of the sub-header */
	unsigned split, first_pfn, end_pfn, notes_at, notes_size, first_pfn_64, end_pfn_64, pages_64;
};
static const struct layout layouts[] = {
	{8, 424, 428, 432, 436, 440, 12, 16, 24, 48, 56, 80, 88, 96},
	{4, 412, 416, 420, 424, 428, 8, 12, 16, 32, 40, 56, 64, 72},
};
enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]), SUB_HEADER_SIZE = 104 };

/* Bitmaps of 32 TiB. Reading one of that size takes a third of a second. */
#define MAX_PAGES (1ull << 33)

static const char signature[] = "KDUMP   ";

bool kdump_header_is_one(const uint8_t *head, size_t size)
{
	return size >= SIGNATURE_SIZE && memcmp(head, signature, SIGNATURE_SIZE) == 0;
}

static uint64_t number(const uint8_t *bytes, unsigned at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, bytes + at, size);
	return value;
}

static uint32_t u32_at(const uint8_t *bytes, unsigned at)
{
	return number(bytes, at, sizeof(uint32_t));
}

/* By what has to be a page's size, and small counts before and behind it. */
static const struct layout *layout_of(const uint8_t *header)
{
	for (unsigned i = 0; i < LAYOUTS; i++) {
		const struct layout *layout = &layouts[i];
		uint32_t blocks = u32_at(header, layout->sub_header_blocks);

		if (u32_at(header, layout->block_size) == KDUMP_BLOCK_SIZE && blocks && blocks < 1 << 16 &&
		    u32_at(header, layout->bitmap_blocks))
			return layout;
	}
	return NULL;
}

static void take_sub_header(const struct layout *layout, unsigned version, const uint8_t *sub, struct kdump_header *ret)
{
	if (version >= HAS_SPLIT && u32_at(sub, layout->split)) {
		ret->split = true;
		ret->first_pfn = number(sub, layout->first_pfn, layout->word);
		ret->end_pfn = number(sub, layout->end_pfn, layout->word);
	}
	if (version >= HAS_NOTES) {
		ret->notes_at = number(sub, layout->notes_at, 8);
		ret->notes_size = number(sub, layout->notes_size, layout->word);
	}
	if (version >= HAS_64_BIT_PAGES) {
		ret->first_pfn = number(sub, layout->first_pfn_64, 8);
		ret->end_pfn = number(sub, layout->end_pfn_64, 8);
		ret->pages = number(sub, layout->pages_64, 8);
	}
}

/* There are two bitmaps of the same size, or one, by how many blocks they take. */
static struct error *place_bitmaps(const struct layout *layout, const uint8_t *header, const struct dump_file *dump,
				   struct kdump_header *ret)
{
	uint64_t blocks = u32_at(header, layout->bitmap_blocks), needed = (ret->pages + 8 * KDUMP_BLOCK_SIZE - 1) / (8 * KDUMP_BLOCK_SIZE);

	ret->exists_at = ret->dumped_at = (1 + (uint64_t)u32_at(header, layout->sub_header_blocks)) * KDUMP_BLOCK_SIZE;
	ret->pages_at = ret->exists_at + blocks * KDUMP_BLOCK_SIZE;
	if (blocks >= 2 * needed)
		ret->dumped_at += blocks / 2 * KDUMP_BLOCK_SIZE;
	if (!ret->pages || ret->pages > MAX_PAGES || needed > blocks)
		return error_create("damaged: bitmaps of %" PRIu64 " blocks for %" PRIu64 " pages: make the snapshot again", blocks,
				    ret->pages);
	if (ret->pages_at > dump->size)
		return error_create("truncated: the dump has %" PRIu64 " bytes, its bitmaps end at byte %" PRIu64
				    ": make the snapshot again",
				    dump->size, ret->pages_at);
	return NULL;
}

struct error *kdump_header_read(const struct dump_file *dump, struct kdump_header *ret)
{
	uint8_t header[KDUMP_BLOCK_SIZE], sub[SUB_HEADER_SIZE];
	const struct layout *layout;
	uint32_t version;

	*ret = (struct kdump_header){0};
	if (!dump_file_read(dump, 0, header, sizeof(header)) || !dump_file_read(dump, KDUMP_BLOCK_SIZE, sub, sizeof(sub)))
		return error_create("truncated: it ends within its headers: make the snapshot again");
	version = u32_at(header, VERSION);
	layout = layout_of(header);
	if (!layout)
		return error_create("a damaged kdump-compressed dump, or one of a machine that is no x86: make the snapshot again");
	if (!version || version > NEWEST)
		return error_create("a kdump-compressed dump of version %" PRIu32 ": xray86 knows those up to %d", version, NEWEST);
	memcpy(ret->machine, header + MACHINE, MACHINE_SIZE);
	ret->incomplete = u32_at(header, layout->status) & STATUS_INCOMPLETE;
	ret->pages = u32_at(header, layout->pages);
	take_sub_header(layout, version, sub, ret);
	return place_bitmaps(layout, header, dump, ret);
}
