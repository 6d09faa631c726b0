/* The build id: build_id.h. */
#include "util/build_id.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

static int note_build_id(struct dl_phdr_info *info, size_t size, void *to)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const uint8_t *note = (const uint8_t *)(info->dlpi_addr + header->p_vaddr), *end = note + header->p_memsz;
		const ElfW(Nhdr) *head = (const ElfW(Nhdr) *)note;

		if (header->p_type != PT_NOTE || end - note < (ptrdiff_t)sizeof(*head) + 4 || head->n_type != NT_GNU_BUILD_ID)
			continue;
		for (unsigned j = 0; j < head->n_descsz && j < 20; j++)
			sprintf((char *)to + 2 * j, "%02x", note[sizeof(*head) + 4 + j]);
		return 1;
	}
	return 1; /* the program itself comes first */
}

void build_id(char ret[BUILD_ID_MAX])
{
	ret[0] = '\0';
	dl_iterate_phdr(note_build_id, ret);
}
