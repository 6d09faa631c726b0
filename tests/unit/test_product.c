/* Identifying kernels: synthetic memory with the page tables of every mode, with copies, remains and forgeries beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "product/product.h"
#include "tests/unit/snapshot_rig.h"

#define MIB (1ull << 20)
#define TEXT "Linux version 6.1.0-1-test (me@home) (gcc (Test) 12) #1 SMP Test\n"

enum { MEMORY = 64 << 20, P = 1, W = 2, U = 4, PS = 0x80, TABLE = 0x23, PAGE = 0xa3 };

/* Where things are in the image, from its first byte on. */
enum {
	BANNER = 0x201040,
	ROOT = 0x300000,
	LEVEL4 = 0x301000, /* below the root, with 5 levels */
	LEVEL3 = 0x302000,
	LEVEL2 = 0x303000,
	DIRECT = 0x304000, /* x86-64: the table of the direct map */
	DECOY = 0x305000,  /* like the root, but not it */
	PER_CPU_OFFSET = 0x310000,
	NR_CPU_IDS = 0x310100,
	ONLINE = 0x310104,
	JIFFIES = 0x310108,
	LAST_TICK = 0x310110,
	ONLINE_MASK = 0x310118,
	SIZE = 0x400000,
	THIS_CPU_OFF = 0x18,      /* x86-64, per-CPU */
	PER_CPU_AREA = 0x2800000, /* physical: one every 64 KiB */
};

#define DIRECT_MAP 0xffff888000000000ull
enum { DIRECT_INDEX4 = 273, TOP_INDEX = 511, KERNEL_INDEX3 = 510 };

struct kernel_case {
	enum paging_mode mode;
	uint64_t link, vbase, pbase;
	unsigned word; /* size of long */
};

