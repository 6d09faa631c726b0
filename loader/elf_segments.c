/* The segments of an ELF file that are loaded: see elf_segments.h. */
#include "loader/elf_segments.h"

#include <stddef.h>

struct error *elf_for_each_load(Elf *elf, struct error *(*fn)(void *opaque, const GElf_Phdr *phdr), void *opaque)
{
	size_t count;

	if (elf_getphdrnum(elf, &count) != 0)
		return error_create("damaged ELF header: %s", elf_errmsg(-1));
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;
		struct error *err;

		if (!gelf_getphdr(elf, i, &phdr))
			return error_create("damaged ELF program header %zu: %s", i, elf_errmsg(-1));
		err = phdr.p_type == PT_LOAD ? fn(opaque, &phdr) : NULL;
		if (err)
			return err;
	}
	return NULL;
}
