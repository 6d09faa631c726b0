/*
 * LZ4's legacy frame (`lz4 -l`, doc/lz4_Frame_format.md "Legacy frame"): a magic number, then blocks of up to 8 MiB of data, each after its
 * compressed size in four bytes, to the end.
 */
#include <lz4.h>
#include <stdint.h>
#include <string.h>

#include "loader/payload.h"

enum { BLOCK_MAX = 8 << 20 };
#define LEGACY_MAGIC 0x184c2102u

/* The next four bytes; false at the end. */
static int next32(const struct payload_stream *stream, size_t *at, uint32_t *ret)
{
	if (stream->in_size - *at < sizeof(*ret))
		return 0;
	memcpy(ret, stream->in + *at, sizeof(*ret));
	*at += sizeof(*ret);
	return 1;
}

const char *payload_lz4(const struct payload_stream *stream, size_t *ret_size)
{
	size_t at = 0, done = 0;
	uint32_t size;

	while (next32(stream, &at, &size)) {
		size_t room = stream->out_size - done;
		int got;

		if (size == LEGACY_MAGIC) /* also between frames that were put one behind the other */
			continue;
		if (size > stream->in_size - at)
			return "it is cut off";
		got = LZ4_decompress_safe((const char *)stream->in + at, (char *)stream->out + done, size,
					  room < BLOCK_MAX ? room : BLOCK_MAX);
		if (got < 0)
			return "its data are damaged, or longer than it says";
		at += size;
		done += got;
	}
	*ret_size = done;
	return NULL;
}
