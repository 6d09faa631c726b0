/*
 * Symbols of the product's kernel out of its memory: see product_symbols.h.
 *
 * x86-64: the image is what the page tables map in the kernel's range with one distance between virtual and physical addresses, from its
 * base on. i386: all memory is mapped so. There only what may not be written is taken (mark_rodata_ro()), around the banner, which is such.
 */
#include "product/product_symbols.h"

#include <inttypes.h>
#include <stdlib.h>

#include "mmu/physmem.h"
#include "product/product_search.h"
#include "util/align.h"

/* Tables of symbols are larger. What is smaller is a remainder between pages that are freed or missing. */
enum { MIN_RUN = 64 << 10 };

/* Mapped pages of the image in a row. */
struct run {
	uint64_t start, size;
};

struct image {
	const struct product *product;
	uint64_t banner; /* virtual */
	uint64_t start, end;
	struct run run[VIEW_MAX_PIECES];
	unsigned runs;
	unsigned missing; /* mapped pages that are not in the snapshot */
};

/* -- where it is -- */

static uint64_t distance(const struct image *image)
{
	return image->banner - image->product->banner_paddr;
}

static bool is_image(const struct image *image, const struct walk_memory *memory, uint64_t vaddr)
{
	const struct walk_request request = {.linear = vaddr, .access = ACCESS_READ};
	struct walk_result result;
	uint32_t error_code;

	return paging_walk(&image->product->paging, memory, &request, &result, &error_code) == WALK_OK &&
	       vaddr - result.paddr == distance(image) && (image->product->x86_64 || !result.writable);
}

static bool is_there(struct image *image, uint64_t vaddr)
{
	uint8_t byte;

	if (snapshot_peek(image->product->snapshot, vaddr - distance(image), &byte, 1))
		return true;
	image->missing++;
	return false;
}

static void end_run(struct image *image, struct run *run)
{
	if (run->size >= MIN_RUN && image->runs < VIEW_MAX_PIECES)
		image->run[image->runs++] = *run;
	*run = (struct run){0};
}

static void find_runs(struct image *image)
{
	struct peek peek = {.snapshot = image->product->snapshot};
	const struct walk_memory memory = product_peek_memory(&peek);
	struct run run = {0};

	for (uint64_t vaddr = image->start; vaddr - image->start < image->end - image->start; vaddr += PAGE_SIZE) {
		if (!is_image(image, &memory, vaddr) || !is_there(image, vaddr)) {
			end_run(image, &run);
			continue;
		}
		run.start = run.size ? run.start : vaddr;
		run.size += PAGE_SIZE;
	}
	end_run(image, &run);
}

/* No image is larger than IMAGE_SPAN. */
static void locate(struct image *image)
{
	const struct product *product = image->product;

	if (product->x86_64) {
		image->banner = product->vbase + (product->banner_paddr - product->pbase);
		image->start = align_down(product->vbase, PAGE_SIZE);
		image->end = image->start + IMAGE_SPAN;
	} else {
		image->banner = (uint32_t)(product->banner_paddr + PAGE_OFFSET_I386);
		image->start = align_down(image->banner, PAGE_SIZE);
		image->end = image->start < UINT32_MAX - IMAGE_SPAN ? image->start + IMAGE_SPAN : align_down(UINT32_MAX, PAGE_SIZE);
		image->start = image->start > PAGE_OFFSET_I386 + IMAGE_SPAN ? image->start - IMAGE_SPAN : PAGE_OFFSET_I386;
	}
	find_runs(image);
}

/* -- its contents -- */

static void free_pieces(struct view *view, const uint8_t *but)
{
	for (unsigned i = 0; i < view->pieces; i++) {
		if (view->piece[i].data != but)
			free((void *)view->piece[i].data);
	}
}

static struct error *copy_pieces(const struct image *image, struct view *view)
{
	for (unsigned i = 0; i < image->runs; i++) {
		const struct run *run = &image->run[i];
		uint8_t *data = malloc(run->size);

		if (!data)
			return error_create("reading the kernel's symbols: out of memory");
		view->piece[view->pieces++] = (struct view_piece){run->start, run->size, data, run->size};
		if (!snapshot_peek(image->product->snapshot, run->start - distance(image), data, run->size))
			return error_create("reading the kernel's symbols: the snapshot cannot be read at %#" PRIx64,
					    run->start - distance(image));
	}
	return NULL;
}

/* The piece that the tables are in. */
static const uint8_t *piece_of(const struct view *view, const struct kallsyms *table)
{
	for (unsigned i = 0; i < view->pieces; i++) {
		const struct view_piece *piece = &view->piece[i];

		if (table->names >= piece->data && table->names < piece->data + piece->size)
			return piece->data;
	}
	return NULL;
}

static struct error *explain(const struct image *image, struct error *err)
{
	static const char what[] = "what the snapshot's memory has of its kernel";

	return image->missing ? error_prefix(err, "%s, without %u pages that the snapshot lacks", what, image->missing)
			      : error_prefix(err, "%s", what);
}

/* -- the whole -- */

/* i386: nothing but its own symbols says where the image begins. */
static struct error *find_base(const struct image *image, struct product *product, struct symbols *symbols)
{
	uint64_t text;

	if (!symbols_address(symbols, "_text", &text) && !symbols_address(symbols, "_stext", &text))
		return error_create("they do not say where the kernel begins");
	if (!product->based) {
		product->vbase = text;
		product->pbase = text - distance(image);
		product->based = true;
	}
	symbols->base = product->vbase;
	return NULL;
}

/* Exported symbols are looked for by the form of their tables only where no symbol tells where these are: that takes a while. */
static struct error *open_symbols(const struct view *view, struct symbols *ret)
{
	struct export_ranges exports;
	struct error *err = symbols_open(view, NULL, 0, ret);
	uint64_t ignored;

	if (err || symbols_address(ret, "__start___ksymtab", &ignored))
		return err;
	symbols_close(ret);
	exports_locate_by_structure(view, &exports);
	return symbols_open(view, &exports, 0, ret);
}

static struct error *read_view(struct product *product, const struct image *image, const struct view *view, struct product_symbols *ret,
			       struct landmarks *ret_landmarks)
{
	struct error *err = open_symbols(view, &ret->symbols);

	if (!err)
		err = symbols_make_index(&ret->symbols);
	if (!err)
		err = find_base(image, product, &ret->symbols);
	return err ? err : landmarks_of_product(product, &ret->symbols, view, ret_landmarks);
}

struct error *product_symbols_read(struct product *product, struct product_symbols *ret, struct landmarks *ret_landmarks)
{
	struct view view = {.pointer_size = product->x86_64 ? 8 : 4};
	struct image image = {.product = product};
	struct error *err;

	*ret = (struct product_symbols){0};
	locate(&image);
	view.base = image.start;
	if (image.runs)
		view.end = image.run[image.runs - 1].start + image.run[image.runs - 1].size;
	err = copy_pieces(&image, &view);
	if (!err)
		err = read_view(product, &image, &view, ret, ret_landmarks);
	ret->memory = err ? NULL : (uint8_t *)piece_of(&view, &ret->symbols.table);
	free_pieces(&view, ret->memory);
	return err ? explain(&image, err) : NULL;
}

void product_symbols_close(struct product_symbols *symbols)
{
	symbols_close(&symbols->symbols);
	free(symbols->memory);
	*symbols = (struct product_symbols){0};
}
