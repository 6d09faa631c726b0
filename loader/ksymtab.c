/*
 * Exported symbols: see ksymtab.h. The sections __ksymtab and __ksymtab_gpl are arrays of struct kernel_symbol in its form for
 * CONFIG_HAVE_ARCH_PREL32_RELOCATIONS, which x86 has since Linux 4.19: the distances from each member to the value, the name and the name
 * of the name space. The names are in __ksymtab_strings.
 */
#include "loader/ksymtab.h"

#include <gelf.h>
#include <string.h>

struct kernel_symbol {
	int32_t value_offset, name_offset, namespace_offset;
};

const uint8_t *kernel_bytes(const struct kernel *kernel, uint64_t vaddr, size_t *ret_size)
{
	for (unsigned i = 0; i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];
		/* Segments are described as linked; those at 0 do not move. */
		uint64_t start = segment->vaddr < kernel->link_base ? segment->vaddr : segment->vaddr + (kernel->base - kernel->link_base);

		if (vaddr - start < segment->file_size) {
			*ret_size = segment->file_size - (vaddr - start);
			return kernel->elf + segment->offset + (vaddr - start);
		}
	}
	return NULL;
}

/* A section's place and its bytes. */
struct table {
	uint64_t vaddr;
	const uint8_t *data;
	size_t size;
};

/* false: there is none of that name, or it is not where its address says. */
static bool find_section(const struct kernel *kernel, Elf *elf, const char *wanted, struct table *ret)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;
		size_t room;
		GElf_Shdr shdr;

		if (!gelf_getshdr(section, &shdr) || !(name = elf_strptr(elf, names, shdr.sh_name)) || strcmp(name, wanted) != 0)
			continue;
		ret->vaddr = shdr.sh_addr + (kernel->base - kernel->link_base);
		ret->size = shdr.sh_size;
		ret->data = kernel_bytes(kernel, ret->vaddr, &room);
		return ret->data && ret->size <= room;
	}
	return false;
}

/* Whether the string at vaddr, which must be in `strings`, is `name`. */
static bool is_name(const struct table *strings, uint64_t vaddr, const char *name)
{
	size_t at = vaddr - strings->vaddr, length = strlen(name) + 1;

	return at < strings->size && length <= strings->size - at && memcmp(strings->data + at, name, length) == 0;
}

static uint64_t address(const struct kernel *kernel, uint64_t vaddr)
{
	return kernel->arch == KERNEL_I386 ? (uint32_t)vaddr : vaddr;
}

static uint64_t find_in(const struct kernel *kernel, const struct table *symbols, const struct table *strings, const char *name)
{
	for (size_t at = 0; at + sizeof(struct kernel_symbol) <= symbols->size; at += sizeof(struct kernel_symbol)) {
		uint64_t vaddr = symbols->vaddr + at;
		struct kernel_symbol symbol;

		memcpy(&symbol, symbols->data + at, sizeof(symbol));
		if (is_name(strings, address(kernel, vaddr + offsetof(struct kernel_symbol, name_offset) + symbol.name_offset), name))
			return address(kernel, vaddr + symbol.value_offset);
	}
	return 0;
}

static uint64_t find(const struct kernel *kernel, Elf *elf, const char *name)
{
	static const char *const sections[] = {"__ksymtab", "__ksymtab_gpl"};
	struct table strings, symbols;
	uint64_t found = 0;

	if (!find_section(kernel, elf, "__ksymtab_strings", &strings))
		return 0;
	for (unsigned i = 0; i < 2 && !found; i++) {
		if (find_section(kernel, elf, sections[i], &symbols))
			found = find_in(kernel, &symbols, &strings, name);
	}
	return found;
}

uint64_t ksymtab_find(const struct kernel *kernel, const char *name)
{
	uint64_t found;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)kernel->elf, kernel->elf_size); /* not written to */
	if (!elf)
		return 0;
	found = find(kernel, elf, name);
	elf_end(elf);
	return found;
}
