/* The folder of a kernel's modules, as far as names and places tell whether it is that of the very build. */
#ifndef XRAY86_CLI_KERNEL_MODULES_H
#define XRAY86_CLI_KERNEL_MODULES_H

#include "loader/kernel_find.h"

/*
 * Finds the folder among kernel_module_folders(): one that is beside the image, or that was unpacked for this kernel, since builds of one
 * release share the folder's name; then *ret_sure. Or else the first that has the release. `image`: the path of the kernel's image; NULL:
 * it is not here. The caller frees the result, a path that begins as the user named it. NULL: there is none.
 */
char *kernel_modules_find(const struct banner *banner, const struct kernel_sources *sources, const char *image, bool *ret_sure);

#endif
