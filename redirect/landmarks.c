/* Landmarks of a kernel image: see landmarks.h. */
#include "redirect/landmarks.h"

#include <stddef.h>
#include <string.h>

#include "loader/kallsyms.h"
#include "loader/ksymtab.h"

static const struct symbol_row {
	const char *name;
	size_t place; /* in struct landmarks */
} exported[] = {
	{"__per_cpu_offset", offsetof(struct landmarks, per_cpu_offset)},
	{"this_cpu_off", offsetof(struct landmarks, this_cpu_off)},
	{"nr_cpu_ids", offsetof(struct landmarks, nr_cpu_ids)},
	{"__num_online_cpus", offsetof(struct landmarks, online)},
	{"jiffies_64", offsetof(struct landmarks, jiffies)},
};

/* These are not, and do without. */
static const struct symbol_row internal[] = {
	{"init_top_pgt", offsetof(struct landmarks, root)},
	{"last_jiffies_update", offsetof(struct landmarks, last_tick)},
};

static struct error *find_banner(const struct kernel *kernel, struct landmarks *ret)
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

static void set(struct landmarks *landmarks, const struct symbol_row *row, uint64_t address)
{
	memcpy((char *)landmarks + row->place, &address, sizeof(address));
}

static struct error *find_exported(const struct kernel *kernel, struct landmarks *ret)
{
	for (size_t i = 0; i < sizeof(exported) / sizeof(exported[0]); i++) {
		uint64_t address = ksymtab_find(kernel, exported[i].name);

		if (!address)
			return error_create(
				"the kernel image does not export %s: xray86 needs one that is built for several CPUs and modules",
				exported[i].name);
		set(ret, &exported[i], address);
	}
	return NULL;
}

static void find_internal(const struct kernel *kernel, struct landmarks *ret)
{
	struct kallsyms table;
	struct error *err;
	struct view view;

	view_of_kernel(kernel, &view);
	err = kallsyms_find(&view, 0, &table);
	if (err) {
		error_destroy(err); /* a kernel without kallsyms */
		return;
	}
	for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++) {
		struct kallsyms_cursor cursor = {0};
		struct symbol symbol;

		if (kallsyms_next_named(&table, &cursor, internal[i].name, &symbol))
			set(ret, &internal[i], symbol.address);
	}
}

struct error *landmarks_of(const struct kernel *kernel, struct landmarks *ret)
{
	struct error *err;
	const uint8_t *jiffies;
	size_t size;

	*ret = (struct landmarks){
		.x86_64 = kernel->arch == KERNEL_X86_64,
		.link_base = kernel->link_base,
		.link_paddr = kernel->segment[0].paddr,
		.size = kernel_extent(kernel),
		.alignment = kernel->setup.alignment,
	};
	err = find_banner(kernel, ret);
	if (!err)
		err = find_exported(kernel, ret);
	if (err)
		return err;
	find_internal(kernel, ret);
	jiffies = kernel_bytes(kernel, ret->jiffies, &size);
	if (!jiffies || size < sizeof(ret->jiffies_at_boot))
		return error_create("the kernel image has no initial value of jiffies_64");
	memcpy(&ret->jiffies_at_boot, jiffies, sizeof(ret->jiffies_at_boot));
	return NULL;
}
