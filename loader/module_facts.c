/* What callers ask an opened module for: its name, its sections, its build ID. */
#include "loader/module_parts.h"

#include <string.h>

unsigned module_word(const struct module *module)
{
	return module->word;
}

const char *module_name(const struct module *module)
{
	return module->name;
}

const char *module_depends(const struct module *module)
{
	return module->depends;
}

struct module_section *module_sections(const struct module *module, size_t *ret_count)
{
	*ret_count = module->sections;
	return module->section;
}

struct module_section *module_find_section(const struct module *module, const char *name)
{
	for (size_t i = 0; i < module->sections; i++) {
		if (!strcmp(module->section[i].name, name))
			return &module->section[i];
	}
	return NULL;
}

/* Notes are one behind the other: the sizes of name and contents, a type, the name, the contents. */
static const uint8_t *find_id(const struct module_section *section, size_t *ret_size, uint64_t *ret_offset)
{
	Elf64_Nhdr head; /* 32-bit files have the same */
	uint64_t next;

	for (uint64_t at = 0; section->size - at >= sizeof(head); at = next) {
		uint64_t contents;

		memcpy(&head, section->content + at, sizeof(head));
		contents = at + sizeof(head) + (((uint64_t)head.n_namesz + 3) & ~3ull);
		next = contents + (((uint64_t)head.n_descsz + 3) & ~3ull);
		if (contents + head.n_descsz > section->size)
			return NULL;
		if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof("GNU") && head.n_descsz &&
		    !memcmp(section->content + at + sizeof(head), "GNU", sizeof("GNU"))) {
			*ret_size = head.n_descsz;
			*ret_offset = contents;
			return section->content + contents;
		}
		if (next > section->size)
			return NULL;
	}
	return NULL;
}

const uint8_t *module_build_id(const struct module *module, size_t *ret_size, const struct module_section **ret_section,
			       uint64_t *ret_offset)
{
	for (size_t i = 0; i < module->sections; i++) {
		const struct module_section *section = &module->section[i];
		const uint8_t *id = NULL;

		if (module->elf[module->elf_of[i]].type == SHT_NOTE && section->kind == MODULE_CONSTANT && section->content)
			id = find_id(section, ret_size, ret_offset);
		if (id) {
			*ret_section = section;
			return id;
		}
	}
	return NULL;
}
