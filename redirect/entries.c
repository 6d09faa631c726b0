/* Entries of functions: entries.h. */
#include "redirect/entries.h"

#include <stdlib.h>
#include <string.h>

#include "util/quote.h"

enum { ENDBR = 4 /* bytes of ENDBR64, with which a function may begin */, PAGE_ENTRIES = 256 /* at least 16 bytes apart */ };

enum { UNSEEN, SEEN, SUSPECT };

static const struct symbols *symbols_of(const struct entries *entries)
{
	return entries->worlds->product->symbols;
}

static uint64_t first_page(const struct entries *entries)
{
	return symbols_of(entries)->base & PAGE_MASK;
}

static size_t page_number(const struct entries *entries, uint64_t address)
{
	return (address - first_page(entries)) >> PAGE_SHIFT;
}

static size_t page_count(const struct entries *entries)
{
	return page_number(entries, entries->text_end + PAGE_SIZE - 1);
}

static bool is_patch_site(const struct entries *entries, uint64_t address)
{
	const struct patch_sites *sites = &entries->switches->sites;
	size_t at = patch_sites_from(sites, address);

	while (at < sites->count && sites->site[at].address < address)
		at++;
	return at < sites->count && sites->site[at].address == address;
}

static bool is_entry(const struct entries *entries, uint64_t address)
{
	struct symbol symbol;

	return symbols_nearest(symbols_of(entries), address, &symbol) && strchr("TtWw", symbol.type) &&
	       (address == symbol.address || address == symbol.address + ENDBR) && !is_patch_site(entries, address);
}

/*
 * Entries in the page that differ in the product: at most `most` addresses. Some functions begin with another kind of no-op, which the
 * kernel has put there because of its CPU (alternatives).
 */
static unsigned find_in(struct entries *entries, uint64_t page, uint64_t *ret, unsigned most)
{
	uint8_t trusted[PAGE_SIZE], product[PAGE_SIZE];
	unsigned count = 0;

	if (kernel_peek(&entries->worlds->trusted, page, trusted, PAGE_SIZE) != PAGE_SIZE ||
	    !product_memory_read(&entries->worlds->memory, page, product, PAGE_SIZE) || memcmp(trusted, product, PAGE_SIZE) == 0)
		return 0;
	for (unsigned i = 0; i + PATCH_LONG <= PAGE_SIZE && count < most; i++) {
		if (trusted[i] != product[i] && patch_no_op_size(trusted + i) == PATCH_LONG &&
		    patch_no_op_size(product + i) != PATCH_LONG && is_entry(entries, page + i))
			ret[count++] = page + i;
	}
	return count;
}

struct error *entry_begin(struct entries *entries)
{
	entries->text_end = kernel_symbol(entries->worlds->product, "_etext");
	entries->page = entries->text_end ? calloc(page_count(entries), sizeof(*entries->page)) : NULL;
	return entries->page || !entries->text_end ? NULL : error_create("starting introspection: out of memory");
}

void entry_look_at(struct entries *entries, uint64_t linear)
{
	uint8_t *page = linear < entries->text_end ? &entries->page[page_number(entries, linear)] : NULL;
	uint64_t ignored;

	if (!page || *page != UNSEEN || entries->told)
		return;
	*page = find_in(entries, linear & PAGE_MASK, &ignored, 1) ? SUSPECT : SEEN;
	entries->suspects |= *page == SUSPECT;
}

/* -- telling -- */

/* Whether this is the place in a function where tracers hook in. */
static bool is_traced(struct entries *entries, uint64_t address)
{
	uint64_t found;

	return worlds_call(entries->worlds, WORLD_TRUSTED, FUNCTION_ftrace_location, &address, 1, &found) && found == address;
}

/* How many functions of the page have something hooked in; *ret_first is the first one's entry. */
static unsigned count_in(struct entries *entries, size_t number, uint64_t *ret_first)
{
	uint64_t found[PAGE_ENTRIES];
	unsigned candidates = find_in(entries, first_page(entries) + (number << PAGE_SHIFT), found, PAGE_ENTRIES), count = 0;

	for (unsigned i = 0; i < candidates; i++) {
		if (is_traced(entries, found[i]) && !count++)
			*ret_first = found[i];
	}
	return count;
}

/* Whether one that ran is among the pages under suspicion. */
static bool confirm(struct entries *entries, uint64_t *ret_first)
{
	bool found = false;

	for (size_t i = 0; !found && i < page_count(entries); i++) {
		if (entries->page[i] != SUSPECT)
			continue;
		entries->page[i] = SEEN;
		found = count_in(entries, i, ret_first);
	}
	entries->suspects = found;
	return found;
}

static const char *name_of(const struct entries *entries, uint64_t address, char to[QUOTE_NAME])
{
	struct symbol symbol;

	return symbols_nearest(symbols_of(entries), address, &symbol) ? quote_string(to, QUOTE_NAME, symbol.name) : "?";
}

void entry_tell(struct entries *entries)
{
	char name[QUOTE_NAME];
	uint64_t first, ignored;
	unsigned count = 0;

	if (!entries->suspects || entries->told || !confirm(entries, &first))
		return;
	entries->told = true;
	for (size_t i = 0; i < page_count(entries); i++)
		count += count_in(entries, i, &ignored);
	note(entries->notes,
	     "the snapshot's kernel leads elsewhere at the entry of %u function%s (%s, for one): tracing, a live patch or a hook; here the "
	     "kernel's own code ran without that",
	     count, count == 1 ? "" : "s", name_of(entries, first, name));
}

void entry_deinit(struct entries *entries)
{
	free(entries->page);
}
