/* What packed files say of their size: packed_size.h. */
#include "product/packed_size.h"

#include <endian.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "util/read_at.h"

struct packed {
	int fd;
	uint64_t size;
	const uint8_t *head;
	size_t head_size;
};

static bool read_end(const struct packed *packed, uint64_t before, void *to, size_t size)
{
	return packed->size >= before && read_at(packed->fd, packed->size - before, to, size) == (ssize_t)size;
}

enum { DEFLATE_LARGEST_RATIO = 1032 };

/* RFC 1952: the last 4 bytes are the size modulo 2^32. */
static bool gzip_size(const struct packed *packed, uint64_t *ret_size)
{
	uint32_t size;

	if (!read_end(packed, sizeof(size), &size, sizeof(size)))
		return false;
	*ret_size = le32toh(size);
	return true;
}

/* The index, which the footer leads to. Its memory is limited: a file of 64 GiB in blocks of 24 MiB takes some 100 KiB. */
static bool xz_size(const struct packed *packed, uint64_t *ret_size)
{
	enum { MAX_INDEX = 4 << 20 };
	uint64_t limit = 16ull * MAX_INDEX;
	uint8_t footer[LZMA_STREAM_HEADER_SIZE], *bytes;
	lzma_index *index = NULL;
	lzma_stream_flags flags;
	size_t at = 0;
	bool known;

	if (!read_end(packed, sizeof(footer), footer, sizeof(footer)) || lzma_stream_footer_decode(&flags, footer) != LZMA_OK ||
	    flags.backward_size > MAX_INDEX)
		return false;
	bytes = malloc(flags.backward_size);
	known = bytes && read_end(packed, sizeof(footer) + flags.backward_size, bytes, flags.backward_size) &&
		lzma_index_buffer_decode(&index, &limit, NULL, bytes, &at, flags.backward_size) == LZMA_OK;
	if (known)
		*ret_size = lzma_index_uncompressed_size(index);
	lzma_index_end(index, NULL);
	free(bytes);
	return known;
}

static bool zstd_size(const struct packed *packed, uint64_t *ret_size)
{
	unsigned long long size = ZSTD_getFrameContentSize(packed->head, packed->head_size);

	*ret_size = size;
	return size != ZSTD_CONTENTSIZE_UNKNOWN && size != ZSTD_CONTENTSIZE_ERROR;
}

static bool lz4_size(const struct packed *packed, uint64_t *ret_size)
{
	LZ4F_dctx *context;
	LZ4F_frameInfo_t info;
	size_t size = packed->head_size;
	bool known;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return false;
	known = !LZ4F_isError(LZ4F_getFrameInfo(context, &info, packed->head, &size)) && info.contentSize;
	if (known)
		*ret_size = info.contentSize;
	LZ4F_freeDecompressionContext(context);
	return known;
}

static const struct kind {
	const char *magic;
	size_t size;
	bool (*find)(const struct packed *packed, uint64_t *ret_size);
	uint64_t exact; /* sizes of files from here on are not */
} kinds[] = {
	{"\x1f\x8b", 2, gzip_size, UINT32_MAX / DEFLATE_LARGEST_RATIO},
	{"\xfd"
	 "7zXZ",
	 6, xz_size, UINT64_MAX},
	{"\x28\xb5\x2f\xfd", 4, zstd_size, UINT64_MAX},
	{"\x04\x22\x4d\x18", 4, lz4_size, UINT64_MAX},
};

bool packed_size(int fd, uint64_t file_size, const uint8_t *head, size_t head_size, uint64_t *ret_size, bool *ret_exact)
{
	const struct packed packed = {fd, file_size, head, head_size};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (head_size < kinds[i].size || memcmp(head, kinds[i].magic, kinds[i].size) != 0)
			continue;
		*ret_exact = file_size < kinds[i].exact;
		return kinds[i].find(&packed, ret_size);
	}
	return false;
}
