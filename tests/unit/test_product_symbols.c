/* A kernel that is known by its memory alone: made-up kernels with symbol tables of every layout, in memory with page tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "product/product_symbols.h"
#include "tests/unit/kallsyms_rig.h"
#include "tests/unit/snapshot_rig.h"

#define TEXT "Linux version 6.1.0-1-test (me@home) (gcc (Test) 12) #1 SMP Test\n"

enum { MEMORY = 64 << 20, IMAGE = 0x1000000 /* physical */, TABLE = 0x23, PROTECTED = 0xa1 };

/* Behind the rig's image, from the kernel's first byte on. */
enum {
	BANNER = RIG_IMAGE + 0x40,
	ROOT = 0x20000,
	LEVEL3 = 0x21000,
	LEVEL2 = 0x22000,
	DATA = 0x30000,
	AREA = 0x38000, /* per-CPU, of the only CPU */
	HZ = 250,
	TSC_KHZ = 2100000,
};

/* Variables of the kernel: 16 bytes each, from DATA on. */
static const char *const variables[] = {"__num_online_cpus", "__per_cpu_offset", "init_uts_ns", "jiffies_64",
					"loops_per_jiffy",   "nr_cpu_ids",       "tsc_khz",     "this_cpu_off"};
enum { VARIABLES = sizeof(variables) / sizeof(variables[0]), VARIABLE = 16 };
enum { ONLINE, PER_CPU_OFFSET, UTS, JIFFIES, LOOPS, CPU_IDS, KHZ, THIS_CPU_OFF };

struct kernel {
	struct rig rig;
	uint64_t address[VARIABLES];
	int fd;
};

/* -- making one -- */

/* Per-CPU data of x86-64 up to 6.14 are small numbers. */
static void place_variables(struct kernel *kernel)
{
	struct rig *rig = &kernel->rig;

	for (unsigned i = 0; i < VARIABLES; i++)
		kernel->address[i] = rig->view.base + DATA + i * VARIABLE;
	if (rig->layout->addressing == KALLSYMS_RELATIVE_PERCPU)
		kernel->address[THIS_CPU_OFF] = rig->symbol[2].address;
}

/* x86-64: in kallsyms, as its last symbols. */
static void name_in_kallsyms(struct kernel *kernel)
{
	struct rig *rig = &kernel->rig;
	struct symbol *last = &rig->symbol[RIG_SYMBOLS - VARIABLES];

	for (unsigned i = 0; i < VARIABLES; i++) {
		bool small = kernel->address[i] < rig->view.base;
		struct symbol *symbol = small ? &rig->symbol[2] : &last[i];

		strcpy(symbol->name, variables[i]);
		last[i].address = rig->view.base + DATA + i * VARIABLE;
	}
}

/* i386: exported. The table has others before and behind them. */
static void name_in_exports(struct kernel *kernel)
{
	enum { OTHERS = 6 };
	struct rig *rig = &kernel->rig;

	for (unsigned i = 0; i < VARIABLES + 2 * OTHERS; i++) {
		bool other = i < OTHERS || i >= OTHERS + VARIABLES;

		rig_put_export(rig, i, other ? rig->symbol[i + 50].address : kernel->address[i - OTHERS],
			       other ? rig->symbol[i + 50].name : variables[i - OTHERS]);
	}
}

static void put_value(const struct kernel *kernel, unsigned variable, uint64_t value)
{
	unsigned size = variable == JIFFIES ? 8 : kernel->rig.layout->pointer_size;

	put(kernel->fd, IMAGE + DATA + variable * VARIABLE, &value, size);
}

static void put_values(const struct kernel *kernel)
{
	uint64_t own = kernel->rig.view.base + AREA, offset = own - kernel->address[THIS_CPU_OFF];

	put_value(kernel, ONLINE, 1);
	put_value(kernel, CPU_IDS, 1);
	put_value(kernel, PER_CPU_OFFSET, offset);
	put_value(kernel, JIFFIES, (uint32_t)(-300 * HZ) + 77ull * HZ);
	put_value(kernel, LOOPS, TSC_KHZ * 1000ull / HZ + 12345);
	put_value(kernel, KHZ, TSC_KHZ);
	put(kernel->fd, IMAGE + AREA, &offset, kernel->rig.layout->pointer_size);
}

/* The image is protected from writing, in one large page. */
static void put_page_tables(const struct kernel *kernel)
{
	int fd = kernel->fd;

	if (kernel->rig.layout->pointer_size == 8) {
		put_u64(fd, IMAGE + ROOT + 511 * 8, (IMAGE + LEVEL3) | TABLE);
		put_u64(fd, IMAGE + LEVEL3 + 510 * 8, (IMAGE + LEVEL2) | TABLE);
		put_u64(fd, IMAGE + LEVEL2 + 8 * 8, IMAGE | PROTECTED);
		return;
	}
	put_u64(fd, IMAGE + ROOT + 3 * 8, (IMAGE + LEVEL2) | 1);
	for (uint64_t i = 0; i < MEMORY >> 21; i++)
		put_u64(fd, IMAGE + LEVEL2 + i * 8, i << 21 | (i == IMAGE >> 21 ? PROTECTED : PROTECTED | 2));
}

static void make(struct kernel *kernel, const struct rig_layout *layout)
{
	struct rig *rig = &kernel->rig;

	rig_start(rig, layout);
	place_variables(kernel);
	if (layout->pointer_size == 8)
		name_in_kallsyms(kernel);
	rig_put_tables(rig);
	if (layout->pointer_size == 4)
		name_in_exports(kernel);
	kernel->fd = new_file(MEMORY);
	put(kernel->fd, IMAGE, rig->image, sizeof(rig->image));
	put(kernel->fd, IMAGE + BANNER, TEXT, strlen(TEXT) + 1);
	put_page_tables(kernel);
	put_values(kernel);
}

