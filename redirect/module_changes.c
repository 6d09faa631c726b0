/* Changed code of modules: module_changes.h. */
#include "redirect/module_changes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 8 /* bytes of the first change */ };

struct changes {
	size_t places, bytes; /* places: changed bytes one behind the other are one */
	uint64_t first, last; /* addresses of changed bytes */
	uint8_t shown[SHOWN];
	unsigned count; /* of `shown` */
};

static void add_change(struct changes *changes, uint64_t address, uint8_t byte)
{
	changes->places += !changes->bytes || address != changes->last + 1;
	if (!changes->bytes)
		changes->first = address;
	if (address - changes->first == changes->count && changes->count < SHOWN)
		changes->shown[changes->count++] = byte;
	changes->bytes++;
	changes->last = address;
}

static void compare_bytes(const uint8_t *linked, const uint8_t *product, size_t size, uint64_t address, struct changes *changes)
{
	if (memcmp(linked, product, size) == 0)
		return;
	for (size_t i = 0; i < size; i++) {
		if (product[i] != linked[i])
			add_change(changes, address + i, product[i]);
	}
}

/* The part of a section in a page: from `offset` on. *span is the first one that varies which may still matter. */
static void compare(const struct module_section *section, uint64_t offset, const uint8_t *product, size_t size, size_t *span,
		    struct changes *changes)
{
	uint64_t at = offset, end = offset + size;

	while (at < end) {
		const struct module_span *next = *span < section->varyings ? &section->varying[*span] : NULL;
		uint64_t stop = next && next->offset < end ? next->offset : end;

		if (at < stop)
			compare_bytes(section->linked + at, product + (at - offset), stop - at, section->address + at, changes);
		if (!next || next->offset + next->size > end)
			return; /* the span goes on in the next page */
		at = next->offset + next->size > at ? next->offset + next->size : at;
		(*span)++;
	}
}

/* Pages that the snapshot lacks have nothing to tell. */
static void compare_section(const struct module_section *section, struct product_memory *memory, struct changes *changes)
{
	uint8_t bytes[PAGE_SIZE];
	size_t span = 0;

	for (uint64_t at = 0, n; at < section->size; at += n) {
		uint64_t address = section->address + at;

		n = PAGE_SIZE - (address & ~PAGE_MASK);
		n = n < section->size - at ? n : section->size - at;
		memory->lack = PAGE_THERE;
		if (product_memory_read(memory, address, bytes, n) && memory->lack == PAGE_THERE)
			compare(section, at, bytes, n, &span, changes);
	}
}

static void tell(const struct known_module *known, const struct changes *changes, const struct notes *notes)
{
	char near[MODULES_NEAR], bytes[3 * SHOWN + 1] = "", more[64] = "";

	for (unsigned i = 0; i < changes->count; i++)
		snprintf(bytes + 3 * i, sizeof(bytes) - 3 * i, " %02x", changes->shown[i]);
	if (changes->places > 1)
		snprintf(more, sizeof(more), " (and at %zu other place%s)", changes->places - 1, changes->places == 2 ? "" : "s");
	note(notes,
	     "code of the module %s was changed in the snapshot: %s has%s%s; the code of its file ran instead, and somebody may be hiding "
	     "something",
	     known->name, modules_near(known->owner, changes->first, near), bytes, more);
}

void module_changes_tell(const struct known_module *known, struct product_memory *memory, const struct notes *notes)
{
	struct changes changes = {0};
	size_t count;
	const struct module_section *section = module_sections(known->module, &count);

	for (size_t i = 0; i < count; i++) {
		if (section[i].kind == MODULE_CODE && section[i].linked)
			compare_section(&section[i], memory, &changes);
	}
	if (changes.bytes)
		tell(known, &changes, notes);
}
