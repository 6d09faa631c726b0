/*
 * The overlay: see overlay.h. A hash table of copied pages by page number; the running transaction is a list of its entries, each with
 * what the page was before, or none for a page whose copy is the transaction's own. Rolling back removes the latter from the table again.
 */
#include "mmu/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/error.h"

enum { FIRST_BUCKETS = 256, LOAD = 2 /* entries a bucket before the table grows */ };

/* Buffers are a page's bytes and, behind them, its tags if there are shadows. */
struct entry {
	uint64_t number;      /* physical page number */
	uint8_t *copy;        /* a buffer */
	uint8_t *saved;       /* another: the state at the transaction's start; NULL if that was the memory below, or it is over */
	uint64_t transaction; /* in which it was last written */
	bool fresh;           /* copied in that transaction: rolling back drops it */
	struct entry *hash_next;
};

struct overlay {
	struct overlay_config config;
	struct entry **bucket;
	size_t buckets, count; /* buckets: a power of two */
	uint64_t transaction;  /* number of the one that runs or ran last */
	bool running;
	struct entry **written; /* in that transaction */
	size_t written_count, written_room;
	uint8_t **spare; /* page buffers to be used again */
	size_t spare_count, spare_room;
};

/* -- making -- */

struct error *overlay_create(const struct overlay_config *config, struct overlay **ret)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));

	if (overlay)
		overlay->bucket = calloc(FIRST_BUCKETS, sizeof(struct entry *));
	if (!overlay || !overlay->bucket) {
		free(overlay);
		return error_create("creating the overlay: out of memory");
	}
	overlay->config = *config;
	overlay->buckets = FIRST_BUCKETS;
	*ret = overlay;
	return NULL;
}

static void entry_destroy(struct entry *entry)
{
	free(entry->copy);
	free(entry->saved);
	free(entry);
}

void overlay_destroy(struct overlay *overlay)
{
	if (!overlay)
		return;
	for (size_t i = 0; i < overlay->buckets; i++) {
		for (struct entry *entry = overlay->bucket[i], *next; entry; entry = next) {
			next = entry->hash_next;
			entry_destroy(entry);
		}
	}
	for (size_t i = 0; i < overlay->spare_count; i++)
		free(overlay->spare[i]);
	free(overlay->spare);
	free(overlay->written);
	free(overlay->bucket);
	free(overlay);
}

/* -- buffers -- */

static size_t buffer_size(const struct overlay *overlay)
{
	return overlay->config.shadows ? 2 * PAGE_SIZE : PAGE_SIZE;
}

static uint8_t *buffer_get(struct overlay *overlay)
{
	return overlay->spare_count ? overlay->spare[--overlay->spare_count] : aligned_alloc(64, buffer_size(overlay));
}

static void buffer_put(struct overlay *overlay, uint8_t *bytes)
{
	if (!bytes)
		return;
	if (array_reserve(&overlay->spare, overlay->spare_count, &overlay->spare_room, sizeof(*overlay->spare)))
		overlay->spare[overlay->spare_count++] = bytes;
	else
		free(bytes);
}

/* -- the table -- */

static struct entry **bucket_of(const struct overlay *overlay, uint64_t number)
{
	return &overlay->bucket[(number * 0x9e3779b97f4a7c15) >> 32 & (overlay->buckets - 1)];
}

static struct entry *find(const struct overlay *overlay, uint64_t number)
{
	struct entry *entry = *bucket_of(overlay, number);

	while (entry && entry->number != number)
		entry = entry->hash_next;
	return entry;
}

static void insert(struct overlay *overlay, struct entry *entry)
{
	struct entry **bucket = bucket_of(overlay, entry->number);

	entry->hash_next = *bucket;
	*bucket = entry;
}

/* Where memory is short the table stays as it is: slower, not wrong. */
static void grow(struct overlay *overlay)
{
	size_t old = overlay->buckets;
	struct entry **from = overlay->bucket, **to = calloc(2 * old, sizeof(struct entry *));

	if (!to)
		return;
	overlay->bucket = to;
	overlay->buckets = 2 * old;
	for (size_t i = 0; i < old; i++) {
		for (struct entry *entry = from[i], *next; entry; entry = next) {
			next = entry->hash_next;
			insert(overlay, entry);
		}
	}
	free(from);
}

static void remove_entry(struct overlay *overlay, const struct entry *entry)
{
	struct entry **at = bucket_of(overlay, entry->number);

	while (*at != entry)
		at = &(*at)->hash_next;
	*at = entry->hash_next;
	overlay->count--;
}

/* A copy of the page below. NULL: no room. */
static struct entry *copy_page(struct overlay *overlay, uint64_t number, const uint8_t *below)
{
	struct entry *entry;

	if (overlay->count >= overlay->config.max_pages)
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->copy = buffer_get(overlay);
	if (!entry->copy) {
		free(entry);
		return NULL;
	}
	memcpy(entry->copy, below, PAGE_SIZE);
	if (overlay->config.shadows)
		memset(entry->copy + PAGE_SIZE, overlay->config.clean, PAGE_SIZE);
	entry->number = number;
	if (overlay->count >= LOAD * overlay->buckets)
		grow(overlay);
	insert(overlay, entry);
	overlay->count++;
	return entry;
}

