/*
 * The trusted VM of a session: a booted trusted kernel with its agent, at the point where the agent waits for a command. It comes from a
 * checkpoint in the user's cache directory, or boots and leaves one there. Each command has a machine of its own, which begins at that
 * point.
 */
#ifndef XRAY86_SESSION_TRUSTED_VM_H
#define XRAY86_SESSION_TRUSTED_VM_H

#include "session/cache.h"
#include "session/progress.h"
#include "session/target.h"
#include "session/trusted_kernel.h"
#include "util/note.h"

/* Which kernel it may be. */
enum trusted_choice {
	TRUSTED_SAME,  /* one of the snapshot's build */
	TRUSTED_ANY,   /* or another one, if the image of that is not here */
	TRUSTED_GIVEN, /* the same, and sources->file may be another one, too */
};

struct trusted_vm {
	struct trusted_kernel kernel;
	struct error *lack;            /* NULL: the kernel is of the snapshot's build. Otherwise why it is another one, at another place */
	struct checkpoint *checkpoint; /* where machines begin; NULL: there is one machine */
	struct machine *machine;       /* symbols are read from its memory. With `once` it runs the command; otherwise it never runs */
	struct symbols symbols;
	bool once, used; /* used: the only machine has run */
};

struct trusted_vm_options {
	enum trusted_choice choice;
	uint64_t memory;           /* bytes; 0: as the kernel needs */
	const struct cache *cache; /* an empty cache: neither look for a checkpoint nor leave one */
	bool once;                 /* there will be one command, so nothing has to be kept for more */
	struct cancel cancel;      /* stops booting */
	struct notes notes;
	struct progress_watcher progress;
	/* Called when the snapshot's kernel is known, before anything boots for it. An error ends trusted_vm_open(). */
	struct error *(*identified)(void *opaque, const struct product *product);
	void *opaque;
};

/*
 * Makes a VM for the kernel in the target's snapshot, which must be open, and fills in the target's product, too. `sources` says where to
 * search the kernel's image, if there is no checkpoint. Call trusted_vm_close() in any case.
 *
 * Another kernel runs the command's own half alone. It stands where it is linked, and its processor has the snapshot's paging levels. Then
 * the target has the symbols of the snapshot's kernel out of its memory.
 */
struct error *trusted_vm_open(struct target *target, const struct kernel_sources *sources, const struct trusted_vm_options *options,
			      struct trusted_vm *ret);
/* Makes another machine at that point. Nobody answers its hypercalls yet (courier_init()). trusted_vm_end() takes it back. */
struct error *trusted_vm_start(struct trusted_vm *vm, struct machine **ret);
/* NULL is allowed. */
void trusted_vm_end(struct trusted_vm *vm, struct machine *machine);
/* A zeroed one is allowed. All machines must have been taken back. */
void trusted_vm_close(struct trusted_vm *vm);

#endif
