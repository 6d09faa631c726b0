/*
 * A made-up kernel image with kallsyms of any layout, for unit tests and the fuzzer: what scripts/kallsyms.c would write for some hundred
 * symbols, with tokens chosen here instead of by statistics.
 */
#ifndef XRAY86_TESTS_KALLSYMS_RIG_H
#define XRAY86_TESTS_KALLSYMS_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/kallsyms.h"
#include "loader/view.h"

enum {
	RIG_ABSOLUTES = 20,
	RIG_SYMBOLS = 700,
	RIG_IMAGE = 0x10000,
	RIG_TABLES_AT = 0x2004, /* aligned to no more than 4 */
	RIG_KSYMTAB_AT = 0x1000,
	RIG_STRINGS_AT = 0x1800,
	RIG_MEMORY = 0x40000,
	RIG_LONG_NAME = 300, /* takes two bytes of length */
};

struct rig_layout {
	const char *name;
	unsigned pointer_size, alignment;
	bool behind; /* addresses behind token_index, as from 6.4 on */
	enum kallsyms_addressing addressing;
	bool seqs, wide_markers;
};

static const struct rig_layout rig_layouts[] = {
	{"5.10 amd64", 8, 8, false, KALLSYMS_RELATIVE_PERCPU, false, false},
	{"5.10 i386", 4, 4, false, KALLSYMS_RELATIVE, false, false},
	{"6.1 amd64", 8, 8, false, KALLSYMS_RELATIVE_PERCPU, true, false},
	{"6.1 i386", 4, 4, false, KALLSYMS_RELATIVE, true, false},
	{"6.12 amd64", 8, 8, true, KALLSYMS_RELATIVE_PERCPU, true, false},
	{"6.12 i386", 4, 4, true, KALLSYMS_RELATIVE, true, false},
	{"6.18 amd64", 8, 8, true, KALLSYMS_RELATIVE, true, false},
	{"7.0 amd64", 8, 4, true, KALLSYMS_PREL32, true, false},
	{"7.0 i386", 4, 4, true, KALLSYMS_PREL32, true, false},
	{"absolute amd64", 8, 8, false, KALLSYMS_ABSOLUTE, false, false},
	{"absolute i386", 4, 4, false, KALLSYMS_ABSOLUTE, true, false},
	{"absolute amd64, new order", 8, 8, true, KALLSYMS_ABSOLUTE, true, false},
	{"absolute i386, new order", 4, 4, true, KALLSYMS_ABSOLUTE, true, false},
	{"4.19 amd64", 8, 8, false, KALLSYMS_RELATIVE_PERCPU, false, true},
	{"4.5 amd64", 8, 8, false, KALLSYMS_ABSOLUTE, false, true},
};
enum { RIG_LAYOUTS = sizeof(rig_layouts) / sizeof(rig_layouts[0]) };

struct rig {
	const struct rig_layout *layout;
	struct view view;
	unsigned count, absolutes; /* the first symbols are absolute, if the layout has such */
	struct symbol symbol[RIG_SYMBOLS];
	size_t at, end; /* of what has been written */
	uint8_t image[RIG_IMAGE];
};

/* -- symbols -- */

static bool rig_has_absolutes(const struct rig_layout *layout)
{
	return layout->addressing == KALLSYMS_ABSOLUTE || layout->addressing == KALLSYMS_RELATIVE_PERCPU;
}

/* Symbols at every 16th byte, some sharing an address or a name. */
static void rig_make_symbols(struct rig *rig)
{
	rig->absolutes = rig_has_absolutes(rig->layout) ? RIG_ABSOLUTES : 0;
	rig->count = RIG_SYMBOLS;
	for (unsigned i = 0; i < rig->count; i++) {
		struct symbol *symbol = &rig->symbol[i];
		bool absolute = i < rig->absolutes;
		unsigned n = absolute ? i : i - rig->absolutes;

		symbol->address = (absolute ? 0 : rig->view.base) + n / 2 * 32;
		symbol->type = absolute ? 'A' : "TtDdbRw"[i % 7];
		snprintf(symbol->name, sizeof(symbol->name), i % 5 ? "sym_%u" : "__sym_%u.part.0", i);
		if (i % 100 == 33)
			strcpy(symbol->name, "shared");
	}
	strcpy(rig->symbol[rig->absolutes].name, "_text");
	strcpy(rig->symbol[rig->absolutes + 1].name, "_stext");
	memset(rig->symbol[400].name, 'l', RIG_LONG_NAME);
	rig->symbol[400].name[RIG_LONG_NAME] = '\0';
}

