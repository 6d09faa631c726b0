/*
 * A list of ranges of physical memory, and where each is in a snapshot. It takes ranges as they come. Arranged, it has whole pages, sorted
 * and disjoint, and addresses can be looked up.
 */
#ifndef XRAY86_PRODUCT_EXTENTS_H
#define XRAY86_PRODUCT_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extent {
	uint64_t paddr, size; /* whole pages, size > 0 */
	uint64_t position;    /* of its first byte, as the snapshot's format counts; of any alignment */
	uint64_t place;       /* sum of the sizes of all extents before it */
};

struct extents {
	struct extent *extent;
	size_t count, room;
};

/* Adds a range of any alignment, which may overlap others. Returns false without memory. */
bool extents_add(struct extents *list, uint64_t paddr, uint64_t size, uint64_t position);
/*
 * Sorts the ranges, joins those that continue each other, and cuts the rest to whole pages. Where ranges disagree about a position, the one
 * that starts first counts. Returns the sum of sizes.
 */
uint64_t extents_arrange(struct extents *list);
void extents_free(struct extents *list);

/* For arranged lists, as the next one: the number of the first extent that ends above paddr; list->count if there is none. */
size_t extents_first_above(const struct extents *list, uint64_t paddr);
/* The extent that holds paddr, or NULL. */
const struct extent *extents_find(const struct extents *list, uint64_t paddr);

#endif
