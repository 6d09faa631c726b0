/*
 * Keeps the last decompressed pieces of a compressed file: a fixed number of them, each of a bounded size. The piece that was unused for
 * the longest time makes room for a new one.
 */
#ifndef XRAY86_PRODUCT_UNIT_CACHE_H
#define XRAY86_PRODUCT_UNIT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit_cache;

/* Makes a cache of `units` pieces of up to `size` bytes. It takes memory as they come. NULL: out of memory. */
struct unit_cache *unit_cache_create(size_t units, size_t size);
/* NULL is allowed. */
void unit_cache_destroy(struct unit_cache *cache);

/*
 * The piece for `key`. The pointer is valid until the next call. If the piece is missing, fill() writes it to `to`, which has room for
 * `size` bytes. Returns NULL if fill() fails, or without memory; nothing is kept then.
 */
const uint8_t *unit_cache_get(struct unit_cache *cache, uint64_t key, bool (*fill)(void *opaque, uint8_t *to), void *opaque);

#endif
