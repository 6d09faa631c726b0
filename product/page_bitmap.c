/* Bitmaps of page frames: page_bitmap.h. */
#include "product/page_bitmap.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BITS = 8 * PAGE_BITMAP_BLOCK, WORD_BITS = 64, WORDS = BLOCK_BITS / WORD_BITS, CACHED_BLOCKS = 16 };

static uint64_t blocks_of(const struct page_bitmap *bitmap)
{
	return (bitmap->pages + BLOCK_BITS - 1) / BLOCK_BITS;
}

static uint64_t word_at(const uint8_t *block, unsigned word)
{
	uint64_t value;

	memcpy(&value, block + word * sizeof(value), sizeof(value));
	return value;
}

/* Bits beyond the last page do not count. */
static bool read_block(const struct page_bitmap *bitmap, uint64_t number, uint8_t *to)
{
	uint64_t left = bitmap->pages - number * BLOCK_BITS, bytes = (left + 7) / 8;

	memset(to, 0, PAGE_BITMAP_BLOCK);
	if (left >= BLOCK_BITS)
		return dump_file_read(bitmap->dump, bitmap->at + number * PAGE_BITMAP_BLOCK, to, PAGE_BITMAP_BLOCK);
	if (!dump_file_read(bitmap->dump, bitmap->at + number * PAGE_BITMAP_BLOCK, to, bytes))
		return false;
	if (left % 8)
		to[bytes - 1] &= (1u << left % 8) - 1;
	return true;
}

/* -- opening -- */

static unsigned count_block(const uint8_t *block)
{
	unsigned count = 0;

	for (unsigned word = 0; word < WORDS; word++)
		count += __builtin_popcountll(word_at(block, word));
	return count;
}

struct error *page_bitmap_open(const struct dump_file *dump, uint64_t at, uint64_t pages, struct page_bitmap *ret)
{
	uint8_t block[PAGE_BITMAP_BLOCK];

	*ret = (struct page_bitmap){.dump = dump, .at = at, .pages = pages};
	ret->rank = calloc(blocks_of(ret) + 1, sizeof(*ret->rank));
	ret->cache = unit_cache_create(CACHED_BLOCKS, PAGE_BITMAP_BLOCK);
	if (!ret->rank || !ret->cache)
		return error_create("out of memory");
	for (uint64_t number = 0; number < blocks_of(ret); number++) {
		if (!read_block(ret, number, block))
			return error_create("truncated: a bitmap of its pages is not whole: make the snapshot again");
		ret->rank[number + 1] = ret->rank[number] + count_block(block);
	}
	return NULL;
}

void page_bitmap_close(struct page_bitmap *bitmap)
{
	free(bitmap->rank);
	unit_cache_destroy(bitmap->cache);
	*bitmap = (struct page_bitmap){0};
}

/* -- looking -- */

struct filling {
	const struct page_bitmap *bitmap;
	uint64_t number;
};

static bool fill(void *opaque, uint8_t *to)
{
	const struct filling *filling = opaque;

	return read_block(filling->bitmap, filling->number, to);
}

static const uint8_t *get_block(const struct page_bitmap *bitmap, uint64_t number)
{
	struct filling filling = {bitmap, number};

	return unit_cache_get(bitmap->cache, number, fill, &filling);
}

uint64_t page_bitmap_count(const struct page_bitmap *bitmap)
{
	return bitmap->rank[blocks_of(bitmap)];
}

enum page_lack page_bitmap_look(const struct page_bitmap *bitmap, uint64_t pfn, uint64_t *ret_rank)
{
	uint64_t number = pfn / BLOCK_BITS, bits;
	unsigned bit = pfn % BLOCK_BITS;
	const uint8_t *block;

	if (pfn >= bitmap->pages)
		return PAGE_LEFT_OUT;
	block = get_block(bitmap, number);
	if (!block)
		return PAGE_UNREADABLE;
	bits = word_at(block, bit / WORD_BITS);
	if (!(bits >> bit % WORD_BITS & 1))
		return PAGE_LEFT_OUT;
	*ret_rank = bitmap->rank[number] + __builtin_popcountll(bits & ((1ull << bit % WORD_BITS) - 1));
	for (unsigned word = 0; word < bit / WORD_BITS; word++)
		*ret_rank += __builtin_popcountll(word_at(block, word));
	return PAGE_THERE;
}

/* The first frame from `from` on whose bit is `set`, or `to`. */
static uint64_t find_bit(const struct page_bitmap *bitmap, uint64_t from, uint64_t to, bool set)
{
	while (from < to) {
		const uint8_t *block = get_block(bitmap, from / BLOCK_BITS);
		uint64_t bits, skipped = from % WORD_BITS;

		if (!block)
			return to;
		bits = word_at(block, from % BLOCK_BITS / WORD_BITS);
		bits = (set ? bits : ~bits) >> skipped;
		if (bits) {
			from += __builtin_ctzll(bits);
			return from < to ? from : to;
		}
		from += WORD_BITS - skipped;
	}
	return to;
}

bool page_bitmap_next(const struct page_bitmap *bitmap, uint64_t from, uint64_t to, uint64_t *ret_start, uint64_t *ret_end)
{
	if (to > bitmap->pages)
		to = bitmap->pages;
	*ret_start = find_bit(bitmap, from, to, true);
	*ret_end = find_bit(bitmap, *ret_start, to, false);
	return *ret_start < *ret_end;
}
