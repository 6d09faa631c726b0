/*
 * The symbols that a kernel exports to its modules (EXPORT_SYMBOL: include/linux/export.h), out of its image. Unlike kallsyms they include
 * data on every kernel that has modules.
 */
#ifndef XRAY86_LOADER_KSYMTAB_H
#define XRAY86_LOADER_KSYMTAB_H

#include "loader/kernel.h"

/* The address that `name` has in the image as it is (linked, or relocated); 0: it is not exported, or the tables make no sense. */
uint64_t ksymtab_find(const struct kernel *kernel, const char *name);

/*
 * The bytes of the image from virtual address vaddr on, and how many are in the file; NULL: none. (For per-CPU data of x86-64 up to 6.12,
 * which is linked at 0, these are the initial values.)
 */
const uint8_t *kernel_bytes(const struct kernel *kernel, uint64_t vaddr, size_t *ret_size);

#endif
