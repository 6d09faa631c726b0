/* Finds other kernels than a certain build: any that can run programs of the same word size. */
#ifndef XRAY86_LOADER_KERNEL_ANOTHER_H
#define XRAY86_LOADER_KERNEL_ANOTHER_H

#include "loader/kernel_find.h"

struct kernel_wish {
	const struct banner *banner; /* the nearer a kernel's version is to this one's, the better */
	bool x86_64;
	bool five_level; /* it must be able to use 5-level paging */
};

/*
 * Calls fn with the path of each such bzImage in the places of kernel_image_places(), whatever its release is, until fn returns true: the
 * best one first. Returns whether fn has done so. What cannot be read is passed over.
 */
bool kernel_another(const struct kernel_wish *wish, const struct kernel_sources *sources, bool (*fn)(void *opaque, const char *path),
		    void *opaque);

#endif
