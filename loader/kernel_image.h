/*
 * A Linux kernel from a file, ready to be placed in memory. The file is an unmodified bzImage, or the vmlinux that is inside one.
 *
 * kernel_image_open() is pure and takes hostile bytes. Afterwards the file parts of all segments are within `elf`; segments are at most as
 * large in the file as in memory, do not wrap and do not overlap; the entry point is in one of them; and the relocations follow `elf`.
 * kernel_image_relocate() changes the copy in memory.
 *
 * x86-64: addresses of the image are __START_KERNEL_map (ffffffff80000000h) + physical. The virtual and the physical place are independent.
 * i386: addresses are PAGE_OFFSET + physical, and the two places go together.
 */
#ifndef XRAY86_LOADER_KERNEL_IMAGE_H
#define XRAY86_LOADER_KERNEL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

enum kernel_arch { KERNEL_I386, KERNEL_X86_64 };

enum { KERNEL_MAX_SEGMENTS = 32 };

/* A PT_LOAD, as linked. The per-CPU data of x86-64 up to 6.12 are a segment at vaddr 0. */
struct kernel_segment {
	uint64_t offset, file_size; /* in the ELF file */
	uint64_t vaddr, paddr, memory_size;
};

/* The parts of the setup header that loaders need (Documentation/arch/x86/boot.rst), and its bytes for boot_params. */
enum { SETUP_HEADER_AT = 0x1f1, SETUP_HEADER_MAX = 0x290 - SETUP_HEADER_AT /* boot_params has other things from there on */ };
enum { XLF_KERNEL_64 = 1 << 0, XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1, XLF_5LEVEL_ENABLED = 1 << 6 };
struct kernel_setup {
	uint16_t version; /* of the boot protocol: 20fh is 2.15. 0: a bare vmlinux, without a header; the other members are defaults */
	uint16_t xloadflags;
	uint32_t alignment;       /* kernel_alignment: CONFIG_PHYSICAL_ALIGN */
	uint32_t init_size;       /* memory needed from the load address on */
	uint32_t cmdline_size;    /* longest command line, without the final 0 */
	uint32_t initrd_addr_max; /* the last address that the initial ramdisk may occupy */
	uint16_t size;
	uint8_t bytes[SETUP_HEADER_MAX]; /* from 1f1h on */
};

struct kernel_image {
	enum kernel_arch arch;
	const uint8_t *elf; /* the vmlinux; relocated in place by kernel_image_relocate() */
	size_t elf_size;
	const uint8_t *relocations; /* behind the ELF file, or NULL */
	size_t relocation_size;
	struct kernel_setup setup;
	unsigned segments;
	struct kernel_segment segment[KERNEL_MAX_SEGMENTS]; /* by ascending paddr */
	uint64_t entry;                                     /* physical, as linked */
	uint64_t link_base;                                 /* virtual address of the lowest segment, as linked */
	uint64_t base;                                      /* virtual address that it has now */
	uint8_t *owned;                                     /* memory that elf is in, unless that is the file's; or NULL */
};

/* data must outlive *ret, whose elf may be inside of it. */
struct error *kernel_image_open(const uint8_t *data, size_t size, struct kernel_image *ret);
/* A zeroed struct kernel_image is allowed. */
void kernel_image_close(struct kernel_image *kernel);

/*
 * Moves the kernel to another virtual base, which must be one that KASLR could have chosen. On i386 its physical place moves, too.
 * After an error only kernel_image_close() may be called.
 */
struct error *kernel_image_relocate(struct kernel_image *kernel, uint64_t base);

/* Bytes from the lowest segment's start to the highest one's end, in memory. */
uint64_t kernel_image_extent(const struct kernel_image *kernel);

#endif
