/* The kernel's exported symbols: see exports.h. */
#include "loader/exports.h"

#include <ctype.h>
#include <string.h>

#include "loader/sections.h"

enum { MAX_ENTRIES = 1 << 17, SAMPLES = 64 /* entries by which a form is told */ };

/* How entries are written. */
static const struct entry_form {
	unsigned fields; /* the value, the name, ... */
	bool relative;   /* 32-bit offsets, each from its own place; or pointers */
} forms[] = {
	{3, true},  /* since 5.4 */
	{2, true},  /* since 4.19 */
	{2, false}, /* before */
};
enum { VALUE, NAME, FORMS = sizeof(forms) / sizeof(forms[0]) };

static void add_range(struct export_ranges *ranges, uint64_t start, uint64_t end)
{
	if (start < end && ranges->count < EXPORTS_MAX_RANGES)
		ranges->range[ranges->count++] = (struct export_range){start, end, 0};
}

static bool find_symbol(const struct kallsyms *table, const char *name, uint64_t *ret)
{
	struct kallsyms_cursor cursor = {0};
	struct symbol symbol;

	if (!kallsyms_next_named(table, &cursor, name, &symbol))
		return false;
	*ret = symbol.address;
	return true;
}

void exports_locate_by_symbols(const struct kallsyms *table, struct export_ranges *ret)
{
	static const struct {
		const char *start, *stop;
	} labels[] = {{"__start___ksymtab", "__stop___ksymtab"}, {"__start___ksymtab_gpl", "__stop___ksymtab_gpl"}};

	*ret = (struct export_ranges){0};
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		uint64_t start, stop;

		if (find_symbol(table, labels[i].start, &start) && find_symbol(table, labels[i].stop, &stop))
			add_range(ret, start, stop);
	}
}

void exports_locate_by_sections(const struct kernel_image *kernel, struct export_ranges *ret)
{
	static const char *const names[] = {"__ksymtab", "__ksymtab_gpl"};

	*ret = (struct export_ranges){0};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t start, end;

		if (kernel_image_find_section(kernel, names[i], &start, &end))
			add_range(ret, start, end);
	}
}

static unsigned field_size(const struct view *view, const struct entry_form *form)
{
	return form->relative ? sizeof(int32_t) : view->pointer_size;
}

static size_t entries(const struct view *view, const struct export_range *range)
{
	const struct entry_form *form = &forms[range->form];

	return (range->end - range->start) / (form->fields * field_size(view, form));
}

/* What a field of an entry leads to. */
static bool follow(const struct view *view, const struct export_range *range, size_t entry, unsigned field, uint64_t *ret)
{
	const struct entry_form *form = &forms[range->form];
	unsigned size = field_size(view, form);
	uint64_t place = range->start + (entry * form->fields + field) * size, value = 0;
	const uint8_t *bytes = view_bytes(view, place, size);

	if (!bytes)
		return false;
	memcpy(&value, bytes, size);
	*ret = view_address(view, form->relative ? place + (int64_t)(int32_t)value : value);
	return true;
}

static bool get_name(const struct view *view, uint64_t vaddr, char ret[KSYM_NAME_LEN])
{
	size_t available, length;
	const uint8_t *bytes = view_at(view, vaddr, &available);

	if (!bytes)
		return false;
	for (length = 0; length < available && length < KSYM_NAME_LEN && isgraph(bytes[length]); length++)
		ret[length] = bytes[length];
	if (!length || length == available || length == KSYM_NAME_LEN || bytes[length])
		return false;
	ret[length] = '\0';
	return true;
}

static bool get_entry(const struct view *view, const struct export_range *range, size_t entry, struct symbol *ret)
{
	uint64_t name;

	return follow(view, range, entry, VALUE, &ret->address) && follow(view, range, entry, NAME, &name) &&
	       get_name(view, name, ret->name);
}

/* Whether a sample of the entries has names. */
static bool has_names(const struct view *view, const struct export_range *range)
{
	size_t count = entries(view, range), step = count / SAMPLES + 1, tried = 0, named = 0;
	struct symbol symbol;

	for (size_t i = 0; i < count; i += step, tried++)
		named += get_entry(view, range, i, &symbol);
	return named * 10 > tried * 9;
}

static bool find_form(const struct view *view, struct export_range *range)
{
	for (range->form = 0; range->form < FORMS; range->form++) {
		if (has_names(view, range))
			return true;
	}
	return false;
}

/* -- by structure -- */

/*
 * Each table has a symbol that all kernels have. A field that leads to its name makes an entry, and what is before and behind it are
 * entries, as long as each leads to a name. A name may be the end of a longer one, for linkers merge strings.
 */
