/* The elements of kallsyms' tables, for kallsyms.c and kallsyms_find.c. Little-endian, not necessarily aligned. */
#ifndef XRAY86_LOADER_KALLSYMS_TABLES_H
#define XRAY86_LOADER_KALLSYMS_TABLES_H

#include <string.h>

#include "loader/kallsyms.h"

enum {
	KALLSYMS_TOKENS = 256,
	KALLSYMS_MARKED = 256 /* symbols a marker */,
	KALLSYMS_MARK = 16 /* symbols a mark of ours */,
	KALLSYMS_SEQ_SIZE = 3
};

/* Fills in table->token. */
void kallsyms_read_tokens(struct kallsyms *table);

static inline uint16_t kallsyms_u16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t kallsyms_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t kallsyms_pointer(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static inline unsigned kallsyms_address_size(enum kallsyms_addressing addressing, unsigned pointer_size)
{
	return addressing == KALLSYMS_ABSOLUTE ? pointer_size : sizeof(uint32_t);
}

/*
 * Reads the length at *at in names and moves *at behind it. Returns false if a part of the name is beyond `size`. Since 6.1 a length above
 * 7fh has two bytes. Before, it had one, but no compressed name of at most 128 letters was so long.
 */
static inline bool kallsyms_name_length(const uint8_t *names, size_t size, size_t *at, size_t *ret)
{
	if (*at >= size)
		return false;
	*ret = names[(*at)++];
	if (*ret & 0x80) {
		if (*at >= size)
			return false;
		*ret = (*ret & 0x7f) | (size_t)names[(*at)++] << 7;
	}
	return *ret <= size - *at;
}

#endif
