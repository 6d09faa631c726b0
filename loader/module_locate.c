/*
 * Where a kernel has loaded a module, by what stands in its memory: module_locate() of module.h.
 *
 * The loader makes four groups of sections, and in each puts one behind the other (layout_sections() in Linux' kernel/module/main.c). Each
 * group begins at a page boundary. Where the code begins stands in struct module, which is itself among the data. Code and constant data
 * refer to the others.
 */
#include "loader/module_parts.h"

#include <stdlib.h>
#include <string.h>

#include "mmu/physmem.h"
#include "util/align.h"

enum group { CODE, CONSTANTS, LATE /* read-only after initialisation */, DATA, NO_GROUP };

struct search {
	struct module *module;
	module_read *read;
	void *opaque;
	struct module_section *own; /* that is struct module */
	uint64_t record;            /* where that is */
	const uint8_t *words;       /* what stands there */
	unsigned late;              /* how many of late_names are in that group */
};

enum { RECORD_MAX = 1 << 16 /* bytes of struct module: far more than it has */ };

/* -- groups of sections -- */

/* They were moved from the data one by one: in 4.6, 5.12 and 6.14 (module_mark_ro_after_init()). */
static const char *const late_names[] = {".data..ro_after_init", "__jump_table", ".static_call_sites"};
enum { LATE_NAMES = sizeof(late_names) / sizeof(late_names[0]) };

static enum group group_of(const struct search *search, const struct module_section *section)
{
	const struct module *module = search->module;
	uint64_t flags = module->elf[module->elf_of[section - module->section]].flags;

	if (section->kind == MODULE_PER_CPU)
		return NO_GROUP;
	if (flags & SHF_EXECINSTR)
		return CODE;
	if (!(flags & SHF_WRITE))
		return CONSTANTS;
	for (unsigned i = 0; i < search->late; i++) {
		if (!strcmp(section->name, late_names[i]))
			return LATE;
	}
	return DATA;
}

/* The next section of the group, and how far from its start. Begins with *section NULL, and returns false behind the last one. */
static bool next_in(const struct search *search, enum group group, struct module_section **section, uint64_t *offset)
{
	struct module *module = search->module;
	struct module_section *next = *section ? *section + 1 : module->section;
	uint64_t at = *section ? *offset + (*section)->size : 0;

	while (next < module->section + module->sections && group_of(search, next) != group)
		next++;
	if (next == module->section + module->sections)
		return false;
	*offset = align_up(at, next->alignment ? next->alignment : 1);
	*section = next;
	return true;
}

/* Where the group begins, by the first of its sections of which that is known. False: there is none. */
static bool find_start(const struct search *search, enum group group, uint64_t *ret)
{
	struct module_section *section = NULL;
	uint64_t offset = 0;

	while (next_in(search, group, &section, &offset)) {
		*ret = section->address - offset;
		if (section->address)
			return true;
	}
	return false;
}

/* Whether what is known of the addresses of its sections fits. */
static bool fits(const struct search *search, enum group group, uint64_t start)
{
	struct module_section *section = NULL;
	uint64_t offset = 0;

	while (next_in(search, group, &section, &offset)) {
		if (section->address && section->address != start + offset)
			return false;
	}
	return true;
}

/* Sets them. Returns false if they do not fit. */
static bool lay_out(const struct search *search, enum group group, uint64_t start)
{
	struct module_section *section = NULL;
	uint64_t offset = 0;

	if (!fits(search, group, start))
		return false;
	while (next_in(search, group, &section, &offset))
		section->address = start + offset;
	return true;
}

/* The page boundary behind a group that was laid out. */
static uint64_t page_behind(const struct search *search, enum group group)
{
	struct module_section *section = NULL;
	uint64_t offset = 0, end = 0;

	while (next_in(search, group, &section, &offset))
		end = section->address + section->size;
	return align_up(end, PAGE_SIZE);
}

/* -- what stands in memory -- */

/* Notes where the word at `at` says the section is. False: it is known to be elsewhere. */
static bool note_address(struct module *module, const struct relocation *relocation, uint64_t at, const uint8_t *word)
{
	const struct elf_symbol symbol = elf_symbol(module, relocation->symbol);
	int kept = symbol.section < module->elf_sections ? module->elf[symbol.section].kept : NO_SECTION;
	uint64_t address;

	if (symbol.section == SHN_UNDEF || kept == NO_SECTION)
		return true;
	address = module_section_by_word(module, relocation, at, word);
	if (!module->section[kept].address)
		module->section[kept].address = address;
	return address && module->section[kept].address == address;
}

/* Puts what the file has in place of what the loader makes of it. */
static void restore(const struct module_section *section, uint64_t offset, uint64_t size, uint8_t *there)
{
	memcpy(there + offset, section->content + offset, size);
}

/* The section's bytes in memory: they say where others are, and are as in the file apart from that. `there` has room for them. */
static bool compare(const struct search *search, struct module_section *section, const struct relocation *relocation, size_t relocations,
		    uint8_t *there)
{
	const struct module_span *span = section->varying, *last = span + section->varyings;

	if (!search->read(search->opaque, section->address, there, section->size))
		return false;
	for (size_t i = 0; i < relocations; i++) {
		uint64_t offset = relocation[i].offset;
		unsigned size = relocation[i].form->size;

		while (span < last && span->offset + span->size <= offset)
			span++;
		if ((span == last || span->offset >= offset + size) &&
		    !note_address(search->module, &relocation[i], section->address + offset, there + offset))
			return false;
		restore(section, offset, size, there);
	}
	for (span = section->varying; span < last; span++)
		restore(section, span->offset, span->size, there);
	return memcmp(there, section->content, section->size) == 0;
}

