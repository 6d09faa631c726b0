/* Spans of a module's code that the kernel rewrites: `varying` in module.h. */
#include "loader/module_patches.h"

#include "util/array.h"

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

/* Sorted, and without overlaps: an instruction may have several alternatives, and be a return or a call besides. */
static void merge(struct module_section *section)
{
	size_t merged = 0;

	if (!section->varyings)
		return;
	module_sort_spans(section->varying, section->varyings);
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
	struct error *err = patch_tables_visit(module, ~0u, add_entry, module);

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
