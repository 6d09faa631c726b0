/*
 * The trusted VM of a session: a booted trusted kernel with its agent, at the point where the agent waits for a command. It comes from a
 * checkpoint in the user's cache directory, or is booted and leaves one there. Each command has a machine of its own that begins at that
 * point.
 */
#ifndef XRAY86_SESSION_TRUSTED_VM_H
#define XRAY86_SESSION_TRUSTED_VM_H

#include "session/cache.h"
#include "session/progress.h"
#include "session/target.h"
#include "session/trusted_kernel.h"
#include "util/note.h"

/* For one command. */
struct trusted_machine {
	struct machine *machine;
	struct symbols symbols; /* read out of the machine's memory */
};

/* A zeroed one is allowed. */
void trusted_machine_close(struct trusted_machine *machine);

struct trusted_vm {
	struct trusted_kernel kernel;
	struct checkpoint *checkpoint; /* NULL: there are no more machines than `ready` */
	struct trusted_machine ready;  /* the first command's; zeroed: it has it */
};

struct trusted_vm_options {
	uint64_t memory;           /* bytes; 0: as the kernel needs */
	const struct cache *cache; /* an empty one: neither look for a checkpoint nor leave one */
	bool once;                 /* there will be one command: nothing need be kept for more */
	struct cancel cancel;      /* of booting */
	struct notes notes;
	struct progress_watcher progress;
	/* Asked when the snapshot's kernel is known and nothing has been booted for it: an error ends trusted_vm_open(). */
	struct error *(*identified)(void *opaque, const struct product *product);
	void *opaque;
};

/*
 * A VM for the kernel in the target's snapshot, which is open: fills in the target's product, too. sources: where to look for the kernel's
 * image, if there is no checkpoint. trusted_vm_close() in any case.
 */
struct error *trusted_vm_open(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			      struct trusted_vm *ret);
/* Another machine at that point, the caller's. Its hypercalls are answered by nobody yet (courier_init()). */
struct error *trusted_vm_start(struct trusted_vm *vm, struct trusted_machine *ret);
/* A zeroed one is allowed. Machines that were started stay. */
void trusted_vm_close(struct trusted_vm *vm);

#endif