static const struct kernel_case cases[] = {
	{PAGING_4LEVEL, 0xffffffff81000000, 0xffffffffa8600000, 0x1a00000, 8},
	{PAGING_5LEVEL, 0xffffffff81000000, 0xffffffff81000000, 0x1000000, 8},
	{PAGING_PAE, 0xc1000000, 0xc1e00000, 0x1e00000, 4},
	{PAGING_32BIT, 0xc1000000, 0xc1000000, 0x1000000, 4},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static uint64_t per_cpu_base(const struct kernel_case *kernel, unsigned cpu)
{
	uint64_t area = PER_CPU_AREA + cpu * 0x10000;

	/* i386: THIS_CPU_OFF is linked within the image, so that the base is the distance from there */
	return kernel->word == 8 ? DIRECT_MAP + area : (uint32_t)(0xc0000000 + area - (kernel->vbase + SIZE));
}

static void put_word(int fd, const struct kernel_case *kernel, uint64_t paddr, uint64_t value)
{
	put(fd, paddr, &value, kernel->word);
}

static void put_tables64(int fd, const struct kernel_case *kernel, uint64_t root, bool direct)
{
	uint64_t image = kernel->pbase, top = image + LEVEL3;

	if (kernel->mode == PAGING_5LEVEL) {
		put_u64(fd, image + LEVEL4 + TOP_INDEX * 8, top | TABLE);
		put_u64(fd, image + LEVEL4 + DIRECT_INDEX4 * 8, (image + DIRECT) | TABLE);
		top = image + LEVEL4;
	}
	put_u64(fd, root + TOP_INDEX * 8, top | TABLE);
	put_u64(fd, image + LEVEL3 + KERNEL_INDEX3 * 8, (image + LEVEL2) | TABLE);
	for (uint64_t at = 0; at <= SIZE; at += 2 * MIB)
		put_u64(fd, image + LEVEL2 + (kernel->vbase + at) / (2 * MIB) % 512 * 8, (image + at) | PAGE);
	put_u64(fd, image + DIRECT, PAGE); /* 1 GiB at 0 */
	if (direct && kernel->mode == PAGING_4LEVEL)
		put_u64(fd, root + DIRECT_INDEX4 * 8, (image + DIRECT) | TABLE);
}

/* A map of all memory, by large pages, of which the one with the banner is read-only. */
static void put_tables32(int fd, const struct kernel_case *kernel, uint64_t root)
{
	bool pae = kernel->mode == PAGING_PAE;
	uint64_t size = pae ? 2 * MIB : 4 * MIB, banner = kernel->pbase + BANNER;

	for (uint64_t i = 0; i < MEMORY / size; i++) {
		uint64_t entry = i * size | (i == banner / size ? PAGE & ~W : PAGE);

		if (pae)
			put_u64(fd, kernel->pbase + LEVEL2 + i * 8, entry);
		else
			put_u32(fd, root + (0x300 + i) * 4, entry);
	}
	if (pae)
		put_u64(fd, root + 3 * 8, (kernel->pbase + LEVEL2) | TABLE); /* with A, as TCG leaves it, although it is reserved */
}

static void put_tables(int fd, const struct kernel_case *kernel, uint64_t root)
{
	if (kernel->word == 8)
		put_tables64(fd, kernel, root, true);
	else
		put_tables32(fd, kernel, root);
}

/* Other tables in the image that have the kernel's part: of a process, whose memory was the kernel's initial data; and that of early boot.
 */
static void put_decoys(int fd, const struct kernel_case *kernel)
{
	uint64_t process = kernel->pbase + DECOY, early = kernel->pbase + ROOT - PAGE_SIZE;

	put_tables(fd, kernel, process);
	put_word(fd, kernel, process, (kernel->pbase + DIRECT) | TABLE | U);
	if (kernel->mode == PAGING_4LEVEL)
		put_tables64(fd, kernel, early, false);
}

static struct landmarks landmarks_for(const struct kernel_case *kernel)
{
	struct landmarks marks = {
		.x86_64 = kernel->word == 8,
		.smp = true,
		.link_base = kernel->link,
		.link_paddr = 0x1000000,
		.size = SIZE + 0x10000,
		.alignment = 2 * MIB,
		.banner_at = kernel->link + BANNER,
		.per_cpu_offset = kernel->link + PER_CPU_OFFSET,
		.per_cpu_at_boot = kernel->word == 8 ? kernel->link + SIZE : 0,
		.this_cpu_off = kernel->word == 8 ? THIS_CPU_OFF : kernel->link + SIZE + THIS_CPU_OFF,
		.nr_cpu_ids = kernel->link + NR_CPU_IDS,
		.online = kernel->link + ONLINE,
		.jiffies = kernel->link + JIFFIES,
		.jiffies_at_boot = (uint32_t)(-300 * 250),
	};

	assert_true(banner_parse(TEXT, strlen(TEXT), &marks.banner));
	return marks;
}

static void put_kernel(int fd, const struct kernel_case *kernel)
{
	uint64_t image = kernel->pbase;

	put(fd, image + BANNER, TEXT, strlen(TEXT) + 1);
	put_tables(fd, kernel, image + ROOT);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		uint64_t base = per_cpu_base(kernel, cpu);

		put_word(fd, kernel, image + PER_CPU_OFFSET + cpu * kernel->word, base);
		put_word(fd, kernel, PER_CPU_AREA + cpu * 0x10000 + THIS_CPU_OFF, base);
	}
	/* the third one was not set up; its area is where the image has the initial values */
	put_word(fd, kernel, image + PER_CPU_OFFSET + 2 * kernel->word, kernel->word == 8 ? kernel->vbase + SIZE : 0);
	put_word(fd, kernel, image + SIZE + THIS_CPU_OFF, kernel->word == 8 ? kernel->vbase + SIZE : 0);
	put_u32(fd, image + NR_CPU_IDS, 3);
	put_u32(fd, image + ONLINE, 1);
	put_u32(fd, image + ONLINE_MASK, 0xfffffffe); /* bits of CPUs that are not possible do not count */
	put_u64(fd, image + JIFFIES, (uint32_t)(-300 * 250) + 250ull * 1000);
	put_u64(fd, image + LAST_TICK, 1001000000000);
}

