/* Between the files module*.c: an opened module, and its ELF file. Everything that module_elf_read() has let pass is within bounds. */
#ifndef XRAY86_LOADER_MODULE_PARTS_H
#define XRAY86_LOADER_MODULE_PARTS_H

#include <elf.h>

#include "loader/module.h"

enum { NO_SECTION = -1 };

/* A section of the file, of either word size. */
struct elf_section {
	const char *name;
	uint64_t flags, offset, size, alignment, entry_size;
	uint32_t type, link, info;
	uint32_t relocations; /* the number of the section with relocations against this one; 0: there are none */
	int kept;             /* the number in struct module's sections; NO_SECTION: it does not stay in memory */
};

struct elf_symbol {
	const char *name;
	uint64_t value, size;
	uint16_t section; /* SHN_UNDEF and the like, or a number that is good */
	uint8_t type, binding;
};

/* What a type of relocation does. */
struct relocation_form {
	uint32_t type;
	uint8_t word; /* of the files that have it */
	uint8_t size; /* bytes that it writes; 0: it does nothing */
	bool relative;
	enum { RANGE_ANY, RANGE_SIGNED, RANGE_UNSIGNED } range; /* of the value, before it is cut to `size` */
};

struct relocation {
	uint64_t offset; /* MUST BE FIRST: the key */
	uint64_t addend;
	const struct relocation_form *form;
	uint32_t symbol;
};

/* What module_link() has found out of a symbol. */
enum symbol_state {
	SYMBOL_UNKNOWN, /* nobody exports it */
	SYMBOL_KNOWN,
	SYMBOL_FREED,      /* its section does not stay in memory */
	SYMBOL_NO_ADDRESS, /* the address of its section is not known */
};

struct symbol_value {
	uint64_t value;
	enum symbol_state state;
};

/* A symbol that is exported, or a function: by name, or by place. */
struct module_entry {
	const char *name;
	uint64_t offset, size;
	uint32_t symbol; /* of exports: `offset` counts from its value */
	int kept;        /* of functions: the section */
	bool global;
};

struct module_entries {
	struct module_entry *entry;
	size_t count, room;
};

struct module {
	uint8_t *bytes;
	size_t size;
	unsigned word;
	char *name, *depends;
	struct elf_section *elf; /* all sections of the file */
	uint32_t elf_sections;
	const uint8_t *symbols;
	uint32_t symbol_count;
	const char *strings; /* the names of symbols */
	struct module_section *section;
	uint32_t *elf_of; /* of `section` */
	struct module_room {
		size_t varyings, gaps;
	} * room; /* of its arrays */
	size_t sections;
	struct module_entries exports, functions;
	struct symbol_value *values; /* of all symbols, after module_link() */
};

/* -- the ELF file: module_elf.c -- */

/* Reads headers, sections and symbols. */
struct error *module_elf_read(struct module *module);
/* Checks relocations against the sections that stay, and finds them for each. */
struct error *module_elf_read_relocations(struct module *module);
const uint8_t *elf_content(const struct module *module, const struct elf_section *section);
struct elf_symbol elf_symbol(const struct module *module, uint32_t number);
size_t elf_relocation_count(const struct module *module, const struct elf_section *target);
struct relocation elf_relocation(const struct module *module, const struct elf_section *target, size_t number);
/* All of them, sorted by offset. The caller frees *ret. */
struct error *elf_relocations(const struct module *module, const struct elf_section *target, struct relocation **ret, size_t *ret_count);
/* A name for messages. */
const char *elf_symbol_name(const struct module *module, uint32_t number);

/* -- places -- */

/* Where a relocation leads, if it is an entry of a table: relative ones count from their own place. False: not into a section that stays.
 */
bool module_target(const struct module *module, const struct relocation *relocation, struct module_section **ret_section,
		   uint64_t *ret_offset);

/* Where the section is that the relocation refers to, by the word that stands at its place, which is at `at` in memory. */
uint64_t module_section_by_word(const struct module *module, const struct relocation *relocation, uint64_t at, const void *word);

void module_sort_spans(struct module_span *spans, size_t count);

/* -- what the kernel rewrites: module_patches.h -- */

/* Fills in `varying` of all sections. */
struct error *module_find_varying(struct module *module);
/* Puts into the linked code what is to stand there other than compiled. */
struct error *module_patch(struct module *module);

/* -- what symbols name: module_symbols.c -- */

struct error *module_read_exports(struct module *module);
struct error *module_read_functions(struct module *module);

#endif
