/*
 * Read-only physical memory, page by page, under an overlay. If a page is lacking, the source tells why, since the answer to a reader
 * depends on the reason.
 */
#ifndef XRAY86_MMU_PAGE_SOURCE_H
#define XRAY86_MMU_PAGE_SOURCE_H

#include <stdint.h>

enum page_lack {
	PAGE_THERE,      /* nothing is lacking */
	PAGE_HOLE,       /* the source knows of no memory at this address */
	PAGE_LEFT_OUT,   /* the machine has memory here; whoever made the snapshot left it out, maybe because it is zeros */
	PAGE_UNREADABLE, /* the snapshot has the page, and reading it fails: a bad disk, a file that was cut, damaged compressed data */
};

struct page_source {
	void *opaque;
	/*
	 * Returns the page at paddr (page-aligned), whose address and contents never change; or NULL, with the reason in *ret_lack.
	 * *ret_lack is undefined otherwise.
	 */
	const uint8_t *(*page)(void *opaque, uint64_t paddr, enum page_lack *ret_lack);
};

#endif
