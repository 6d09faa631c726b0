/*
 * mmap() of a file of the product, for reading or as a private copy. The trusted kernel maps a file of its own memory in the product file's
 * place, with the bytes that the product's kernel reads from it at that time. So a program finds its data; what it maps later shows what
 * has been written meanwhile.
 *
 * Pages that cannot be read, for want of a disk, cannot be accessed either: that is SIGBUS, as after a disk's error, and EFAULT for a call
 * that is given such an address.
 *
 * Code does not get in that way. Mappings for execution are refused, and so are those that the dynamic loader makes. Mappings that are
 * shared and can be written are refused, too: what is written would be lost.
 */
#ifndef XRAY86_REDIRECT_MAPPINGS_H
#define XRAY86_REDIRECT_MAPPINGS_H

#include "redirect/placeholders.h"

struct mappings {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;
	struct placeholders *placeholders;

	/* -- its state -- */
	uint64_t buffer; /* in the product */
	struct mapping_gap {
		uint64_t start, end; /* addresses of a tool where it must not look */
	} * gap;
	size_t gaps, room;
};

/* Marks the functions by which a tool gets a SIGBUS, or its call an EFAULT: then a gap is a loss. */
struct error *mapping_mark(struct mappings *mappings);
/* Whether calls->now, a mmap(), is one that mapping_judge() does. */
bool mapping_concerns(struct mappings *mappings);
/*
 * Judges calls->now, a mmap() that does not come from the dynamic loader. VERDICT_REFUSED: it is done, and *ret_result is the address.
 * VERDICT_TRUSTED: it is not about a file of the product, or such a file cannot be mapped; the placeholder then says ENODEV.
 */
enum verdict mapping_judge(struct mappings *mappings, int64_t *ret_result);
void mapping_deinit(struct mappings *mappings);

#endif
