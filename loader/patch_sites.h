/*
 * Patch sites: places in its code that a kernel rewrites while it runs, because of its configuration and its load.
 *
 * Jump labels (static keys): a no-op of 2 or 5 bytes or a jump to the entry's target; listed in __jump_table (include/linux/jump_label.h).
 * Static calls: a CALL or JMP to the function that is chosen, or a no-op (include/linux/static_call_types.h); listed in .static_call_sites
 * where calls are patched in line, and each with a trampoline, a function whose name begins with __SCT__. Alternatives, which depend on the
 * CPU, and the sites of tracing are no patch sites in this sense.
 *
 * The code tells the format, instead of the kernel's version: entries are relative to themselves or absolute, whichever fits the code.
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
	uint64_t address; /* MUST BE FIRST: the key */
	uint64_t target;  /* jump labels: where the jump leads */
	uint64_t key;     /* jump labels: of struct static_key; static calls: of struct static_call_key; else 0 */
	uint8_t kind;     /* enum patch_kind */
	uint8_t size;     /* bytes; 0: the instruction there tells */
	bool branch;      /* jump labels: jumps if the key is false, not if it is true */
	bool tail;        /* static calls: a jump, in place of a call and a return */
};

enum { PATCH_SHORT = 2, PATCH_LONG = 5 /* bytes of a jump label, or of the no-op in its place */ };

/* Sorted by address once patch_sites_sort() has been called. */
struct patch_sites {
	struct patch_site *site;
	size_t count, room;
};

/* The memory with the tables and with the code that they describe. */
struct patch_memory {
	bool (*read)(void *opaque, uint64_t address, void *to, size_t size); /* all or nothing */
	void *opaque;
	unsigned word;       /* bytes of a pointer: 4 or 8 */
	uint64_t start, end; /* of the image or module: sites and targets are in it */
	uint64_t text_end;   /* no code is from here on */
};

/*
 * Finds the bounds of the table of jump labels in the code of a function that uses both, where they stand as addresses: for kernels that do
 * not name their data (i386). Looks at no more than PATCH_BOUNDS_CODE bytes. Returns false if no two addresses there are such bounds.
 */
enum { PATCH_BOUNDS_CODE = 160 };
bool patch_sites_find_jump_table(const struct patch_memory *memory, const uint8_t *code, size_t size, uint64_t *ret_start,
				 uint64_t *ret_end);
/* Add the entries of the table from `start` to `end`, unless it fits no format. The error is about memory. */
struct error *patch_sites_add_jump_labels(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end);
struct error *patch_sites_add_static_calls(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end);
struct error *patch_sites_add(struct patch_sites *sites, const struct patch_site *site);
void patch_sites_sort(struct patch_sites *sites);
/* The number of the first site that ends behind `address`; count if there is none. */
size_t patch_sites_from(const struct patch_sites *sites, uint64_t address);
/* -- the forms of a site: `code` has at least PATCH_LONG bytes -- */

/* The size of the no-op, of any x86 kernel, that code begins with; 0: it begins with none. */
unsigned patch_no_op_size(const uint8_t *code);
/* Puts one there. size: PATCH_SHORT or PATCH_LONG */
void patch_put_no_op(unsigned size, uint8_t *code);
/* Where the relative branch of `size` bytes at `address` leads. word: bytes of a pointer */
uint64_t patch_branch_target(unsigned word, uint64_t address, const uint8_t *code, unsigned size);
/* The size of a jump label that is in one of its two forms; 0: it is in neither. */
unsigned patch_jump_label_size(const struct patch_site *site, unsigned word, const uint8_t *code);

/* A zeroed one is allowed. */
void patch_sites_deinit(struct patch_sites *sites);

#endif
