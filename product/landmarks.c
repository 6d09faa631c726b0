/* Landmarks of a kernel image: see landmarks.h. */
#include "product/landmarks.h"

#include <stddef.h>
#include <string.h>

#include "loader/symbols.h"

/* Symbols by their names only, so that nothing depends on the kernel's version. */
static const struct symbol_row {
	const char *name;
	size_t place; /* in struct landmarks */
	bool optional;
} rows[] = {
	/* exported to modules, so that kernels without data in kallsyms (i386) have them too */
	{"__per_cpu_offset", offsetof(struct landmarks, per_cpu_offset), false},
	{"this_cpu_off", offsetof(struct landmarks, this_cpu_off), false},
	{"nr_cpu_ids", offsetof(struct landmarks, nr_cpu_ids), false},
	{"__num_online_cpus", offsetof(struct landmarks, online), false},
	{"jiffies_64", offsetof(struct landmarks, jiffies), false},
	/* not exported: the kernel is understood without them */
	{"init_top_pgt", offsetof(struct landmarks, root), true},
	{"last_jiffies_update", offsetof(struct landmarks, last_tick), true},
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

static struct error *find_symbols(const struct symbols *symbols, struct landmarks *ret)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t address = 0;

		if (!symbols_address(symbols, rows[i].name, &address) && !rows[i].optional)
			return error_create(
				"the kernel image does not tell where %s is: xray86 needs one that is built for several CPUs and modules",
				rows[i].name);
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

	return err ? err : find_value(view, ret->per_cpu_offset, view->pointer_size, "__per_cpu_offset", &ret->per_cpu_at_boot);
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
	err = find_banner(kernel, ret);
	if (!err)
		err = symbols_open_kernel(kernel, 0, &symbols);
	if (!err)
		err = find_symbols(&symbols, ret);
	view_of_kernel(kernel, &view);
	if (!err)
		err = find_values(&view, ret);
	if (!err)
		runtime_constants_locate(&view, &symbols, &ret->constants);
	symbols_close(&symbols);
	return err;
}
