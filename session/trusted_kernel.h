/* All about the trusted VM's kernel that is needed once it runs: plain data, kept in the checkpoint, so that the image need not be opened
 * again. */
#ifndef XRAY86_SESSION_TRUSTED_KERNEL_H
#define XRAY86_SESSION_TRUSTED_KERNEL_H

#include "emu/machine.h"
#include "session/checkpoint.h"
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
};

/* The key of a checkpoint: all that it depends on. To be freed; NULL: out of memory. */
char *trusted_kernel_key(const struct trusted_kernel *kernel);

/* Reads what is kept in a checkpoint. False: it is none that this program saves (counts, texts, values); *ret must not be looked at. */
bool trusted_kernel_read(const struct checkpoint *checkpoint, struct trusted_kernel *ret);

/* Its symbols, out of the memory of the machine that it runs in. The error says what does not fit the memory. */
struct error *trusted_kernel_symbols(const struct trusted_kernel *kernel, const struct machine *machine, struct symbols *ret);

#endif
