/* The build id: build_id.h. */
#include "util/build_id.h"

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MAX_BYTES = (BUILD_ID_MAX - 1) / 2 };

static bool is_in(const struct dl_phdr_info *object, uintptr_t address)
{
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &object->dlpi_phdr[i];

		if (header->p_type == PT_LOAD && address - (object->dlpi_addr + header->p_vaddr) < header->p_memsz)
			return true;
	}
	return false;
}

static size_t aligned(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

/* The notes of a segment are one behind the other; the first of the kind counts. */
static bool take_note(const uint8_t *notes, size_t size, char *to)
{
	ElfW(Nhdr) head;

	for (size_t at = 0; size - at >= sizeof(head);) {
		size_t name, bytes;

		memcpy(&head, notes + at, sizeof(head));
		at += sizeof(head);
		name = aligned(head.n_namesz);
		bytes = aligned(head.n_descsz);
		if (name > size - at || bytes > size - at - name)
			return false;
		if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof("GNU") && memcmp(notes + at, "GNU", sizeof("GNU")) == 0) {
			for (size_t i = 0; i < head.n_descsz && i < MAX_BYTES; i++)
				snprintf(to + 2 * i, 3, "%02x", notes[at + name + i]);
			return true;
		}
		at += name + bytes;
	}
	return false;
}

static int look_at_object(struct dl_phdr_info *object, size_t size, void *to)
{
	(void)size;
	if (!is_in(object, (uintptr_t)build_id))
		return 0;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &object->dlpi_phdr[i];

		if (header->p_type == PT_NOTE && take_note((const uint8_t *)(object->dlpi_addr + header->p_vaddr), header->p_memsz, to))
			break;
	}
	return 1;
}

void build_id(char ret[BUILD_ID_MAX])
{
	ret[0] = '\0';
	dl_iterate_phdr(look_at_object, ret);
}
