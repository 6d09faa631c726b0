/* CRC-32C (Castagnoli; RFC 3720, 12.1), the checksum of compressed data. */
#ifndef XRAY86_UTIL_CRC32C_H
#define XRAY86_UTIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t size);
/* The same without the processor's instruction for it: what crc32c() does where there is none. */
uint32_t crc32c_portable(const void *data, size_t size);

#endif
