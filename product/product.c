/* The product, once it is found: see product.h. */
#include "product/product_search.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "product/product_search.h"

#include "mmu/physmem.h"
#include "util/quote.h"

/* -- memory -- */

static bool read_entry(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret)
{
	*ret = 0;
	return snapshot_read(opaque, paddr, ret, size);
}

bool product_translate(const struct product *product, uint64_t vaddr, uint64_t *ret_paddr)
{
	const struct walk_memory memory = {.opaque = product->snapshot, .read = read_entry};

	return (product->x86_64 || vaddr <= UINT32_MAX) && product_walk(&product->paging, &memory, vaddr, ret_paddr);
}

bool product_read(const struct product *product, uint64_t vaddr, void *to, size_t size)
{
	uint8_t *out = to;

	while (size) {
		size_t room = PAGE_SIZE - vaddr % PAGE_SIZE, part = room < size ? room : size;
		uint64_t paddr;

		if (!product_translate(product, vaddr, &paddr) || !snapshot_read(product->snapshot, paddr, out, part))
			return false;
		out += part;
		vaddr += part;
		size -= part;
	}
	return true;
}

static uint64_t wrap(const struct product *product, uint64_t vaddr)
{
	return product->x86_64 ? vaddr : (uint32_t)vaddr;
}

uint64_t product_relocated(const struct product *product, const struct landmarks *landmarks, uint64_t address)
{
	return address < landmarks->link_base ? address : wrap(product, address + (product->vbase - landmarks->link_base));
}

/* An integer of the kernel: `size` bytes. */
static bool read_integer(const struct product *product, uint64_t vaddr, size_t size, uint64_t *ret)
{
	*ret = 0;
	return product_read(product, wrap(product, vaddr), ret, size);
}

static bool read_symbol(const struct product *product, const struct landmarks *landmarks, uint64_t symbol, size_t size, uint64_t *ret)
{
	return symbol && read_integer(product, product_relocated(product, landmarks, symbol), size, ret);
}

/* -- what the image's landmarks tell -- */

/* CPU n's entry of __per_cpu_offset[]. false: it was not set up (setup_per_cpu_areas()); then its per-CPU area would say the same. */
static bool read_per_cpu_base(const struct product *product, const struct landmarks *landmarks, unsigned n, uint64_t *ret)
{
	size_t size = product->x86_64 ? 8 : 4;
	uint64_t own;

	return read_integer(product, product_relocated(product, landmarks, landmarks->per_cpu_offset) + n * size, size, ret) && *ret &&
	       *ret != product_relocated(product, landmarks, landmarks->per_cpu_at_boot) &&
	       (!landmarks->this_cpu_off ||
		(read_integer(product, *ret + product_relocated(product, landmarks, landmarks->this_cpu_off), size, &own) && own == *ret));
}

/* How many entries of __per_cpu_offset[] count. Without nr_cpu_ids, as many as prove themselves, or one. 0: that makes no sense. */
static unsigned count_possible(const struct product *product, const struct landmarks *landmarks)
{
	uint64_t possible;

	if (!landmarks->nr_cpu_ids)
		return landmarks->this_cpu_off ? PRODUCT_MAX_CPUS : 1;
	return read_symbol(product, landmarks, landmarks->nr_cpu_ids, 4, &possible) && possible <= PRODUCT_MAX_CPUS ? possible : 0;
}

/* How many CPUs run. 0: unknown. */
static unsigned count_online(const struct product *product, const struct landmarks *landmarks)
{
	uint64_t count = 0, bits = 0;

	if (landmarks->online)
		return read_symbol(product, landmarks, landmarks->online, 4, &count) && count <= product->cpus ? count : 0;
	for (unsigned cpu = 0; landmarks->online_mask && cpu < product->cpus; cpu++) {
		if (cpu % 32 == 0 && !read_symbol(product, landmarks, landmarks->online_mask + cpu / 8, 4, &bits))
			return 0;
		count += bits >> cpu % 32 & 1;
	}
	return count;
}

/* Built for one CPU: nothing is added to the addresses of its per-CPU data. */
static void complete_only_cpu(struct product *product)
{
	product->per_cpu_base[0] = 0;
	product->cpus = product->online = 1;
	product->all_cpus = true;
}

static struct error *complete_cpus(struct product *product, const struct landmarks *landmarks)
{
	unsigned possible = landmarks->smp ? count_possible(product, landmarks) : 1;

	if (!possible)
		return error_create("the number of CPUs in the snapshot makes no sense: it is damaged, or of early boot");
	product->per_cpu_base = calloc(possible, sizeof(*product->per_cpu_base));
	if (!product->per_cpu_base)
		return error_create("out of memory");
	if (!landmarks->smp) {
		complete_only_cpu(product);
		return NULL;
	}
	while (product->cpus < possible && read_per_cpu_base(product, landmarks, product->cpus, &product->per_cpu_base[product->cpus]))
		product->cpus++;
	if (!product->cpus)
		return error_create("no CPU of the snapshot has a per-CPU area: it is damaged, or of early boot");
	product->all_cpus = landmarks->nr_cpu_ids || landmarks->this_cpu_off;
	product->online = count_online(product, landmarks);
	return NULL;
}

