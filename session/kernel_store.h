/*
 * Kernels that were unpacked from packages: in kernels/ of the user's cache directory a folder RELEASE-HASH (banner_name()) for each build,
 * with boot/, lib/modules/RELEASE/ and a file `banner`, which has the kernel's. kernel_find() finds them.
 *
 * A folder is made under another name, and gets its own when it is whole. Nothing waits for the disk: whoever uses a kernel looks at its
 * banner first, and at its modules' build IDs.
 */
#ifndef XRAY86_SESSION_KERNEL_STORE_H
#define XRAY86_SESSION_KERNEL_STORE_H

#include <stdbool.h>

#include "loader/banner.h"
#include "session/cache.h"

#define KERNEL_STORE "kernels" /* for cache_open_folder() */

/* Folders in a folder in which a kernel is being made: packages are downloaded into one, and unpacked into the other. */
#define KERNEL_STORE_PACKAGES "packages"
#define KERNEL_STORE_TREE "tree"

/* Makes such a folder, whose path the caller frees. Whatever comes, tree_remove() ends it. */
struct error *kernel_store_begin(const struct cache *store, char **ret_path);
/* Keeps its tree as the kernel of that banner, in place of an earlier one. */
struct error *kernel_store_keep(const struct cache *store, const char *path, const struct banner *banner);

struct stored_kernel {
	const char *name;     /* of the folder, in the store */
	bool whole;           /* with a kernel of its name. If not, it is being made, or of no use */
	bool being_made;      /* perhaps; or the making was broken off */
	struct banner banner; /* if it is whole */
};
/* Calls fn with each folder of the store, but not with files of the user's. Stops at the first error. */
struct error *kernel_store_for_each(const struct cache *store, struct error *(*fn)(void *opaque, const struct stored_kernel *kernel),
				    void *opaque);

#endif
