/*
 * What is needed of the trusted VM's kernel once it runs. It is plain data and kept in the checkpoint, so that nobody has to open the image
 * again.
 */
#ifndef XRAY86_SESSION_TRUSTED_KERNEL_H
#define XRAY86_SESSION_TRUSTED_KERNEL_H

#include "emu/machine.h"
#include "session/checkpoint.h"
#include "loader/rodata.h"
#include "loader/symbols.h"
#include "product/landmarks.h"

struct trusted_kernel {
	struct landmarks landmarks;
	uint64_t base, memory;
	bool five_level; /* its processor has 5-level paging; the kernel's code is patched for it, so this must be as in the snapshot */
	uint32_t pieces;
	struct {
		uint64_t vaddr, paddr, size;
	} piece[KERNEL_MAX_SEGMENTS];
	struct export_ranges exports; /* at that base */
	struct rodata rodata;         /* likewise */
};

/* The key of a checkpoint: all on which it depends. The caller frees it. NULL: out of memory. */
char *trusted_kernel_key(const struct trusted_kernel *kernel);

/* Reads it from a checkpoint. Returns false if this program would not save such counts, texts and values; *ret is undefined then. */
bool trusted_kernel_read(const struct checkpoint *checkpoint, struct trusted_kernel *ret);

/* Finds what its boot has changed of `image`, which is at the same base, in the read-only data. */
void trusted_kernel_compare(struct trusted_kernel *kernel, const struct kernel_image *image, const struct machine *machine);

/* Reads its symbols from the memory of the machine in which it runs. The error says what does not fit the memory. */
struct error *trusted_kernel_symbols(const struct trusted_kernel *kernel, const struct machine *machine, struct symbols *ret);

#endif