/* Notes that entry is written in the running transaction, of which this is the first write to it. False: out of memory. */
static bool join_transaction(struct overlay *overlay, struct entry *entry, bool fresh)
{
	if (!array_reserve(&overlay->written, overlay->written_count, &overlay->written_room, sizeof(*overlay->written)))
		return false;
	if (!fresh) {
		entry->saved = buffer_get(overlay);
		if (!entry->saved)
			return false;
		memcpy(entry->saved, entry->copy, buffer_size(overlay));
	}
	entry->fresh = fresh;
	entry->transaction = overlay->transaction;
	overlay->written[overlay->written_count++] = entry;
	return true;
}

/* -- pages -- */

static void describe(const struct overlay *overlay, const struct entry *entry, struct overlay_page *ret)
{
	ret->host = entry->copy;
	ret->shadow = overlay->config.shadows ? entry->copy + PAGE_SIZE : NULL;
}

static bool page_for_writing(struct overlay *overlay, uint64_t number, struct entry *entry, const uint8_t *below, struct overlay_page *ret)
{
	bool fresh = !entry;

	if (!entry)
		entry = copy_page(overlay, number, below);
	if (!entry)
		return false;
	if (overlay->running && entry->transaction != overlay->transaction && !join_transaction(overlay, entry, fresh)) {
		if (fresh) {
			remove_entry(overlay, entry);
			entry_destroy(entry);
		}
		return false;
	}
	describe(overlay, entry, ret);
	ret->moved = fresh;
	return true;
}

bool overlay_page(struct overlay *overlay, uint64_t paddr, bool write, struct overlay_page *ret)
{
	uint64_t number = paddr >> PAGE_SHIFT;
	struct entry *entry = find(overlay, number);
	enum page_lack lack;
	const uint8_t *below = entry ? NULL : overlay->config.source.page(overlay->config.source.opaque, paddr & PAGE_MASK, &lack);

	*ret = (struct overlay_page){0};
	if (!entry && !below)
		return false;
	if (write)
		return page_for_writing(overlay, number, entry, below, ret);
	if (entry)
		describe(overlay, entry, ret);
	else
		ret->host = (uint8_t *)(uintptr_t)below;
	return true;
}

/* -- bytes -- */

/* How many of size bytes at paddr lie in its page. */
static size_t in_page(uint64_t paddr, size_t size)
{
	size_t left = PAGE_SIZE - (paddr & ~PAGE_MASK);

	return size < left ? size : left;
}

bool overlay_read(struct overlay *overlay, uint64_t paddr, void *to, size_t size)
{
	struct overlay_page page;

	for (size_t done = 0, n; done < size; done += n) {
		if (!overlay_page(overlay, paddr + done, false, &page))
			return false;
		n = in_page(paddr + done, size - done);
		memcpy((uint8_t *)to + done, page.host + ((paddr + done) & ~PAGE_MASK), n);
	}
	return true;
}

bool overlay_write(struct overlay *overlay, uint64_t paddr, const void *from, size_t size)
{
	struct overlay_page page;

	for (size_t done = 0; done < size; done += in_page(paddr + done, size - done)) {
		if (!overlay_page(overlay, paddr + done, true, &page)) /* now that nothing is written yet */
			return false;
	}
	for (size_t done = 0, n; done < size; done += n) {
		n = in_page(paddr + done, size - done);
		if (!overlay_page(overlay, paddr + done, true, &page))
			return false; /* cannot be: it is there */
		memcpy(page.host + ((paddr + done) & ~PAGE_MASK), (const uint8_t *)from + done, n);
		if (page.shadow)
			memset(page.shadow + ((paddr + done) & ~PAGE_MASK), 0, n);
	}
	return true;
}

/* -- transactions -- */

bool overlay_for_each(const struct overlay *overlay, bool (*fn)(void *opaque, uint64_t paddr, const uint8_t *page), void *opaque)
{
	for (size_t i = 0; i < overlay->buckets; i++) {
		for (const struct entry *entry = overlay->bucket[i]; entry; entry = entry->hash_next) {
			if (!fn(opaque, entry->number << PAGE_SHIFT, entry->copy))
				return false;
		}
	}
	return true;
}

static const uint8_t *page_of(void *opaque, uint64_t paddr, enum page_lack *ret_lack)
{
	const struct overlay *overlay = opaque;
	const struct entry *entry = find(overlay, paddr >> PAGE_SHIFT);

	return entry ? entry->copy : overlay->config.source.page(overlay->config.source.opaque, paddr, ret_lack);
}

struct page_source overlay_source(struct overlay *overlay)
{
	return (struct page_source){overlay, page_of};
}

void overlay_begin(struct overlay *overlay)
{
	overlay->transaction++;
	overlay->written_count = 0;
	overlay->running = true;
}

static void forget_saved(struct overlay *overlay, struct entry *entry)
{
	buffer_put(overlay, entry->saved);
	entry->saved = NULL;
}

void overlay_commit(struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->written_count; i++)
		forget_saved(overlay, overlay->written[i]);
	overlay->running = false;
}

void overlay_rollback(struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->written_count; i++) {
		struct entry *entry = overlay->written[i];

		if (entry->fresh) {
			remove_entry(overlay, entry);
			buffer_put(overlay, entry->copy);
			free(entry);
		} else {
			memcpy(entry->copy, entry->saved, buffer_size(overlay)); /* its address is to stay */
			forget_saved(overlay, entry);
		}
	}
	overlay->written_count = 0;
	overlay->running = false;
}

size_t overlay_pages(const struct overlay *overlay)
{
	return overlay->count;
}

size_t overlay_transaction_pages(const struct overlay *overlay)
{
	return overlay->written_count;
}
