/* Ranges of physical memory: see extents.h. */
#include "product/extents.h"

#include <stdlib.h>

#include "mmu/physmem.h"
#include "util/align.h"
#include "util/array.h"

/* Whether b, which does not start before a, goes on where a ends or sooner, and at the same position. */
static bool continues(const struct extent *a, const struct extent *b)
{
	return b->paddr >= a->paddr && b->paddr - a->paddr <= a->size && b->position - a->position == b->paddr - a->paddr;
}

static void extend(struct extent *a, const struct extent *b)
{
	uint64_t end = b->paddr - a->paddr + b->size;

	if (end > a->size)
		a->size = end;
}

bool extents_add(struct extents *list, uint64_t paddr, uint64_t size, uint64_t position)
{
	const struct extent extent = {.paddr = paddr, .size = size, .position = position};
	struct extent *last = list->count ? &list->extent[list->count - 1] : NULL;

	if (last && continues(last, &extent)) {
		extend(last, &extent);
		return true;
	}
	if (!array_reserve(&list->extent, list->count, &list->room, sizeof(extent)))
		return false;
	list->extent[list->count++] = extent;
	return true;
}

static int by_paddr(const void *left, const void *right)
{
	const struct extent *a = left, *b = right;

	if (a->paddr != b->paddr)
		return a->paddr < b->paddr ? -1 : 1;
	return a->size == b->size ? 0 : a->size > b->size ? -1 : 1;
}

/* Pages which are in two pieces become whole. The list is sorted. */
static void join(struct extents *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (count && continues(&list->extent[count - 1], &list->extent[i]))
			extend(&list->extent[count - 1], &list->extent[i]);
		else
			list->extent[count++] = list->extent[i];
	}
	list->count = count;
}

/* Cuts the extent's start to where it is at or above `paddr` and on a page, its end to a page. false: nothing is left. */
static bool trim(struct extent *extent, uint64_t paddr)
{
	uint64_t start = align_up(extent->paddr > paddr ? extent->paddr : paddr, PAGE_SIZE);
	uint64_t end = align_down(extent->paddr + extent->size, PAGE_SIZE);

	if (start >= end)
		return false;
	extent->position += start - extent->paddr;
	extent->paddr = start;
	extent->size = end - start;
	return true;
}

uint64_t extents_arrange(struct extents *list)
{
	uint64_t end = 0, sum = 0;
	size_t count = 0;

	if (list->count)
		qsort(list->extent, list->count, sizeof(*list->extent), by_paddr);
	join(list);
	for (size_t i = 0; i < list->count; i++) {
		struct extent extent = list->extent[i];

		if (!trim(&extent, end))
			continue;
		end = extent.paddr + extent.size;
		extent.place = sum;
		sum += extent.size;
		list->extent[count++] = extent;
	}
	list->count = count;
	return sum;
}

void extents_free(struct extents *list)
{
	free(list->extent);
	*list = (struct extents){0};
}

size_t extents_first_above(const struct extents *list, uint64_t paddr)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct extent *extent = &list->extent[middle];

		if (extent->paddr + extent->size <= paddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct extent *extents_find(const struct extents *list, uint64_t paddr)
{
	size_t found = extents_first_above(list, paddr);

	return found < list->count && list->extent[found].paddr <= paddr ? &list->extent[found] : NULL;
}
