/*
 * The last pieces of a compressed file that were decompressed: a fixed number of them, each of a bounded size. What was not used for the
 * longest time makes room.
 */
#ifndef XRAY86_PRODUCT_UNIT_CACHE_H
#define XRAY86_PRODUCT_UNIT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit_cache;

/* A cache of `units` pieces of up to `size` bytes; memory is taken as they come. NULL: out of memory. */
struct unit_cache *unit_cache_create(size_t units, size_t size);
/* NULL is allowed. */
void unit_cache_destroy(struct unit_cache *cache);

/*
 * The piece that `key` stands for; the pointer is valid until the next call. If it is not there, fill() is asked for it and writes it to
 * `to`, where `size` bytes have room. NULL: fill() failed, or out of memory; nothing is kept then.
 */
const uint8_t *unit_cache_get(struct unit_cache *cache, uint64_t key, bool (*fill)(void *opaque, uint8_t *to), void *opaque);

#endif
