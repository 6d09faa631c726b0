/*
 * A copy-on-write layer over read-only physical memory (a snapshot): pages are copied when they are first written, and what is written can
 * be taken back to the start of the running transaction.
 *
 * Invariants. The memory below is never written. A page handed out for writing has been saved in the transaction that runs, so whoever
 * caches host addresses for writing (a TLB bank) must forget them when a transaction begins; cached addresses for reading must be
 * forgotten for a page that gets its copy (overlay_page() tells), and altogether after a rollback. Addresses stay valid otherwise.
 * Without a transaction, writes are for good.
 *
 * Each copied page may have a shadow: a byte of tag for each byte (mmu/tlb.h). Pages get theirs, all of tag `clean`, with their copy, if
 * the overlay was made with shadows; it is rolled back with them.
 */
#ifndef XRAY86_MMU_OVERLAY_H
#define XRAY86_MMU_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmu/page_source.h"
#include "mmu/physmem.h"

struct overlay;

struct overlay_config {
	struct page_source source; /* the memory below; what it lacks cannot be written */
	bool shadows;
	uint8_t clean;      /* the tag of what comes from below */
	uint64_t max_pages; /* that may be copied: writes beyond fail */
};

struct overlay_page {
	uint8_t *host;   /* start of the page; to be written only if asked for writing */
	uint8_t *shadow; /* start of its tags, or NULL */
	bool moved;      /* it got its copy by this call: the address given before is stale */
};

struct error *overlay_create(const struct overlay_config *config, struct overlay **ret);
/* NULL is allowed. */
void overlay_destroy(struct overlay *overlay);

/* The page that holds paddr. False: there is none, or no room for the copy. */
bool overlay_page(struct overlay *overlay, uint64_t paddr, bool write, struct overlay_page *ret);

/* Bytes that may cross pages; false, with nothing (read: an unspecified part) copied, where a page is missing. */
bool overlay_read(struct overlay *overlay, uint64_t paddr, void *to, size_t size);
bool overlay_write(struct overlay *overlay, uint64_t paddr, const void *from, size_t size);

/* Transactions do not nest. */
void overlay_begin(struct overlay *overlay);
void overlay_commit(struct overlay *overlay);
/* Everything is as it was at overlay_begin(). */
void overlay_rollback(struct overlay *overlay);

/* Pages that differ (or may differ) from the memory below; and those written in the transaction that runs or ran last. */
size_t overlay_pages(const struct overlay *overlay);
size_t overlay_transaction_pages(const struct overlay *overlay);

#endif
