/*
 * A kernel's symbols, by name and by address: those of kallsyms, and exported ones that it lacks (data on i386: see exports.h). They are
 * sorted by address.
 */
#ifndef XRAY86_LOADER_SYMBOLS_H
#define XRAY86_LOADER_SYMBOLS_H

#include "loader/exports.h"
#include "loader/kallsyms.h"
#include "loader/kernel_image.h"

struct symbols {
	struct kallsyms table;
	unsigned extras; /* exported symbols that the table lacks, by address */
	struct extra_symbol *extra;
	size_t extra_room;
	uint64_t base, end;    /* of the image */
	uint64_t absolute_end; /* behind the highest absolute symbol, or 0 */
	struct symbols_index {
		uint32_t *slot; /* NULL: there is no index */
		size_t slots;   /* a power of two */
		unsigned number_bits;
	} index;
};

/* A place in the list of symbols. A zeroed cursor is at the first symbol. */
struct symbols_cursor {
	struct kallsyms_cursor table;
	unsigned extra;
};

/*
 * Opens the symbols in a view, moved by `shift` (see kallsyms_move()). The view's bytes must outlive *ret. `ranges` tells where the
 * exported symbols are, if the caller knows. NULL: kallsyms tells, if it can.
 */
struct error *symbols_open(const struct view *view, const struct export_ranges *ranges, uint64_t shift, struct symbols *ret);
/* Opens the symbols of a kernel at virtual address `base`; 0: where it is linked or relocated to. */
struct error *symbols_open_kernel(const struct kernel_image *kernel, uint64_t base, struct symbols *ret);
/*
 * Makes symbols_address() cost the same for every name, there or not: without it, names that the kernel's own tables do not index are
 * searched for from the first symbol on. Worth its pass over all symbols from some five such names on.
 */
struct error *symbols_make_index(struct symbols *symbols);
/* A zeroed struct symbols is allowed. */
void symbols_close(struct symbols *symbols);

/* Reads the symbol at the cursor and moves on. Returns false at the end. */
bool symbols_next(const struct symbols *symbols, struct symbols_cursor *cursor, struct symbol *ret);
/* Reads the next symbol whose name begins so and moves behind it; exported ones that kallsyms lacks come last. Returns false at the end. */
bool symbols_next_prefixed(const struct symbols *symbols, struct symbols_cursor *cursor, const char *prefix, struct symbol *ret);
/* Reads the next symbol of this name and moves behind it. Returns false if there is none. Local symbols may share a name. */
bool symbols_next_named(const struct symbols *symbols, struct symbols_cursor *cursor, const char *name, struct symbol *ret);
/* The address of the first symbol of this name. Returns false if there is none. */
bool symbols_address(const struct symbols *symbols, const char *name, uint64_t *ret);
/*
 * The symbol that an address is in: the nearest at or below it. Returns false if the address is outside of the image and of the absolute
 * symbols.
 */
bool symbols_nearest(const struct symbols *symbols, uint64_t address, struct symbol *ret);

#endif
