/*
 * Multiboot images (Multiboot Specification version 0.6.96): kernels that carry a header in their first 8192 bytes.
 *
 * multiboot_parse() is pure and takes hostile bytes. It makes a list of segments: their file parts are within the file, they do not
 * overlap, and the entry point is in one of them. multiboot_load() puts them, the modules and the boot information into a machine's memory,
 * and its CPU at the entry point.
 *
 * 32- and 64-bit ELF files are loaded by their physical addresses. The state at the entry is 32-bit protected mode for both.
 */
#ifndef XRAY86_LOADER_MULTIBOOT_H
#define XRAY86_LOADER_MULTIBOOT_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct machine;

enum { MULTIBOOT_MAX_SEGMENTS = 64 };

struct multiboot_segment {
	uint64_t offset, file_size; /* in the file */
	uint64_t paddr, memory_size;
};

struct multiboot_image {
	uint32_t entry; /* physical */
	unsigned count;
	struct multiboot_segment segment[MULTIBOOT_MAX_SEGMENTS];
};

enum multiboot_header {
	MULTIBOOT_HEADER_NONE,
	MULTIBOOT_HEADER_OK,
	MULTIBOOT_HEADER_MISALIGNED, /* magic and checksum, but not aligned to 4 bytes */
	MULTIBOOT_HEADER_CHECKSUM,   /* magic without the checksum */
};

/* Searches for the header. Sets *ret_offset unless there is none. */
enum multiboot_header multiboot_find_header(const uint8_t *data, size_t size, size_t *ret_offset);

struct error *multiboot_parse(const uint8_t *data, size_t size, struct multiboot_image *ret);

struct multiboot_module {
	const uint8_t *data;
	size_t size;
	const char *string; /* its "command line" */
};

struct multiboot_boot {
	const char *command_line;
	const struct multiboot_module *module;
	unsigned modules;
};

/* data is the file that image was parsed from. */
struct error *multiboot_load(struct machine *machine, const uint8_t *data, const struct multiboot_image *image,
			     const struct multiboot_boot *boot);

#endif
