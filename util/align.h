/* Rounding to multiples of a power of two. */
#ifndef XRAY86_UTIL_ALIGN_H
#define XRAY86_UTIL_ALIGN_H

#include <stdint.h>

static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
	return value & -alignment;
}

/* Wraps around to 0 behind the last multiple. */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return align_down(value + alignment - 1, alignment);
}

#endif
