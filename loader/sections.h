/* Sections of a kernel's ELF file, by its section headers. Hostile headers find nothing, or a section that the file does not have. */
#ifndef XRAY86_LOADER_SECTIONS_H
#define XRAY86_LOADER_SECTIONS_H

#include "loader/kernel_image.h"

/* The first section of this name that is not empty, at the image's base (section headers are not relocated). */
bool kernel_image_find_section(const struct kernel_image *kernel, const char *name, uint64_t *ret_start, uint64_t *ret_end);

#endif
