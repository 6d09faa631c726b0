/* Places in a module's sections: module_parts.h. */
#include "loader/module_parts.h"

#include <stdlib.h>
#include <string.h>

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

uint64_t module_section_by_word(const struct module *module, const struct relocation *relocation, uint64_t at, const void *word)
{
	uint64_t value = 0;

	memcpy(&value, word, relocation->form->size);
	if (relocation->form->size == 4 && relocation->form->range != RANGE_UNSIGNED)
		value = (int64_t)(int32_t)value;
	if (relocation->form->relative)
		value += at;
	value -= relocation->addend + elf_symbol(module, relocation->symbol).value;
	return module->word == 8 ? value : (uint32_t)value;
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
