/* Finding the file of a kernel, given the banner of its build. */
#ifndef XRAY86_LOADER_KERNEL_FIND_H
#define XRAY86_LOADER_KERNEL_FIND_H

#include "loader/banner.h"
#include "util/error.h"

/* What the user says about where kernels are; NULL: nothing. */
struct kernel_sources {
	const char *file; /* --kernel: this one or none */
	const char *path; /* --kernel-path DIR[:DIR...]: looked at first */
};

/*
 * The path of a kernel of that very build, to be freed; or an error that says which build is needed, and how to get it. Looked for are
 * vmlinuz-RELEASE, boot/vmlinuz-RELEASE and usr/lib/modules/RELEASE/vmlinuz in the directories of sources->path, in / and in xray86/kernels
 * in the user's cache directory. What a file is called does not count, but what it says of itself.
 */
struct error *kernel_find(const struct banner *banner, const struct kernel_sources *sources, char **ret_path);

/* Whether the file at path is the kernel of that build, by what it says of itself. */
bool kernel_fits(const char *path, const struct banner *banner);

#endif
