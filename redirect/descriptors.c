/* Placeholders: descriptors.h. */
#include "redirect/descriptors.h"

#include <stdlib.h>

#include "util/array.h"

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
	if (!array_reserve(&descriptors->entry, descriptors->count, &descriptors->room, sizeof(*descriptors->entry)))
		return false;
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
