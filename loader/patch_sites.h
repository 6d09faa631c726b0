/*
 * Patch sites: places in the kernel's code that it rewrites while it runs, because of its configuration and its load, not of its CPU.
 *
 * Jump labels (static keys): a no-op of 2 or 5 bytes or a jump to the entry's target; listed in __jump_table (include/linux/jump_label.h).
 * Static calls: a CALL or JMP to the function that is chosen, or a no-op (include/linux/static_call_types.h); listed in .static_call_sites
 * where calls are patched in line, and each with a trampoline, a function whose name begins with __SCT__. Alternatives, which follow from
 * the CPU, and the sites of tracing are not meant.
 *
 * The formats are told by what fits the code, not by the kernel's version: entries are relative to themselves or absolute, and a table
 * whose bounds no symbol tells (i386) is the longest row of words that fit.
 */
#ifndef XRAY86_LOADER_PATCH_SITES_H
#define XRAY86_LOADER_PATCH_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

enum patch_kind {
	PATCH_JUMP_LABEL,
	PATCH_STATIC_CALL,
	PATCH_TRAMPOLINE, /* of a static call */
	PATCH_CONSTANT,   /* an immediate that boot fills in (runtime_constants.h) */
};

struct patch_site {
	uint64_t address;
	uint64_t target; /* jump labels: where the jump leads */
	uint64_t key;    /* jump labels: of struct static_key; static calls: of struct static_call_key; else 0 */
	uint8_t kind;    /* enum patch_kind */
	uint8_t size;    /* bytes; 0: the instruction there tells */
	bool branch;     /* jump labels: jumps if the key is false, not if it is true */
	bool tail;       /* static calls: a jump, in place of a call and a return */
};

/* Sorted by address once patch_sites_sort() has been called. */
struct patch_sites {
	struct patch_site *site;
	size_t count, room;
};

/* The memory in which the tables are, and which they are about. */
struct patch_memory {
	bool (*read)(void *opaque, uint64_t address, void *to, size_t size); /* all or nothing */
	void *opaque;
	unsigned word;       /* bytes of a pointer: 4 or 8 */
	uint64_t start, end; /* of the image or module: sites and targets are in it */
	uint64_t text_end;   /* no code is from here on */
};

/* The row from `start` to `end`; both 0: it is looked for. What fits no format is passed over. The error is about memory. */
struct error *patch_sites_add_jump_labels(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end);
struct error *patch_sites_add_static_calls(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end);
struct error *patch_sites_add(struct patch_sites *sites, const struct patch_site *site);
void patch_sites_sort(struct patch_sites *sites);
/* The first site that ends behind `address`; count if there is none. */
size_t patch_sites_from(const struct patch_sites *sites, uint64_t address);
/* A zeroed one is allowed. */
void patch_sites_deinit(struct patch_sites *sites);

#endif
