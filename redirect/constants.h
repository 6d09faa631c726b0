/*
 * Runtime constants (loader/runtime_constants.h) in product context. The trusted kernel's code holds the addresses of its own tables; the
 * product's code holds those of the product's tables in the same places.
 */
#ifndef XRAY86_REDIRECT_CONSTANTS_H
#define XRAY86_REDIRECT_CONSTANTS_H

#include "loader/runtime_constants.h"
#include "redirect/worlds.h"

struct constants {
	/* -- filled in by the owner -- */
	struct worlds *worlds;

	/* -- its state -- */
	struct constant_site *site;
	unsigned sites;
};

/* `linked` are the constants of the product's kernel as linked (NULL: none); the kernel is `shift` bytes above that. */
struct error *constant_mark(struct constants *constants, const struct runtime_constants *linked, uint64_t shift);
void constant_deinit(struct constants *constants);

#endif
