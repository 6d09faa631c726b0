/*
 * Linux' boot parameters, the "zero page" (Documentation/arch/x86/zero-page.rst): what a boot loader tells the kernel.
 */
#ifndef XRAY86_LOADER_BOOT_PARAMS_H
#define XRAY86_LOADER_BOOT_PARAMS_H

#include "emu/machine.h"
#include "loader/kernel_image.h"

enum { BOOT_PARAMS_SIZE = 4096 };

struct boot_values {
	uint64_t initrd, initrd_size;
	uint32_t command_line; /* address of the string */
};

/* Fills a page for this kernel in this machine. */
void boot_params_build(uint8_t page[BOOT_PARAMS_SIZE], const struct machine *machine, const struct kernel_setup *setup,
		       const struct boot_values *values);

#endif