/* -- tables -- */

static void rig_put(struct rig *rig, uint64_t value, unsigned size)
{
	if (rig->at + size > sizeof(rig->image))
		abort();
	memcpy(rig->image + rig->at, &value, size);
	rig->at += size;
}

static void rig_label(struct rig *rig)
{
	while (rig->at % rig->layout->alignment)
		rig_put(rig, 0, 1);
}

/* Used letters stand for themselves; the others are spent on frequent strings, or are empty. */
static const char *rig_token(unsigned token, char letter[2])
{
	static const char *const frequent[] = {"sym_", "__sym_", "Tsym_", ".part.0", "sha", "red", "aT"};

	letter[0] = token;
	letter[1] = '\0';
	if (token && strchr("abcdefhijklmnoprstuwxyzADEMPRSTUX0123456789_.", token))
		return letter;
	return token >= 0x80 && token < 0x80 + sizeof(frequent) / sizeof(frequent[0]) ? frequent[token - 0x80] : "";
}

/* The longest token at each place. */
static size_t rig_compress(const char *text, uint8_t *ret)
{
	size_t count = 0;

	while (*text) {
		size_t best = 0;

		for (unsigned token = 0; token < 256; token++) {
			char letter[2];
			const char *string = rig_token(token, letter);

			if (strlen(string) > best && !strncmp(text, string, strlen(string))) {
				best = strlen(string);
				ret[count] = token;
			}
		}
		if (!best)
			abort();
		text += best;
		count++;
	}
	return count;
}

static void rig_put_names(struct rig *rig, uint32_t markers[RIG_SYMBOLS / 256 + 1])
{
	size_t start;

	rig_label(rig);
	rig_put(rig, rig->count, 4);
	rig_label(rig);
	start = rig->at;
	for (unsigned i = 0; i < rig->count; i++) {
		char text[KSYM_NAME_LEN + 1];
		uint8_t tokens[KSYM_NAME_LEN + 1];
		size_t count;

		snprintf(text, sizeof(text), "%c%s", rig->symbol[i].type, rig->symbol[i].name);
		count = rig_compress(text, tokens);
		if (i % 256 == 0)
			markers[i / 256] = rig->at - start;
		if (count < 0x80)
			rig_put(rig, count, 1);
		else
			rig_put(rig, (count & 0x7f) | 0x80 | count >> 7 << 8, 2);
		for (size_t j = 0; j < count; j++)
			rig_put(rig, tokens[j], 1);
	}
}

static void rig_put_tokens(struct rig *rig)
{
	uint16_t index[256];
	size_t start;

	rig_label(rig);
	start = rig->at;
	for (unsigned i = 0; i < 256; i++) {
		char letter[2];
		const char *token = rig_token(i, letter);

		index[i] = rig->at - start;
		for (size_t j = 0; j <= strlen(token); j++)
			rig_put(rig, token[j], 1);
	}
	rig_label(rig);
	for (unsigned i = 0; i < 256; i++)
		rig_put(rig, index[i], 2);
}

static void rig_put_addresses(struct rig *rig)
{
	enum kallsyms_addressing addressing = rig->layout->addressing;
	uint64_t base = rig->view.base;

	rig_label(rig);
	for (unsigned i = 0; i < rig->count; i++) {
		uint64_t address = rig->symbol[i].address;

		if (addressing == KALLSYMS_ABSOLUTE)
			rig_put(rig, address, rig->layout->pointer_size);
		else if (addressing == KALLSYMS_PREL32)
			rig_put(rig, address - (base + rig->at), 4);
		else if (addressing == KALLSYMS_RELATIVE)
			rig_put(rig, address - base, 4);
		else
			rig_put(rig, i < rig->absolutes ? address : base - 1 - address, 4);
	}
	if (addressing == KALLSYMS_RELATIVE || addressing == KALLSYMS_RELATIVE_PERCPU) {
		rig_label(rig);
		rig_put(rig, base, rig->layout->pointer_size);
	}
}