static int new_machine(const struct kernel_case *kernel)
{
	int fd = new_file(MEMORY);

	put(fd, 0x100100, TEXT, strlen(TEXT)); /* the log */
	put_kernel(fd, kernel);
	put_decoys(fd, kernel);
	return fd;
}

static void assert_found(const struct product *product, const struct kernel_case *kernel, bool based)
{
	assert_string_equal(product->banner.release, "6.1.0-1-test");
	assert_int_equal(product->banner_paddr, kernel->pbase + BANNER);
	assert_int_equal(product->paging.mode, kernel->mode);
	assert_int_equal(product->paging.root, kernel->pbase + ROOT);
	assert_int_equal(product->x86_64, kernel->word == 8);
	assert_int_equal(product->based, based);
	if (based) {
		assert_int_equal(product->vbase, kernel->vbase);
		assert_int_equal(product->pbase, kernel->pbase);
	}
}

static void assert_complete(struct product *product, const struct kernel_case *kernel, struct landmarks *marks)
{
	struct error *err = product_complete(product, marks);

	if (err)
		fail_msg("%s", err->message);
	assert_found(product, kernel, true);
	assert_int_equal(product->cpus, 2);
	assert_int_equal(product->online, 1);
	for (unsigned cpu = 0; cpu < 2; cpu++)
		assert_int_equal(product->per_cpu_base[cpu], per_cpu_base(kernel, cpu));
	assert_int_equal(product->uptime_ms, 1000 * 1000);
}

static struct product find(struct snapshot *snapshot, const struct landmarks *marks)
{
	struct product product;
	struct error *err = product_find(snapshot, marks, &product);

	if (err)
		fail_msg("%s", err->message);
	return product;
}

static void every_mode(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CASES; i++) {
		const struct kernel_case *kernel = &cases[i];
		struct landmarks marks = landmarks_for(kernel);
		int fd = new_machine(kernel);
		struct snapshot *snapshot = open_snapshot(fd);
		struct product product = find(snapshot, NULL);
		uint64_t paddr;
		char text[16];

		assert_found(&product, kernel, kernel->word == 8);
		assert_complete(&product, kernel, &marks);
		assert_true(product_translate(&product, kernel->vbase + 0x1234, &paddr));
		assert_int_equal(paddr, kernel->pbase + 0x1234);
		assert_true(product_read(&product, kernel->vbase + BANNER, text, sizeof(text)));
		assert_memory_equal(text, TEXT, sizeof(text));
		assert_false(product_translate(&product, 0x1000, &paddr));
		assert_false(product_translate(&product, 0xffffeeee00000000, &paddr));
		product_deinit(&product);
		product = find(snapshot, &marks);
		assert_complete(&product, kernel, &marks);
		product_deinit(&product);
		marks.root = kernel->link + ROOT;
		product = find(snapshot, &marks);
		assert_found(&product, kernel, true);
		snapshot_close(snapshot);
		close(fd);
	}
}

/* What is told of a machine at its last tick. 0: nothing. */
static void assert_uptime(int fd, const struct landmarks *marks, uint64_t expected_ms)
{
	struct snapshot *snapshot = open_snapshot(fd);
	struct product product = find(snapshot, marks);

	assert_null(product_complete(&product, marks));
	assert_int_equal(product.timed, expected_ms != 0);
	if (expected_ms)
		assert_int_equal(product.uptime_ms, expected_ms);
	product_deinit(&product);
	snapshot_close(snapshot);
}

static void uptime_by_last_tick(void **state)
{
	const struct kernel_case *kernel = &cases[0];
	struct landmarks marks = landmarks_for(kernel);
	int fd = new_machine(kernel);

	(void)state;
	marks.last_tick = kernel->link + LAST_TICK;
	assert_uptime(fd, &marks, 1001 * 1000);
	put_u64(fd, kernel->pbase + LAST_TICK, 1000000); /* where it stays what it was at boot */
	assert_uptime(fd, &marks, 1000 * 1000);
	close(fd);
}

