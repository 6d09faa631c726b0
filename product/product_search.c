/*
 * Finding the kernel in a snapshot: candidates for the banner's place, in the order in which they are likely, each to be proven by
 * product_verify(). See product.h.
 */
#include "product/product_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/quote.h"

enum { CHUNK = 1 << 20 };

/*
 * Banners that are looked into, each at the cost of reading the memory around it (some 20 ms): a memory full of forgeries ends too. Real
 * ones have a few dozens.
 */
enum { MAX_CANDIDATES = 200 };

struct search {
	struct product *product;
	const struct landmarks *landmarks;
	unsigned candidates, budget;
	uint8_t *chunk;
};

static bool is_stopped(const struct search *search)
{
	return cancel_wanted(&search->product->snapshot->cancel);
}

/* Nothing more will be looked into: what is there has been forged, or is damaged. */
static bool is_spent(const struct search *search)
{
	return search->candidates >= MAX_CANDIDATES || !search->budget;
}

static bool has_ended(const struct search *search)
{
	return is_spent(search) || is_stopped(search);
}

/* Whether the banner, which stands at paddr, is the kernel's. */
static bool try_candidate(struct search *search, uint64_t paddr, const struct banner *banner)
{
	if (has_ended(search))
		return false;
	search->candidates++;
	search->product->banner = *banner;
	search->product->banner_paddr = paddr;
	return product_verify(search->product, search->landmarks, &search->budget);
}

/* -- with landmarks: only places where KASLR can have put the image -- */

static bool is_banner_at(const struct search *search, uint64_t paddr)
{
	const struct banner *banner = &search->landmarks->banner;
	size_t length = strlen(banner->text);
	char text[BANNER_MAX];

	return snapshot_peek(search->product->snapshot, paddr, text, length) && memcmp(text, banner->text, length) == 0;
}

static bool probe(struct search *search, uint64_t from, uint64_t to)
{
	const struct landmarks *landmarks = search->landmarks;
	uint64_t step = landmarks->alignment, phase = (landmarks->banner_at - landmarks->link_base) % step, start, end;

	while (from < to && !has_ended(search) && snapshot_next_data(search->product->snapshot, from, &start, &end)) {
		uint64_t paddr = start + (phase + step - start % step) % step;

		for (; paddr < end && paddr < to && !has_ended(search); paddr += step) {
			if (is_banner_at(search, paddr) && try_candidate(search, paddr, &landmarks->banner))
				return true;
		}
		from = paddr > end ? paddr : end;
	}
	return false;
}

/* -- without: wherever there is a banner -- */

static bool scan_chunk(struct search *search, uint64_t paddr, size_t size)
{
	const uint8_t *at = search->chunk, *end = at + size;
	struct banner banner;

	while ((at = banner_search(at, end - at, &banner))) {
		if (try_candidate(search, paddr + (at - search->chunk), &banner))
			return true;
		at++;
	}
	return false;
}

static bool scan_range(struct search *search, uint64_t start, uint64_t end)
{
	while (start < end && !has_ended(search)) {
		uint64_t size = end - start < CHUNK ? end - start : CHUNK;

		if (snapshot_scan(search->product->snapshot, start, search->chunk, size) && scan_chunk(search, start, size))
			return true;
		start += size == CHUNK ? CHUNK - BANNER_MAX : size; /* a banner may lie across two chunks */
	}
	return false;
}

static bool scan(struct search *search, uint64_t from, uint64_t to)
{
	uint64_t start, end;

	for (; from < to && !has_ended(search) && snapshot_next_data(search->product->snapshot, from, &start, &end) && start < to;
	     from = end) {
		if (scan_range(search, start, end < to ? end : to))
			return true;
	}
	return false;
}

static bool look(struct search *search, uint64_t from, uint64_t to)
{
	return search->landmarks ? probe(search, from, to) : scan(search, from, to);
}

