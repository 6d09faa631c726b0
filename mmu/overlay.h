/*
 * A copy-on-write layer over read-only physical memory (a snapshot). It copies a page when the page is first written, and can take back
 * what was written since the running transaction began.
 *
 * Invariants. The memory below is never written. A page is saved in the running transaction before it is handed out for writing. So whoever
 * caches host addresses for writing (a TLB bank) must forget them when a transaction begins. He must forget an address for reading when the
 * page gets its copy (overlay_page() tells), and all of them after a rollback. Otherwise addresses stay valid. Without a transaction,
 * writes are for good.
 *
 * Each copied page may have a shadow: a byte of tag for each byte (mmu/tlb.h). If the overlay has shadows, a page gets one with its copy,
 * with the tag `clean` everywhere. A rollback restores it, too.
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
	struct page_source source; /* the memory below; pages that it lacks cannot be written */
	bool shadows;
	uint8_t clean;      /* the tag of values from below */
	uint64_t max_pages; /* how many pages may be copied; writes to more of them fail */
};

struct overlay_page {
	uint8_t *host;   /* start of the page; to be written only if it was asked for writing */
	uint8_t *shadow; /* start of its tags, or NULL */
	bool moved;      /* this call has made the copy: an address given before is stale */
};

struct error *overlay_create(const struct overlay_config *config, struct overlay **ret);
/* NULL is allowed. */
void overlay_destroy(struct overlay *overlay);

/* The page that holds paddr. Returns false if there is none, or no room for the copy. */
bool overlay_page(struct overlay *overlay, uint64_t paddr, bool write, struct overlay_page *ret);

/* Copy bytes, which may cross pages. Return false if a page is missing: nothing is written then, and *to is undefined. */
bool overlay_read(struct overlay *overlay, uint64_t paddr, void *to, size_t size);
bool overlay_write(struct overlay *overlay, uint64_t paddr, const void *from, size_t size);

/* Calls fn with each copied page until fn returns false. Returns false if fn has. */
bool overlay_for_each(const struct overlay *overlay, bool (*fn)(void *opaque, uint64_t paddr, const uint8_t *page), void *opaque);
/* The overlay as the memory below another overlay. It must not be written meanwhile. */
struct page_source overlay_source(struct overlay *overlay);

/* Transactions do not nest. */
void overlay_begin(struct overlay *overlay);
void overlay_commit(struct overlay *overlay);
/* Makes everything as it was at overlay_begin(). */
void overlay_rollback(struct overlay *overlay);

/* How many pages may differ from the memory below; how many were written in the transaction that runs or ran last. */
size_t overlay_pages(const struct overlay *overlay);
size_t overlay_transaction_pages(const struct overlay *overlay);

#endif
