/* Reading kallsyms: names, addresses, lookups. See kallsyms.h; finding the tables is in kallsyms_find.c. */
#include "loader/kallsyms.h"

#include <stdlib.h>
#include <string.h>

#include "loader/kallsyms_tables.h"

/* -- addresses (kallsyms_sym_address()) -- */

uint64_t kallsyms_address(const struct kallsyms *table, unsigned index)
{
	const uint8_t *at = table->addresses + (size_t)index * kallsyms_address_size(table->addressing, table->pointer_size);
	uint64_t address = 0;

	switch (table->addressing) {
	case KALLSYMS_ABSOLUTE:
		address = kallsyms_pointer(at, table->pointer_size);
		if (address >= table->floor)
			address += table->shift;
		break;
	case KALLSYMS_RELATIVE:
		address = table->base + kallsyms_u32(at);
		break;
	case KALLSYMS_RELATIVE_PERCPU:
		address = kallsyms_u32(at);
		if (address >> 31)
			address = table->base + (uint32_t)~address;
		break;
	case KALLSYMS_PREL32:
		address = table->base + (uint64_t)index * sizeof(int32_t) + (int32_t)kallsyms_u32(at);
		break;
	}
	return table->pointer_size == 4 ? (uint32_t)address : address;
}

void kallsyms_move(struct kallsyms *table, uint64_t shift)
{
	if (table->addressing == KALLSYMS_ABSOLUTE)
		table->shift += shift;
	else
		table->base += shift;
}

