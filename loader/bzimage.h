/* bzImage: the setup header of Linux' x86 boot protocol, and where the compressed kernel is. */
#ifndef XRAY86_LOADER_BZIMAGE_H
#define XRAY86_LOADER_BZIMAGE_H

#include "loader/kernel_image.h"

bool bzimage_detect(const uint8_t *data, size_t size);
/* Checks the header and fills in *ret_setup; *ret_payload points into data. */
struct error *bzimage_parse(const uint8_t *data, size_t size, struct kernel_setup *ret_setup, const uint8_t **ret_payload,
			    size_t *ret_payload_size);

#endif
