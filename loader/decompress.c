/* Decompression by libraries: decompress.h. */
#include "loader/decompress.h"

#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { FIRST_ROOM = 1 << 16 };

static const char cut_off[] = "it is cut off", damaged[] = "its data are damaged", no_memory[] = "out of memory";

/* Makes room for more. Returns the reason why that cannot be. */
static const char *grow(struct decompressed *to)
{
	size_t room = to->room ? to->room * 2 : FIRST_ROOM;
	uint8_t *bytes;

	if (to->size < to->room)
		return NULL;
	if (to->room >= to->most)
		return to->too_much;
	if (room > to->most)
		room = to->most;
	bytes = realloc(to->bytes, room);
	if (!bytes)
		return no_memory;
	to->bytes = bytes;
	to->room = room;
	return NULL;
}

const char *decompress_gzip(const uint8_t *in, size_t size, struct decompressed *to)
{
	enum { GZIP_ONLY = 16 };
	z_stream stream = {.next_in = (uint8_t *)(uintptr_t)in, .avail_in = size};
	int status = inflateInit2(&stream, GZIP_ONLY + MAX_WBITS);
	const char *problem = NULL;

	while (status == Z_OK && !(problem = grow(to))) {
		stream.next_out = to->bytes + to->size;
		stream.avail_out = to->room - to->size;
		status = inflate(&stream, Z_NO_FLUSH);
		to->size = to->room - stream.avail_out;
	}
	inflateEnd(&stream);
	if (problem || status == Z_STREAM_END)
		return problem;
	return status == Z_BUF_ERROR ? cut_off : status == Z_MEM_ERROR ? no_memory : damaged;
}

const char *decompress_xz(const uint8_t *in, size_t size, struct decompressed *to)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret status = lzma_stream_decoder(&stream, DECOMPRESS_LZMA_MEMORY, 0);
	const char *problem = NULL;

	stream.next_in = in;
	stream.avail_in = size;
	while (status == LZMA_OK && !(problem = grow(to))) {
		stream.next_out = to->bytes + to->size;
		stream.avail_out = to->room - to->size;
		status = lzma_code(&stream, LZMA_FINISH);
		to->size = to->room - stream.avail_out;
	}
	lzma_end(&stream);
	if (problem || status == LZMA_STREAM_END)
		return problem;
	if (status == LZMA_MEMLIMIT_ERROR)
		return "its dictionary is larger than 256 MiB";
	return status == LZMA_BUF_ERROR ? cut_off : status == LZMA_MEM_ERROR ? no_memory : damaged;
}

/* One frame after the other, to the end. */
const char *decompress_zstd(const uint8_t *in, size_t size, struct decompressed *to)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer from = {.src = in, .size = size};
	const char *problem = context ? NULL : no_memory;
	size_t left = 1; /* 0: a frame is complete */

	while (!problem && (left || from.pos < from.size) && !(problem = grow(to))) {
		ZSTD_outBuffer out = {.dst = to->bytes, .size = to->room, .pos = to->size};
		size_t before = from.pos;

		left = ZSTD_decompressStream(context, &out, &from);
		if (ZSTD_isError(left))
			problem = ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? no_memory : damaged;
		else if (left && from.pos == before && out.pos == to->size)
			problem = cut_off;
		to->size = out.pos;
	}
	ZSTD_freeDCtx(context);
	return problem;
}
