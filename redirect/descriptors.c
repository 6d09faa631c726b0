/* Placeholders: descriptors.h. */
#include "redirect/descriptors.h"

#include <stdlib.h>

static struct descriptor *find(const struct descriptors *descriptors, uint64_t file)
{
	for (size_t i = 0; i < descriptors->count; i++) {
		if (descriptors->entry[i].file == file)
			return &descriptors->entry[i];
	}
	return NULL;
}

bool descriptors_add(struct descriptors *descriptors, uint64_t file, uint32_t number)
{
	if (descriptors->count == descriptors->room) {
		size_t room = descriptors->room ? 2 * descriptors->room : 16;
		struct descriptor *larger = realloc(descriptors->entry, room * sizeof(*larger));

		if (!larger)
			return false;
		descriptors->entry = larger;
		descriptors->room = room;
	}
	descriptors->entry[descriptors->count++] = (struct descriptor){file, number};
	return true;
}

bool descriptors_find(const struct descriptors *descriptors, uint64_t file, uint32_t *ret_number)
{
	const struct descriptor *found = find(descriptors, file);

	if (found)
		*ret_number = found->number;
	return found;
}

bool descriptors_remove(struct descriptors *descriptors, uint64_t file, uint32_t *ret_number)
{
	struct descriptor *found = find(descriptors, file);

	if (!found)
		return false;
	*ret_number = found->number;
	*found = descriptors->entry[--descriptors->count];
	return true;
}

void descriptors_deinit(struct descriptors *descriptors)
{
	free(descriptors->entry);
	*descriptors = (struct descriptors){0};
}
