/* Gets the image and the modules of a snapshot's kernel out of its distribution's packages, into the user's cache (session/kernel_store.h).
 */
#ifndef XRAY86_CLI_KERNEL_GET_H
#define XRAY86_CLI_KERNEL_GET_H

#include <stdbool.h>
#include <stddef.h>

#include "loader/banner.h"
#include "loader/kernel_packages.h"
#include "util/error.h"

struct kernel_get {
	const struct banner *banner;
	const struct kernel_packages *packages; /* NULL: of no known distribution */
	char *const *file;                      /* packages that the user has */
	size_t files;                           /* 0: this machine's package manager downloads them */
	bool no_sandbox;
	bool *told; /* as in struct confined */
};

/*
 * Packages are unpacked by a process with few privileges, which also looks whether the image's banner is the snapshot's. Nothing is kept
 * otherwise. The caller frees *ret_image, the path of the image in the cache. Prints notes, and what the package manager prints, to
 * standard error.
 */
struct error *kernel_get(const struct kernel_get *get, char **ret_image);

#endif
