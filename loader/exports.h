/*
 * What a kernel exports to its modules: __ksymtab and, up to 7.1, __ksymtab_gpl, tables of struct kernel_symbol
 * (include/linux/export-internal.h). An entry has the value and the name, and from 5.4 on the namespace's name: from 4.19 on as 32-bit
 * offsets, each from its own place, before as pointers. Which of these forms a table has is told by its names. They help where kallsyms
 * has no data symbols: Debian's i386 kernels are built without CONFIG_KALLSYMS_ALL.
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
		unsigned form; /* exports_clip() finds it */
	} range[EXPORTS_MAX_RANGES];
};

/* Finds them by the symbols __start___ksymtab and so on. */
void exports_locate_by_symbols(const struct kallsyms *table, struct export_ranges *ret);
/* Finds them by the section headers of a kernel's ELF file, for kernels that lack those symbols. */
void exports_locate_by_sections(const struct kernel_image *kernel, struct export_ranges *ret);
/* Finds them by what they are, where nothing names them: the memory of a kernel without data in kallsyms. */
void exports_locate_by_structure(const struct view *view, struct export_ranges *ret);

/* Finds the forms. Drops ranges that have none, that are outside of the view, or that are larger than any kernel's. */
void exports_clip(const struct view *view, struct export_ranges *ranges);
/* How many entries the ranges have. */
size_t exports_count(const struct view *view, const struct export_ranges *ranges);
/* Reads an entry, with type D. Returns false if a part of it is outside of the view, or if its name is none. */
bool exports_get(const struct view *view, const struct export_ranges *ranges, size_t index, struct symbol *ret);

#endif
