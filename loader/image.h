/* Tells by its content what a file is that shall be booted. */
#ifndef XRAY86_LOADER_IMAGE_H
#define XRAY86_LOADER_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum image_kind {
	IMAGE_UNKNOWN,
	IMAGE_EMPTY,
	IMAGE_MULTIBOOT,
	IMAGE_MULTIBOOT2,
	IMAGE_LINUX_BZIMAGE, /* the setup header of Linux' x86 boot protocol */
	IMAGE_ELF,           /* an ELF file without a multiboot header: a vmlinux, or a program */
	IMAGE_COMPRESSED,
	IMAGE_BOOT_SECTOR,
	IMAGE_COUNT
};

enum image_kind image_detect(const uint8_t *data, size_t size);
/* In words, for messages: "a Linux kernel (bzImage)". */
const char *image_kind_name(enum image_kind kind);

#endif
