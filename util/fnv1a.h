/* FNV-1a, 64 bits wide: a hash for names of files, whose makers are trusted. */
#ifndef XRAY86_UTIL_FNV1A_H
#define XRAY86_UTIL_FNV1A_H

#include <stdint.h>

static inline uint64_t fnv1a_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
	return hash;
}

#endif