static int rig_by_name(const void *a, const void *b, void *of)
{
	const struct rig *rig = of;
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	int order = strcmp(rig->symbol[x].name, rig->symbol[y].name);

	return order ? order : x < y ? -1 : x > y;
}

static void rig_put_seqs(struct rig *rig)
{
	unsigned seq[RIG_SYMBOLS];

	if (!rig->layout->seqs)
		return;
	for (unsigned i = 0; i < rig->count; i++)
		seq[i] = i;
	qsort_r(seq, rig->count, sizeof(*seq), rig_by_name, rig);
	rig_label(rig);
	for (unsigned i = 0; i < rig->count; i++) {
		rig_put(rig, seq[i] >> 16, 1);
		rig_put(rig, seq[i] >> 8, 1);
		rig_put(rig, seq[i], 1);
	}
}

static void rig_put_tables(struct rig *rig)
{
	uint32_t markers[RIG_SYMBOLS / 256 + 1];

	rig->at = RIG_TABLES_AT;
	if (!rig->layout->behind)
		rig_put_addresses(rig);
	rig_put_names(rig, markers);
	rig_label(rig);
	for (unsigned i = 0; i < (rig->count + 255) / 256; i++)
		rig_put(rig, markers[i], rig->layout->wide_markers ? 8 : 4);
	if (!rig->layout->behind)
		rig_put_seqs(rig);
	rig_put_tokens(rig);
	if (rig->layout->behind) {
		rig_put_addresses(rig);
		rig_put_seqs(rig);
	}
	rig->end = rig->at;
}

/* -- the image -- */

/* What the tables are not, is bytes of any value. */
static void rig_fill(struct rig *rig)
{
	uint32_t state = 1;

	for (size_t i = 0; i < sizeof(rig->image); i++) {
		state = state * 1664525 + 1013904223;
		rig->image[i] = state >> 24;
	}
}

static void rig_start(struct rig *rig, const struct rig_layout *layout)
{
	uint64_t base = layout->pointer_size == 8 ? 0xffffffff81000000 : 0xc1000000;

	rig->layout = layout;
	rig->view = (struct view){.pointer_size = layout->pointer_size, .base = base, .end = base + RIG_MEMORY, .pieces = 1};
	rig->view.piece[0] = (struct view_piece){base, RIG_MEMORY, rig->image, sizeof(rig->image)};
	rig_fill(rig);
	rig_make_symbols(rig);
}

static inline void rig_make(struct rig *rig, const struct rig_layout *layout)
{
	rig_start(rig, layout);
	rig_put_tables(rig);
}

/* -- __ksymtab -- */

/* Offsets with a namespace, without one, pointers. */
enum rig_export_form { RIG_EXPORTS, RIG_EXPORTS_8, RIG_EXPORTS_POINTERS, RIG_EXPORT_FORMS };

static inline unsigned rig_export_size(const struct rig *rig, enum rig_export_form form)
{
	return form == RIG_EXPORTS ? 12 : form == RIG_EXPORTS_8 ? 8 : 2 * rig->view.pointer_size;
}

/* Writes entry `index` of a table at RIG_KSYMTAB_AT; 64 bytes for each name. */
static inline void rig_put_export_as(struct rig *rig, enum rig_export_form form, unsigned index, uint64_t address, const char *name)
{
	size_t name_at = RIG_STRINGS_AT + index * 64;

	rig->at = RIG_KSYMTAB_AT + index * rig_export_size(rig, form);
	if (form == RIG_EXPORTS_POINTERS) {
		rig_put(rig, address, rig->view.pointer_size);
		rig_put(rig, rig->view.base + name_at, rig->view.pointer_size);
	} else {
		rig_put(rig, address - (rig->view.base + rig->at), 4);
		rig_put(rig, name_at - rig->at, 4);
	}
	if (form == RIG_EXPORTS)
		rig_put(rig, 0, 4);
	strcpy((char *)rig->image + name_at, name);
}

static inline void rig_put_export(struct rig *rig, unsigned index, uint64_t address, const char *name)
{
	rig_put_export_as(rig, RIG_EXPORTS, index, address, name);
}

#endif
