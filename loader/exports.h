/*
 * What a kernel exports to its modules: __ksymtab and, up to 7.1, __ksymtab_gpl, tables of struct kernel_symbol
 * (include/linux/export-internal.h): three 32-bit offsets, each from its own place: to the value, to the name, to the namespace's name.
 * x86 kernels have had that form since 4.19. Of interest where kallsyms has no data: that needs CONFIG_KALLSYMS_ALL, which Debian's i386
 * kernels are built without.
 */
#ifndef XRAY86_LOADER_EXPORTS_H
#define XRAY86_LOADER_EXPORTS_H

#include "loader/kallsyms.h"
#include "loader/kernel_image.h"

enum { EXPORTS_MAX_RANGES = 2 };

/* Where the tables are. */
struct export_ranges {
	unsigned count;
	struct export_range {
		uint64_t start, end;
	} range[EXPORTS_MAX_RANGES];
};

/* By the symbols __start___ksymtab and so on. */
void exports_locate_by_symbols(const struct kallsyms *table, struct export_ranges *ret);
/* By the section headers of a kernel's ELF file, for kernels that lack those symbols. */
void exports_locate_by_sections(const struct kernel_image *kernel, struct export_ranges *ret);

/* Drops what is not in the view, or larger than any kernel's. */
void exports_clip(const struct view *view, struct export_ranges *ranges);
/* How many entries that makes. */
size_t exports_count(const struct export_ranges *ranges);
/* Tells the entry; false if not all of it is in the view, or its name is none. The type is D. */
bool exports_get(const struct view *view, const struct export_ranges *ranges, size_t index, struct symbol *ret);

#endif
