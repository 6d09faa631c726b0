/*
 * The tables of places in a module's code that the kernel rewrites (arch/x86/kernel/alternative.c and others). They are read through their
 * relocations, each of which says where an entry leads, whatever else it has to be: relative or an address. Entries about code that does
 * not stay in memory are passed over.
 */
#include "loader/module_parts.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"

enum {
	BRANCH = 5,      /* bytes of a CALL or JMP */
	CONDITIONAL = 6, /* of a Jcc; of a branch with a prefix */
	ENDBR = 4,
	PADDING_MAX = 64, /* no-ops before a function */
	NO_OP = 0x90,
};

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

static const uint8_t *code_of(const struct patch_entry *entry)
{
	return entry->section->content + entry->offset;
}

/* -- how many bytes are rewritten; 0: the entry has no form that is known -- */

/*
 * struct alt_instr: two relative references, what it depends on, the sizes of the instructions and of what may replace them. It has 12
 * bytes, or 13 (with the size of padding, before 5.13), or 14 (with flags, since 6.3).
 */
static const uint8_t *alternative_sizes(const struct patch_entry *entry)
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

enum table_id { ALTERNATIVES, TRACED, JUMP_LABELS, STATIC_CALLS, OTHERS };

static const struct patch_table {
	const char *name;
	enum table_id id;
	uint8_t fields;   /* relocations of an entry, the first of which leads to the place */
	bool may_be_none; /* a size of 0 says that nothing is to be rewritten there */
	size_t (*size)(const struct patch_entry *entry);
} tables[] = {
	{".altinstructions", ALTERNATIVES, 2, true, alternative_size},
	{"__mcount_loc", TRACED, 1, false, tracer_size},
	{"__jump_table", JUMP_LABELS, 3, false, jump_label_size},
	{".static_call_sites", STATIC_CALLS, 2, false, branch_size},
	{".parainstructions", OTHERS, 1, false, paravirt_size},
	{".retpoline_sites", OTHERS, 1, false, branch_size},
	{".return_sites", OTHERS, 1, false, one_branch_size},
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

/* Where an entry's field leads, if that stays in memory. */
bool module_target(const struct module *module, const struct relocation *relocation, struct module_section **ret_section,
		   uint64_t *ret_offset)
{
	const struct elf_symbol symbol = elf_symbol(module, relocation->symbol);
	int kept = symbol.section < module->elf_sections ? module->elf[symbol.section].kept : NO_SECTION;

	if (kept == NO_SECTION)
		return false;
	*ret_section = &module->section[kept];
	*ret_offset = symbol.value + relocation->addend;
	if (module->word == 4)
		*ret_offset = (uint32_t)*ret_offset;
	return true;
}

typedef struct error *visit_entry(void *opaque, const struct patch_table *kind, const struct patch_entry *entry);

static struct error *visit_fields(const struct patch_table *kind, struct patch_entry *entry, visit_entry *visit, void *opaque)
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
				 visit_entry *visit, void *opaque)
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

/* The entries of all tables; or of those of one kind, if `only` is not NULL. */
static struct error *visit_tables(const struct module *module, const enum table_id *only, visit_entry *visit, void *opaque)
{
	struct error *err = NULL;

	for (uint32_t i = 0; !err && i < module->elf_sections; i++) {
		const struct elf_section *section = &module->elf[i];
		const struct patch_table *kind = section->kept != NO_SECTION ? find_table(section->name) : NULL;

		if (kind && (!only || *only == kind->id))
			err = visit_table(module, kind, section, visit, opaque);
	}
	return err;
}

/* -- what varies -- */

static struct error *add_varying(struct module *module, struct module_section *section, uint64_t offset, uint64_t size)
{
	size_t *room = &module->room[section - module->section].varyings;

	if (!array_reserve(&section->varying, section->varyings, room, sizeof(*section->varying)))
		return error_create("out of memory");
	section->varying[section->varyings++] = (struct module_span){offset, size};
	return NULL;
}

static struct error *add_entry(void *opaque, const struct patch_table *kind, const struct patch_entry *entry)
{
	size_t size = kind->size(entry);

	if (!size && kind->may_be_none && (kind->id != ALTERNATIVES || alternative_sizes(entry)))
		return NULL;
	if (!size || size > entry->left)
		return error_create("an entry of %s, about %s+%#llx, has a form that is not known", kind->name, entry->section->name,
				    (unsigned long long)entry->offset);
	return add_varying(opaque, entry->section, entry->offset, size);
}

/* The trampoline of a static call: a jump, or what the call has become. */
static bool is_trampoline(const struct module *module, uint32_t number, struct module_section **ret_section, uint64_t *ret_offset)
{
	const struct elf_symbol symbol = elf_symbol(module, number);
	int kept = symbol.section < module->elf_sections ? module->elf[symbol.section].kept : NO_SECTION;

	if (kept == NO_SECTION || strncmp(symbol.name, "__SCT__", strlen("__SCT__")) || module->section[kept].kind != MODULE_CODE ||
	    module->section[kept].size < BRANCH || symbol.value > module->section[kept].size - BRANCH)
		return false;
	*ret_section = &module->section[kept];
	*ret_offset = symbol.value;
	return true;
}

static int compare_spans(const void *a, const void *b)
{
	const struct module_span *first = a, *second = b;

	return first->offset < second->offset ? -1 : first->offset > second->offset;
}

