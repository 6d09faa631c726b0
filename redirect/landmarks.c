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
	err = kallsyms_find(&view, &table);
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

/* The initial value of a variable. */
static struct error *find_value(const struct kernel *kernel, uint64_t address, unsigned size, const char *name, uint64_t *ret)
{
	size_t room;
	const uint8_t *value = kernel_bytes(kernel, address, &room);

	if (!value || room < size)
		return error_create("the kernel image has no initial value of %s", name);
	*ret = 0;
	memcpy(ret, value, size);
	return NULL;
}

struct error *landmarks_of(const struct kernel *kernel, struct landmarks *ret)
{
	struct error *err;

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
	if (!err)
		err = find_value(kernel, ret->jiffies, 8, "jiffies_64", &ret->jiffies_at_boot);
	if (!err)
		err = find_value(kernel, ret->per_cpu_offset, ret->x86_64 ? 8 : 4, "__per_cpu_offset", &ret->per_cpu_at_boot);
	if (!err)
		find_internal(kernel, ret);
	return err;
}
