/* The product's kernel address space: memory.h. */
#include "redirect/memory.h"

#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/error.h"

/*
 * Where the local APIC is (SDM vol. 3A 11.4.1). Bodies that wake somebody ask whether it is busy, as they go; what they answer does not
 * depend on that.
 */
#define LOCAL_APIC 0xfee00000ull

static const uint8_t hole[PAGE_SIZE];

/* -- physical memory -- */

/*
 * Holes read as zeros. So do pages that were left out: whoever leaves pages out leaves out those of zeros, too, and which these are is not
 * said.
 */
static const uint8_t *page_below(void *opaque, uint64_t paddr, enum page_lack *ret_lack)
{
	struct product_memory *memory = opaque;
	const uint8_t *page = memory->snapshot.page(memory->snapshot.opaque, paddr, ret_lack);

	if (page)
		return page;
	if (*ret_lack != PAGE_UNREADABLE) {
		memory->lack = *ret_lack;
		return hole;
	}
	memory->count.unreadable++;
	memory->gap = PRODUCT_GAP_UNREADABLE;
	return NULL;
}

static bool read_entry(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret)
{
	struct product_memory *memory = opaque;

	*ret = 0;
	return overlay_read(memory->overlay, paddr, ret, size);
}

/* -- translation -- */

static bool in_window(const struct product_memory *memory, uint64_t linear)
{
	return linear - memory->window < memory->window_size;
}

static enum walk_status walk(struct product_memory *memory, uint64_t linear, bool write, struct walk_result *ret, uint32_t *ret_error_code)
{
	/* Accessed and dirty bits stay as they are: the product's kernel does not look for ours. */
	const struct walk_memory physical = {.opaque = memory, .read = read_entry};
	const struct walk_request request = {.linear = linear, .access = write ? ACCESS_WRITE : ACCESS_READ};

	return paging_walk(&memory->paging, &physical, &request, ret, ret_error_code);
}

static bool translate(struct product_memory *memory, uint64_t linear, bool write, uint64_t *ret_paddr, uint32_t *ret_error_code)
{
	struct translation *known = &memory->translation[(linear >> PAGE_SHIFT) % TRANSLATIONS];
	uint64_t key = (linear & PAGE_MASK) | 1;
	struct walk_result result;

	if (known->linear != key || (write && !known->writable)) {
		if (walk(memory, linear, write, &result, ret_error_code) != WALK_OK)
			return false;
		*known = (struct translation){key, result.paddr & PAGE_MASK, result.writable};
	}
	*ret_paddr = known->paddr | (linear & ~PAGE_MASK);
	return true;
}

bool product_memory_translate(struct product_memory *memory, uint64_t linear, uint64_t *ret_paddr)
{
	uint32_t error_code;

	return linear >= memory->kernel_start && !in_window(memory, linear) && translate(memory, linear, false, ret_paddr, &error_code);
}

/* -- the bank -- */

void product_memory_flush(struct product_memory *memory)
{
	tlb_flush(&memory->bank);
	if (memory->other_bank)
		tlb_flush(memory->other_bank);
}

void product_memory_invalidate(struct product_memory *memory)
{
	memset(memory->translation, 0, sizeof(memory->translation));
	product_memory_flush(memory);
}

static bool get_page(struct product_memory *memory, uint64_t paddr, bool write, struct overlay_page *ret)
{
	if (overlay_page(memory->overlay, paddr, write, ret))
		return true;
	if (memory->gap == PRODUCT_GAP_NONE)
		memory->gap = PRODUCT_GAP_FULL;
	return false;
}

/* NULL: the page has none. */
static const struct product_constants *find_constants(const struct product_memory *memory, uint64_t linear)
{
	size_t behind = array_lower_bound(memory->constants, memory->constant_count, sizeof(*memory->constants), linear + 1);
	const struct product_constants *constants = behind ? &memory->constants[behind - 1] : NULL;

	return constants && linear - constants->start < constants->size ? constants : NULL;
}

/* The page of constant data, set right; NULL: there is nothing to set right. */
static uint8_t *constant_page(const struct product_memory *memory, uint64_t linear)
{
	const struct product_constants *constants = find_constants(memory, linear);

	return constants ? constants->page(constants->opaque, linear) : NULL;
}

/* After it was translated for reading. */
static bool is_protected(const struct product_memory *memory, uint64_t linear)
{
	return !memory->translation[(linear >> PAGE_SHIFT) % TRANSLATIONS].writable && !find_constants(memory, linear);
}

