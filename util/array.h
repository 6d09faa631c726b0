/* Arrays that grow as elements come, and searching sorted ones. */
#ifndef XRAY86_UTIL_ARRAY_H
#define XRAY86_UTIL_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Makes room for one more element of `size` bytes behind the `count` that an array has: doubles it when it is full. `array` is the address
 * of the pointer to its first element, *room the number of elements that fit (both 0 at first). Returns false without memory: then nothing
 * has changed.
 */
bool array_reserve(void *array, size_t count, size_t *room, size_t size);

/*
 * The number of the first element whose key is at least `key`, in an array that is sorted by it; `count` if there is none. Elements have
 * `size` bytes and begin with their key, a uint64_t.
 */
size_t array_lower_bound(const void *array, size_t count, size_t size, uint64_t key);

#endif
