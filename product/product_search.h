/* The steps of product_find(). Only for product/product*.c. */
#ifndef XRAY86_PRODUCT_PRODUCT_SEARCH_H
#define XRAY86_PRODUCT_PRODUCT_SEARCH_H

#include "product/product.h"

/* __START_KERNEL_map, and KERNEL_IMAGE_SIZE as it is with KASLR (arch/x86/include/asm/page_64_types.h). */
#define START_KERNEL_MAP 0xffffffff80000000ull
#define KERNEL_IMAGE_SIZE (1ull << 30)
#define PMD_SIZE (1ull << 21)
/* i386: PAGE_OFFSET of CONFIG_VMSPLIT_3G, the default and Debian's; with landmarks, the image tells. */
#define PAGE_OFFSET_I386 0xc0000000ull

/* No image is larger than this, so two places in it are never further apart. */
#define IMAGE_SPAN (64ull << 20)

/*
 * Memory as page walkers see it while they search. They read the file a page at a time, and keep a few pages. Nothing of it stays in the
 * snapshot's memory.
 */
enum { PEEK_PAGES = 8 };
struct peek {
	struct snapshot *snapshot;
	struct {
		uint64_t paddr; /* of the page, + 1; 0: none */
		uint8_t data[4096];
	} slot[PEEK_PAGES];
};

/* peek->snapshot must be set; the rest is zero. */
struct walk_memory product_peek_memory(struct peek *peek);

/* Translates a supervisor's read. */
bool product_walk(const struct paging *paging, const struct walk_memory *memory, uint64_t vaddr, uint64_t *ret_paddr);

/* Makes *ret for the table at `root`, and loads its PDPTEs for PAE. Returns false if they are invalid. */
bool product_load_root(const struct walk_memory *memory, enum paging_mode mode, uint64_t root, struct paging *ret);

/* How many pages may be looked into as page tables; forged ones take up to 2 ms each. */
enum { MAX_TABLES = 2000 };

/*
 * Proves that the banner at product->banner_paddr is the kernel's: finds the kernel's page tables in the image around it, or where the
 * landmarks say. Fills in paging, x86_64, based, vbase and pbase. *budget says how many more pages may be looked into as page tables, which
 * limits the cost of forged ones.
 */
bool product_verify(struct product *product, const struct landmarks *landmarks, unsigned *budget);

/* Where RAM is, by the map that the firmware gave the kernel. */
struct ram_map {
	uint64_t low_end;              /* of RAM below 4 GiB */
	uint64_t high_start, high_end; /* of RAM above 4 GiB; 0: there is none */
};

/* Finds the first such map in [from, to) of memory. Returns false if there is none. */
bool product_find_map(const struct snapshot *snapshot, uint64_t from, uint64_t to, struct ram_map *ret);
/* Where the hole below 4 GiB begins, if the snapshot's only extent can be the RAM of that map in one piece. 0: it cannot. */
uint64_t product_hole_start(const struct snapshot *snapshot, const struct ram_map *map);
/* Whether the memory above 4 GiB that the kernel maps is there. With another layout it would be zeros, or beyond the file. */
bool product_has_high_memory(const struct product *product, const struct ram_map *map);

/* Physical addresses in the text of running kernels, the likeliest first. Returns their number. */
enum { PRODUCT_MAX_HINTS = 8 };
unsigned product_hints(struct snapshot *snapshot, uint64_t ret[PRODUCT_MAX_HINTS]);

#endif
