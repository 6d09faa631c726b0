/* What commands that take a SNAPSHOT look at: the snapshot, the kernel in it, and that kernel's image. */
#ifndef XRAY86_SESSION_TARGET_H
#define XRAY86_SESSION_TARGET_H

#include "loader/file.h"
#include "loader/kernel.h"
#include "loader/kernel_find.h"
#include "product/product.h"

struct target {
	struct snapshot *snapshot;
	bool found; /* the kernel: product is valid */
	struct product product;
	char *kernel_path; /* of its image; NULL: not found */
	struct file file;
	struct kernel kernel; /* valid with kernel_path */
	struct landmarks landmarks;
};

/* Identifies the kernel in target->snapshot, which is open; as target_open() does. `snapshot` is its name, for messages. */
struct error *target_identify(struct target *target, const char *snapshot, const struct kernel_sources *sources, struct error **ret_lack);
/*
 * Opens the snapshot and identifies the kernel, with its image if that is to be had. An error leaves in *ret what was reached before it;
 * *ret_lack says why there is no image although nobody asked for a certain one (else NULL). target_close() in any case.
 */
struct error *target_open(const char *snapshot, const struct kernel_sources *sources, struct target *ret, struct error **ret_lack);
/* A zeroed target is allowed. */
void target_close(struct target *target);

#endif
