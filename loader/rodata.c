/* Constant data by section: rodata.h. */
#include "loader/rodata.h"

#include <string.h>

#include "loader/sections.h"

void rodata_locate(const struct kernel_image *kernel, struct rodata *ret)
{
	*ret = (struct rodata){0};
	if (!kernel_image_find_section(kernel, ".rodata", &ret->start, &ret->end))
		*ret = (struct rodata){0};
	ret->changed = ret->end;
}

void rodata_compare(struct rodata *rodata, const struct view *image, const struct view *booted)
{
	uint64_t size = rodata->end - rodata->start;
	const uint8_t *was = view_bytes(image, rodata->start, size), *is = view_bytes(booted, rodata->start, size);
	unsigned word = image->pointer_size;
	uint64_t same = 0;

	if (!was || !is) {
		*rodata = (struct rodata){0};
		return;
	}
	while (size - same >= word && memcmp(was + same, is + same, word) == 0)
		same += word;
	rodata->changed = size - same < word ? rodata->end : rodata->start + same;
}
