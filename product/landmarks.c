/* Landmarks of a kernel image: see landmarks.h. */
#include "product/landmarks.h"

#include <stddef.h>
#include <string.h>

#include "loader/operand.h"
#include "loader/symbols.h"
#include "product/product_search.h"
#include "product/product_symbols.h"

/* In what kernels a symbol is needed. */
enum need { IN_ALL, IN_SMP, NEVER };

/*
 * Symbols by their names only, so that nothing depends on the kernel's version. Data are in kallsyms with CONFIG_KALLSYMS_ALL, and exported
 * to modules with CONFIG_MODULES (i386). A kernel that has neither shows them in the code of functions, as far as these are in all kernels.
 */
static const struct symbol_row {
	const char *name;
	size_t place; /* in struct landmarks */
	enum need need;
	const char *function; /* whose code has the address, in its first operand of that kind; or NULL */
	enum operand_form operand;
} rows[] = {
	{"__per_cpu_offset", offsetof(struct landmarks, per_cpu_offset), IN_SMP, "idle_cpu", OPERAND_TABLE},
	{"jiffies_64", offsetof(struct landmarks, jiffies), IN_ALL, "do_timer", OPERAND_VARIABLE},
	/* exported: the kernel is understood without them */
	{"this_cpu_off", offsetof(struct landmarks, this_cpu_off), NEVER, NULL, 0},
	{"nr_cpu_ids", offsetof(struct landmarks, nr_cpu_ids), NEVER, NULL, 0},
	{"__num_online_cpus", offsetof(struct landmarks, online), NEVER, NULL, 0},
	{"__cpu_online_mask", offsetof(struct landmarks, online_mask), NEVER, NULL, 0},
	/* not exported */
	{"init_top_pgt", offsetof(struct landmarks, root), NEVER, NULL, 0},
	{"last_jiffies_update", offsetof(struct landmarks, last_tick), NEVER, NULL, 0},
};

static struct error *find_banner(const struct kernel_image *kernel, struct landmarks *ret)
{
	for (unsigned i = 0; i < kernel->segments; i++) {
		const struct kernel_segment *segment = &kernel->segment[i];
		const uint8_t *start = kernel->elf + segment->offset, *found = banner_search(start, segment->file_size, &ret->banner);

		if (found) {
			ret->banner_at = segment->vaddr + (found - start);
			return NULL;
		}
	}
	return error_create("the kernel image has no banner (\"Linux version ...\"): is it Linux?");
}

static bool find_symbol(const struct symbol_row *row, const struct symbols *symbols, const struct view *view, uint64_t *ret)
{
	uint64_t function;

	if (symbols_address(symbols, row->name, ret))
		return true;
	*ret = 0;
	return row->function && symbols_address(symbols, row->function, &function) && operand_find(view, function, row->operand, ret);
}

static struct error *find_symbols(const struct symbols *symbols, const struct view *view, struct landmarks *ret)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool needed = rows[i].need == IN_ALL || (rows[i].need == IN_SMP && ret->smp);
		uint64_t address = 0;

		if (!find_symbol(&rows[i], symbols, view, &address) && needed)
			return error_create("the kernel does not tell where %s is: it is built without CONFIG_KALLSYMS_ALL and "
					    "CONFIG_MODULES, and %s() does not show it either",
					    rows[i].name, rows[i].function);
		memcpy((char *)ret + rows[i].place, &address, sizeof(address));
	}
	return NULL;
}

/* The initial value of a variable. */
static struct error *find_value(const struct view *view, uint64_t address, unsigned size, const char *name, uint64_t *ret)
{
	const uint8_t *value = view_bytes(view, address, size);

	if (!value)
		return error_create("the kernel image has no initial value of %s", name);
	*ret = 0;
	memcpy(ret, value, size);
	return NULL;
}

static struct error *find_values(const struct view *view, struct landmarks *ret)
{
	struct error *err = find_value(view, ret->jiffies, 8, "jiffies_64", &ret->jiffies_at_boot);

	if (err || !ret->smp)
		return err;
	return find_value(view, ret->per_cpu_offset, view->pointer_size, "__per_cpu_offset", &ret->per_cpu_at_boot);
}

struct error *landmarks_of(const struct kernel_image *kernel, struct landmarks *ret)
{
	struct symbols symbols = {0};
	struct error *err;
	struct view view;

	*ret = (struct landmarks){
		.x86_64 = kernel->arch == KERNEL_X86_64,
		.link_base = kernel->link_base,
		.link_paddr = kernel->segment[0].paddr,
		.size = kernel_image_extent(kernel),
		.alignment = kernel->setup.alignment,
	};
	view_of_kernel(kernel, &view);
	err = find_banner(kernel, ret);
	if (!err)
		err = symbols_open_kernel(kernel, 0, &symbols);
	ret->smp = banner_is_smp(&ret->banner);
	if (!err)
		err = find_symbols(&symbols, &view, ret);
	if (!err)
		err = find_values(&view, ret);
	if (!err)
		runtime_constants_locate(&view, &symbols, &ret->constants);
	symbols_close(&symbols);
	return err;
}

/* -- out of the kernel's own memory -- */

/*
 * loops_per_jiffy is how many cycles of the TSC a tick takes, where the TSC's rate was known at boot (init/calibrate.c: lpj_fine).
 * Otherwise it fits none of the rates that kernels are built with. 0: unknown.
 */
static unsigned find_hz(const struct product *product, const struct symbols *symbols)
{
	static const unsigned rates[] = {100, 250, 300, 1000};
	uint64_t loops_at, khz_at, loops = 0, khz = 0;

	if (!symbols_address(symbols, "loops_per_jiffy", &loops_at) || !symbols_address(symbols, "tsc_khz", &khz_at) ||
	    !product_read(product, loops_at, &loops, product->x86_64 ? 8 : 4) || !product_read(product, khz_at, &khz, 4) || !loops)
		return 0;
	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t wanted = khz * 1000 / rates[i];

		if (loops - wanted + wanted / 50 <= wanted / 25) /* a fiftieth more or less: the TSC's rate was refined afterwards */
			return rates[i];
	}
	return 0;
}

struct error *landmarks_of_product(const struct product *product, const struct symbols *symbols, const struct view *view,
				   struct landmarks *ret)
{
	unsigned hz = find_hz(product, symbols);

	*ret = (struct landmarks){
		.banner = product->banner,
		.x86_64 = product->x86_64,
		.smp = banner_is_smp(&product->banner),
		.link_base = product->vbase,
		.link_paddr = product->pbase,
		.size = product->x86_64 ? symbols->end - product->vbase : IMAGE_SPAN,
		.alignment = PMD_SIZE,
		.banner_at = product->vbase + (product->banner_paddr - product->pbase),
		.jiffies_at_boot = hz ? -(uint32_t)(300 * hz) : 0,
	};
	symbols_address(symbols, "__per_cpu_load", &ret->per_cpu_at_boot);
	return find_symbols(symbols, view, ret);
}
