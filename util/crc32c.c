/* CRC-32C: see crc32c.h. */
#include "util/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *at, size_t size)
{
	for (; size >= 8; size -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		crc = _mm_crc32_u64(crc, word);
	}
	while (size--)
		crc = _mm_crc32_u8(crc, *at++);
	return crc;
}

/* Half a byte at a time: entry i is the remainder of i. */
uint32_t crc32c_portable(const void *data, size_t size)
{
	static const uint32_t remainder[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *at = data;
	uint32_t crc = ~0u;

	while (size--) {
		crc ^= *at++;
		crc = crc >> 4 ^ remainder[crc & 15];
		crc = crc >> 4 ^ remainder[crc & 15];
	}
	return ~crc;
}

uint32_t crc32c(const void *data, size_t size)
{
	return __builtin_cpu_supports("sse4.2") ? ~by_instruction(~0u, data, size) : crc32c_portable(data, size);
}