/* Without an image, nothing tells how long a tick is; but the time of the last one must fit their count at some rate. */
static void uptime_without_image(void **state)
{
	const struct kernel_case *kernel = &cases[0];
	struct landmarks marks = landmarks_for(kernel);
	int fd = new_machine(kernel);

	(void)state;
	marks.last_tick = kernel->link + LAST_TICK;
	marks.jiffies_at_boot = 0;
	assert_uptime(fd, &marks, 1001 * 1000);
	put_u64(fd, kernel->pbase + LAST_TICK, 1000000);
	assert_uptime(fd, &marks, 0);
	close(fd);
}

/* -- CPUs, of kernels that tell less -- */

struct cpus {
	unsigned known, online;
	bool all;
};

static void assert_cpus(const struct kernel_case *kernel, const struct landmarks *marks, struct cpus wanted)
{
	int fd = new_machine(kernel);
	struct snapshot *snapshot = open_snapshot(fd);
	struct product product = find(snapshot, marks);

	assert_null(product_complete(&product, marks));
	assert_int_equal(product.cpus, wanted.known);
	assert_int_equal(product.online, wanted.online);
	assert_int_equal(product.all_cpus, wanted.all);
	for (unsigned cpu = 0; cpu < wanted.known; cpu++)
		assert_int_equal(product.per_cpu_base[cpu], marks->smp ? per_cpu_base(kernel, cpu) : 0);
	product_deinit(&product);
	snapshot_close(snapshot);
	close(fd);
}

static void counts_cpus_by_what_is_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CASES; i++) {
		const struct kernel_case *kernel = &cases[i];
		struct landmarks marks = landmarks_for(kernel);

		marks.online = 0;
		marks.online_mask = kernel->link + ONLINE_MASK;
		assert_cpus(kernel, &marks, (struct cpus){2, 1, true});
		marks.online_mask = 0;
		assert_cpus(kernel, &marks, (struct cpus){2, 0, true});
		marks.nr_cpu_ids = 0;
		assert_cpus(kernel, &marks, (struct cpus){2, 0, true});
		marks.this_cpu_off = 0;
		assert_cpus(kernel, &marks, (struct cpus){1, 0, false});
		marks.smp = false;
		marks.per_cpu_offset = marks.per_cpu_at_boot = 0;
		assert_cpus(kernel, &marks, (struct cpus){1, 1, true});
	}
}

/* -- of several kernels in memory, the one that runs -- */

/* A kernel at 26 MiB, and the remains of the same one at 16 MiB, of before a reboot. */
static int new_rebooted(const struct kernel_case *kernel)
{
	struct kernel_case remains = *kernel;
	int fd = new_machine(kernel);

	remains.pbase = 0x1000000;
	remains.vbase = 0xffffffff90000000;
	put_kernel(fd, &remains);
	return fd;
}

static void trampoline_tells_the_running_one(void **state)
{
	const struct kernel_case *kernel = &cases[0];
	struct landmarks marks = landmarks_for(kernel);
	int fd = new_rebooted(kernel);
	struct snapshot *snapshot;
	struct product product;

	(void)state;
	put_u64(fd, 0x99000 + TOP_INDEX * 8, (kernel->pbase + LEVEL3) | TABLE);
	snapshot = open_snapshot(fd);
	product = find(snapshot, NULL);
	assert_found(&product, kernel, true);
	product = find(snapshot, &marks);
	assert_found(&product, kernel, true);
	snapshot_close(snapshot);
	close(fd);
}

