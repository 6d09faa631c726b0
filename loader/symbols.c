/* A kernel's symbols: see symbols.h. */
#include "loader/symbols.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"

struct extra_symbol {
	uint64_t address;
	char *name;
	char type;
};

enum { MAX_ALIASES = 1024 /* symbols at the address of an exported one; kernels have up to some hundreds */ };

/* -- exported symbols that kallsyms lacks -- */

static bool is_in_table(const struct kallsyms *table, const struct symbol *wanted)
{
	struct kallsyms_cursor cursor;
	struct symbol symbol;
	unsigned index;

	if (!kallsyms_nearest(table, wanted->address, &index) || kallsyms_address(table, index) != wanted->address)
		return false;
	kallsyms_seek(table, index, &cursor);
	for (unsigned i = 0; i < MAX_ALIASES && kallsyms_next(table, &cursor, &symbol) && symbol.address == wanted->address; i++) {
		if (!strcmp(symbol.name, wanted->name))
			return true;
	}
	return false;
}

static struct error *add_extra(struct symbols *symbols, const struct symbol *symbol)
{
	struct extra_symbol *extra;

	if (!array_reserve(&symbols->extra, symbols->extras, &symbols->extra_room, sizeof(*extra)))
		return error_create("out of memory");
	extra = &symbols->extra[symbols->extras];
	*extra = (struct extra_symbol){symbol->address, strdup(symbol->name), symbol->type};
	if (!extra->name)
		return error_create("out of memory");
	symbols->extras++;
	return NULL;
}

static int by_address(const void *a, const void *b)
{
	const struct extra_symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address ? 1 : strcmp(x->name, y->name);
}

static struct error *add_exports(struct symbols *symbols, const struct view *view, const struct export_ranges *ranges)
{
	size_t count = exports_count(view, ranges);
	struct error *err = NULL;

	for (size_t i = 0; !err && i < count; i++) {
		struct symbol symbol;

		if (!exports_get(view, ranges, i, &symbol))
			continue;
		if (!is_in_table(&symbols->table, &symbol))
			err = add_extra(symbols, &symbol);
	}
	if (symbols->extras)
		qsort(symbols->extra, symbols->extras, sizeof(*symbols->extra), by_address);
	return err;
}

/* -- opening -- */

static void move(struct symbols *symbols, const struct view *view, uint64_t shift)
{
	unsigned last;

	if (kallsyms_nearest(&symbols->table, view->base - 1, &last))
		symbols->absolute_end = kallsyms_address(&symbols->table, last) + 1;
	symbols->base = view_address(view, view->base + shift);
	symbols->end = view_address(view, view->end + shift);
	kallsyms_move(&symbols->table, shift);
	for (unsigned i = 0; i < symbols->extras; i++) {
		if (symbols->extra[i].address >= view->base)
			symbols->extra[i].address = view_address(view, symbols->extra[i].address + shift);
	}
}

struct error *symbols_open(const struct view *view, const struct export_ranges *ranges, uint64_t shift, struct symbols *ret)
{
	struct export_ranges located;
	struct error *err;

	*ret = (struct symbols){0};
	err = kallsyms_find(view, &ret->table);
	if (err)
		return err;
	kallsyms_mark(&ret->table);
	exports_locate_by_symbols(&ret->table, &located);
	if (!located.count && ranges)
		located = *ranges;
	exports_clip(view, &located);
	err = add_exports(ret, view, &located);
	if (err) {
		symbols_close(ret);
		return err;
	}
	move(ret, view, shift);
	return NULL;
}

struct error *symbols_open_kernel(const struct kernel_image *kernel, uint64_t base, struct symbols *ret)
{
	struct export_ranges ranges;
	struct view view;

	view_of_kernel(kernel, &view);
	exports_locate_by_sections(kernel, &ranges);
	return symbols_open(&view, &ranges, base ? base - kernel->base : 0, ret);
}

void symbols_close(struct symbols *symbols)
{
	for (unsigned i = 0; i < symbols->extras; i++)
		free(symbols->extra[i].name);
	free(symbols->extra);
	free(symbols->index.slot);
	kallsyms_unmark(&symbols->table);
	*symbols = (struct symbols){0};
}

/* -- looking up -- */

static void get_extra(const struct extra_symbol *extra, struct symbol *ret)
{
	ret->address = extra->address;
	ret->type = extra->type;
	memcpy(ret->name, extra->name, strlen(extra->name) + 1);
}

bool symbols_next(const struct symbols *symbols, struct symbols_cursor *cursor, struct symbol *ret)
{
	const struct kallsyms *table = &symbols->table;

	if (cursor->extra < symbols->extras &&
	    (cursor->table.index == table->count || symbols->extra[cursor->extra].address < kallsyms_address(table, cursor->table.index))) {
		get_extra(&symbols->extra[cursor->extra++], ret);
		return true;
	}
	return kallsyms_next(table, &cursor->table, ret);
}

bool symbols_next_prefixed(const struct symbols *symbols, struct symbols_cursor *cursor, const char *prefix, struct symbol *ret)
{
	if (kallsyms_next_prefixed(&symbols->table, &cursor->table, prefix, ret))
		return true;
	while (cursor->extra < symbols->extras) {
		const struct extra_symbol *extra = &symbols->extra[cursor->extra++];

		if (strncmp(extra->name, prefix, strlen(prefix)) == 0) {
			get_extra(extra, ret);
			return true;
		}
	}
	return false;
}

/*
 * -- the index: a hash table with open addressing, of the first symbol of each name --
 *
 * It is made anew for each command, of some hundred thousand symbols, so it is kept small.
 */

