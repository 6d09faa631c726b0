/* The target of a command that takes a SNAPSHOT: the snapshot, the kernel in it, and that kernel's image. */
#ifndef XRAY86_SESSION_TARGET_H
#define XRAY86_SESSION_TARGET_H

#include "loader/file.h"
#include "loader/kernel_image.h"
#include "loader/kernel_find.h"
#include "product/product.h"
#include "product/product_symbols.h"

struct target {
	char *name; /* of the snapshot, for messages */
	struct snapshot *snapshot;
	bool found; /* the kernel: product is valid */
	struct product product;
	char *kernel_path; /* of its image; NULL: not found */
	struct file file;
	struct kernel_image kernel; /* valid with kernel_path */
	struct landmarks landmarks; /* of the image, or with `own_symbols` those where the kernel is */
	struct product_symbols own; /* without an image: its symbols out of its memory, valid with own_symbols */
	bool own_symbols;
	struct error *symbols_lack; /* why there are none */
};

/*
 * Opening has two steps. Only these functions fill in a target. After an error the target has what was reached before; call target_close()
 * in any case.
 */

/* Opens the snapshot. */
struct error *target_open(struct target *target, const char *snapshot);
/*
 * Finds the kernel in it, by the image that `sources` names, or by the memory alone; and its image, if there is one. If there is none, and
 * nobody asked for a certain one, *ret_lack says why; otherwise it is NULL. The kernel's own symbols then tell what the image would.
 */
struct error *target_identify(struct target *target, const struct kernel_sources *sources, struct error **ret_lack);
/* Finds the kernel by the memory alone, without its image. */
struct error *target_find(struct target *target);
/* The same; then the kernel's own symbols tell what its image would. The error says what of this is not known. */
struct error *target_identify_by_memory(struct target *target);
/* Finds a kernel with known landmarks, without an image. Returns whether it is the one in the snapshot. */
bool target_recognise(struct target *target, const struct landmarks *landmarks);
/* A message that says which memory of the machine the snapshot lacks. NULL: none, as far as xray86 knows. */
struct error *target_lacks_memory(const struct target *target);
/* Forgets the kernel. */
void target_forget(struct target *target);
/* A zeroed target is allowed. */
void target_close(struct target *target);

#endif
