/* Places in a module's sections: module_parts.h. */
#include "loader/module_parts.h"

#include <stdlib.h>

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

static int compare_spans(const void *a, const void *b)
{
	const struct module_span *first = a, *second = b;

	return first->offset < second->offset ? -1 : first->offset > second->offset;
}

void module_sort_spans(struct module_span *spans, size_t count)
{
	if (count)
		qsort(spans, count, sizeof(*spans), compare_spans);
}
