/*
 * Guest-physical memory: see physmem.h for the invariants.
 *
 * Regions are an array sorted by start address, searched by bisection, but for the largest: most accesses are to that. RAM and ROM are
 * anonymous mappings, so that they are page-aligned in the host, and untouched guest memory costs nothing.
 */
#include "mmu/physmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/align.h"

static const char *const kind_name[] = {[PHYSMEM_RAM] = "RAM", [PHYSMEM_ROM] = "ROM", [PHYSMEM_MMIO] = "MMIO region"};

void physmem_init(struct physmem *mem)
{
	*mem = (struct physmem){0};
}

static void region_deinit(struct physmem_region *region)
{
	if (region->host)
		munmap(region->host, region->size);
	free(region->code);
}

void physmem_deinit(struct physmem *mem)
{
	for (size_t i = 0; i < mem->count; i++)
		region_deinit(&mem->region[i]);
	free(mem->region);
	physmem_init(mem);
}

/* -- regions come and go -- */

/* How many regions start at or below paddr. */
static size_t regions_up_to(const struct physmem *mem, uint64_t paddr)
{
	size_t low = 0, high = mem->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (mem->region[middle].start <= paddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct physmem_region *search(const struct physmem *mem, uint64_t paddr)
{
	size_t n = regions_up_to(mem, paddr);
	const struct physmem_region *region;

	if (!n)
		return NULL;
	region = &mem->region[n - 1];
	return paddr - region->start < region->size ? region : NULL;
}

static inline const struct physmem_region *find(const struct physmem *mem, uint64_t paddr)
{
	const struct physmem_region *main = mem->main;

	return main && paddr - main->start < main->size ? main : search(mem, paddr);
}

const struct physmem_region *physmem_find(const struct physmem *mem, uint64_t paddr)
{
	return find(mem, paddr);
}

static void choose_main(struct physmem *mem)
{
	mem->main = NULL;
	for (const struct physmem_region *region = mem->region; region < mem->region + mem->count; region++)
		if (region->kind == PHYSMEM_RAM && (!mem->main || region->size > mem->main->size))
			mem->main = region;
}

static struct error *check_new_region(const struct physmem *mem, const struct physmem_region *new)
{
	const char *name = kind_name[new->kind];
	unsigned long long start = new->start, last = new->start + new->size - 1;
	size_t n;

	if (!new->size || last < start)
		return error_create("%s at 0x%llx: size 0x%llx is empty or exceeds the address space", name, start,
				    (unsigned long long)new->size);
	if ((new->start | new->size) & ~PAGE_MASK)
		return error_create("%s at 0x%llx-0x%llx does not start and end on page boundaries", name, start, last);
	n = regions_up_to(mem, last);
	if (n) {
		const struct physmem_region *old = &mem->region[n - 1];
		unsigned long long old_last = old->start + old->size - 1;

		if (old_last >= start)
			return error_create("%s at 0x%llx-0x%llx overlaps the %s at 0x%llx-0x%llx", name, start, last, kind_name[old->kind],
					    (unsigned long long)old->start, old_last);
	}
	return NULL;
}

/* Puts a region, of which kind, start, size and for MMIO ops and opaque are given, in its place. Allocates its host memory. */
static struct error *add_region(struct physmem *mem, struct physmem_region new)
{
	struct error *err = check_new_region(mem, &new);
	struct physmem_region *grown;
	size_t at;

	if (err)
		return err;
	grown = realloc(mem->region, (mem->count + 1) * sizeof(*grown));
	if (!grown)
		return error_create("out of memory");
	mem->region = grown;
	choose_main(mem);

	if (new.kind != PHYSMEM_MMIO) {
		void *host = mmap(NULL, new.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (host == MAP_FAILED)
			return error_create("cannot map 0x%llx bytes of %s", (unsigned long long)new.size, kind_name[new.kind]);
		new.host = host;
	}
	if (new.kind == PHYSMEM_RAM) {
		new.code = calloc(new.size >> PAGE_SHIFT, sizeof(*new.code));
		if (!new.code) {
			region_deinit(&new);
			return error_create("out of memory");
		}
	}
	at = regions_up_to(mem, new.start);
	memmove(&grown[at + 1], &grown[at], (mem->count - at) * sizeof(*grown));
	grown[at] = new;
	mem->count++;
	choose_main(mem);
	return NULL;
}

struct error *physmem_add_ram(struct physmem *mem, uint64_t start, uint64_t size)
{
	return add_region(mem, (struct physmem_region){.start = start, .size = size, .kind = PHYSMEM_RAM});
}

struct error *physmem_add_rom(struct physmem *mem, uint64_t start, const void *data, uint64_t size)
{
	uint64_t rounded = align_up(size, PAGE_SIZE);
	struct error *err = add_region(mem, (struct physmem_region){.start = start, .size = rounded, .kind = PHYSMEM_ROM});

	if (!err)
		memcpy(physmem_find(mem, start)->host, data, size);
	return err;
}

struct error *physmem_add_mmio(struct physmem *mem, uint64_t start, uint64_t size, const struct mmio_ops *ops, void *opaque)
{
	return add_region(mem, (struct physmem_region){.start = start, .size = size, .kind = PHYSMEM_MMIO, .ops = ops, .opaque = opaque});
}

struct error *physmem_map_file(struct physmem *mem, uint64_t start, int fd, uint64_t offset)
{
	const struct physmem_region *region = find(mem, start);

	if (!region || region->start != start || region->kind != PHYSMEM_RAM)
		return error_create("there is no RAM at %#llx to put a file's contents in", (unsigned long long)start);
	if (mmap(region->host, region->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, offset) == MAP_FAILED)
		return error_create("mapping RAM from a file: %s", strerror(errno));
	return NULL;
}

void physmem_remove(struct physmem *mem, uint64_t start)
{
	size_t n = regions_up_to(mem, start);

	if (!n || mem->region[n - 1].start != start)
		return;
	region_deinit(&mem->region[n - 1]);
	memmove(&mem->region[n - 1], &mem->region[n], (mem->count - n) * sizeof(*mem->region));
	mem->count--;
	choose_main(mem);
}

/* -- code tracking -- */

uint32_t physmem_granules(unsigned offset, unsigned size)
{
	unsigned first = offset >> CODE_GRANULE_SHIFT, last = (offset + size - 1) >> CODE_GRANULE_SHIFT;

	return (UINT32_MAX << first) & (UINT32_MAX >> (31 - last));
}

static uint32_t *region_bitmap(const struct physmem_region *region, uint64_t paddr)
{
	return region->code ? &region->code[(paddr - region->start) >> PAGE_SHIFT] : NULL;
}

uint32_t *physmem_code_bitmap(const struct physmem *mem, uint64_t paddr)
{
	const struct physmem_region *region = find(mem, paddr);

	return region ? region_bitmap(region, paddr) : NULL;
}

/* To be called before a write of size bytes, all in one page, to RAM or ROM. */
static void announce_write(const struct physmem *mem, const struct physmem_region *region, uint64_t paddr, unsigned size)
{
	const uint32_t *bitmap = region_bitmap(region, paddr);

	if (bitmap && *bitmap && mem->code_written && (*bitmap & physmem_granules(paddr & ~PAGE_MASK, size)))
		mem->code_written(mem->code_opaque, paddr, size);
}

/* -- access -- */

uint8_t *physmem_host(const struct physmem *mem, uint64_t paddr, bool write, bool code_too)
{
	const struct physmem_region *region = find(mem, paddr);

	if (!region || !region->host)
		return NULL;
	if (write && (region->kind != PHYSMEM_RAM || (!code_too && *region_bitmap(region, paddr))))
		return NULL;
	return region->host + (paddr - region->start);
}

static uint64_t all_ones(unsigned size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

uint64_t physmem_read(const struct physmem *mem, uint64_t paddr, unsigned size)
{
	const struct physmem_region *region = find(mem, paddr);
	uint64_t value = 0;

	if (!region)
		return all_ones(size);
	if (region->kind == PHYSMEM_MMIO)
		return region->ops->read(region->opaque, paddr - region->start, size) & all_ones(size);
	memcpy(&value, region->host + (paddr - region->start), size);
	return value;
}

void physmem_write(struct physmem *mem, uint64_t paddr, uint64_t value, unsigned size)
{
	const struct physmem_region *region = find(mem, paddr);

	if (!region || region->kind == PHYSMEM_ROM)
		return;
	if (region->kind == PHYSMEM_MMIO) {
		region->ops->write(region->opaque, paddr - region->start, value & all_ones(size), size);
		return;
	}
	announce_write(mem, region, paddr, size);
	memcpy(region->host + (paddr - region->start), &value, size);
}

static uint64_t left_in_page(uint64_t paddr)
{
	return PAGE_SIZE - (paddr & ~PAGE_MASK);
}

static bool is_all_memory(const struct physmem *mem, uint64_t paddr, uint64_t size)
{
	if (size && paddr + size - 1 < paddr)
		return false;
	while (size) {
		const struct physmem_region *region = find(mem, paddr);
		uint64_t here;

		if (!region || !region->host)
			return false;
		here = region->size - (paddr - region->start);
		if (here >= size)
			return true;
		paddr += here;
		size -= here;
	}
	return true;
}

bool physmem_copy_out(const struct physmem *mem, uint64_t paddr, void *to, uint64_t size)
{
	if (!is_all_memory(mem, paddr, size))
		return false;
	for (uint64_t done = 0, here; done < size; done += here) {
		const struct physmem_region *region = find(mem, paddr + done);
		uint64_t offset = paddr + done - region->start;

		here = region->size - offset < size - done ? region->size - offset : size - done;
		memcpy((uint8_t *)to + done, region->host + offset, here);
	}
	return true;
}

bool physmem_copy_in(struct physmem *mem, uint64_t paddr, const void *from, uint64_t size)
{
	if (!is_all_memory(mem, paddr, size))
		return false;
	for (uint64_t done = 0, here; done < size; done += here) { /* a page at a time, as code is tracked by page */
		uint64_t at = paddr + done;
		const struct physmem_region *region = find(mem, at);

		here = left_in_page(at) < size - done ? left_in_page(at) : size - done;
		announce_write(mem, region, at, here);
		memcpy(region->host + (at - region->start), (const uint8_t *)from + done, here);
	}
	return true;
}
