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

/* Extends the row that begins at `at` in the image as far as it goes. */
static uint64_t follow_row(const struct entry_format *format, const struct patch_memory *memory, uint64_t at)
{
	uint8_t entry[LONGEST_ENTRY];
	struct patch_site site;

	while (memory->read(memory->opaque, at, entry, format->size) && format->parse(memory, entry, at, &site))
		at += format->size;
	return at;
}

static void look_for_row(const struct entry_format *format, const struct patch_memory *memory, struct row *longest)
{
	static const uint8_t nothing[LONGEST_ENTRY];
	uint8_t *piece = malloc(PIECE);
	struct patch_site site;

	for (uint64_t at = memory->start, passed = 0; piece && at + LONGEST_ENTRY < memory->end; at += PIECE - LONGEST_ENTRY) {
		uint64_t size = memory->end - at < PIECE ? memory->end - at : PIECE;

		if (!memory->read(memory->opaque, at, piece, size))
			continue;
		for (uint64_t offset = 0; offset + LONGEST_ENTRY <= size; offset += 4) {
			uint64_t end;

			if (at + offset < passed || memcmp(piece + offset, nothing, format->size) == 0 ||
			    !format->parse(memory, piece + offset, at + offset, &site))
				continue;
			end = follow_row(format, memory, at + offset);
			if (end - (at + offset) >= MIN_ROW * format->size && end - (at + offset) > longest->end - longest->start)
				*longest = (struct row){format, at + offset, end};
			passed = end;
		}
	}
	free(piece);
}

static struct error *add_table(struct patch_sites *sites, const struct entry_format *format, unsigned formats,
			       const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	struct row row = {0};

	for (unsigned i = 0; i < formats; i++) {
		if (!suits(&format[i], memory))
			continue;
		if (!start)
			look_for_row(&format[i], memory, &row);
		else if (!row.format && end > start && fit(&format[i], memory, start, end) >= 90)
			row = (struct row){&format[i], start, end};
	}
	return row.format ? add_row(sites, row.format, memory, row.start, row.end) : NULL;
}

struct error *patch_sites_add_jump_labels(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	return add_table(sites, jump_formats, sizeof(jump_formats) / sizeof(jump_formats[0]), memory, start, end);
}

struct error *patch_sites_add_static_calls(struct patch_sites *sites, const struct patch_memory *memory, uint64_t start, uint64_t end)
{
	return add_table(sites, call_formats, sizeof(call_formats) / sizeof(call_formats[0]), memory, start, end);
}
