/* The initial file system of a trusted VM (Documentation/driver-api/early-userspace/buffer-format.rst): its init, and a console. */
#ifndef XRAY86_LOADER_INITRAMFS_H
#define XRAY86_LOADER_INITRAMFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* Makes a cpio archive with the program as /init. The caller frees it. The same program gives the same bytes. */
struct error *initramfs_build(const uint8_t *init, size_t size, uint8_t **ret, size_t *ret_size);

#endif
