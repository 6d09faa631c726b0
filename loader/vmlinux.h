/* The vmlinux ELF file: segments, entry point, and where the file ends. */
#ifndef XRAY86_LOADER_VMLINUX_H
#define XRAY86_LOADER_VMLINUX_H

#include "loader/kernel_image.h"

/* Fills in arch, segments, entry and bases, and splits [data, data + size) into ELF file and relocations. */
struct error *vmlinux_parse(const uint8_t *data, size_t size, struct kernel_image *ret);

#endif
