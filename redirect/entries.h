/*
 * Entries of functions. A kernel that can be traced begins its functions with a no-op of 5 bytes, in whose place it puts a call when
 * somebody wants to know of the function, or to have another one run instead: tracers, kprobes, live patches, BPF programs, and rootkits.
 * Product context runs the trusted kernel's functions, so what is hooked in there does not run, and a note says so.
 */
#ifndef XRAY86_REDIRECT_ENTRIES_H
#define XRAY86_REDIRECT_ENTRIES_H

#include "redirect/switches.h"
#include "redirect/worlds.h"
#include "util/note.h"

struct entries {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	const struct switches *switches; /* whose sites are no entries in this sense */
	const struct notes *notes;

	/* -- its state -- */
	uint64_t text_end;
	uint8_t *page; /* what is known of each, by number, from the image's start on */
	bool suspects; /* pages that ran have entries that differ */
	bool told;
};

/* Before the first call. A kernel that does not name the end of its text is not looked at. */
struct error *entry_begin(struct entries *entries);
/* Product context fetches from this page of the image: looks at the entries in it. */
void entry_look_at(struct entries *entries, uint64_t linear);
/* Notes, once, that something is hooked in at entries of functions that ran, and at how many there are. Between calls only. */
void entry_tell(struct entries *entries);
void entry_deinit(struct entries *entries);

#endif
