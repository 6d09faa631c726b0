/*
 * The trusted VM of a run: the machine with the booted trusted kernel and its agent, at the point where it waits for a command. It comes
 * from a checkpoint in the user's cache directory, or is booted and leaves one there.
 */
#ifndef XRAY86_SESSION_TRUSTED_VM_H
#define XRAY86_SESSION_TRUSTED_VM_H

#include "session/cache.h"
#include "session/courier.h"
#include "session/target.h"
#include "session/trusted_kernel.h"

struct trusted_vm {
	struct trusted_kernel kernel;
	struct machine *machine;
	struct courier *courier;
	struct symbols symbols; /* read out of the machine's memory */
	bool from_checkpoint;
};

struct trusted_vm_options {
	uint64_t memory;           /* bytes; 0: as the kernel needs */
	const struct cache *cache; /* an empty one: neither look for a checkpoint nor leave one */
	struct cancel cancel;      /* of booting */
	/* Asked when the snapshot's kernel is known and nothing has been booted for it: an error ends trusted_vm_open(). */
	struct error *(*identified)(void *opaque, const struct product *product);
	void *opaque;
};

/*
 * A VM for the kernel in the snapshot, which target_open() has opened; the kernel is identified on the way. The courier's agent has said
 * HYPERCALL_READY. sources: where to look for the kernel's image, if there is no checkpoint.
 */
struct error *trusted_vm_open(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			      struct courier *courier, struct trusted_vm *ret);
/* A zeroed one is allowed. */
void trusted_vm_close(struct trusted_vm *vm);

#endif