static enum tlb_fill_status fill(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct product_memory *memory = (struct product_memory *)client;
	struct overlay_page page;
	uint64_t paddr;
	uint32_t error_code = 0;

	memory->gap = PRODUCT_GAP_NONE; /* until reading the page tables, or the page, finds one */
	memory->lack = PAGE_THERE;
	if (linear < memory->kernel_start) {
		if (write && memory->user_write)
			memory->user_write(memory->opaque, linear);
		return TLB_FILL_TRUSTED;
	}
	if (in_window(memory, linear)) {
		ret_page->host = memory->window_host + ((linear - memory->window) & PAGE_MASK);
		return TLB_FILL_OK;
	}
	ret_page->host = write ? NULL : constant_page(memory, linear);
	if (ret_page->host)
		return TLB_FILL_OK;
	if (!translate(memory, linear, write, &paddr, &error_code) || !get_page(memory, paddr, write, &page)) {
		memory->count.faults++;
		ret_page->error_code = error_code;
		return TLB_FILL_FAULT;
	}
	if (memory->page_write && write)
		memory->page_write(memory->page_write_opaque, paddr & PAGE_MASK);
	if (memory->protected_read && !write && is_protected(memory, linear))
		memory->protected_read(memory->protected_opaque, linear);
	memory->count.holes += !write && memory->lack == PAGE_HOLE && (paddr & PAGE_MASK) != LOCAL_APIC;
	memory->count.left_out += !write && memory->lack == PAGE_LEFT_OUT;
	if (page.moved) /* whatever address it was read at */
		product_memory_flush(memory);
	memory->count.fills++;
	ret_page->host = page.host;
	ret_page->shadow = page.shadow;
	ret_page->traffic = memory->counts ? &memory->traffic : NULL;
	return TLB_FILL_OK;
}

/* -- making -- */

struct error *product_memory_init(struct product_memory *memory, const struct product_memory_config *config)
{
	struct overlay_config overlay = {
		.source = {memory, page_below},
		.shadows = config->shadows,
		.clean = config->product_tag,
		.max_pages = config->max_pages,
	};

	memset(memory, 0, sizeof(*memory));
	tlb_init(&memory->bank);
	memory->client = (struct tlb_client){.fill = fill, .default_tag = config->product_tag};
	memory->bank.client = &memory->client;
	memory->snapshot = config->snapshot;
	memory->kernel_start = config->kernel_start;
	memory->paging = config->paging;
	memory->counts = config->counts;
	return overlay_create(&overlay, &memory->overlay);
}

void product_memory_deinit(struct product_memory *memory)
{
	overlay_destroy(memory->overlay);
	free(memory->constants);
	free(memory->window_host);
}

static bool is_unmapped(struct product_memory *memory, uint64_t linear, uint64_t size)
{
	uint64_t paddr;

	for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
		if (product_memory_translate(memory, linear + at, &paddr))
			return false;
	}
	return true;
}

/*
 * Where to look: on x86-64 right below the direct map is the guard hole, which no kernel maps (Documentation/arch/x86/x86_64/mm.rst); on
 * i386 there are 8 MiB between the direct map and vmalloc's addresses (VMALLOC_OFFSET), wherever they are. As many places as the kernel
 * half of 4 levels has GiB: with 5 levels there are 512 times as many, and page tables that map everything make one look at them all.
 */
struct error *product_memory_open_window(struct product_memory *memory, uint64_t size)
{
	bool five = memory->paging.mode == PAGING_5LEVEL, wide = memory->paging.mode == PAGING_4LEVEL || five;
	uint64_t gap = wide ? 1ull << 30 : 1 << 20, last = wide ? UINT64_MAX - gap : UINT32_MAX - gap, step = five ? gap << 9 : gap;
	uint64_t first = five ? 0xff00000000000000 + gap : wide ? 0xffff800000000000 + gap : memory->kernel_start;

	for (uint64_t linear = first; linear >= first && linear < last; linear += step) { /* it may wrap around */
		if (!is_unmapped(memory, linear - size, 3 * size))                        /* with a guard on both sides */
			continue;
		memory->window_host = aligned_alloc(PAGE_SIZE, size);
		if (!memory->window_host)
			return error_create("making the stack of product context: out of memory");
		memset(memory->window_host, 0, size);
		memory->window = linear;
		memory->window_size = size;
		return NULL;
	}
	return error_create("the product's kernel address space has no hole for a stack: its page tables look damaged");
}

