/* Tables of patch sites: patch_sites.h. */
#include "loader/patch_sites.h"

#include <stdlib.h>
#include <string.h>

enum {
	LONGEST_ENTRY = 24,
	SITE_MAX = 8,    /* bytes of the longest site */
	MIN_ROW = 32,    /* entries that fit one behind the other by chance: never so many */
	SAMPLES = 64,    /* entries by which a format is told */
	PIECE = 1 << 16, /* bytes read at once */
	KEY_FLAGS = 3,   /* in the key's address: of a jump label BRANCH and INIT, of a static call TAIL and INIT */
	FLAG_FIRST = 1,
	REACH = 1 << 26, /* a jump label's target is in the same function, or in its cold part, which the linker puts far away */
	NEAR = 1 << 16,  /* most are in the same function */
};

/* How an entry is written. */
struct entry_format {
	unsigned size; /* of an entry, in bytes */
	unsigned word; /* of the kernels that have it; 0: all */
	bool (*parse)(const struct patch_memory *memory, const uint8_t *entry, uint64_t at,
		      struct patch_site *ret); /* false: it does not fit */
};

static uint64_t word_at(const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, bytes, size);
	return value;
}

/* A 32-bit displacement from its own place. */
static uint64_t relative(const struct patch_memory *memory, const uint8_t *entry, uint64_t at, unsigned offset)
{
	uint64_t address = at + offset + (int64_t)(int32_t)word_at(entry + offset, 4);

	return memory->word == 8 ? address : (uint32_t)address;
}

static bool in_text(const struct patch_memory *memory, uint64_t address)
{
	return address >= memory->start && address < memory->text_end;
}

static bool in_image(const struct patch_memory *memory, uint64_t address)
{
	return address >= memory->start && address < memory->end;
}

static bool is_jump_label(const struct patch_memory *memory, uint64_t key, struct patch_site *site)
{
	site->kind = PATCH_JUMP_LABEL;
	site->key = key & ~(uint64_t)KEY_FLAGS;
	site->branch = key & FLAG_FIRST;
	return in_text(memory, site->address) && in_text(memory, site->target) &&
	       site->target - site->address + REACH < 2 * (uint64_t)REACH && in_image(memory, site->key);
}

/* s32 code, s32 target, long key: since 4.19 */
static bool parse_relative(const struct patch_memory *memory, const uint8_t *entry, uint64_t at, struct patch_site *ret)
{
	uint64_t key = at + 8 + word_at(entry + 8, memory->word);

	ret->address = relative(memory, entry, at, 0);
	ret->target = relative(memory, entry, at, 4);
	return is_jump_label(memory, memory->word == 8 ? key : (uint32_t)key, ret);
}

/* Three pointers: before */
static bool parse_absolute(const struct patch_memory *memory, const uint8_t *entry, uint64_t at, struct patch_site *ret)
{
	(void)at;
	ret->address = word_at(entry, memory->word);
	ret->target = word_at(entry + memory->word, memory->word);
	return is_jump_label(memory, word_at(entry + 2 * memory->word, memory->word), ret);
}

/* s32 addr, s32 key */
static bool parse_static_call(const struct patch_memory *memory, const uint8_t *entry, uint64_t at, struct patch_site *ret)
{
	uint64_t key = relative(memory, entry, at, 4);

	ret->kind = PATCH_STATIC_CALL;
	ret->address = relative(memory, entry, at, 0);
	ret->key = key & ~(uint64_t)KEY_FLAGS;
	ret->tail = key & FLAG_FIRST;
	return in_text(memory, ret->address) && in_image(memory, ret->key) && !in_text(memory, ret->key) && !(ret->key % memory->word);
}

static const struct entry_format jump_formats[] =
	{
		{16, 8, parse_relative},
		{12, 4, parse_relative},
		{24, 8, parse_absolute},
		{12, 4, parse_absolute},
},
				 call_formats[] = {
					 {8, 0, parse_static_call},
};

/* -- forms -- */

/* Every no-op that some x86 kernel has put at a patch site (arch/x86/include/asm/nops.h through the years). */
static const struct no_op {
	unsigned size;
	uint8_t bytes[PATCH_LONG];
} no_ops[] = {
	{PATCH_SHORT, {0x66, 0x90}},
	{PATCH_SHORT, {0x89, 0xf6}},
	{PATCH_SHORT, {0x8b, 0xc0}},
	{PATCH_LONG, {0x0f, 0x1f, 0x44, 0x00, 0x00}},
	{PATCH_LONG, {0x66, 0x66, 0x66, 0x66, 0x90}},
	{PATCH_LONG, {0x66, 0x66, 0x90, 0x66, 0x90}},
	{PATCH_LONG, {0x3e, 0x8d, 0x74, 0x26, 0x00}},
	{PATCH_LONG, {0x90, 0x8d, 0x74, 0x26, 0x00}},
	{PATCH_LONG, {0x3e, 0x8d, 0x44, 0x20, 0x00}},
	{PATCH_LONG, {0x8d, 0x44, 0x20, 0x00, 0x90}},
};

