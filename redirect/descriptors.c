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

bool descriptors_add(struct descriptors *descriptors, struct descriptor descriptor)
{
	if (!array_reserve(&descriptors->entry, descriptors->count, &descriptors->room, sizeof(*descriptors->entry)))
		return false;
	descriptors->entry[descriptors->count++] = descriptor;
	return true;
}

bool descriptors_find(const struct descriptors *descriptors, uint64_t file, struct descriptor *ret)
{
	const struct descriptor *found = find(descriptors, file);

	if (found)
		*ret = *found;
	return found;
}

bool descriptors_remove(struct descriptors *descriptors, uint64_t file, struct descriptor *ret)
{
	struct descriptor *found = find(descriptors, file);

	if (!found)
		return false;
	*ret = *found;
	*found = descriptors->entry[--descriptors->count];
	return true;
}

void descriptors_deinit(struct descriptors *descriptors)
{
	free(descriptors->entry);
	*descriptors = (struct descriptors){0};
}
