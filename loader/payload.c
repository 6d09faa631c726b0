/*
 * Payloads: see payload.h. A row per compression that Linux' build offers (CONFIG_KERNEL_*), told by the first bytes. All but gzip, which
 * has it by itself, have the size of what they become appended in four bytes (scripts/Makefile.lib, size_append).
 */
#include "loader/payload.h"

#include <bzlib.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { SIZE_BYTES = 4 };
#define LZMA_MEMORY (256ull << 20) /* dictionaries are 32 MiB in kernels */

/* -- by library -- */

static const char *unpack_gzip(const struct payload_stream *stream, size_t *ret_size)
{
	enum { GZIP_ONLY = 16 };
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)stream->in,
		      .avail_in = stream->in_size,
		      .next_out = stream->out,
		      .avail_out = stream->out_size};
	int status = inflateInit2(&z, GZIP_ONLY + MAX_WBITS);

	if (status == Z_OK)
		status = inflate(&z, Z_FINISH);
	*ret_size = z.total_out;
	inflateEnd(&z);
	return status == Z_STREAM_END ? NULL : status == Z_BUF_ERROR ? "it is cut off, or longer than it says" : "its data are damaged";
}

static const char *lzma_words(lzma_ret status)
{
	switch (status) {
	case LZMA_OK:
	case LZMA_STREAM_END:
		return NULL;
	case LZMA_BUF_ERROR:
		return "it is cut off, or longer than it says";
	case LZMA_MEM_ERROR:
		return "out of memory";
	case LZMA_MEMLIMIT_ERROR:
		return "its dictionary is larger than 256 MiB";
	default:
		return "its data are damaged";
	}
}

static const char *unpack_xz(const struct payload_stream *stream, size_t *ret_size)
{
	uint64_t memory = LZMA_MEMORY;
	size_t taken = 0;

	*ret_size = 0;
	return lzma_words(
		lzma_stream_buffer_decode(&memory, 0, NULL, stream->in, &taken, stream->in_size, stream->out, ret_size, stream->out_size));
}

/* The .lzma format, whose end may be marked in it (and is, when the kernel's build made it from a pipe) or known by the size alone. */
static const char *unpack_lzma(const struct payload_stream *stream, size_t *ret_size)
{
	lzma_stream lzma = LZMA_STREAM_INIT;
	lzma_ret status = lzma_alone_decoder(&lzma, LZMA_MEMORY);

	lzma.next_in = stream->in;
	lzma.avail_in = stream->in_size;
	lzma.next_out = stream->out;
	lzma.avail_out = stream->out_size;
	if (status == LZMA_OK)
		status = lzma_code(&lzma, LZMA_FINISH);
	if (status == LZMA_OK) /* room or input is used up before the end */
		status = LZMA_BUF_ERROR;
	*ret_size = lzma.total_out;
	lzma_end(&lzma);
	return lzma_words(status);
}

static const char *unpack_bzip2(const struct payload_stream *stream, size_t *ret_size)
{
	unsigned size = stream->out_size;
	int status = BZ2_bzBuffToBuffDecompress((char *)stream->out, &size, (char *)(uintptr_t)stream->in, stream->in_size, 0, 0);

	*ret_size = size;
	switch (status) {
	case BZ_OK:
		return NULL;
	case BZ_UNEXPECTED_EOF:
	case BZ_OUTBUFF_FULL:
		return "it is cut off, or longer than it says";
	case BZ_MEM_ERROR:
		return "out of memory";
	default:
		return "its data are damaged";
	}
}

static const char *unpack_zstd(const struct payload_stream *stream, size_t *ret_size)
{
	size_t size = ZSTD_decompress(stream->out, stream->out_size, stream->in, stream->in_size);

	if (ZSTD_isError(size))
		return ZSTD_getErrorName(size);
	*ret_size = size;
	return NULL;
}

/* -- the table -- */

static const struct format {
	const char *name;
	uint8_t magic_size;
	char magic[9];
	uint8_t appended; /* bytes behind the compressed data that hold the size */
	payload_format *unpack;
} formats[] = {
	{"gzip", 2, "\x1f\x8b", 0, unpack_gzip},
	{"xz", 6,
	 "\xfd"
	 "7zXZ\0",
	 SIZE_BYTES, unpack_xz},
	{"lzma", 3, "\x5d\0\0", SIZE_BYTES, unpack_lzma},
	{"bzip2", 3, "BZh", SIZE_BYTES, unpack_bzip2},
	{"LZ4", 4, "\x02\x21\x4c\x18", SIZE_BYTES, payload_lz4}, /* the legacy frame */
	{"lzo", 9, "\x89LZO\0\r\n\x1a\n", SIZE_BYTES, payload_lzo},
	{"zstd", 4, "\x28\xb5\x2f\xfd", SIZE_BYTES, unpack_zstd},
};

static const struct format *find_format(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (size >= formats[i].magic_size && memcmp(data, formats[i].magic, formats[i].magic_size) == 0)
			return &formats[i];
	}
	return NULL;
}

static struct error *unpack(const struct format *format, const struct payload_stream *stream)
{
	size_t size = 0;
	const char *problem = format->unpack(stream, &size);

	if (problem)
		return error_create("%s payload cannot be decompressed: %s: get the kernel again", format->name, problem);
	if (size != stream->out_size)
		return error_create("%s payload becomes %zu bytes, and says %zu: get the kernel again", format->name, size,
				    stream->out_size);
	return NULL;
}

struct error *payload_decompress(const uint8_t *data, size_t size, uint8_t **ret, size_t *ret_size)
{
	const struct format *format = find_format(data, size);
	struct payload_stream stream = {.in = data};
	struct error *err;
	uint32_t promised;

	if (!format)
		return error_create(
			"compressed in a way that is not known (first bytes %02x %02x %02x %02x): known are gzip, xz, lzma, bzip2, "
			"LZ4, lzo and zstd",
			size > 0 ? data[0] : 0, size > 1 ? data[1] : 0, size > 2 ? data[2] : 0, size > 3 ? data[3] : 0);
	if (size < (size_t)format->magic_size + SIZE_BYTES)
		return error_create("%s payload of %zu bytes is cut off: get the kernel again", format->name, size);
	memcpy(&promised, data + size - SIZE_BYTES, SIZE_BYTES);
	if (!promised || promised > PAYLOAD_MAX_SIZE)
		return error_create("%s payload says it becomes %u bytes, which no kernel is: get it again", format->name, promised);
	stream.in_size = size - format->appended;
	stream.out_size = promised;
	stream.out = malloc(promised);
	if (!stream.out)
		return error_create("out of memory: decompressing the kernel takes %u bytes", promised);
	err = unpack(format, &stream);
	if (err) {
		free(stream.out);
		return err;
	}
	*ret = stream.out;
	*ret_size = promised;
	return NULL;
}
