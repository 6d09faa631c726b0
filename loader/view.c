/* A kernel's memory by virtual address: see view.h. */
#include "loader/view.h"

#include "loader/kernel_image.h"

_Static_assert((int)VIEW_MAX_PIECES >= (int)KERNEL_MAX_SEGMENTS, "every kernel must fit a view");

void view_of_kernel(const struct kernel_image *kernel, struct view *ret)
{
	*ret = (struct view){.pointer_size = kernel->arch == KERNEL_X86_64 ? 8 : 4, .base = kernel->base, .end = kernel->base};
	for (unsigned i = 0; i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];
		uint64_t end = segment->vaddr + segment->memory_size;

		ret->piece[ret->pieces++] = (struct view_piece){
			.vaddr = segment->vaddr,
			.memory_size = segment->memory_size,
			.data = kernel->elf + segment->offset,
			.size = segment->file_size,
		};
		if (end > ret->end)
			ret->end = end;
	}
}

const uint8_t *view_at(const struct view *view, uint64_t vaddr, size_t *ret_size)
{
	for (unsigned i = 0; i < view->pieces; i++) {
		const struct view_piece *piece = &view->piece[i];
		uint64_t offset = vaddr - piece->vaddr;

		if (offset < piece->size) {
			*ret_size = piece->size - offset;
			return piece->data + offset;
		}
	}
	return NULL;
}

const uint8_t *view_bytes(const struct view *view, uint64_t vaddr, uint64_t size)
{
	size_t available;
	const uint8_t *bytes = view_at(view, vaddr, &available);

	return bytes && size <= available ? bytes : NULL;
}

uint64_t view_address(const struct view *view, uint64_t vaddr)
{
	return view->pointer_size == 4 ? (uint32_t)vaddr : vaddr;
}

bool view_contains(const struct view *view, uint64_t vaddr)
{
	return vaddr >= view->base && vaddr <= view->end;
}