/* How many symbols are below the address. */
static unsigned count_below(const struct kallsyms *table, uint64_t address)
{
	unsigned low = 0, high = table->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (kallsyms_address(table, middle) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool kallsyms_nearest(const struct kallsyms *table, uint64_t address, unsigned *ret_index)
{
	unsigned count = address == UINT64_MAX ? table->count : count_below(table, address + 1);

	if (!count)
		return false;
	*ret_index = count - 1;
	if (count > 1 && kallsyms_address(table, count - 2) == kallsyms_address(table, count - 1))
		*ret_index = count_below(table, kallsyms_address(table, count - 1)); /* thousands may be at one address: the first */
	return true;
}

/* -- names -- */

/* The compressed name at `offset` in names, cut at the end of the table. */
struct name {
	const uint8_t *tokens;
	size_t count;
	size_t next; /* offset of the next one */
};

static struct name get_name(const struct kallsyms *table, size_t offset)
{
	size_t length, at = offset;

	if (!kallsyms_name_length(table->names, table->names_size, &at, &length))
		return (struct name){.next = table->names_size};
	return (struct name){table->names + at, length, at + length};
}

/*
 * The hash of a name is a polynomial of its letters, so that it can be put together from those of its tokens, of which there are few. In
 * the end its bits are mixed.
 */
static const uint32_t HASH_BASE = 0x01000193;

static struct kallsyms_part part_of(const char *text, size_t length)
{
	struct kallsyms_part part = {0, 1};

	for (size_t i = 0; i < length; i++)
		part = (struct kallsyms_part){part.hash * HASH_BASE + (uint8_t)text[i], part.power * HASH_BASE};
	return part;
}

static uint32_t finish_hash(uint32_t hash)
{
	hash = (hash ^ hash >> 15) * 0x2c1b3c6d;
	hash ^= hash >> 13;
	return hash ? hash : 1;
}

void kallsyms_read_tokens(struct kallsyms *table)
{
	for (unsigned i = 0; i < KALLSYMS_TOKENS; i++) {
		struct kallsyms_token *token = &table->token[i];
		uint16_t offset = kallsyms_u16(table->token_index + i * sizeof(uint16_t));
		size_t room = offset < table->token_table_size ? table->token_table_size - offset : 0;
		const char *text;

		if (!room)
			offset = 0;
		text = (const char *)table->token_table + offset;
		token->offset = offset;
		token->length = strnlen(text, room < KSYM_NAME_LEN ? room : KSYM_NAME_LEN);
		token->whole = part_of(text, token->length);
		if (token->length)
			token->rest = part_of(text + 1, token->length - 1);
	}
}

static const char *get_token(const struct kallsyms *table, uint8_t token, size_t *ret_length)
{
	*ret_length = table->token[token].length;
	return (const char *)table->token_table + table->token[token].offset;
}

/* The type, then the name, which is cut if it is too long. */
static void expand(const struct kallsyms *table, const struct name *name, struct symbol *ret)
{
	size_t length = 0;
	bool typed = false;

	ret->type = '?';
	for (size_t i = 0; i < name->count; i++) {
		size_t count, room = sizeof(ret->name) - 1 - length;
		const char *token = get_token(table, name->tokens[i], &count);

		if (count && !typed) {
			ret->type = *token++;
			count--;
			typed = true;
		}
		if (count > room)
			count = room;
		for (size_t j = 0; j < count; j++) /* a few letters, mostly: a call would cost more */
			ret->name[length + j] = token[j];
		length += count;
	}
	ret->name[length] = '\0';
}

/* As strcmp(text, name), without the type and without expanding more than is needed. */
static int compare(const struct kallsyms *table, const char *text, const struct name *name)
{
	bool typed = false;

	for (size_t i = 0; i < name->count; i++) {
		size_t count;
		const char *token = get_token(table, name->tokens[i], &count);

		for (size_t j = 0; j < count; j++) {
			if (!typed)
				typed = true;
			else if (*text != token[j])
				return (uint8_t)*text < (uint8_t)token[j] ? -1 : 1;
			else
				text++;
		}
	}
	return *text != '\0';
}

void kallsyms_seek(const struct kallsyms *table, unsigned index, struct kallsyms_cursor *ret)
{
	unsigned step = table->marks ? KALLSYMS_MARK : KALLSYMS_MARKED;
	size_t offset =
		table->marks ? table->marks[index / step] : kallsyms_u32(table->markers + (size_t)index / step * table->marker_size);

	for (unsigned i = 0; i < index % step; i++)
		offset = get_name(table, offset).next;
	*ret = (struct kallsyms_cursor){index, offset};
}

bool kallsyms_mark(struct kallsyms *table)
{
	uint32_t *marks = malloc(((size_t)table->count / KALLSYMS_MARK + 1) * sizeof(*marks));
	struct kallsyms_cursor cursor = {0};

	if (!marks || table->names_size > UINT32_MAX) {
		free(marks);
		return false;
	}
	for (unsigned i = 0; i < table->count; i++) {
		if (i % KALLSYMS_MARKED == 0)
			kallsyms_seek(table, i, &cursor);
		if (i % KALLSYMS_MARK == 0)
			marks[i / KALLSYMS_MARK] = cursor.offset;
		cursor.offset = get_name(table, cursor.offset).next;
	}
	table->marks = marks;
	return true;
}

void kallsyms_unmark(struct kallsyms *table)
{
	free(table->marks);
	table->marks = NULL;
}

bool kallsyms_next(const struct kallsyms *table, struct kallsyms_cursor *cursor, struct symbol *ret)
{
	struct name name;

	if (cursor->index >= table->count)
		return false;
	name = get_name(table, cursor->offset);
	expand(table, &name, ret);
	ret->address = kallsyms_address(table, cursor->index);
	*cursor = (struct kallsyms_cursor){cursor->index + 1, name.next};
	return true;
}

/* -- by name, without expanding -- */

static bool begins_with(const struct kallsyms *table, const struct name *name, const char *prefix)
{
	bool typed = false;

	for (size_t i = 0; i < name->count && *prefix; i++) {
		size_t count;
		const char *token = get_token(table, name->tokens[i], &count);

		for (size_t j = 0; j < count && *prefix; j++) {
			if (typed && *prefix++ != token[j])
				return false;
			typed = true;
		}
	}
	return !*prefix;
}

bool kallsyms_next_prefixed(const struct kallsyms *table, struct kallsyms_cursor *cursor, const char *prefix, struct symbol *ret)
{
	for (; cursor->index < table->count; cursor->index++) {
		struct name name = get_name(table, cursor->offset);

		if (begins_with(table, &name, prefix))
			return kallsyms_next(table, cursor, ret);
		cursor->offset = name.next;
	}
	return false;
}

uint32_t kallsyms_hash(const char *name)
{
	return finish_hash(part_of(name, strnlen(name, KSYM_NAME_LEN - 1)).hash);
}

/* Of a name that is too long, as expand() cuts it. */
static uint32_t hash_cut(const struct kallsyms *table, const struct name *name)
{
	struct symbol symbol;

	expand(table, name, &symbol);
	return kallsyms_hash(symbol.name);
}

static uint32_t hash_name(const struct kallsyms *table, const struct name *name)
{
	size_t length = 0;
	uint32_t hash = 0;

	for (size_t i = 0; i < name->count; i++) {
		const struct kallsyms_token *token = &table->token[name->tokens[i]];
		const struct kallsyms_part *part = length ? &token->whole : &token->rest; /* the first letter is the type */

		if (token->length)
			hash = hash * part->power + part->hash;
		length += token->length;
	}
	return length > KSYM_NAME_LEN ? hash_cut(table, name) : finish_hash(hash);
}

bool kallsyms_next_hash(const struct kallsyms *table, struct kallsyms_cursor *cursor, uint32_t *ret)
{
	struct name name;

	if (cursor->index >= table->count)
		return false;
	name = get_name(table, cursor->offset);
	*ret = hash_name(table, &name);
	*cursor = (struct kallsyms_cursor){cursor->index + 1, name.next};
	return true;
}

/* -- by name -- */

/* The symbol that is the n-th by name; out of range if the table is damaged. */
static unsigned get_seq(const struct kallsyms *table, unsigned n)
{
	const uint8_t *at = table->seqs + (size_t)n * KALLSYMS_SEQ_SIZE;

	return at[0] << 16 | at[1] << 8 | at[2];
}

static int compare_nth(const struct kallsyms *table, const char *text, unsigned n)
{
	struct kallsyms_cursor cursor;
	unsigned index = get_seq(table, n);
	struct name name;

	if (index >= table->count)
		return 1;
	kallsyms_seek(table, index, &cursor);
	name = get_name(table, cursor.offset);
	return compare(table, text, &name);
}

/* By seqs_of_names, in which symbols of the same name are sorted by number: the first one. */
static bool search(const struct kallsyms *table, const char *text, struct kallsyms_cursor *ret)
{
	unsigned low = 0, high = table->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (compare_nth(table, text, middle) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == table->count || compare_nth(table, text, low) != 0)
		return false;
	kallsyms_seek(table, get_seq(table, low), ret);
	return true;
}

bool kallsyms_next_named(const struct kallsyms *table, struct kallsyms_cursor *cursor, const char *text, struct symbol *ret)
{
	/* What the index does not have is looked for in the names themselves: kernels built by Clang with LTO sort by another rule. */
	if (cursor->index == 0 && table->seqs && search(table, text, cursor))
		return kallsyms_next(table, cursor, ret);
	while (cursor->index < table->count) {
		struct name name = get_name(table, cursor->offset);

		if (!compare(table, text, &name))
			return kallsyms_next(table, cursor, ret);
		*cursor = (struct kallsyms_cursor){cursor->index + 1, name.next};
	}
	return false;
}
