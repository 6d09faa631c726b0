/*
 * The file format of lzop, which has LZO1X inside: a header, then blocks of {size, compressed size, checksums as the header's flags
 * say, data}, numbers big-endian, until a block of size 0. liblzo2 knows the data; the format is described by lzop's own source only.
 */
#include <lzo/lzo1x.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "loader/payload.h"

enum { MAGIC_SIZE = 9, VERSION_EXTENDED = 0x940, METHOD_MAX = 3 };
enum flags {
	ADLER32_DATA = 1 << 0,
	ADLER32_COMPRESSED = 1 << 1,
	CRC32_DATA = 1 << 8,
	CRC32_COMPRESSED = 1 << 9,
	FILTER = 1 << 11,
};

static const char cut_off[] = "it is cut off", damaged[] = "its data are damaged", too_long[] = "it is longer than it says";

/* Reads what is left of the input; a read beyond the end sets `failed` and gives 0. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static const uint8_t *take(struct reader *reader, size_t size)
{
	const uint8_t *bytes = reader->at;

	if (size > reader->left) {
		reader->failed = true;
		return NULL;
	}
	reader->at += size;
	reader->left -= size;
	return bytes;
}

static uint32_t number(struct reader *reader, unsigned size)
{
	const uint8_t *bytes = take(reader, size);
	uint32_t value = 0;

	for (unsigned i = 0; bytes && i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Reads the header and tells its flags. */
static const char *read_header(struct reader *reader, uint32_t *ret_flags)
{
	unsigned version, method;

	take(reader, MAGIC_SIZE);
	version = number(reader, 2);
	number(reader, 2); /* the library's version */
	if (version >= VERSION_EXTENDED)
		number(reader, 2); /* the version that is needed to unpack */
	method = number(reader, 1);
	if (version >= VERSION_EXTENDED)
		number(reader, 1); /* level */
	*ret_flags = number(reader, 4);
	if (*ret_flags & FILTER)
		number(reader, 4);
	take(reader, version >= VERSION_EXTENDED ? 12 : 8); /* mode, times */
	take(reader, number(reader, 1));                    /* file name */
	number(reader, 4);                                  /* the header's checksum */
	if (reader->failed)
		return cut_off;
	return !method || method > METHOD_MAX || *ret_flags & FILTER ? "it uses features that kernels do not" : NULL;
}

struct checksums {
	bool adler_given, crc_given;
	uint32_t adler, crc;
};

static struct checksums read_checksums(struct reader *reader, bool adler, bool crc)
{
	struct checksums sums = {.adler_given = adler, .crc_given = crc};

	if (adler)
		sums.adler = number(reader, 4);
	if (crc)
		sums.crc = number(reader, 4);
	return sums;
}

static bool match(const struct checksums *sums, const uint8_t *data, size_t size)
{
	return (!sums->adler_given || adler32(adler32(0, NULL, 0), data, size) == sums->adler) &&
	       (!sums->crc_given || crc32(crc32(0, NULL, 0), data, size) == sums->crc);
}

/* A block of `size` bytes, to `to`. */
static const char *read_block(struct reader *reader, uint32_t flags, uint8_t *to, uint32_t size)
{
	uint32_t packed_size = number(reader, 4);
	struct checksums sums = read_checksums(reader, flags & ADLER32_DATA, flags & CRC32_DATA), packed_sums = {0};
	const uint8_t *packed;
	lzo_uint got = size;

	if (packed_size < size)
		packed_sums = read_checksums(reader, flags & ADLER32_COMPRESSED, flags & CRC32_COMPRESSED);
	packed = take(reader, packed_size);
	if (reader->failed)
		return cut_off;
	if (packed_size > size)
		return damaged;
	if (packed_size == size) /* stored */
		memcpy(to, packed, size);
	else if (!match(&packed_sums, packed, packed_size) || lzo1x_decompress_safe(packed, packed_size, to, &got, NULL) != LZO_E_OK)
		return damaged;
	return got == size && match(&sums, to, size) ? NULL : damaged;
}

const char *payload_lzo(const struct payload_stream *stream, size_t *ret_size)
{
	struct reader reader = {.at = stream->in, .left = stream->in_size};
	uint32_t flags;
	const char *problem = read_header(&reader, &flags);
	size_t done = 0;

	while (!problem) {
		uint32_t size = number(&reader, 4);

		if (reader.failed)
			problem = cut_off;
		else if (!size)
			break;
		else if (size > stream->out_size - done)
			problem = too_long;
		else
			problem = read_block(&reader, flags, stream->out + done, size);
		done += problem ? 0 : size;
	}
	*ret_size = done;
	return problem;
}
