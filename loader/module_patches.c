/*
 * The tables of places in a module's code that the kernel rewrites (arch/x86/kernel/alternative.c and others). They are read through their
 * relocations, each of which says where an entry leads, whatever else it has to be: relative or an address.
 */
#include "loader/module_patches.h"

#include <stdlib.h>
#include <string.h>

enum {
	CONDITIONAL = 6, /* bytes of a Jcc; of a branch with a prefix */
	ENDBR = 4,
	PADDING_MAX = 64, /* no-ops before a function */
	NO_OP = 0x90,
};

static const uint8_t *code_of(const struct patch_entry *entry)
{
	return entry->section->content + entry->offset;
}

/*
 * struct alt_instr: two relative references, what it depends on, the sizes of the instructions and of what may replace them. It has 12
 * bytes, or 13 (with the size of padding, before 5.13), or 14 (with flags, since 6.3).
 */
const uint8_t *alternative_sizes(const struct patch_entry *entry)
{
	uint64_t at = entry->fields[0].offset + (entry->stride == 14 ? 12 : 10);

	if (entry->stride < 12 || entry->stride > 14 || at + 2 > entry->table->size)
		return NULL;
	return elf_content(entry->module, entry->table) + at;
}

static size_t alternative_size(const struct patch_entry *entry)
{
	const uint8_t *sizes = alternative_sizes(entry);

	return sizes ? sizes[0] : 0;
}

/* struct paravirt_patch_site: an address, the operation, the size. */
static size_t paravirt_size(const struct patch_entry *entry)
{
	uint64_t at = entry->fields[0].offset + entry->module->word + 1;

	return at < entry->table->size ? elf_content(entry->module, entry->table)[at] : 0;
}

static bool is_conditional(const uint8_t *code)
{
	return code[0] == 0x0f && (code[1] & 0xf0) == 0x80;
}

static size_t branch_size(const struct patch_entry *entry)
{
	const uint8_t *code = code_of(entry);

	if (entry->left < CONDITIONAL)
		return BRANCH;
	return code[0] == 0x2e || is_conditional(code) ? CONDITIONAL : BRANCH;
}

static size_t one_branch_size(const struct patch_entry *entry)
{
	(void)entry;
	return BRANCH;
}

/* A call of the tracer; or what the linker, or objtool, has put in its place. */
static size_t tracer_size(const struct patch_entry *entry)
{
	const uint8_t *code = code_of(entry);

	return entry->left >= BRANCH && (code[0] == 0xe8 || patch_no_op_size(code) == BRANCH) ? BRANCH : 0;
}

static size_t endbr_size(const struct patch_entry *entry)
{
	(void)entry;
	return ENDBR;
}

static size_t lock_size(const struct patch_entry *entry)
{
	(void)entry;
	return 1;
}

static size_t padding_size(const struct patch_entry *entry)
{
	size_t size = 0;

	while (size < entry->left && size < PADDING_MAX && code_of(entry)[size] == NO_OP)
		size++;
	return size;
}

static size_t jump_label_size(const struct patch_entry *entry)
{
	uint8_t code[PATCH_LONG] = {0};

	memcpy(code, code_of(entry), entry->left < PATCH_LONG ? entry->left : PATCH_LONG);
	if (code[0] == 0xeb)
		return PATCH_SHORT;
	return code[0] == 0xe9 ? PATCH_LONG : patch_no_op_size(code);
}

/* -- the tables -- */

static const struct patch_table tables[] = {
	{".altinstructions", ALTERNATIVES, 2, true, alternative_size},
	{"__mcount_loc", TRACED, 1, false, tracer_size},
	{"__jump_table", JUMP_LABELS, 3, false, jump_label_size},
	{".static_call_sites", STATIC_CALLS, 2, false, branch_size},
	{".parainstructions", OTHERS, 1, false, paravirt_size},
	{".retpoline_sites", OTHERS, 1, false, branch_size},
	{".return_sites", RETURNS, 1, false, one_branch_size},
	{".call_sites", OTHERS, 1, false, one_branch_size}, /* to thunks that count the depth of calls */
	{".ibt_endbr_seal", OTHERS, 1, false, endbr_size},  /* ENDBR of functions that are never called indirectly */
	{".smp_locks", OTHERS, 1, false, lock_size},
	{"__patchable_function_entries", OTHERS, 1, true, padding_size}, /* code of such thunks is put before functions */
};

static const struct patch_table *find_table(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (!strcmp(tables[i].name, name))
			return &tables[i];
	}
	return NULL;
}

static struct error *visit_fields(const struct patch_table *kind, struct patch_entry *entry, patch_visit *visit, void *opaque)
{
	if (!module_target(entry->module, entry->fields, &entry->section, &entry->offset))
		return NULL;
	if (entry->section->kind != MODULE_CODE || entry->offset >= entry->section->size)
		return error_create("it is damaged: an entry of %s is not about code", kind->name);
	entry->left = entry->section->size - entry->offset;
	return visit(opaque, kind, entry);
}

/* Whether the fields of all entries are where those of the first one are. */
static size_t find_stride(const struct patch_table *kind, const struct elf_section *table, const struct relocation *fields, size_t count)
{
	size_t stride = count ? table->size / (count / kind->fields) : 0;

	for (size_t i = 0; i < count; i++) {
		if (fields[i].offset != i / kind->fields * stride + fields[i % kind->fields].offset)
			return 0;
	}
	return stride;
}

static struct error *visit_table(const struct module *module, const struct patch_table *kind, const struct elf_section *table,
				 patch_visit *visit, void *opaque)
{
	struct patch_entry entry = {.module = module, .table = table};
	struct relocation *fields;
	size_t count;
	struct error *err = elf_relocations(module, table, &fields, &count);

	if (!err && count % kind->fields)
		err = error_create("its table %s has a form that is not known", kind->name);
	if (!err)
		entry.stride = find_stride(kind, table, fields, count);
	for (size_t i = 0; !err && i < count; i += kind->fields) {
		entry.fields = fields + i;
		err = visit_fields(kind, &entry, visit, opaque);
	}
	free(fields);
	return err;
}

struct error *patch_tables_visit(const struct module *module, unsigned ids, patch_visit *visit, void *opaque)
{
	struct error *err = NULL;

	for (uint32_t i = 0; !err && i < module->elf_sections; i++) {
		const struct elf_section *section = &module->elf[i];
		const struct patch_table *kind = section->kept != NO_SECTION ? find_table(section->name) : NULL;

		if (kind && (ids & 1u << kind->id))
			err = visit_table(module, kind, section, visit, opaque);
	}
	return err;
}

bool is_trampoline(const struct module *module, uint32_t number, struct module_section **ret_section, uint64_t *ret_offset)
{
	const struct elf_symbol symbol = elf_symbol(module, number);
	int kept = symbol.section < module->elf_sections ? module->elf[symbol.section].kept : NO_SECTION;

	if (kept == NO_SECTION || strncmp(symbol.name, "__SCT__", strlen("__SCT__")) != 0 || module->section[kept].kind != MODULE_CODE ||
	    module->section[kept].size < BRANCH || symbol.value > module->section[kept].size - BRANCH)
		return false;
	*ret_section = &module->section[kept];
	*ret_offset = symbol.value;
	return true;
}
