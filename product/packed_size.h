/* How large packed files get, as far as they say so themselves. */
#ifndef XRAY86_PRODUCT_PACKED_SIZE_H
#define XRAY86_PRODUCT_PACKED_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The size of what is in a gzip, xz, zstd or LZ4 file, without unpacking it. `head` has its first bytes. Returns false if the file does not
 * say, as LZ4 and zstd files do not that were made in a pipe, and for all other files. The size is the file's word, and not proven.
 * *ret_exact is false if it may be 4 GiB more, once or several times: gzip counts no further.
 */
bool packed_size(int fd, uint64_t file_size, const uint8_t *head, size_t head_size, uint64_t *ret_size, bool *ret_exact);

#endif
