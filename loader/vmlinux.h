/* The vmlinux ELF file: segments, entry point, and where the file ends. */
#ifndef XRAY86_LOADER_VMLINUX_H
#define XRAY86_LOADER_VMLINUX_H

#include "loader/kernel_image.h"

/* Fills in arch, segments, entry and bases. Splits [data, data + size) into the ELF file and the relocations. */
struct error *vmlinux_parse(const uint8_t *data, size_t size, struct kernel_image *ret);

#endif