/*
 * Behind the hints first: they are in the text, which the read-only data with the banner follows, so that the first kernel there is theirs,
 * even if there are remains of another close by.
 */
static bool look_everywhere(struct search *search)
{
	uint64_t hint[PRODUCT_MAX_HINTS];
	unsigned hints = product_hints(search->product->snapshot, hint);

	for (unsigned i = 0; i < hints; i++) {
		bool seen = false;

		for (unsigned j = 0; j < i; j++)
			seen |= hint[j] == hint[i];
		if (!seen && look(search, hint[i], hint[i] + IMAGE_SPAN))
			return true;
	}
	return look(search, 0, UINT64_MAX);
}

/*
 * Raw memory that is in one piece is laid out by the machine's own map: see product_layout.c. The kernel was found, or not, with the memory
 * as it is. Whether the other layout is the right one.
 */
static bool look_in_one_piece(struct search *search, bool found, const struct ram_map *map)
{
	struct snapshot *snapshot = search->product->snapshot;
	const struct product before = *search->product;
	uint64_t from = found ? search->product->banner_paddr : 0, hole = product_hole_start(snapshot, map);
	bool again;

	if (!hole || from >= hole || !snapshot_split(snapshot, hole, map->high_start))
		return false;
	search->candidates = 0;
	again = found ? product_verify(search->product, search->landmarks, &search->budget) : look_everywhere(search);
	if (again && product_has_high_memory(search->product, map))
		return true;
	snapshot_join(snapshot);
	*search->product = before;
	return false;
}

static bool look_in_any_layout(struct search *search)
{
	struct snapshot *snapshot = search->product->snapshot;
	bool found = look_everywhere(search);
	uint64_t from = found ? search->product->banner_paddr : 0, end;
	struct ram_map map;

	if (!snapshot_is_raw(snapshot) || snapshot->ram.count > 1 ||
	    !product_find_map(snapshot, from, found ? from + IMAGE_SPAN : UINT64_MAX, &map))
		return found;
	if (look_in_one_piece(search, found, &map))
		return true;
	end = map.high_end ? map.high_end : map.low_end;
	if (found && end > snapshot->memory_size)
		search->product->ram_end = end;
	return found;
}

static struct error *not_found(const struct search *search)
{
	char quoted[QUOTE_LINE], end[128] = "";

	if (is_stopped(search))
		return error_create_code(ERROR_CANCELLED, "the search for its kernel was stopped");
	if (is_spent(search))
		snprintf(end, sizeof(end), " where it was searched, up to %u banners and %u pages like page tables: damaged, or forged?",
			 search->candidates, MAX_TABLES - search->budget);
	if (search->landmarks)
		return error_create_code(ERROR_NO_KERNEL, "no running kernel of this build is in it%s: %s", end,
					 quote_string(quoted, sizeof(quoted), search->landmarks->banner.text));
	if (*end)
		return error_create_code(ERROR_NO_KERNEL, "no running Linux kernel is in it%s (--kernel FILE searches for one build only)",
					 end);
	if (!search->candidates)
		return error_create_code(ERROR_NO_KERNEL,
					 "no Linux kernel is in it: give the physical memory of a machine that runs Linux");
	return error_create_code(ERROR_NO_KERNEL,
				 "no running Linux kernel is in it, although %u banners are: was the snapshot made in early boot?",
				 search->candidates);
}

struct error *product_find(struct snapshot *snapshot, const struct landmarks *landmarks, struct product *ret)
{
	struct product product = {.snapshot = snapshot};
	struct search search = {.product = &product, .landmarks = landmarks, .budget = MAX_TABLES, .chunk = malloc(CHUNK)};
	struct error *err = NULL;

	if (!search.chunk)
		return error_create("out of memory");
	if (look_in_any_layout(&search))
		*ret = product;
	else
		err = not_found(&search);
	free(search.chunk);
	return err;
}
