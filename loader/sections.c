/* Sections of a kernel's ELF file: sections.h. */
#include "loader/sections.h"

#include <gelf.h>
#include <string.h>

static bool find(Elf *elf, const char *wanted, GElf_Shdr *ret)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, ret))
			continue;
		name = elf_strptr(elf, names, ret->sh_name);
		if (name && !strcmp(name, wanted) && ret->sh_addr + ret->sh_size > ret->sh_addr)
			return true;
	}
	return false;
}

bool kernel_image_find_section(const struct kernel_image *kernel, const char *name, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t moved = kernel->base - kernel->link_base;
	GElf_Shdr header;
	bool found;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)kernel->elf, kernel->elf_size); /* not written to */
	if (!elf)
		return false;
	found = find(elf, name, &header);
	elf_end(elf);
	if (!found)
		return false;
	*ret_start = header.sh_addr + moved;
	*ret_end = *ret_start + header.sh_size;
	return true;
}
