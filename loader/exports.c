/* The kernel's exported symbols: see exports.h. */
#include "loader/exports.h"

#include <ctype.h>
#include <string.h>

#include "loader/sections.h"

enum { ENTRY_SIZE = 12, VALUE_AT = 0, NAME_AT = 4, MAX_ENTRIES = 1 << 17 };

static void add_range(struct export_ranges *ranges, uint64_t start, uint64_t end)
{
	if (start < end && ranges->count < EXPORTS_MAX_RANGES)
		ranges->range[ranges->count++] = (struct export_range){start, end};
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

static size_t entries(const struct export_range *range)
{
	return (range->end - range->start) / ENTRY_SIZE;
}

void exports_clip(const struct view *view, struct export_ranges *ranges)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < ranges->count; i++) {
		const struct export_range *range = &ranges->range[i];

		if (entries(range) <= MAX_ENTRIES && view_bytes(view, range->start, range->end - range->start))
			ranges->range[kept++] = *range;
	}
	ranges->count = kept;
}

size_t exports_count(const struct export_ranges *ranges)
{
	size_t count = 0;

	for (unsigned i = 0; i < ranges->count; i++)
		count += entries(&ranges->range[i]);
	return count;
}

/* Where the offset at vaddr leads. */
static bool follow(const struct view *view, uint64_t vaddr, uint64_t *ret)
{
	const uint8_t *bytes = view_bytes(view, vaddr, sizeof(int32_t));
	int32_t offset;

	if (!bytes)
		return false;
	memcpy(&offset, bytes, sizeof(offset));
	*ret = view_address(view, vaddr + offset);
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

bool exports_get(const struct view *view, const struct export_ranges *ranges, size_t index, struct symbol *ret)
{
	const struct export_range *range = ranges->range;
	uint64_t entry, name;

	for (; index >= entries(range); range++)
		index -= entries(range);
	entry = range->start + index * ENTRY_SIZE;
	ret->type = 'D';
	return follow(view, entry + VALUE_AT, &ret->address) && follow(view, entry + NAME_AT, &name) && get_name(view, name, ret->name);
}