unsigned patch_no_op_size(const uint8_t *code)
{
	for (unsigned i = 0; i < sizeof(no_ops) / sizeof(no_ops[0]); i++) {
		if (memcmp(code, no_ops[i].bytes, no_ops[i].size) == 0)
			return no_ops[i].size;
	}
	return 0;
}

void patch_put_no_op(unsigned size, uint8_t *code)
{
	for (unsigned i = 0; i < sizeof(no_ops) / sizeof(no_ops[0]); i++) {
		if (no_ops[i].size == size) {
			memcpy(code, no_ops[i].bytes, size);
			return;
		}
	}
}

uint64_t patch_branch_target(unsigned word, uint64_t address, const uint8_t *code, unsigned size)
{
	int32_t displacement = (int8_t)code[1];

	if (size != PATCH_SHORT)
		memcpy(&displacement, code + size - 4, 4);
	address += size + (int64_t)displacement;
	return word == 8 ? address : (uint32_t)address;
}

unsigned patch_jump_label_size(const struct patch_site *site, unsigned word, const uint8_t *code)
{
	unsigned size = code[0] == 0xeb ? PATCH_SHORT : PATCH_LONG;

	if (code[0] != 0xeb && code[0] != 0xe9)
		return patch_no_op_size(code);
	return patch_branch_target(word, site->address, code, size) == site->target ? size : 0;
}

/* -- the list -- */

struct error *patch_sites_add(struct patch_sites *sites, const struct patch_site *site)
{
	if (sites->count == sites->room) {
		size_t room = sites->room ? 2 * sites->room : 1024;
		struct patch_site *larger = reallocarray(sites->site, room, sizeof(*larger));

		if (!larger)
			return error_create("patch sites: out of memory");
		sites->site = larger;
		sites->room = room;
	}
	sites->site[sites->count++] = *site;
	return NULL;
}

static int compare_sites(const void *a, const void *b)
{
	const struct patch_site *first = a, *second = b;

	return first->address < second->address ? -1 : first->address > second->address;
}

void patch_sites_sort(struct patch_sites *sites)
{
	if (sites->count)
		qsort(sites->site, sites->count, sizeof(*sites->site), compare_sites);
}