enum { MIN_ENTRIES = 16, MAX_NAMES = 16 /* places that look like the name; kernels have one or two */ };

/* A table that is looked for: its form, and where the name of one of its symbols is. */
struct wanted_table {
	const struct view *view;
	unsigned form, field_size, entry_size;
	uint64_t name;
};

static bool is_entry(const struct wanted_table *wanted, uint64_t vaddr)
{
	const struct export_range range = {vaddr, vaddr + wanted->entry_size, wanted->form};
	char text[KSYM_NAME_LEN];
	uint64_t name;

	return follow(wanted->view, &range, 0, NAME, &name) && get_name(wanted->view, name, text) &&
	       !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$")];
}

/* The table around an entry. */
static struct export_range surround(const struct wanted_table *wanted, uint64_t entry)
{
	struct export_range range = {entry, entry + wanted->entry_size, wanted->form};

	for (unsigned i = 0; i < MAX_ENTRIES && is_entry(wanted, range.start - wanted->entry_size); i++)
		range.start -= wanted->entry_size;
	for (unsigned i = 0; i < MAX_ENTRIES && is_entry(wanted, range.end); i++)
		range.end += wanted->entry_size;
	return range;
}

static bool find_in_piece(const struct wanted_table *wanted, const struct view_piece *piece, struct export_range *ret)
{
	unsigned size = wanted->field_size;
	bool relative = forms[wanted->form].relative;

	for (size_t at = size; at + size <= piece->size; at += size) {
		uint64_t place = piece->vaddr + at, value = 0;

		memcpy(&value, piece->data + at, size);
		value = view_address(wanted->view, relative ? place + (int64_t)(int32_t)value : value);
		if (value != wanted->name || !is_entry(wanted, place - size))
			continue;
		*ret = surround(wanted, place - size);
		if (ret->end - ret->start >= (uint64_t)MIN_ENTRIES * wanted->entry_size)
			return true;
	}
	return false;
}

/* The table with an entry of the name that stands at `name`. */
static bool find_table(const struct view *view, uint64_t name, struct export_range *ret)
{
	for (unsigned form = 0; form < FORMS; form++) {
		unsigned size = field_size(view, &forms[form]);
		const struct wanted_table wanted = {view, form, size, forms[form].fields * size, name};

		for (unsigned i = 0; i < view->pieces; i++) {
			if (find_in_piece(&wanted, &view->piece[i], ret))
				return true;
		}
	}
	return false;
}

/* The table that has an entry of this name. size: with the final zero. */
static bool find_table_of(const struct view *view, const char *text, size_t size, struct export_range *ret)
{
	unsigned names = 0;

	for (unsigned i = 0; i < view->pieces; i++) {
		const struct view_piece *piece = &view->piece[i];
		const uint8_t *end = piece->data + piece->size, *at = piece->data;

		for (; names < MAX_NAMES && (at = memmem(at, end - at, text, size)); at++, names++) {
			if (find_table(view, piece->vaddr + (at - piece->data), ret))
				return true;
		}
	}
	return false;
}

void exports_locate_by_structure(const struct view *view, struct export_ranges *ret)
{
	static const char plain[] = "jiffies_64", gpl[] = "init_uts_ns";
	struct export_range range;

	*ret = (struct export_ranges){0};
	if (find_table_of(view, plain, sizeof(plain), &range))
		add_range(ret, range.start, range.end);
	/* The tables stand one behind the other: then one has been found with the other. */
	if (find_table_of(view, gpl, sizeof(gpl), &range) && !(ret->count && ret->range[0].start == range.start))
		add_range(ret, range.start, range.end);
}

/* -- entries -- */

void exports_clip(const struct view *view, struct export_ranges *ranges)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < ranges->count; i++) {
		struct export_range range = ranges->range[i];

		if (view_bytes(view, range.start, range.end - range.start) && find_form(view, &range) &&
		    entries(view, &range) <= MAX_ENTRIES)
			ranges->range[kept++] = range;
	}
	ranges->count = kept;
}

size_t exports_count(const struct view *view, const struct export_ranges *ranges)
{
	size_t count = 0;

	for (unsigned i = 0; i < ranges->count; i++)
		count += entries(view, &ranges->range[i]);
	return count;
}

bool exports_get(const struct view *view, const struct export_ranges *ranges, size_t index, struct symbol *ret)
{
	const struct export_range *range = ranges->range;

	for (; index >= entries(view, range); range++)
		index -= entries(view, range);
	ret->type = 'D';
	return get_entry(view, range, index, ret);
}
