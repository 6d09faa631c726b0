/*
 * A kernel's memory by virtual address. Readers of the kernel's own tables use it, whether the bytes come from an image file, a running
 * guest or a snapshot. The bytes may be anything, and may change while they are read. So readers check each time, and get only what is
 * there.
 */
#ifndef XRAY86_LOADER_VIEW_H
#define XRAY86_LOADER_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_image;

enum { VIEW_MAX_PIECES = 32 };

/* Addresses vaddr (a multiple of 8) to vaddr + memory_size, of which the first `size` bytes are known. */
struct view_piece {
	uint64_t vaddr, memory_size;
	const uint8_t *data;
	size_t size;
};

struct view {
	unsigned pointer_size; /* 4 or 8 */
	uint64_t base;         /* the kernel's lowest address (_text); symbols below are absolute, as x86-64's per-CPU data once were */
	uint64_t end;          /* behind its last byte */
	unsigned pieces;
	struct view_piece piece[VIEW_MAX_PIECES];
};

/* The segments of a kernel, where they are linked or relocated to. The view is valid while the kernel is open. */
void view_of_kernel(const struct kernel_image *kernel, struct view *ret);
/* The bytes from vaddr on, and how many there are within the piece. NULL if none are known. */
const uint8_t *view_at(const struct view *view, uint64_t vaddr, size_t *ret_size);
/* The same, but NULL if there are fewer than `size`. */
const uint8_t *view_bytes(const struct view *view, uint64_t vaddr, uint64_t size);
/* Cuts an address to the kernel's width. */
uint64_t view_address(const struct view *view, uint64_t vaddr);
/* Whether vaddr is within the kernel's image, or its end, where _end and the like are. */
bool view_contains(const struct view *view, uint64_t vaddr);

#endif
