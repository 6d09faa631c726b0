/*
 * The kernel's page tables, and the proof that a banner is the kernel's.
 *
 * swapper_pg_dir (x86-64: init_top_pgt) is a page of the kernel's image, and maps that image. So it is looked for in the image around the
 * banner: a page that, taken as the root of page tables, maps a virtual address of the kernel's range to the banner, and itself by the same
 * distance between virtual and physical addresses. Other roots have the kernel's part too; the kernel's own is the one with nothing in the
 * user part, and with the most in the kernel's (the one that the boot began with stays behind, with the image in it alone). Of several such
 * ones it is that which a pointer in the image leads to, init_mm.pgd: pages of the image that were freed may have become a process's root,
 * to which the kernel points by their place in the map of all memory.
 *
 * x86-64: the image is mapped at START_KERNEL_MAP + n * 2 MiB (arch/x86/mm/init_64.c unmaps what is not the image: cleanup_highmap()), by
 * large pages or, where rights differ, small ones. i386: at PAGE_OFFSET + physical, as all low memory is.
 */
#include "product/product_search.h"

#include <stdlib.h>
#include <string.h>

#include "mmu/physmem.h"
#include "util/align.h"

static const struct format {
	enum paging_mode mode;
	bool x86_64;
	unsigned entry_size, entries; /* of the root */
} formats[] = {
	{PAGING_4LEVEL, true, 8, 512},
	{PAGING_5LEVEL, true, 8, 512},
	{PAGING_PAE, false, 8, 4},
	{PAGING_32BIT, false, 4, 1024},
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

#define ENTRY_ADDRESS 0x000ffffffffff000ull

static bool read_peeked(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret)
{
	struct peek *peek = opaque;
	uint64_t page = paddr & PAGE_MASK;
	unsigned slot = page / PAGE_SIZE % PEEK_PAGES;

	if (paddr % PAGE_SIZE > PAGE_SIZE - size)
		return false; /* paging-structure entries are aligned; what else is asked for need not be */
	if (peek->slot[slot].paddr != page + 1) {
		peek->slot[slot].paddr = 0;
		if (!snapshot_peek(peek->snapshot, page, peek->slot[slot].data, PAGE_SIZE))
			return false;
		peek->slot[slot].paddr = page + 1;
	}
	*ret = 0;
	memcpy(ret, peek->slot[slot].data + paddr % PAGE_SIZE, size);
	return true;
}

struct walk_memory product_peek_memory(struct peek *peek)
{
	return (struct walk_memory){.opaque = peek, .read = read_peeked};
}

static bool walk(const struct paging *paging, const struct walk_memory *memory, uint64_t vaddr, struct walk_result *ret)
{
	const struct walk_request request = {.linear = vaddr, .access = ACCESS_READ};
	uint32_t error_code;

	return paging_walk(paging, memory, &request, ret, &error_code) == WALK_OK;
}

bool product_walk(const struct paging *paging, const struct walk_memory *memory, uint64_t vaddr, uint64_t *ret_paddr)
{
	struct walk_result result;

	if (!walk(paging, memory, vaddr, &result))
		return false;
	*ret_paddr = result.paddr;
	return true;
}

bool product_load_root(const struct walk_memory *memory, enum paging_mode mode, uint64_t root, struct paging *ret)
{
	*ret = (struct paging){.mode = mode, .root = root, .pse = true, .wp = true, .nxe = true, .maxphyaddr = 52};
	if (mode != PAGING_PAE)
		return true;
	/* Reserved bits are not looked at: QEMU's TCG leaves A in PDPTEs, which is one (SDM vol. 3A table 4-8). */
	for (unsigned i = 0; i < 4; i++) {
		if (!memory->read(memory->opaque, (root & ~31ull) + 8 * i, 8, &ret->pdpte[i]))
			return false;
		ret->pdpte[i] &= ENTRY_ADDRESS | PTE_P;
	}
	return true;
}

/* What is asked of page tables: that they map the banner, and themselves. */
struct question {
	const struct landmarks *landmarks;
	struct snapshot *snapshot;
	unsigned *budget;
	struct walk_memory memory;
	uint64_t banner;      /* physical */
	uint64_t page_offset; /* i386 */
};

/*
 * i386: the banner's address in the map of all low memory. That has copies of the banner as well: without landmarks, only what may not be
 * written is taken for the image's read-only data (mark_rodata_ro()).
 */
static uint64_t find_virtual32(const struct question *question, const struct paging *paging)
{
	uint64_t vaddr = question->banner + question->page_offset;
	struct walk_result result;

	if (vaddr > UINT32_MAX || !walk(paging, &question->memory, vaddr, &result) || result.paddr != question->banner)
		return 0;
	return question->landmarks || !result.writable ? vaddr : 0;
}

/* x86-64: the first of the 512 addresses that the banner can have, of those that are mapped to it. */
static uint64_t find_virtual64(const struct question *question, const struct paging *paging)
{
	uint64_t vaddr = START_KERNEL_MAP + question->banner % PMD_SIZE, paddr;

	for (; vaddr - START_KERNEL_MAP < KERNEL_IMAGE_SIZE; vaddr += PMD_SIZE) {
		if (product_walk(paging, &question->memory, vaddr, &paddr) && paddr == question->banner)
			return vaddr;
	}
	return 0;
}

static bool maps_itself(const struct question *question, const struct paging *paging, uint64_t banner_vaddr)
{
	uint64_t vaddr = banner_vaddr + (paging->root - question->banner), paddr;

	return product_walk(paging, &question->memory, vaddr, &paddr) && paddr == paging->root;
}

/* The root's entry for the banner, present or the page is none: most pages fail here. */
static bool has_kernel_entry(const struct question *question, const struct format *format, const uint8_t *page)
{
	uint64_t index = format->mode == PAGING_32BIT ? (question->banner + question->page_offset) >> 22 : format->entries - 1;

	return index < format->entries && (page[index * format->entry_size] & PTE_P);
}

/* How many entries the kernel's part has; 0 if there are any in the user part. */
static unsigned count_entries(const struct question *question, const struct format *format, const uint8_t *page)
{
	unsigned first = format->x86_64 ? format->entries / 2 : format->entries * (question->page_offset >> 22) / 1024, count = 0;

	for (unsigned i = 0; i < format->entries; i++) {
		if (!(page[i * format->entry_size] & PTE_P))
			continue;
		if (i < first)
			return 0;
		count++;
	}
	return count;
}

static uint64_t image_start(const struct question *question)
{
	const struct landmarks *landmarks = question->landmarks;

	if (landmarks)
		return question->banner - (landmarks->banner_at - landmarks->link_base);
	return question->banner > IMAGE_SPAN ? question->banner - IMAGE_SPAN : 0;
}

enum { MAX_OTHERS = 64 };

struct answer {
	const struct format *format;
	struct paging paging;
	uint64_t banner_vaddr;
	uint64_t below; /* 5 levels: the table of the kernel's part (level4_kernel_pgt), which looks like a root of 4 levels */
	unsigned entries;
};

/* The best, and others that are as good. */
struct answers {
	struct answer best, other[MAX_OTHERS];
	unsigned others;
};

static uint64_t table_below(const struct format *format, const uint8_t *page)
{
	uint64_t entry;

	if (format->mode != PAGING_5LEVEL)
		return UINT64_MAX;
	memcpy(&entry, page + PAGE_SIZE - sizeof(entry), sizeof(entry));
	return entry & ENTRY_ADDRESS;
}

/* 0 or less: no; 1: yes, if it is an answer at all. 0: it is as good, so far. */
static int is_better(const struct answer *answer, const struct answer *best)
{
	if (best->format && best->below == answer->paging.root)
		return -1;
	if (best->format && answer->below == best->paging.root)
		return answer->entries ? 1 : -1;
	return answer->entries > best->entries ? 1 : answer->entries == best->entries && answer->entries ? 0 : -1;
}

/* Takes the page at `root` as an answer if it is one, and none is better. */
static void examine(const struct question *question, const struct format *format, uint64_t root, const uint8_t *page,
		    struct answers *answers)
{
	struct answer answer = {.format = format, .paging = {.root = root}};
	int better;

	if (!has_kernel_entry(question, format, page))
		return;
	answer.entries = count_entries(question, format, page);
	answer.below = table_below(format, page);
	better = is_better(&answer, &answers->best);
	if (better < 0 || !*question->budget)
		return;
	--*question->budget;
	if (!product_load_root(&question->memory, format->mode, root, &answer.paging))
		return;
	answer.banner_vaddr = format->x86_64 ? find_virtual64(question, &answer.paging) : find_virtual32(question, &answer.paging);
	if (!answer.banner_vaddr || !maps_itself(question, &answer.paging, answer.banner_vaddr))
		return;
	if (better > 0)
		*answers = (struct answers){.best = answer};
	else if (answers->others < MAX_OTHERS)
		answers->other[answers->others++] = answer;
}

static void examine_page(const struct question *question, uint64_t root, const uint8_t *page, struct answers *answers)
{
	for (unsigned i = 0; i < FORMATS; i++) {
		if (!question->landmarks || formats[i].x86_64 == question->landmarks->x86_64)
			examine(question, &formats[i], root, page, answers);
	}
}

/* The pages of [start, end), which is page-aligned. */
static void examine_range(const struct question *question, uint64_t start, uint64_t end, struct answers *answers)
{
	enum { CHUNK = 16 * PAGE_SIZE };
	uint8_t chunk[CHUNK];

	while (start < end && !cancel_wanted(&question->snapshot->cancel)) {
		uint64_t size = end - start < CHUNK ? end - start : CHUNK;

		if (snapshot_scan(question->snapshot, start, chunk, size)) {
			for (uint64_t at = 0; at < size; at += PAGE_SIZE)
				examine_page(question, start + at, chunk + at, answers);
		}
		start += size;
	}
}

/* All pages of [from, to) that have data in the file. */
static void examine_all(const struct question *question, uint64_t from, uint64_t to, struct answers *answers)
{
	uint64_t start, end;

	while (from < to && !cancel_wanted(&question->snapshot->cancel) && snapshot_next_data(question->snapshot, from, &start, &end) &&
	       start < to) {
		end = align_up(end < to ? end : to, PAGE_SIZE);
		examine_range(question, align_down(start, PAGE_SIZE), end, answers);
		from = end;
	}
}

/* The answer whose root's virtual address in the image this word is; NULL: none's. */
static const struct answer *find_named(const struct question *question, const struct answers *answers, uint64_t word)
{
	uint64_t root = word - answers->best.banner_vaddr + question->banner;

	if (root == answers->best.paging.root)
		return &answers->best;
	for (unsigned i = 0; i < answers->others; i++) {
		if (root == answers->other[i].paging.root)
			return &answers->other[i];
	}
	return NULL;
}

/*
 * Of several that are as good, the one which a word in the image leads to, or else the first. i386 has but one map of memory: there only
 * what is in the image for sure is looked at.
 */
static void choose(const struct question *question, uint64_t end, struct answers *answers)
{
	enum { CHUNK = 16 * PAGE_SIZE };
	size_t size = answers->best.format && answers->best.format->x86_64 ? 8 : 4;
	uint64_t from = image_start(question) & PAGE_MASK;
	uint8_t chunk[CHUNK];

	if (size == 4 && !question->landmarks)
		return;
	for (uint64_t at = from; answers->others && at < end; at += CHUNK) {
		if (!snapshot_scan(question->snapshot, at, chunk, CHUNK))
			continue;
		for (size_t i = 0; i < CHUNK; i += size) {
			const struct answer *named;
			uint64_t word = 0;

			memcpy(&word, chunk + i, size);
			named = word % PAGE_SIZE == 0 && word ? find_named(question, answers, word) : NULL;
			if (named) {
				*answers = (struct answers){.best = *named};
				return;
			}
		}
	}
}

static void examine_image(const struct question *question, struct answers *answers)
{
	const struct landmarks *landmarks = question->landmarks;
	uint64_t start = image_start(question), end = landmarks ? start + landmarks->size : question->banner + IMAGE_SPAN, root;

	if (landmarks && landmarks->root) {
		root = start + (landmarks->root - landmarks->link_base);
		examine_all(question, root, root + PAGE_SIZE, answers);
		return;
	}
	examine_all(question, start, end, answers);
	choose(question, end, answers);
}

/* x86-64 without landmarks: the first page of the range that is mapped with the banner's distance. */
static uint64_t lowest_mapped(const struct question *question, const struct answer *answer)
{
	uint64_t distance = answer->banner_vaddr - question->banner, vaddr, paddr;

	for (vaddr = START_KERNEL_MAP; vaddr < answer->banner_vaddr; vaddr += PMD_SIZE) {
		if (product_walk(&answer->paging, &question->memory, vaddr, &paddr) && vaddr - paddr == distance)
			break;
	}
	return vaddr;
}

bool product_verify(struct product *product, const struct landmarks *landmarks, unsigned *budget)
{
	struct peek peek = {.snapshot = product->snapshot};
	const struct question question = {
		.landmarks = landmarks,
		.snapshot = product->snapshot,
		.budget = budget,
		.memory = product_peek_memory(&peek),
		.banner = product->banner_paddr,
		.page_offset = landmarks && !landmarks->x86_64 ? landmarks->link_base - landmarks->link_paddr : PAGE_OFFSET_I386,
	};
	struct answers answers = {0};

	examine_image(&question, &answers);
	if (!answers.best.entries)
		return false;
	product->paging = answers.best.paging;
	product->x86_64 = answers.best.format->x86_64;
	product->based = landmarks || product->x86_64;
	if (landmarks)
		product->vbase = answers.best.banner_vaddr - (landmarks->banner_at - landmarks->link_base);
	else if (product->x86_64)
		product->vbase = lowest_mapped(&question, &answers.best);
	product->pbase = product->based ? product->vbase - answers.best.banner_vaddr + product->banner_paddr : 0;
	return true;
}
