/*
 * Puts a Linux kernel into a machine: the last step of a boot loader, by the 32- or 64-bit boot protocol. It starts the vmlinux inside the
 * bzImage, since kernel_image_open() and kernel_image_relocate() have done the work of the bzImage's decompressor.
 *
 * Physical memory: boot parameters, GDT, page tables and command line are between 64 KiB and 640 KiB. The kernel is at the physical address
 * that it was linked for (i386: at the one that goes with its virtual base). The initial ramdisk is at the end of the memory that it may
 * use.
 */
#ifndef XRAY86_LOADER_LINUX_BOOT_H
#define XRAY86_LOADER_LINUX_BOOT_H

#include "emu/machine.h"
#include "loader/kernel_image.h"

/* A file of the initial ramdisk: a cpio archive, compressed or not. The kernel unpacks one after the other. */
struct linux_initrd {
	const uint8_t *data;
	size_t size;
};

struct linux_boot {
	const char *command_line;
	const struct linux_initrd *initrd;
	unsigned initrds;
};

/* Leaves the CPU at the kernel's entry point. */
struct error *linux_boot(struct machine *machine, const struct kernel_image *kernel, const struct linux_boot *boot);

#endif