static bool check_section(const struct search *search, struct module_section *section)
{
	const struct module *module = search->module;
	struct relocation *relocation = NULL;
	uint8_t *there = malloc(section->size ? section->size : 1);
	size_t relocations;
	struct error *err = elf_relocations(module, &module->elf[module->elf_of[section - module->section]], &relocation, &relocations);
	bool good = there && !err && compare(search, section, relocation, relocations, there);

	error_destroy(err);
	free(relocation);
	free(there);
	return good;
}

static bool check_sections(const struct search *search, enum module_kind kind)
{
	struct module *module = search->module;

	for (size_t i = 0; i < module->sections; i++) {
		if (module->section[i].kind == kind && module->section[i].size && !check_section(search, &module->section[i]))
			return false;
	}
	return true;
}

/* -- struct module -- */

/* Gives its next word that is not 0. Returns false if there are no more. */
static bool next_word(const struct search *search, size_t *at, uint64_t *ret)
{
	unsigned word = search->module->word;

	for (; *at + word <= search->own->size; *at += word) {
		*ret = 0;
		memcpy(ret, search->words + *at, word);
		if (*ret) {
			*at += word;
			return true;
		}
	}
	return false;
}

static bool next_page(const struct search *search, size_t *at, uint64_t *ret)
{
	while (next_word(search, at, ret)) {
		if (*ret % PAGE_SIZE == 0)
			return true;
	}
	return false;
}

static bool has_word(const struct search *search, uint64_t wanted)
{
	uint64_t value;

	for (size_t at = 0; next_word(search, &at, &value);) {
		if (value == wanted)
			return true;
	}
	return false;
}

/* Whether it has the name of this module, which is behind the state and two pointers. */
static bool is_named(const struct search *search)
{
	const struct module *module = search->module;
	size_t at = 3 * module->word, length = strlen(module->name) + 1;

	return search->own->size > at && length <= search->own->size - at && memcmp(search->words + at, module->name, length) == 0;
}

/* -- data: code may have been changed to refer to other places than the module's -- */

/* Since 6.4 (struct module_memory) struct module says where it begins; before, it is behind the constant data. */
static bool late_group_fits(const struct search *search)
{
	uint64_t start;

	if (!find_start(search, LATE, &start))
		return true;
	return (start == page_behind(search, CONSTANTS) || has_word(search, start)) && fits(search, LATE, start);
}

static bool data_group_fits(const struct search *search)
{
	struct module_section *section = NULL;
	uint64_t offset = 0;

	while (next_in(search, DATA, &section, &offset)) {
		if (section == search->own)
			return fits(search, DATA, search->record - offset);
	}
	return false;
}

static bool per_cpu_data_fit(const struct search *search)
{
	const struct module *module = search->module;

	for (size_t i = 0; i < module->sections; i++) {
		const struct module_section *section = &module->section[i];

		if (section->kind == MODULE_PER_CPU && section->address && !has_word(search, section->address))
			return false;
	}
	return true;
}

static bool data_fit(struct search *search)
{
	for (unsigned late = 0; late <= LATE_NAMES; late++) {
		search->late = late;
		if (late_group_fits(search) && data_group_fits(search))
			return per_cpu_data_fit(search);
	}
	return false;
}

/* -- where code and constant data begin -- */

static void forget(struct module *module)
{
	for (size_t i = 0; i < module->sections; i++)
		module->section[i].address = 0;
}

static bool try_code(const struct search *search, uint64_t start)
{
	forget(search->module);
	search->own->address = search->record;
	return lay_out(search, CODE, start) && check_sections(search, MODULE_CODE);
}

static bool try_constants(const struct search *search, uint64_t start)
{
	return lay_out(search, CONSTANTS, start) && check_sections(search, MODULE_CONSTANT);
}

/* No code refers to constant data. They are behind the code, or have a place of their own as above. */
static bool search_constants(const struct search *search, uint64_t code)
{
	uint64_t start = page_behind(search, CODE);
	size_t at = 0;

	do {
		if (try_constants(search, start))
			return true;
	} while (next_page(search, &at, &start) && try_code(search, code));
	return false;
}

static bool locate_from(struct search *search, uint64_t code)
{
	uint64_t start;

	if (!try_code(search, code))
		return false;
	return (find_start(search, CONSTANTS, &start) ? try_constants(search, start) : search_constants(search, code)) && data_fit(search);
}

static bool search_code(struct search *search)
{
	uint64_t start;

	for (size_t at = 0; next_page(search, &at, &start);) {
		if (locate_from(search, start))
			return true;
	}
	return false;
}

bool module_locate(struct module *module, uint64_t record, module_read *read, void *opaque)
{
	struct module_section *own = module_find_section(module, ".gnu.linkonce.this_module");
	uint8_t *words = own && own->size && own->size <= RECORD_MAX ? malloc(own->size) : NULL;
	struct search search = {module, read, opaque, own, record, words, 0};
	bool found = words && read(opaque, record, words, own->size) && is_named(&search) && search_code(&search);

	free(words);
	if (!found)
		forget(module);
	return found;
}
