/* The header of a record of memory, as LiME writes it, and AVML as LiME does. */
#ifndef XRAY86_PRODUCT_SNAPSHOT_LIME_H
#define XRAY86_PRODUCT_SNAPSHOT_LIME_H

#include "product/snapshot_format.h"

struct lime_header {
	char magic[4];
	uint32_t version;
	uint64_t first, last; /* physical addresses; `last` is the record's last byte */
	uint64_t reserved;
};

enum { LIME_MAX_RECORDS = 1 << 20 };

/* Whether the header has this magic and version, and names memory that can exist. */
bool lime_header_is_valid(const struct lime_header *header, const char *magic, uint32_t version);
bool lime_head_is(const uint8_t *head, size_t size, const char *magic);

#endif
