/*
 * Fuzzes finding the kernel in a snapshot: memory with a small kernel in it, in one piece of 4 GiB, which the input changes. What is found
 * is proven by page tables, or nothing is; and its symbols are read out of its memory. `make fuzz` builds and runs it.
 *
 * The input is a list of changes: which page, where in it (2 bytes), how many bytes, the bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mmu/physmem.h"
#include "product/product_symbols.h"
#include "tests/unit/kallsyms_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT "Linux version 6.1.0-1-fuzz (me@home) (gcc (Fuzz) 12) #1 SMP Fuzz\n"
#define LINK 0xffffffff81000000ull
#define DIRECT_MAP 0xffff888000000000ull

enum { PRESENT = 1, TABLE = 0x23, LARGE = 0xa3 };

/* Of the image, from its first byte on. */
enum {
	IMAGE = 0x1000000,
	BANNER = 0x201000,
	ROOT = 0x300000,
	LEVEL3 = 0x301000,
	LEVEL2 = 0x302000,
	DIRECT = 0x303000,
	HIGH2 = 0x304000,
	HIGH1 = 0x305000,
	DATA = 0x306000,
	PARAMS = 0x307000,
	SYMBOLS = 0x310000,
	SIZE = 0x400000,
	AREA = 0x1800000, /* of CPU 0, physical */
};

static const uint32_t pages[] = {
	IMAGE + BANNER,
	IMAGE + ROOT,
	IMAGE + LEVEL3,
	IMAGE + LEVEL2,
	IMAGE + DIRECT,
	IMAGE + HIGH2,
	IMAGE + HIGH1,
	IMAGE + DATA,
	IMAGE + PARAMS,
	AREA,
	0x99000,
	0x100000,
	0xc0000000,
	/* the tables of symbols, and what is before them */
	IMAGE + SYMBOLS + 0x2000,
	IMAGE + SYMBOLS + 0x3000,
	IMAGE + SYMBOLS + 0x4000,
	IMAGE + SYMBOLS + 0x5000,
};
enum { PAGES = sizeof(pages) / sizeof(pages[0]) };

static void put(int fd, uint64_t at, const void *data, size_t size)
{
	if (pwrite(fd, data, size, at) != (ssize_t)size)
		abort();
}

static void put_word(int fd, uint64_t at, uint64_t value)
{
	put(fd, at, &value, sizeof(value));
}

static void put_map(int fd)
{
	const struct {
		uint64_t start, size;
		uint32_t type;
	} __attribute__((packed)) map[] = {{0, 0x9fc00, 1}, {0x100000, 0xbfe00000, 1}, {1ull << 32, 1 << 30, 1}};

	put(fd, IMAGE + PARAMS + 0x1e8, &(uint8_t){3}, 1);
	put(fd, IMAGE + PARAMS + 0x2d0, map, sizeof(map));
}

/* With the variables of DATA in place of other names. */
static void put_symbols(int fd)
{
	static const struct {
		const char *name;
		uint64_t address;
	} variables[] = {{"__per_cpu_offset", LINK + DATA},
			 {"nr_cpu_ids", LINK + DATA + 0x100},
			 {"__num_online_cpus", LINK + DATA + 0x104},
			 {"jiffies_64", LINK + DATA + 0x108}};
	static struct rig rig; /* made once: that takes longer than a try */
	enum { VARIABLES = sizeof(variables) / sizeof(variables[0]) };

	if (!rig.end) {
		rig_start(&rig, &rig_layouts[2]);
		strcpy(rig.symbol[1].name, "this_cpu_off");
		rig.symbol[0].address = rig.symbol[1].address = 0x18;
		for (unsigned i = 0; i < VARIABLES; i++) {
			strcpy(rig.symbol[RIG_SYMBOLS - VARIABLES + i].name, variables[i].name);
			rig.symbol[RIG_SYMBOLS - VARIABLES + i].address = variables[i].address;
		}
		rig_put_tables(&rig);
	}
	put(fd, IMAGE + SYMBOLS, rig.image, sizeof(rig.image));
}