/* -- bytes -- */

/* The host address of linear, valid to the end of its page. NULL: it is not mapped. */
static uint8_t *locate(struct product_memory *memory, uint64_t linear, bool write, uint8_t **ret_shadow)
{
	struct overlay_page page;
	uint64_t paddr;
	uint8_t *right;

	*ret_shadow = NULL;
	if (in_window(memory, linear))
		return memory->window_host + (linear - memory->window);
	right = write ? NULL : constant_page(memory, linear);
	if (right)
		return right + (linear & ~PAGE_MASK);
	if (!product_memory_translate(memory, linear, &paddr) || !overlay_page(memory->overlay, paddr, write, &page))
		return NULL;
	if (page.moved)
		product_memory_flush(memory);
	if (page.shadow)
		*ret_shadow = page.shadow + (linear & ~PAGE_MASK);
	return page.host + (linear & ~PAGE_MASK);
}

static size_t in_page(uint64_t linear, size_t size)
{
	size_t left = PAGE_SIZE - (linear & ~PAGE_MASK);

	return size < left ? size : left;
}

bool product_memory_read(struct product_memory *memory, uint64_t linear, void *to, size_t size)
{
	uint8_t *shadow;

	for (size_t done = 0, n; done < size; done += n) {
		const uint8_t *from = locate(memory, linear + done, false, &shadow);

		if (!from)
			return false;
		n = in_page(linear + done, size - done);
		memcpy((uint8_t *)to + done, from, n);
	}
	return true;
}

bool product_memory_write(struct product_memory *memory, uint64_t linear, const void *from, size_t size)
{
	uint8_t *shadow;

	for (size_t done = 0; done < size; done += in_page(linear + done, size - done)) {
		if (!locate(memory, linear + done, true, &shadow)) /* now that nothing is written yet */
			return false;
	}
	for (size_t done = 0, n; done < size; done += n) {
		uint8_t *to = locate(memory, linear + done, true, &shadow);

		n = in_page(linear + done, size - done);
		memcpy(to, (const uint8_t *)from + done, n);
		if (shadow)
			memset(shadow, 0, n);
	}
	return true;
}

bool product_memory_read_word(struct product_memory *memory, uint64_t linear, unsigned size, uint64_t *ret)
{
	*ret = 0;
	return product_memory_read(memory, linear, ret, size);
}

bool product_memory_write_word(struct product_memory *memory, uint64_t linear, unsigned size, uint64_t value)
{
	return product_memory_write(memory, linear, &value, size);
}

void product_memory_tag(struct product_memory *memory, uint64_t linear, unsigned size, uint8_t tag)
{
	uint8_t *shadow;

	for (size_t done = 0, n; done < size; done += n) {
		n = in_page(linear + done, size - done);
		if (locate(memory, linear + done, true, &shadow) && shadow)
			memset(shadow, tag, n);
	}
}

/* -- constant data -- */

struct error *product_memory_add_constants(struct product_memory *memory, const struct product_constants *constants)
{
	size_t at = array_lower_bound(memory->constants, memory->constant_count, sizeof(*constants), constants->start);

	if (!array_reserve(&memory->constants, memory->constant_count, &memory->constant_room, sizeof(*constants)))
		return error_create("constant data of the product: out of memory");
	memmove(&memory->constants[at + 1], &memory->constants[at], (memory->constant_count - at) * sizeof(*constants));
	memory->constants[at] = *constants;
	memory->constant_count++;
	product_memory_flush(memory); /* the banks have the product's pages */
	return NULL;
}

/* -- transactions -- */

void product_memory_begin(struct product_memory *memory)
{
	if (memory->held)
		return;
	overlay_begin(memory->overlay);
	product_memory_flush(memory); /* pages written before are to be saved at their next write */
}

void product_memory_commit(struct product_memory *memory)
{
	if (!memory->held)
		overlay_commit(memory->overlay);
}

void product_memory_rollback(struct product_memory *memory)
{
	if (memory->held)
		return;
	overlay_rollback(memory->overlay);
	product_memory_invalidate(memory); /* the page tables are what they were */
}

void product_memory_hold(struct product_memory *memory)
{
	product_memory_begin(memory);
	memory->held = true;
}

void product_memory_let_go(struct product_memory *memory)
{
	memory->held = false;
	product_memory_rollback(memory);
}