size_t patch_sites_from(const struct patch_sites *sites, uint64_t address)
{
	uint64_t from = address < SITE_MAX ? 0 : address - SITE_MAX + 1;
	size_t low = 0, high = sites->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sites->site[middle].address < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void patch_sites_deinit(struct patch_sites *sites)
{
	free(sites->site);
	*sites = (struct patch_sites){0};
}

/* -- tables -- */

static bool suits(const struct entry_format *format, const struct patch_memory *memory)
{
	return !format->word || format->word == memory->word;
}

/* How many of some entries between start and end fit, in hundredths. */
static unsigned fit(const struct entry_format *format, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	uint64_t count = (end - start) / format->size, step = count / SAMPLES + 1;
	unsigned tried = 0, good = 0;
	uint8_t entry[LONGEST_ENTRY];
	struct patch_site site;

	if ((end - start) % format->size)
		return 0;
	for (uint64_t i = 0; i < count; i += step, tried++) {
		uint64_t at = start + i * format->size;

		good += memory->read(memory->opaque, at, entry, format->size) && format->parse(memory, entry, at, &site);
	}
	return tried ? good * 100 / tried : 0;
}

static struct error *add_row(struct patch_sites *sites, const struct entry_format *format, const struct patch_memory *memory,
			     uint64_t start, uint64_t end)
{
	uint8_t piece[LONGEST_ENTRY * 128];
	struct error *err = NULL;
	uint64_t most = sizeof(piece) / format->size * format->size;

	for (uint64_t at = start; !err && at < end;) {
		uint64_t size = end - at < most ? end - at : most;

		if (!memory->read(memory->opaque, at, piece, size))
			return NULL;
		for (uint64_t offset = 0; !err && offset + format->size <= size; offset += format->size) {
			struct patch_site site = {0};

			if (format->parse(memory, piece + offset, at + offset, &site))
				err = patch_sites_add(sites, &site);
		}
		at += size;
	}
	return err;
}

/* A row of entries that fit, one behind the other. */
struct row {
	const struct entry_format *format;
	uint64_t start, end;
};

/* Zeros lead to themselves, and would fit. */
static bool is_empty(const struct entry_format *format, const uint8_t *entry)
{
	static const uint8_t nothing[LONGEST_ENTRY];

	return memcmp(entry, nothing, format->size) == 0;
}

/* Extends the row that begins at `at` in the image as far as it goes. */
static uint64_t follow_row(const struct entry_format *format, const struct patch_memory *memory, uint64_t at)
{
	uint8_t entry[LONGEST_ENTRY];
	struct patch_site site;

	while (memory->read(memory->opaque, at, entry, format->size) && !is_empty(format, entry) && format->parse(memory, entry, at, &site))
		at += format->size;
	return at;
}

/*
 * Whether a row is the table: most of its entries say where code is in one of a jump label's forms, and that it leads to the same function.
 * (Some say where code was that was freed after boot, and some lead to a function's cold part.) Other tables have entries like these, too:
 * of exceptions; of exported symbols, where traced functions begin with a no-op.
 */
static bool is_usual(const struct patch_site *site, const struct patch_memory *memory)
{
	uint8_t code[PATCH_LONG];

	if (site->kind != PATCH_JUMP_LABEL)
		return true;
	return site->target - site->address + NEAR < 2 * (uint64_t)NEAR &&
	       memory->read(memory->opaque, site->address, code, sizeof(code)) && patch_jump_label_size(site, memory->word, code);
}

static bool is_table(const struct row *row, const struct patch_memory *memory)
{
	uint64_t count = (row->end - row->start) / row->format->size, step = count / SAMPLES + 1;
	unsigned tried = 0, good = 0;
	uint8_t entry[LONGEST_ENTRY];
	struct patch_site site;

	for (uint64_t i = 0; i < count; i += step, tried++) {
		uint64_t at = row->start + i * row->format->size;

		good += memory->read(memory->opaque, at, entry, row->format->size) && row->format->parse(memory, entry, at, &site) &&
			is_usual(&site, memory);
	}
	return good > tried / 2;
}

static void look_for_row(const struct entry_format *format, const struct patch_memory *memory, struct row *longest)
{
	uint64_t passed[LONGEST_ENTRY / 4] = {0}; /* where the last row ended, of those that begin so many words apart */
	uint8_t *piece = malloc(PIECE);
	struct patch_site site;

	for (uint64_t at = memory->start; piece && at + LONGEST_ENTRY < memory->end; at += PIECE - LONGEST_ENTRY) {
		uint64_t size = memory->end - at < PIECE ? memory->end - at : PIECE;

		if (!memory->read(memory->opaque, at, piece, size))
			continue;
		for (uint64_t offset = 0; offset + LONGEST_ENTRY <= size; offset += 4) {
			struct row row = {format, at + offset, at + offset};

			uint64_t *phase = &passed[row.start / 4 % (format->size / 4)];

			if (row.start < *phase || is_empty(format, piece + offset) ||
			    !format->parse(memory, piece + offset, row.start, &site))
				continue;
			row.end = follow_row(format, memory, row.start);
			if (row.end - row.start < MIN_ROW * format->size)
				continue;
			*phase = row.end;
			if (row.end - row.start > longest->end - longest->start && is_table(&row, memory))
				*longest = row;
		}
	}
	free(piece);
}

/* probe: the memory as the entries of a table are to be looked at; memory: as those are that count. */
static struct error *add_table(struct patch_sites *sites, const struct entry_format *format, unsigned formats,
			       const struct patch_memory *probe, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	struct row row = {0};

	for (unsigned i = 0; i < formats; i++) {
		if (!suits(&format[i], memory))
			continue;
		if (!start)
			look_for_row(&format[i], probe, &row);
		else if (!row.format && end > start && fit(&format[i], probe, start, end) >= 90)
			row = (struct row){&format[i], start, end};
	}
	return row.format ? add_row(sites, row.format, memory, row.start, row.end) : NULL;
}

/* Jump labels of code that was freed after boot are in the table, too. That code lies behind the data. */
static struct patch_memory with_freed_code(const struct patch_memory *memory)
{
	struct patch_memory whole = *memory;

	whole.text_end = memory->end;
	return whole;
}

bool patch_sites_are_jump_labels(const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	const struct patch_memory whole = with_freed_code(memory);

	for (unsigned i = 0; i < sizeof(jump_formats) / sizeof(jump_formats[0]); i++) {
		const struct row row = {&jump_formats[i], start, end};

		if (suits(row.format, memory) && fit(row.format, &whole, start, end) >= 90 && is_table(&row, &whole))
			return true;
	}
	return false;
}

struct error *patch_sites_add_jump_labels(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	const struct patch_memory whole = with_freed_code(memory);

	return add_table(sites, jump_formats, sizeof(jump_formats) / sizeof(jump_formats[0]), &whole, memory, start, end);
}

struct error *patch_sites_add_static_calls(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	return add_table(sites, call_formats, sizeof(call_formats) / sizeof(call_formats[0]), memory, memory, start, end);
}
