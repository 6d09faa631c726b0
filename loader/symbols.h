/*
 * A kernel's symbols: kallsyms, and the exported ones that it lacks (data on i386: see exports.h), by name and by address. Sorted by
 * address.
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
	uint64_t base, end;    /* of the image */
	uint64_t absolute_end; /* behind the highest absolute symbol, or 0 */
};

/* A place in the list of symbols. Start at a zeroed one. */
struct symbols_cursor {
	struct kallsyms_cursor table;
	unsigned extra;
};

/*
 * The symbols in a view (whose bytes must outlive *ret), moved by `shift` (see kallsyms_move()). `ranges` tells where the exported ones
 * are, if the caller knows; NULL: where kallsyms says, if it does.
 */
struct error *symbols_open(const struct view *view, const struct export_ranges *ranges, uint64_t shift, struct symbols *ret);
/* The symbols of a kernel as they are when it stands at virtual address `base`; 0: where it is linked or relocated to. */
struct error *symbols_open_kernel(const struct kernel_image *kernel, uint64_t base, struct symbols *ret);
/* A zeroed struct symbols is allowed. */
void symbols_close(struct symbols *symbols);

/* Tells the symbol at the cursor and moves on; false at the end. */
bool symbols_next(const struct symbols *symbols, struct symbols_cursor *cursor, struct symbol *ret);
/* Tells the next symbol with this name and moves behind it; false if there is none. Local symbols may share a name. */
bool symbols_next_named(const struct symbols *symbols, struct symbols_cursor *cursor, const char *name, struct symbol *ret);
/* The first symbol with this name. */
bool symbols_address(const struct symbols *symbols, const char *name, uint64_t *ret);
/*
 * The symbol that an address is in: the nearest at or below it. false: the address is neither in the image nor among the absolute symbols.
 */
bool symbols_nearest(const struct symbols *symbols, uint64_t address, struct symbol *ret);

#endif