/* Sorted, and without overlaps: an instruction may have several alternatives, and be a return or a call besides. */
static void merge(struct module_section *section)
{
	size_t merged = 0;

	if (!section->varyings)
		return;
	qsort(section->varying, section->varyings, sizeof(*section->varying), compare_spans);
	for (size_t i = 1; i < section->varyings; i++) {
		struct module_span *last = &section->varying[merged], *next = &section->varying[i];
		uint64_t end = next->offset + next->size;

		if (next->offset > last->offset + last->size)
			section->varying[++merged] = *next;
		else if (end > last->offset + last->size)
			last->size = end - last->offset;
	}
	section->varyings = merged + 1;
}

struct error *module_find_varying(struct module *module)
{
	struct error *err = visit_tables(module, NULL, add_entry, module);

	for (uint32_t i = 0; !err && i < module->symbol_count; i++) {
		struct module_section *section;
		uint64_t offset;

		if (is_trampoline(module, i, &section, &offset))
			err = add_varying(module, section, offset, BRANCH);
	}
	for (size_t i = 0; !err && i < module->sections; i++)
		merge(&module->section[i]);
	return err;
}

/* -- what is not as compiled -- */

static struct error *put_no_op(void *opaque, const struct patch_table *kind, const struct patch_entry *entry)
{
	(void)opaque;
	(void)kind;
	if (entry->section->linked)
		patch_put_no_op(BRANCH, entry->section->linked + entry->offset);
	return NULL;
}

/* STAC and CLAC are alternatives to no-ops. */
static struct error *put_access_control(void *opaque, const struct patch_table *kind, const struct patch_entry *entry)
{
	static const uint8_t stac[] = {0x0f, 0x01, 0xcb}, clac[] = {0x0f, 0x01, 0xca};
	const uint8_t *sizes = alternative_sizes(entry);
	struct module_section *section;
	uint64_t offset;

	(void)opaque;
	(void)kind;
	if (sizes && sizes[0] == sizeof(stac) && sizes[1] == sizeof(stac) && entry->section->linked && entry->left >= sizeof(stac) &&
	    module_target(entry->module, &entry->fields[1], &section, &offset) && section->content && offset < section->size &&
	    section->size - offset >= sizeof(stac) &&
	    (!memcmp(section->content + offset, stac, sizeof(stac)) || !memcmp(section->content + offset, clac, sizeof(clac))))
		memcpy(entry->section->linked + entry->offset, section->content + offset, sizeof(stac));
	return NULL;
}

struct error *module_patch(struct module *module)
{
	static const enum table_id traced = TRACED, alternatives = ALTERNATIVES;
	struct error *err = visit_tables(module, &traced, put_no_op, NULL);

	return err ? err : visit_tables(module, &alternatives, put_access_control, NULL);
}

/* -- sites -- */

struct site_list {
	const struct module *module;
	struct patch_sites *sites;
};

enum { KEY_FLAGS = 3, KEY_FLAG = 1 }; /* in the key's address: BRANCH of jump labels, TAIL of static calls; another one is the loader's */

/* The flag that the reference to a key has besides, and its address, 0 if that is not known. */
static uint64_t key_of(const struct module *module, const struct relocation *field, bool *ret_flag)
{
	const struct symbol_value *symbol = &module->values[field->symbol];
	uint64_t address = symbol->value + field->addend;

	*ret_flag = field->addend & KEY_FLAG;
	if (symbol->state != SYMBOL_KNOWN)
		return 0;
	return (module->word == 8 ? address : (uint32_t)address) & ~(uint64_t)KEY_FLAGS;
}

static struct error *add_site(void *opaque, const struct patch_table *kind, const struct patch_entry *entry)
{
	const struct site_list *list = opaque;
	struct patch_site site = {.address = entry->section->address + entry->offset};
	struct module_section *target;
	uint64_t offset;

	if (!entry->section->linked)
		return NULL;
	if (kind->id == STATIC_CALLS) {
		site.kind = PATCH_STATIC_CALL;
		site.key = key_of(list->module, &entry->fields[1], &site.tail);
		return patch_sites_add(list->sites, &site);
	}
	if (!module_target(list->module, &entry->fields[1], &target, &offset) || target->kind != MODULE_CODE || !target->linked ||
	    offset >= target->size)
		return NULL;
	site.kind = PATCH_JUMP_LABEL;
	site.target = target->address + offset;
	site.key = key_of(list->module, &entry->fields[2], &site.branch);
	return patch_sites_add(list->sites, &site);
}

struct error *module_add_sites(const struct module *module, struct patch_sites *sites)
{
	static const enum table_id jump_labels = JUMP_LABELS, static_calls = STATIC_CALLS;
	struct site_list list = {module, sites};
	struct error *err = NULL;

	if (!module->values)
		return NULL;
	err = visit_tables(module, &jump_labels, add_site, &list);
	if (!err)
		err = visit_tables(module, &static_calls, add_site, &list);
	for (uint32_t i = 0; !err && i < module->symbol_count; i++) {
		struct patch_site site = {.kind = PATCH_TRAMPOLINE, .tail = true};
		struct module_section *section;
		uint64_t offset;

		if (!is_trampoline(module, i, &section, &offset) || !section->linked)
			continue;
		site.address = section->address + offset;
		err = patch_sites_add(sites, &site);
	}
	return err;
}
