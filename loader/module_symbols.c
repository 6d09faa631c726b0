/* What symbols of a module name: its exports, and its functions. */
#include "loader/module_parts.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

static struct error *add_entry(struct module_entries *entries, const struct module_entry *entry)
{
	if (!array_reserve(&entries->entry, entries->count, &entries->room, sizeof(*entry)))
		return error_create("out of memory");
	entries->entry[entries->count++] = *entry;
	return NULL;
}

/* -- exports -- */

/*
 * An entry of __ksymtab begins with a reference to the value and one to the name, which is in __ksymtab_strings; what comes behind them
 * differs between kernels. References are relative ones of 4 bytes, or addresses (before 4.19, x86-64).
 */
static const char *exported_name(const struct module *module, const struct relocation *value, const struct relocation *name)
{
	struct module_section *strings;
	uint64_t offset;

	if (name->offset != value->offset + value->form->size || !module_target(module, name, &strings, &offset) ||
	    strcmp(strings->name, "__ksymtab_strings") != 0 || !strings->content || offset >= strings->size ||
	    !memchr(strings->content + offset, '\0', strings->size - offset))
		return NULL;
	return (const char *)strings->content + offset;
}

static struct error *read_exports_of(struct module *module, const struct elf_section *table)
{
	struct relocation *relocations;
	size_t count;
	struct error *err = elf_relocations(module, table, &relocations, &count);

	for (size_t i = 0; !err && i + 1 < count; i++) {
		struct module_entry entry = {.symbol = relocations[i].symbol, .offset = relocations[i].addend};

		/* The namespace's name behind that of an entry has the next entry's value, or nothing, behind it. */
		entry.name = exported_name(module, &relocations[i], &relocations[i + 1]);
		if (!entry.name)
			continue;
		err = add_entry(&module->exports, &entry);
		i++;
	}
	free(relocations);
	return err;
}

static int compare_names(const void *a, const void *b)
{
	const struct module_entry *first = a, *second = b;

	return strcmp(first->name, second->name);
}

struct error *module_read_exports(struct module *module)
{
	struct error *err = NULL;

	for (uint32_t i = 0; !err && i < module->elf_sections; i++) {
		const struct elf_section *section = &module->elf[i];

		if (section->kept != NO_SECTION && (!strcmp(section->name, "__ksymtab") || !strcmp(section->name, "__ksymtab_gpl")))
			err = read_exports_of(module, section);
	}
	if (!err && module->exports.count)
		qsort(module->exports.entry, module->exports.count, sizeof(*module->exports.entry), compare_names);
	return err;
}

bool module_export(const struct module *module, const char *name, uint64_t *ret)
{
	const struct module_entry wanted = {.name = name}, *found = NULL;

	if (module->values && module->exports.count)
		found = bsearch(&wanted, module->exports.entry, module->exports.count, sizeof(wanted), compare_names);
	if (!found || module->values[found->symbol].state != SYMBOL_KNOWN)
		return false;
	*ret = module->values[found->symbol].value + found->offset;
	if (module->word == 4)
		*ret = (uint32_t)*ret;
	return true;
}

/* -- functions -- */

/* By section and offset; of several at one place the exported name comes last, which is the one that counts. */
static int compare_places(const void *a, const void *b)
{
	const struct module_entry *first = a, *second = b;

	if (first->kept != second->kept)
		return first->kept < second->kept ? -1 : 1;
	if (first->offset != second->offset)
		return first->offset < second->offset ? -1 : 1;
	return (int)first->global - (int)second->global;
}

struct error *module_read_functions(struct module *module)
{
	struct error *err = NULL;

	for (uint32_t i = 0; !err && i < module->symbol_count; i++) {
		const struct elf_symbol symbol = elf_symbol(module, i);
		const struct module_entry entry = {
			.name = symbol.name,
			.offset = symbol.value,
			.size = symbol.size,
			.kept = symbol.section < module->elf_sections ? module->elf[symbol.section].kept : NO_SECTION,
			.global = symbol.binding != STB_LOCAL,
		};

		if (symbol.type == STT_FUNC && entry.kept != NO_SECTION && module->section[entry.kept].kind == MODULE_CODE)
			err = add_entry(&module->functions, &entry);
	}
	if (!err && module->functions.count)
		qsort(module->functions.entry, module->functions.count, sizeof(*module->functions.entry), compare_places);
	return err;
}

static const struct module_entry *find_function(const struct module_entries *functions, int kept, uint64_t offset)
{
	const struct module_entry place = {.kept = kept, .offset = offset, .global = true};
	size_t low = 0, high = functions->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_places(&functions->entry[middle], &place) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || functions->entry[low - 1].kept != kept)
		return NULL;
	return offset - functions->entry[low - 1].offset < functions->entry[low - 1].size ? &functions->entry[low - 1] : NULL;
}

const char *module_function(const struct module *module, uint64_t address, uint64_t *ret_offset)
{
	for (size_t i = 0; i < module->sections; i++) {
		const struct module_section *section = &module->section[i];
		const struct module_entry *function = NULL;

		if (section->kind != MODULE_CODE || !section->linked || address - section->address >= section->size)
			continue;
		function = find_function(&module->functions, i, address - section->address);
		if (!function)
			return NULL;
		*ret_offset = address - section->address - function->offset;
		return function->name;
	}
	return NULL;
}
