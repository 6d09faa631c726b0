/* A module's code, once it is linked: what is to stand there other than compiled, and its patch sites. */
#include "loader/module_patches.h"

#include <string.h>

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

/* A jump to a return thunk is a plain return on a CPU without speculation. The thunk that it is compiled for may be one that warns. */
static struct error *put_return(void *opaque, const struct patch_table *kind, const struct patch_entry *entry)
{
	static const uint8_t ret[BRANCH] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc};
	uint8_t *code = entry->section->linked ? entry->section->linked + entry->offset : NULL;

	(void)opaque;
	(void)kind;
	if (code && entry->left >= BRANCH && code[0] == 0xe9)
		memcpy(code, ret, BRANCH);
	return NULL;
}

struct error *module_patch(struct module *module)
{
	struct error *err = patch_tables_visit(module, 1u << TRACED, put_no_op, NULL);

	if (!err)
		err = patch_tables_visit(module, 1u << RETURNS, put_return, NULL);
	return err ? err : patch_tables_visit(module, 1u << ALTERNATIVES, put_access_control, NULL);
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
	struct site_list list = {module, sites};
	struct error *err = NULL;

	if (!module->values)
		return NULL;
	err = patch_tables_visit(module, 1u << JUMP_LABELS | 1u << STATIC_CALLS, add_site, &list);
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
