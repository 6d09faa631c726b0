/*
 * A kernel's memory by virtual address: what readers of the kernel's own tables take, whether the bytes are an image file's, a running
 * guest's or a snapshot's. The bytes may be anything and may change under the reader's hands: whoever reads through a view checks
 * each time, and gets only what is there.
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
	uint64_t base;         /* the kernel's lowest address (_text); symbols below it are absolute, as x86-64's per-CPU data once were */
	uint64_t end;          /* behind its last byte */
	unsigned pieces;
	struct view_piece piece[VIEW_MAX_PIECES];
};

/* The segments of a kernel, where they are linked or relocated to. Holds as long as the kernel is open. */
void view_of_kernel(const struct kernel_image *kernel, struct view *ret);
/* The bytes from vaddr on, and how many follow within the piece; NULL: none are known. */
const uint8_t *view_at(const struct view *view, uint64_t vaddr, size_t *ret_size);
/* The same, but NULL if they are fewer than `size`. */
const uint8_t *view_bytes(const struct view *view, uint64_t vaddr, uint64_t size);
/* Cuts an address to the kernel's width. */
uint64_t view_address(const struct view *view, uint64_t vaddr);
/* Is vaddr within the kernel's image? Its end counts: _end and the like stand there. */
bool view_contains(const struct view *view, uint64_t vaddr);

#endif