static void registers_tell_the_running_one(void **state)
{
	const struct kernel_case *kernel = &cases[0];
	int fd = new_rebooted(kernel);
	struct snapshot *snapshot;
	struct product product;
	uint64_t handler = kernel->vbase + 0x1000;

	(void)state;
	/* gate 14 of an IDT in the direct map */
	put_u64(fd, 0x5000 + 14 * 16, (handler & 0xffff) | 0x8e0000100000 | (handler >> 16 & 0xffff) << 48);
	put_u64(fd, 0x5000 + 14 * 16 + 8, handler >> 32);
	snapshot = open_snapshot(fd);
	snapshot->machine = SNAPSHOT_MACHINE_X86_64;
	snapshot->cpu = calloc(1, sizeof(*snapshot->cpu));
	snapshot->cpus = 1;
	snapshot->cpu->system = true;
	snapshot->cpu->idt_base = DIRECT_MAP + 0x5000;
	snapshot->cpu->cr[3] = kernel->pbase + DECOY; /* the process's */
	snapshot->cpu->cr[4] = 1 << 5;
	product = find(snapshot, NULL);
	assert_found(&product, kernel, true);
	snapshot_close(snapshot);
	close(fd);
}

/* -- RAM in one piece -- */

#define GIB (1ull << 30)
enum { PARAMS = 0x320000, LEVEL3_HIGH = 0x306000, LEVEL2_HIGH = 0x307000, LEVEL1_HIGH = 0x308000, HIGH_INDEX4 = 400 };

/* A machine with `low` bytes of RAM below 4 GiB and one GiB above, where the kernel has mapped a page. */
static int new_large(const struct kernel_case *kernel, uint64_t low)
{
	const struct {
		uint64_t start, size;
		uint32_t type;
	} __attribute__((packed)) map[] = {
		{0, 0x9fc00, 1},
		{0x9fc00, 0x400, 2},
		{0xf0000, 0x10000, 2},
		{MIB, low - MIB - 0x20000, 1},
		{low - 0x20000, 0x20000, 2},
		{0xfffc0000, 0x40000, 2},
		{4 * GIB, GIB, 1},
	};
	uint64_t image = kernel->pbase;
	int fd = new_machine(kernel);
	uint8_t count = sizeof(map) / sizeof(map[0]);

	assert_int_equal(ftruncate(fd, 5 * GIB), 0);
	put(fd, image + PARAMS + 0x1e8, &count, 1);
	put(fd, image + PARAMS + 0x2d0, map, sizeof(map));
	put_u64(fd, image + ROOT + HIGH_INDEX4 * 8, (image + LEVEL3_HIGH) | TABLE);
	put_u64(fd, image + LEVEL3_HIGH, (image + LEVEL2_HIGH) | TABLE);
	put_u64(fd, image + LEVEL2_HIGH, (image + LEVEL1_HIGH) | TABLE);
	put_u64(fd, image + LEVEL1_HIGH, (4 * GIB + 0x12345000) | TABLE);
	put_u32(fd, 4 * GIB + 0x12345678, 0x12345678);
	return fd;
}

/* The same with nothing between `hole` and 4 GiB. Takes fd over. */
static int cut_out(int fd, uint64_t hole)
{
	int piece = new_file(5 * GIB - (4 * GIB - hole));
	off_t at = 0;
	uint8_t page[4096];

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		assert_int_equal(pread(fd, page, sizeof(page), at), sizeof(page));
		put(piece, (uint64_t)at < hole ? (uint64_t)at : at - (4 * GIB - hole), page, sizeof(page));
		at += sizeof(page);
	}
	close(fd);
	return piece;
}

static void assert_layout(int fd, const struct kernel_case *kernel, const struct landmarks *marks, uint64_t hole)
{
	struct snapshot *snapshot = open_snapshot(fd);
	struct product product = find(snapshot, marks);
	enum page_lack lack;
	uint32_t word = 0;

	assert_found(&product, kernel, true);
	assert_int_equal(snapshot->ram.count, hole ? 2 : 1);
	assert_int_equal(product.ram_end, hole || snapshot->memory_size == 5 * GIB ? 0 : 5 * GIB);
	if (hole) {
		assert_int_equal(snapshot->ram.extent[0].size, hole);
		assert_null(snapshot_page(snapshot, hole, &lack));
		assert_int_equal(lack, PAGE_HOLE);
		assert_null(snapshot_page(snapshot, 4 * GIB - PAGE_SIZE, &lack));
		assert_true(snapshot_read(snapshot, 4 * GIB + 0x12345678, &word, 4));
		assert_int_equal(word, 0x12345678);
	}
	snapshot_close(snapshot);
	close(fd);
}

