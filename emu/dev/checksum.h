/* The byte that makes all bytes of a table sum up to 0, as ACPI's and the MP specification's tables have one. */
#ifndef XRAY86_EMU_DEV_CHECKSUM_H
#define XRAY86_EMU_DEV_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

static inline uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *byte = data;
	uint8_t sum = 0;

	while (size--)
		sum -= *byte++;
	return sum;
}

#endif