/* Whether the time of the last tick agrees with the count of ticks, at one of the rates that kernels are built with. */
static bool fits_ticks(const struct product *product, const struct landmarks *landmarks, uint64_t last_tick)
{
	static const unsigned rates[] = {100, 250, 300, 1000};
	enum { SLACK = 5 /* seconds: ticks begin some tenths of a second after time does */ };
	uint64_t now;

	if (!read_symbol(product, landmarks, landmarks->jiffies, 8, &now))
		return false;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t seconds = (now - (uint32_t)(-300 * rates[i])) / rates[i];

		if (last_tick / 1000000000 + SLACK - seconds <= 2 * SLACK)
			return true;
	}
	return false;
}

/*
 * The count of ticks starts at INITIAL_JIFFIES = -300 * HZ in 32 bits (include/linux/jiffies.h), which so tells HZ as well. It lacks the
 * part of a boot before the first tick, some tenths of a second: where the time of the last tick is to be had, that is taken. But the time
 * of the last tick is that of boot where there is no high-resolution timer.
 */
static struct error *complete_uptime(struct product *product, const struct landmarks *landmarks)
{
	uint32_t start = -(uint32_t)landmarks->jiffies_at_boot;
	uint64_t hz = start / 300, now, last_tick;

	if (!landmarks->jiffies_at_boot) {
		product->timed =
			read_symbol(product, landmarks, landmarks->last_tick, 8, &last_tick) && fits_ticks(product, landmarks, last_tick);
		product->uptime_ms = product->timed ? last_tick / 1000000 : 0;
		return NULL;
	}
	if (!hz || start % 300 || landmarks->jiffies_at_boot > UINT32_MAX)
		return error_create("the kernel image's count of ticks starts at %#" PRIx64 ": not what Linux does",
				    landmarks->jiffies_at_boot);
	if (!read_symbol(product, landmarks, landmarks->jiffies, 8, &now) || now < landmarks->jiffies_at_boot)
		return error_create("the count of ticks in the snapshot makes no sense: it is damaged, or of early boot");
	product->uptime_ms = (now - landmarks->jiffies_at_boot) * 1000 / hz;
	if (read_symbol(product, landmarks, landmarks->last_tick, 8, &last_tick) && last_tick / 1000000 > product->uptime_ms)
		product->uptime_ms = last_tick / 1000000;
	product->timed = true;
	return NULL;
}

/* A product that was found without landmarks. On i386 only they tell where the image begins. */
static struct error *complete_base(struct product *product, const struct landmarks *landmarks)
{
	uint64_t before_banner = landmarks->banner_at - landmarks->link_base, banner_vaddr, pbase, paddr;
	char quoted[QUOTE_LINE];

	if (!banner_same(&product->banner, &landmarks->banner) || product->x86_64 != landmarks->x86_64)
		return error_create("the kernel image is another build than the snapshot's: %s",
				    quote_string(quoted, sizeof(quoted), landmarks->banner.text));
	pbase = product->banner_paddr - before_banner;
	if (!product->based) {
		product->pbase = pbase;
		product->vbase = pbase + (landmarks->link_base - landmarks->link_paddr);
		product->based = true;
	}
	banner_vaddr = product->vbase + before_banner;
	if (product->pbase != pbase || !product_translate(product, banner_vaddr, &paddr) || paddr != product->banner_paddr)
		return error_create("the kernel in the snapshot is not laid out as the image is");
	return NULL;
}

/* What was the likeliest is known now, or better: the kernel's page tables are where its symbol says, or within its image. */
static struct error *complete_tables(struct product *product, const struct landmarks *landmarks)
{
	unsigned budget = MAX_TABLES;

	if (product_verify(product, landmarks, &budget))
		return NULL;
	return error_create("the kernel's page tables are not where its image says: the snapshot is damaged");
}

struct error *product_complete(struct product *product, const struct landmarks *landmarks)
{
	struct error *err = complete_base(product, landmarks);

	if (!err)
		err = complete_tables(product, landmarks);
	if (!err)
		err = complete_cpus(product, landmarks);
	return err ? err : complete_uptime(product, landmarks);
}

void product_forget_completion(struct product *product)
{
	free(product->per_cpu_base);
	product->per_cpu_base = NULL;
	product->cpus = product->online = 0;
	product->timed = false;
}

void product_deinit(struct product *product)
{
	free(product->per_cpu_base);
	*product = (struct product){0};
}
