/* Tables of patch sites: patch_sites.h. */
#include "loader/patch_sites.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

enum {
	LONGEST_ENTRY = 24,
	SITE_MAX = 8,  /* bytes of the longest site */
	SAMPLES = 64,  /* entries by which a format is told */
	KEY_FLAGS = 3, /* in the key's address: of a jump label BRANCH and INIT, of a static call TAIL and INIT */
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

static const struct entry_format jump_formats[] = {
	{16, 8, parse_relative},
	{12, 4, parse_relative},
	{24, 8, parse_absolute},
	{12, 4, parse_absolute},
};
static const struct entry_format call_formats[] = {
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
	if (!array_reserve(&sites->site, sites->count, &sites->room, sizeof(*site)))
		return error_create("patch sites: out of memory");
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

	return array_lower_bound(sites->site, sites->count, sizeof(*sites->site), from);
}

void patch_sites_deinit(struct patch_sites *sites)
{
	free(sites->site);
	*sites = (struct patch_sites){0};
}

/* -- tables -- */

struct table {
	const struct entry_format *format;
	uint64_t start, end;
};

/*
 * Whether a jump label is like most: code in one of its two forms is there, and it leads to the same function. (Others say where code was
 * that was freed after boot, or lead to a function's cold part.) Other tables have entries that fit, too: that of exceptions; that of
 * exported symbols, since traced functions begin with a no-op.
 */
static bool is_usual(const struct patch_site *site, const struct patch_memory *memory)
{
	uint8_t code[PATCH_LONG];

	if (site->kind != PATCH_JUMP_LABEL)
		return true;
	return site->target - site->address + NEAR < 2 * (uint64_t)NEAR &&
	       memory->read(memory->opaque, site->address, code, sizeof(code)) && patch_jump_label_size(site, memory->word, code);
}

/* Whether a sample of the entries says that this is a table of the format: nearly all fit, and most are usual. */
static bool is_table(const struct table *table, const struct patch_memory *memory)
{
	unsigned size = table->format->size, tried = 0, fit = 0, usual = 0;
	uint64_t count = (table->end - table->start) / size, step = count / SAMPLES + 1;
	uint8_t entry[LONGEST_ENTRY];
	struct patch_site site;

	if (table->end <= table->start || (table->end - table->start) % size)
		return false;
	for (uint64_t i = 0; i < count; i += step, tried++) {
		uint64_t at = table->start + i * size;

		if (!memory->read(memory->opaque, at, entry, size) || !table->format->parse(memory, entry, at, &site))
			continue;
		fit++;
		usual += is_usual(&site, memory);
	}
	return fit * 10 >= tried * 9 && usual * 2 > tried;
}

static struct error *add_entries(struct patch_sites *sites, const struct table *table, const struct patch_memory *memory)
{
	uint8_t piece[LONGEST_ENTRY * 128];
	unsigned step = table->format->size;
	struct error *err = NULL;
	uint64_t most = sizeof(piece) / step * step;

	for (uint64_t at = table->start; !err && at < table->end;) {
		uint64_t size = table->end - at < most ? table->end - at : most;

		if (!memory->read(memory->opaque, at, piece, size))
			return NULL;
		for (uint64_t offset = 0; !err && offset + step <= size; offset += step) {
			struct patch_site site = {0};

			if (table->format->parse(memory, piece + offset, at + offset, &site))
				err = patch_sites_add(sites, &site);
		}
		at += size;
	}
	return err;
}

/* Finds the format of the table between start and end. False: it has none of these. */
static bool tell_format(const struct entry_format *format, unsigned formats, const struct patch_memory *memory, uint64_t start,
			uint64_t end, struct table *ret)
{
	for (unsigned i = 0; i < formats; i++) {
		*ret = (struct table){&format[i], start, end};
		if ((!format[i].word || format[i].word == memory->word) && is_table(ret, memory))
			return true;
	}
	return false;
}

/* Jump labels of code that was freed after boot are in the table, too. That code lies behind the data. */
static bool is_jump_table(const struct patch_memory *memory, uint64_t start, uint64_t end, struct table *ret)
{
	struct patch_memory whole = *memory;

	whole.text_end = memory->end;
	return tell_format(jump_formats, sizeof(jump_formats) / sizeof(jump_formats[0]), &whole, start, end, ret);
}

bool patch_sites_find_jump_table(const struct patch_memory *memory, const uint8_t *code, size_t size, uint64_t *ret_start,
				 uint64_t *ret_end)
{
	uint64_t bound[PATCH_BOUNDS_CODE];
	unsigned bounds = 0;
	struct table table;

	for (size_t i = 0; i + 4 <= size && i < PATCH_BOUNDS_CODE; i++) {
		uint64_t value = (int64_t)(int32_t)word_at(code + i, 4);

		bound[bounds] = memory->word == 8 ? value : (uint32_t)value;
		bounds += in_image(memory, bound[bounds]) && bound[bounds] % 4 == 0;
	}
	for (unsigned i = 0; i < bounds * bounds; i++) {
		*ret_start = bound[i / bounds];
		*ret_end = bound[i % bounds];
		if (is_jump_table(memory, *ret_start, *ret_end, &table))
			return true;
	}
	return false;
}

struct error *patch_sites_add_jump_labels(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	struct table table;

	return is_jump_table(memory, start, end, &table) ? add_entries(sites, &table, memory) : NULL;
}

struct error *patch_sites_add_static_calls(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	struct table table;
	bool found = tell_format(call_formats, sizeof(call_formats) / sizeof(call_formats[0]), memory, start, end, &table);

	return found ? add_entries(sites, &table, memory) : NULL;
}