static void put_kernel(int fd)
{
	put(fd, IMAGE + BANNER, TEXT, strlen(TEXT));
	put_word(fd, IMAGE + ROOT + 511 * 8, (IMAGE + LEVEL3) | TABLE);
	put_word(fd, IMAGE + ROOT + 273 * 8, (IMAGE + DIRECT) | TABLE);
	put_word(fd, IMAGE + LEVEL3 + 510 * 8, (IMAGE + LEVEL2) | TABLE);
	for (uint64_t at = 0; at <= SIZE; at += 2 << 20)
		put_word(fd, IMAGE + LEVEL2 + (LINK + at) / (2 << 20) % 512 * 8, (IMAGE + at) | LARGE);
	put_word(fd, IMAGE + DIRECT, LARGE);
	put_word(fd, IMAGE + DIRECT + 8, (IMAGE + HIGH2) | TABLE);
	put_word(fd, IMAGE + HIGH2, (IMAGE + HIGH1) | TABLE);
	put_word(fd, IMAGE + HIGH1, (1ull << 32) | TABLE);
	put_word(fd, 0xc0000000, 1); /* the first page above 4 GiB */
	put_word(fd, IMAGE + DATA, DIRECT_MAP + AREA);
	put_word(fd, IMAGE + DATA + 0x100, 1 | 1ull << 32); /* possible and online CPUs */
	put_word(fd, IMAGE + DATA + 0x108, (uint32_t)(-300 * 250) + 1000);
	put_word(fd, AREA + 0x18, DIRECT_MAP + AREA);
}

static void change(int fd, const uint8_t *data, size_t size)
{
	while (size > 4) {
		uint64_t page = pages[data[0] % PAGES];
		size_t at = (data[1] | data[2] << 8) % PAGE_SIZE, count = data[3] % 32 + 1;

		data += 4;
		size -= 4;
		count = count < size ? count : size;
		count = count < PAGE_SIZE - at ? count : PAGE_SIZE - at;
		put(fd, page + at, data, count);
		data += count;
		size -= count;
	}
}

/* The kernel has symbol tables, with what the input leaves of them. */
static void check_symbols(struct product *product)
{
	struct product_symbols symbols;
	struct landmarks marks;
	struct error *err = product_symbols_read(product, &symbols, &marks);

	if (!err)
		err = product_complete(product, &marks);
	if (!err && (!product->cpus || product->online > product->cpus || !product->based))
		abort();
	error_destroy(err);
	product_symbols_close(&symbols);
	product_forget_completion(product);
}

static void check(struct snapshot *snapshot, const struct landmarks *given, const struct landmarks *marks)
{
	struct product product;
	struct error *err = product_find(snapshot, given, &product);
	uint64_t paddr;

	if (err) {
		error_destroy(err);
		return;
	}
	if (product.x86_64 &&
	    (!product_translate(&product, product.vbase - product.pbase + product.banner_paddr, &paddr) || paddr != product.banner_paddr))
		abort();
	if (!given) /* once is enough, and takes a while */
		check_symbols(&product);
	err = product_complete(&product, marks);
	if (!err && (!product.cpus || product.online > product.cpus))
		abort();
	error_destroy(err);
	product_deinit(&product);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct landmarks marks = {
		.x86_64 = true,
		.link_base = LINK,
		.link_paddr = IMAGE,
		.size = SIZE,
		.alignment = 2 << 20,
		.banner_at = LINK + BANNER,
		.per_cpu_offset = LINK + DATA,
		.per_cpu_at_boot = LINK + SIZE,
		.this_cpu_off = 0x18,
		.nr_cpu_ids = LINK + DATA + 0x100,
		.online = LINK + DATA + 0x104,
		.jiffies = LINK + DATA + 0x108,
		.jiffies_at_boot = (uint32_t)(-300 * 250),
	};
	struct snapshot *snapshot;
	struct error *err;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 1ull << 32) || !banner_parse(TEXT, strlen(TEXT), &marks.banner))
		return 0;
	put_kernel(fd);
	put_symbols(fd);
	put_map(fd);
	change(fd, data, size);
	err = snapshot_open_fd(fd, "fuzz", &snapshot);
	if (!err) {
		check(snapshot, NULL, &marks);
		check(snapshot, &marks, &marks);
		snapshot_close(snapshot);
	}
	error_destroy(err);
	return 0;
}
