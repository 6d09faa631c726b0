/*
 * A bitmap of page frames in a dump. Which number a set bit has among all that are set is found from counts of whole blocks, which are
 * taken when it is opened; the bits stay in the file, and the blocks last looked into are kept.
 */
#ifndef XRAY86_PRODUCT_PAGE_BITMAP_H
#define XRAY86_PRODUCT_PAGE_BITMAP_H

#include "mmu/page_source.h"
#include "product/dump_file.h"
#include "product/unit_cache.h"

enum { PAGE_BITMAP_BLOCK = 4096 /* bytes */ };

struct page_bitmap {
	const struct dump_file *dump;
	uint64_t at, pages; /* where it is in the dump; bits */
	uint64_t *rank;     /* set bits before each block, and at the end all */
	struct unit_cache *cache;
};

/* Reads all of it. The dump must stay open until page_bitmap_close(), which must be called after an error, too. */
struct error *page_bitmap_open(const struct dump_file *dump, uint64_t at, uint64_t pages, struct page_bitmap *ret);
/* A zeroed one is allowed. */
void page_bitmap_close(struct page_bitmap *bitmap);

/* How many bits are set. */
uint64_t page_bitmap_count(const struct page_bitmap *bitmap);

/*
 * Whether a frame's bit is set: PAGE_THERE with the number of set bits below, PAGE_LEFT_OUT, or PAGE_UNREADABLE if the file can no longer
 * be read. A frame beyond the bitmap has none.
 */
enum page_lack page_bitmap_look(const struct page_bitmap *bitmap, uint64_t pfn, uint64_t *ret_rank);

/* The first run of set bits in [from, to). Returns false if there is none, or what is left cannot be read. */
bool page_bitmap_next(const struct page_bitmap *bitmap, uint64_t from, uint64_t to, uint64_t *ret_start, uint64_t *ret_end);

#endif