/* Wherever a machine type has the hole, and wherever the kernel is. */
static void lays_out_memory_in_one_piece(void **state)
{
	static const uint64_t holes[] = {2 * GIB, 3 * GIB, 0xb0000000, 0xd0000000, 0xe0000000};

	(void)state;
	for (unsigned i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		struct kernel_case low = cases[0], high = cases[0];
		struct landmarks marks = landmarks_for(&low);

		high.pbase += 4 * GIB;
		assert_layout(cut_out(new_large(&low, holes[i]), holes[i]), &low, NULL, holes[i]);
		assert_layout(cut_out(new_large(&low, holes[i]), holes[i]), &low, &marks, holes[i]);
		assert_layout(cut_out(new_large(&high, holes[i]), holes[i]), &high, NULL, holes[i]);
		assert_layout(cut_out(new_large(&high, holes[i]), holes[i]), &high, &marks, holes[i]);
		assert_layout(new_large(&low, holes[i]), &low, NULL, 0);
		assert_layout(new_large(&high, holes[i]), &high, NULL, 0);
	}
}

/* pmemsave with the size of RAM: it ends where the hole does, and nothing is moved. */
static void leaves_files_that_were_cut_off(void **state)
{
	int fd = new_large(&cases[0], 3 * GIB);

	(void)state;
	assert_int_equal(ftruncate(fd, 4 * GIB), 0);
	assert_layout(fd, &cases[0], NULL, 0);
	fd = new_large(&cases[0], 3 * GIB); /* a copy that was not finished */
	assert_int_equal(ftruncate(fd, MEMORY), 0);
	assert_layout(fd, &cases[0], NULL, 0);
}

/* A forged map, by which the hole would begin within a page: what is in one piece stays so. */
static void leaves_holes_within_pages(void **state)
{
	const uint64_t hole = 3 * GIB, table = cases[0].pbase + PARAMS + 0x2d0, last = table + 6 * 20;
	int fd = cut_out(new_large(&cases[0], hole), hole);
	struct snapshot *snapshot;
	struct product product;

	(void)state;
	put_u64(fd, last + 8, GIB - 16);
	snapshot = open_snapshot(fd);
	product = find(snapshot, NULL);
	assert_int_equal(snapshot->ram.count, 1);
	assert_int_equal(product.ram_end, 5 * GIB - 16);
	snapshot_close(snapshot);
	put_u64(fd, last + 8, GIB);
	put_u64(fd, last, 4 * GIB + 16); /* the memory above it would */
	snapshot = open_snapshot(fd);
	product = find(snapshot, NULL);
	assert_int_equal(snapshot->ram.count, 1);
	snapshot_close(snapshot);
	close(fd);
}

/* -- what is refused -- */

static void assert_not_found(int fd, const struct landmarks *marks, const char *words)
{
	struct snapshot *snapshot = open_snapshot(fd);
	struct product product;
	struct error *err = product_find(snapshot, marks, &product);

	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	error_destroy(err);
	snapshot_close(snapshot);
	close(fd);
}

static void refuses_memory_without_a_kernel(void **state)
{
	struct landmarks marks = landmarks_for(&cases[0]);
	int fd;

	(void)state;
	assert_not_found(new_file(MEMORY), NULL, "no Linux kernel is in it");
	assert_not_found(new_file(MEMORY), &marks, "no running kernel of this build is in it: \"Linux version 6.1.0-1-test");
	fd = new_file(MEMORY);
	put(fd, 0x1a00000 + BANNER, TEXT, strlen(TEXT));
	put(fd, 0x2000000 + BANNER, TEXT, strlen(TEXT));
	assert_not_found(dup(fd), NULL, "although 2 banners are");
	assert_not_found(fd, &marks, "no running kernel of this build");
	fd = new_machine(&cases[0]);
	put(fd, cases[0].pbase + BANNER, TEXT, 14 + 3); /* the same */
	put(fd, cases[0].pbase + BANNER + 14, "6.2", 3);
	assert_not_found(fd, &marks, "no running kernel of this build");
}

