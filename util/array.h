/* Arrays that grow as elements come. */
#ifndef XRAY86_UTIL_ARRAY_H
#define XRAY86_UTIL_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes room for one more element of `size` bytes behind the `count` that an array has: doubles it when it is full. `array` is the address
 * of the pointer to its first element, *room the number of elements that fit (both 0 at first). Returns false without memory: then nothing
 * has changed.
 */
bool array_reserve(void *array, size_t count, size_t *room, size_t size);

#endif
