/* Finds the file of a kernel by the banner of its build. */
#ifndef XRAY86_LOADER_KERNEL_FIND_H
#define XRAY86_LOADER_KERNEL_FIND_H

#include "loader/banner.h"
#include "util/error.h"

/* Where the user says that kernels are; NULL: he says nothing. */
struct kernel_sources {
	const char *file; /* --kernel: take this file or none */
	const char *path; /* --kernel-path DIR[:DIR...]: search here first */
};

/*
 * Finds a kernel of that very build. The caller frees *ret_path. The error says which build is needed, and how to get it. Searches
 * vmlinuz-RELEASE, boot/vmlinuz-RELEASE and usr/lib/modules/RELEASE/vmlinuz in the directories of sources->path, in / and in xray86/kernels
 * in the user's cache directory. A file counts by its banner, whatever its name is.
 */
struct error *kernel_find(const struct banner *banner, const struct kernel_sources *sources, char **ret_path);

/* Whether the file at path is the kernel of that build, by its banner. */
bool kernel_fits(const char *path, const struct banner *banner);

#endif