/* Banners everywhere, and pages that seem to be tables: the search gives up. */
static void refuses_forgeries(void **state)
{
	uint64_t forged[512];
	int fd = new_file(2 * MIB);

	(void)state;
	for (unsigned i = 0; i < 512; i++)
		forged[i] = (i * 4096ull) | TABLE;
	for (unsigned i = 0; i < 256; i++)
		forged[i] = 0;
	for (uint64_t at = 0; at < MIB; at += PAGE_SIZE)
		put(fd, at, forged, sizeof(forged));
	for (uint64_t at = MIB; at < 2 * MIB - 512; at += 512)
		put(fd, at, TEXT, strlen(TEXT));
	assert_not_found(fd, NULL, "no running Linux kernel is in it where it was searched, up to ");
}

/* The search counts what it tries, and says that it has given up: a kernel behind so many banners would not be found. */
static void tells_where_it_gives_up(void **state)
{
	struct kernel_case last = cases[0];
	struct landmarks marks = landmarks_for(&last);
	int fd = new_file(MEMORY);

	(void)state;
	last.pbase = MEMORY - 2 * SIZE;
	put_kernel(fd, &last);
	for (unsigned i = 0; i < 200; i++)
		put(fd, i * 512, TEXT, strlen(TEXT));
	assert_not_found(dup(fd), NULL, "where it was searched, up to 200 banners and ");
	put(fd, 0, "x", 1);
	{
		struct snapshot *snapshot = open_snapshot(fd);
		struct product product = find(snapshot, NULL);

		assert_found(&product, &last, true);
		product = find(snapshot, &marks); /* it looks at few places only */
		assert_found(&product, &last, true);
		snapshot_close(snapshot);
	}
	close(fd);
}

static void assert_incomplete(int fd, struct landmarks *marks, const char *words)
{
	struct snapshot *snapshot = open_snapshot(fd);
	struct product product = find(snapshot, NULL);
	struct error *err = product_complete(&product, marks);

	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	error_destroy(err);
	product_deinit(&product);
	snapshot_close(snapshot);
	close(fd);
}

static void refuses_damaged_kernels(void **state)
{
	const struct kernel_case *kernel = &cases[0];
	struct landmarks marks = landmarks_for(kernel);
	int fd = new_machine(kernel);

	(void)state;
	put_u32(fd, kernel->pbase + NR_CPU_IDS, UINT32_MAX);
	assert_incomplete(fd, &marks, "number of CPUs");
	fd = new_machine(kernel);
	put_u64(fd, PER_CPU_AREA + THIS_CPU_OFF, 0);
	assert_incomplete(fd, &marks, "no CPU of the snapshot has a per-CPU area");
	fd = new_machine(kernel);
	put_u64(fd, kernel->pbase + JIFFIES, 0);
	assert_incomplete(fd, &marks, "count of ticks");
	marks.link_base += 0x1000;
	assert_incomplete(new_machine(kernel), &marks, "not laid out as the image is");
	marks.link_base -= 0x1000;
	marks.banner.text[14] = '5';
	assert_incomplete(new_machine(kernel), &marks, "another build");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mode),
		cmocka_unit_test(uptime_by_last_tick),
		cmocka_unit_test(uptime_without_image),
		cmocka_unit_test(counts_cpus_by_what_is_there),
		cmocka_unit_test(trampoline_tells_the_running_one),
		cmocka_unit_test(registers_tell_the_running_one),
		cmocka_unit_test(lays_out_memory_in_one_piece),
		cmocka_unit_test(leaves_holes_within_pages),
		cmocka_unit_test(leaves_files_that_were_cut_off),
		cmocka_unit_test(refuses_memory_without_a_kernel),
		cmocka_unit_test(refuses_forgeries),
		cmocka_unit_test(tells_where_it_gives_up),
		cmocka_unit_test(refuses_damaged_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
