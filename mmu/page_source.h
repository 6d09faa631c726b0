/*
 * Physical memory that is only read, page by page: what an overlay lies over. A page that is not to be had has a reason, since the answer
 * to a reader depends on it.
 */
#ifndef XRAY86_MMU_PAGE_SOURCE_H
#define XRAY86_MMU_PAGE_SOURCE_H

#include <stdint.h>

enum page_lack {
	PAGE_THERE,      /* nothing is lacking */
	PAGE_HOLE,       /* no memory is known of at this address */
	PAGE_LEFT_OUT,   /* the machine has memory here; whoever made the snapshot left it out, maybe because it is zeros */
	PAGE_UNREADABLE, /* the snapshot has the page, and reading it fails: a bad disk, a file that was cut, damaged compressed data */
};

struct page_source {
	void *opaque;
	/*
	 * The page at paddr (page-aligned); it stays where it is and what it is. NULL: *ret_lack has the reason. *ret_lack is undefined
	 * otherwise.
	 */
	const uint8_t *(*page)(void *opaque, uint64_t paddr, enum page_lack *ret_lack);
};

#endif
