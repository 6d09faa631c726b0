/*
 * Where constant data are in an image whose kernel does not name them: Debian's i386 kernels have no data symbols in kallsyms.
 *
 * The section .rodata begins with them. Within it are, too, the data that are read-only only after initialisation (RO_AFTER_INIT_DATA of
 * include/asm-generic/vmlinux.lds.h), which end with the table of jump labels. Their start has no mark. A boot writes to them, though, and
 * to nothing else of the section: so they begin at the first word that a boot has changed, or before it.
 */
#ifndef XRAY86_LOADER_RODATA_H
#define XRAY86_LOADER_RODATA_H

#include "loader/kernel_image.h"
#include "loader/view.h"

/* start <= changed <= end; all 0: not known. */
struct rodata {
	uint64_t start, end; /* of the section */
	uint64_t changed;    /* the first word that the boot has changed; `end`: none */
};

/* Finds the section by the headers of the ELF file, at the image's base. Nothing counts as changed. */
void rodata_locate(const struct kernel_image *kernel, struct rodata *ret);
/* Finds what the boot has changed. Both views are of the same kernel at the same base. Where bytes are missing, nothing is known. */
void rodata_compare(struct rodata *rodata, const struct view *image, const struct view *booted);

#endif
