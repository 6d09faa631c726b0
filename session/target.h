/* What commands that take a SNAPSHOT look at: the snapshot, the kernel in it, and that kernel's image. */
#ifndef XRAY86_SESSION_TARGET_H
#define XRAY86_SESSION_TARGET_H

#include "loader/file.h"
#include "loader/kernel_image.h"
#include "loader/kernel_find.h"
#include "product/product.h"

struct target {
	char *name; /* of the snapshot, for messages */
	struct snapshot *snapshot;
	bool found; /* the kernel: product is valid */
	struct product product;
	char *kernel_path; /* of its image; NULL: not found */
	struct file file;
	struct kernel_image kernel; /* valid with kernel_path */
	struct landmarks landmarks;
};

/*
 * Opening has two steps, and nobody but these functions fills in a target. All of them leave in the target what was reached before an
 * error; target_close() in any case.
 */

/* The snapshot. */
struct error *target_open(struct target *target, const char *snapshot);
/*
 * The kernel in it: by the image that `sources` names, or as the memory shows it; with its image, if that is to be had. *ret_lack says why
 * there is no image although nobody asked for a certain one (else NULL).
 */
struct error *target_identify(struct target *target, const struct kernel_sources *sources, struct error **ret_lack);
/* The same for a kernel of which the landmarks are known, and no image is needed. Whether it is the one in the snapshot. */
bool target_recognise(struct target *target, const struct landmarks *landmarks);
/* Takes back that the kernel was found. */
void target_forget(struct target *target);
/* A zeroed target is allowed. */
void target_close(struct target *target);

#endif
