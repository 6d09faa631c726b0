/*
 * Proves modules of the product when a call first needs their code. A module is proven if a file of it, which is not the product's, has the
 * build ID that is in the product's memory, and can be linked at the addresses where the product's kernel has loaded it: symbols are those
 * that the kernel and other proven modules export. From then on what runs is the file's code, and its constant data are the file's. So it
 * does not matter what the product's bytes are. If they differ where the kernel does not patch them, a note tells of a hook.
 */
#ifndef XRAY86_REDIRECT_PROOF_H
#define XRAY86_REDIRECT_PROOF_H

#include "redirect/constant_data.h"
#include "redirect/module_addresses.h"

/* Knows files of modules. */
struct module_supplier {
	/* Opens file number n of the module's name. *ret is NULL without an error if there are no more. */
	struct error *(*open)(void *opaque, const char *name, size_t n, struct module **ret);
	void *opaque;
};

struct proof {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct modules *modules;
	struct constant_data *constants;
	struct module_addresses addresses;
	const struct module_supplier *supplier; /* NULL: there are none */
	const struct notes *notes;

	/* -- its state -- */
	bool busy;
};

/* Between calls: proves the modules that are wanted, as far as they can be. Returns whether there were any. */
bool proof_of_wanted(struct proof *proof);

#endif
