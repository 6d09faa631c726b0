/*
 * Fuzzes the multiboot parser: any bytes give an image within the file's bounds or an error. `make fuzz` builds and runs it.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/image.h"
#include "loader/multiboot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct multiboot_image *image, size_t size)
{
	for (unsigned i = 0; i < image->count; i++) {
		const struct multiboot_segment *segment = &image->segment[i];

		if (segment->offset > size || segment->file_size > size - segment->offset || segment->file_size > segment->memory_size ||
		    segment->paddr + segment->memory_size > 1ull << 32)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct multiboot_image image;
	struct error *err;
	/* libelf wants its image aligned, as a mapped file is. */
	uint8_t *copy = aligned_alloc(16, (size + 16) & ~(size_t)15);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	image_detect(copy, size);
	err = multiboot_parse(copy, size, &image);
	if (!err)
		check(&image, size);
	error_destroy(err);
	free(copy);
	return 0;
}