/*
 * A slot: the low number_bits are 1 + the number of the symbol in the table (from the table's count on: of the extra symbol), the others
 * are the hash's. 0: empty.
 */
static uint32_t make_slot(const struct symbols_index *index, uint32_t hash, uint32_t number)
{
	return (hash >> index->number_bits << index->number_bits) | (number + 1);
}

static bool may_be(const struct symbols_index *index, uint32_t slot, uint32_t hash)
{
	return (slot ^ hash) >> index->number_bits == 0;
}

/* Returns the number. */
static uint32_t read_slot(const struct symbols *symbols, uint32_t slot, struct symbol *ret)
{
	uint32_t number = (slot & ((1u << symbols->index.number_bits) - 1)) - 1;
	struct kallsyms_cursor cursor;

	if (number >= symbols->table.count) {
		get_extra(&symbols->extra[number - symbols->table.count], ret);
		return number;
	}
	kallsyms_seek(&symbols->table, number, &cursor);
	if (!kallsyms_next(&symbols->table, &cursor, ret))
		*ret = (struct symbol){0};
	return number;
}

/* Reads the first symbol of the name, and gives its number. Returns false if there is none. */
static bool find_indexed(const struct symbols *symbols, const char *name, struct symbol *ret, uint32_t *ret_number)
{
	const struct symbols_index *index = &symbols->index;
	uint32_t hash = kallsyms_hash(name), slot;

	for (size_t i = hash; (slot = index->slot[i & (index->slots - 1)]); i++) {
		if (!may_be(index, slot, hash))
			continue;
		*ret_number = read_slot(symbols, slot, ret);
		if (strcmp(ret->name, name) == 0)
			return true;
	}
	return false;
}

/* Moves a cursor from the first symbol on to the first one of the name. Returns false if there is none. */
static bool seek_indexed(const struct symbols *symbols, const char *name, struct symbols_cursor *ret)
{
	struct symbol ignored;
	uint32_t number;

	if (!find_indexed(symbols, name, &ignored, &number))
		return false;
	if (number < symbols->table.count)
		kallsyms_seek(&symbols->table, number, &ret->table);
	else
		*ret = (struct symbols_cursor){.table.index = symbols->table.count, .extra = number - symbols->table.count};
	return true;
}

/* The first symbol of a name stays. */
static void enter(struct symbols *symbols, uint32_t hash, uint32_t number)
{
	struct symbols_index *index = &symbols->index;
	uint32_t entered = make_slot(index, hash, number);
	size_t i = hash;

	for (uint32_t slot; (slot = index->slot[i & (index->slots - 1)]); i++) {
		struct symbol known, other;

		if (!may_be(index, slot, hash))
			continue;
		read_slot(symbols, slot, &known);
		read_slot(symbols, entered, &other);
		if (strcmp(known.name, other.name) == 0)
			return;
	}
	index->slot[i & (index->slots - 1)] = entered;
}

struct error *symbols_make_index(struct symbols *symbols)
{
	uint32_t count = symbols->table.count, number = 0, hash;
	uint64_t wanted = ((uint64_t)count + symbols->extras) * 5 / 4 + 1, slots = 1;
	struct kallsyms_cursor cursor = {0};

	while (slots < wanted)
		slots *= 2;
	symbols->index = (struct symbols_index){.slot = calloc(slots, sizeof(*symbols->index.slot)), .slots = slots};
	if (!symbols->index.slot)
		return error_create("indexing a kernel's symbols: out of memory");
	while (((uint64_t)count + symbols->extras) >> symbols->index.number_bits)
		symbols->index.number_bits++;
	while (kallsyms_next_hash(&symbols->table, &cursor, &hash))
		enter(symbols, hash, number++);
	for (unsigned i = 0; i < symbols->extras; i++)
		enter(symbols, kallsyms_hash(symbols->extra[i].name), count + i);
	return NULL;
}

bool symbols_next_named(const struct symbols *symbols, struct symbols_cursor *cursor, const char *name, struct symbol *ret)
{
	if (symbols->index.slot && !cursor->table.index && !cursor->extra && !seek_indexed(symbols, name, cursor))
		return false;
	if (kallsyms_next_named(&symbols->table, &cursor->table, name, ret))
		return true;
	while (cursor->extra < symbols->extras) {
		const struct extra_symbol *extra = &symbols->extra[cursor->extra++];

		if (!strcmp(extra->name, name)) {
			get_extra(extra, ret);
			return true;
		}
	}
	return false;
}

bool symbols_address(const struct symbols *symbols, const char *name, uint64_t *ret)
{
	struct symbols_cursor cursor = {0};
	struct symbol symbol;

	if (!symbols_next_named(symbols, &cursor, name, &symbol))
		return false;
	*ret = symbol.address;
	return true;
}

/* The last extra symbol at or below the address. */
static const struct extra_symbol *nearest_extra(const struct symbols *symbols, uint64_t address)
{
	unsigned low = 0, high = symbols->extras;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (symbols->extra[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &symbols->extra[low - 1] : NULL;
}

bool symbols_nearest(const struct symbols *symbols, uint64_t address, struct symbol *ret)
{
	const struct extra_symbol *extra;
	struct kallsyms_cursor cursor;
	unsigned index;
	bool found;

	if (address >= symbols->absolute_end && (address < symbols->base || address >= symbols->end))
		return false;
	found = kallsyms_nearest(&symbols->table, address, &index);
	extra = nearest_extra(symbols, address);
	if (extra && (!found || extra->address > kallsyms_address(&symbols->table, index))) {
		get_extra(extra, ret);
		return true;
	}
	if (!found)
		return false;
	kallsyms_seek(&symbols->table, index, &cursor);
	return kallsyms_next(&symbols->table, &cursor, ret);
}
