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
 * Finds a kernel of that very build. The caller frees *ret_path. The error says which build is needed, and how to get it. Searches the
 * places of kernel_image_places(). A file counts by its banner, whatever its name is.
 */
struct error *kernel_find(const struct banner *banner, const struct kernel_sources *sources, char **ret_path);
/* The same in one directory alone, whose name has no slash at its end. The error says what is there, by names in the directory. */
struct error *kernel_find_below(const char *directory, const struct banner *banner, char **ret_path);

/*
 * Calls fn with each place where the kernel's image may be, or the folder of its modules, in the order in which they are searched, until fn
 * returns false. Images: vmlinuz-RELEASE, boot/vmlinuz-RELEASE, lib/modules/RELEASE/vmlinuz, usr/lib/modules/RELEASE/vmlinuz and
 * boot/vmlinuz-FLAVOUR. Modules: lib/modules/RELEASE and usr/lib/modules/RELEASE. Both in the directories of sources->path, in /, in
 * xray86/kernels in the user's cache directory, and in the folder banner_name() there, which has what was unpacked from packages. Modules,
 * too, in the directory of sources->file, and in such places of the directory above it and of those above the directories of sources->path,
 * where these are /boot or lib/modules/RELEASE. A place may come twice, by two names.
 */
void kernel_image_places(const struct banner *banner, const struct kernel_sources *sources, bool (*fn)(void *opaque, const char *path),
			 void *opaque);
void kernel_module_folders(const struct banner *banner, const struct kernel_sources *sources, bool (*fn)(void *opaque, const char *path),
			   void *opaque);

/* Whether the file at path is the kernel of that build, by its banner. */
bool kernel_fits(const char *path, const struct banner *banner);

#endif
