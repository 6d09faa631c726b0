/*
 * The symbols of the product's kernel, out of the memory alone: its own kallsyms, and what it exports, in the image as the kernel's page
 * tables map it. So a kernel is understood whose image nobody has.
 */
#ifndef XRAY86_PRODUCT_PRODUCT_SYMBOLS_H
#define XRAY86_PRODUCT_PRODUCT_SYMBOLS_H

#include "loader/symbols.h"
#include "product/product.h"

struct product_symbols {
	struct symbols symbols; /* at the product's own addresses */
	uint8_t *memory;        /* they are read in place: a copy of the part of the image that they are in */
};

/*
 * Reads them, and the landmarks of that kernel where it is: product_complete() takes these like an image's. Fills in the product's place
 * (vbase, pbase), if that is not known yet. product_find() must have found the product. The error says what the memory lacks. Call
 * product_symbols_close() in any case.
 */
struct error *product_symbols_read(struct product *product, struct product_symbols *ret, struct landmarks *ret_landmarks);
/* A zeroed one is allowed. */
void product_symbols_close(struct product_symbols *symbols);

/* Landmarks of a kernel by its symbols and the view of its memory. The error says what they lack. */
struct error *landmarks_of_product(const struct product *product, const struct symbols *symbols, const struct view *view,
				   struct landmarks *ret);

#endif
