/* Between the files module*.c: the tables of places in a module's code that the kernel rewrites (module_patches.c). */
#ifndef XRAY86_LOADER_MODULE_PATCHES_H
#define XRAY86_LOADER_MODULE_PATCHES_H

#include "loader/module_parts.h"

enum { BRANCH = 5 }; /* bytes of a CALL or JMP */

/* An entry of a table, and the place in code that it is about. */
struct patch_entry {
	const struct module *module;
	const struct elf_section *table;
	const struct relocation *fields; /* all of the entry's */
	size_t stride;                   /* from entry to entry; 0: they are not all alike */
	struct module_section *section;
	uint64_t offset; /* in it */
	size_t left;     /* bytes of it from there on */
};

enum patch_table_id { ALTERNATIVES, TRACED, RETURNS, JUMP_LABELS, STATIC_CALLS, OTHERS };

struct patch_table {
	const char *name;
	enum patch_table_id id;
	uint8_t fields;                                  /* relocations of an entry, the first of which leads to the place */
	bool may_be_none;                                /* a size of 0 says that nothing is to be rewritten there */
	size_t (*size)(const struct patch_entry *entry); /* how many bytes are; 0: the entry has no form that is known */
};

/*
 * Calls `visit` with each entry of the tables whose number in enum patch_table_id is set in `ids`, until it returns an error. Entries about
 * code that does not stay in memory are passed over.
 */
typedef struct error *patch_visit(void *opaque, const struct patch_table *table, const struct patch_entry *entry);
struct error *patch_tables_visit(const struct module *module, unsigned ids, patch_visit *visit, void *opaque);

/* Of an alternative: the sizes of the instructions and of what may replace them. NULL: the entry has no form that is known. */
const uint8_t *alternative_sizes(const struct patch_entry *entry);
/* Where a symbol leads, if it is the trampoline of a static call: a jump, or what the call has become. */
bool is_trampoline(const struct module *module, uint32_t number, struct module_section **ret_section, uint64_t *ret_offset);

#endif
