/*
 * Runtime constants: immediates in the code of x86-64 kernels, from 6.11 on, that the kernel fills in at boot, such as the address of the
 * dentry hash table (arch/x86/include/asm/runtime-const.h). The sections runtime_ptr_NAME, runtime_shift_NAME and runtime_mask_NAME list
 * their places as 32-bit offsets, each from its own place. The kernel frees the lists after boot, so they are read from the image.
 */
#ifndef XRAY86_LOADER_RUNTIME_CONSTANTS_H
#define XRAY86_LOADER_RUNTIME_CONSTANTS_H

#include "loader/symbols.h"
#include "loader/view.h"

enum { RUNTIME_CONSTANTS_MAX = 256 };

struct runtime_constants {
	unsigned count;
	struct runtime_constant {
		uint64_t address; /* of the immediate */
		unsigned size;    /* of the immediate, in bytes */
	} constant[RUNTIME_CONSTANTS_MAX];
};

/* Finds those that depend on the machine's memory (USER_PTR_MAX depends on the processor instead). Older kernels have none. */
void runtime_constants_locate(const struct view *view, const struct symbols *symbols, struct runtime_constants *ret);

#endif