/* -- reading it -- */

struct known {
	struct snapshot *snapshot;
	struct product product;
	struct product_symbols symbols;
	struct landmarks marks;
};

static struct error *read_symbols(const struct kernel *kernel, struct known *ret)
{
	struct error *err;

	*ret = (struct known){.snapshot = open_snapshot(kernel->fd)};
	err = product_find(ret->snapshot, NULL, &ret->product);
	if (err)
		fail_msg("%s: %s", kernel->rig.layout->name, err->message);
	return product_symbols_read(&ret->product, &ret->symbols, &ret->marks);
}

static void forget(struct known *known, const struct kernel *kernel)
{
	product_symbols_close(&known->symbols);
	product_deinit(&known->product);
	snapshot_close(known->snapshot);
	close(kernel->fd);
}

static void assert_symbols(const struct kernel *kernel, const struct symbols *symbols)
{
	const struct rig *rig = &kernel->rig;
	struct kallsyms_cursor cursor = {0};
	struct symbol symbol;

	assert_int_equal(symbols->table.count, rig->count);
	for (unsigned i = 0; i < rig->count; i++) {
		assert_true(kallsyms_next(&symbols->table, &cursor, &symbol));
		assert_string_equal(symbol.name, rig->symbol[i].name);
		assert_int_equal(symbol.address, rig->symbol[i].address);
	}
	assert_int_equal(symbols->base, rig->view.base);
	for (unsigned i = 0; i < VARIABLES; i++) {
		uint64_t address;

		assert_true(symbols_address(symbols, variables[i], &address));
		assert_int_equal(address, kernel->address[i]);
	}
}

static void knows_kernels_by_their_memory(void **state)
{
	static struct kernel kernel;

	(void)state;
	for (unsigned i = 0; i < RIG_LAYOUTS; i++) {
		struct error *err;
		struct known known;

		make(&kernel, &rig_layouts[i]);
		err = read_symbols(&kernel, &known);
		if (err)
			fail_msg("%s: %s", rig_layouts[i].name, err->message);
		assert_symbols(&kernel, &known.symbols.symbols);
		assert_true(known.product.based);
		assert_int_equal(known.product.vbase, kernel.rig.view.base);
		assert_int_equal(known.product.pbase, IMAGE);
		err = product_complete(&known.product, &known.marks);
		if (err)
			fail_msg("%s: %s", rig_layouts[i].name, err->message);
		assert_int_equal(known.product.cpus, 1);
		assert_int_equal(known.product.online, 1);
		assert_true(known.product.timed);
		assert_int_equal(known.product.uptime_ms, 77 * 1000);
		forget(&known, &kernel);
	}
}

static void says_that_the_uptime_is_unknown(void **state)
{
	static struct kernel kernel;
	struct known known;

	(void)state;
	make(&kernel, &rig_layouts[0]);
	put_value(&kernel, LOOPS, TSC_KHZ * 1000ull / 500);
	assert_null(read_symbols(&kernel, &known));
	assert_null(product_complete(&known.product, &known.marks));
	assert_int_equal(known.product.cpus, 1);
	assert_false(known.product.timed);
	forget(&known, &kernel);
}

/* -- memory that has none, or forged ones -- */

static void assert_unknown(const struct kernel *kernel, const char *words)
{
	struct known known;
	struct error *err = read_symbols(kernel, &known);

	assert_non_null(err);
	if (!strstr(err->message, words))
		fail_msg("\"%s\" does not say \"%s\"", err->message, words);
	assert_null(strchr(err->message, '\n'));
	error_destroy(err);
	forget(&known, kernel);
}

static void refuses_what_is_not_there(void **state)
{
	static const uint8_t zeros[RIG_IMAGE];
	static struct kernel kernel;

	(void)state;
	make(&kernel, &rig_layouts[2]);
	put(kernel.fd, IMAGE, zeros, sizeof(zeros));
	assert_unknown(&kernel, "no symbol table (kallsyms) in it");
	make(&kernel, &rig_layouts[2]);
	for (size_t at = RIG_TABLES_AT; at < kernel.rig.end; at += 64) /* each table, by a byte or so */
		put(kernel.fd, IMAGE + at, "\xff", 1);
	assert_unknown(&kernel, "symbol table (kallsyms)");
	make(&kernel, &rig_layouts[2]);
	strcpy(kernel.rig.symbol[kernel.rig.absolutes].name, "text");
	strcpy(kernel.rig.symbol[kernel.rig.absolutes + 1].name, "stext");
	rig_put_tables(&kernel.rig);
	put(kernel.fd, IMAGE, kernel.rig.image, sizeof(kernel.rig.image));
	assert_unknown(&kernel, "no addresses that go with them");
}

/* Tables that lead in circles: page tables of the kernel's range that lead to themselves. */
static void ends_where_page_tables_are_a_circle(void **state)
{
	static struct kernel kernel;
	struct known known;

	(void)state;
	make(&kernel, &rig_layouts[2]);
	for (unsigned i = 0; i < 512; i++) {
		if (i != 8)
			put_u64(kernel.fd, IMAGE + LEVEL2 + i * 8, (IMAGE + LEVEL2) | TABLE);
	}
	error_destroy(read_symbols(&kernel, &known));
	forget(&known, &kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_kernels_by_their_memory),
		cmocka_unit_test(says_that_the_uptime_is_unknown),
		cmocka_unit_test(refuses_what_is_not_there),
		cmocka_unit_test(ends_where_page_tables_are_a_circle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
