/* Landmarks of a kernel image: see landmarks.h. */
#include "redirect/landmarks.h"

#include <stddef.h>
#include <string.h>

#include "loader/ksymtab.h"

static const struct symbol_row {
	const char *name;
	size_t place; /* in struct landmarks */
} symbols[] = {
	{"__per_cpu_offset", offsetof(struct landmarks, per_cpu_offset)},
	{"this_cpu_off", offsetof(struct landmarks, this_cpu_off)},
	{"nr_cpu_ids", offsetof(struct landmarks, nr_cpu_ids)},
	{"__num_online_cpus", offsetof(struct landmarks, online)},
	{"jiffies_64", offsetof(struct landmarks, jiffies)},
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

static struct error *find_symbols(const struct kernel *kernel, struct landmarks *ret)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		uint64_t address = ksymtab_find(kernel, symbols[i].name);

		if (!address)
			return error_create(
				"the kernel image does not export %s: xray86 needs one that is built for several CPUs and modules",
				symbols[i].name);
		memcpy((char *)ret + symbols[i].place, &address, sizeof(address));
	}
	return NULL;
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
		err = find_symbols(kernel, ret);
	if (err)
		return err;
	jiffies = kernel_bytes(kernel, ret->jiffies, &size);
	if (!jiffies || size < sizeof(ret->jiffies_at_boot))
		return error_create("the kernel image has no initial value of jiffies_64");
	memcpy(&ret->jiffies_at_boot, jiffies, sizeof(ret->jiffies_at_boot));
	return NULL;
}
