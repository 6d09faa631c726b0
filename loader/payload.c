/*
 * Payloads: see payload.h. A row per compression that Linux' build offers (CONFIG_KERNEL_*), told by the first bytes. All but gzip, which
 * has it by itself, have the size of what they become appended in four bytes (scripts/Makefile.lib, size_append).
 */
#include "loader/payload.h"

#include <bzlib.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "loader/decompress.h"

enum { SIZE_BYTES = 4 };

/* -- by library -- */

static const char *decompress(decompress_fn *fn, const struct payload_stream *stream, size_t *ret_size)
{
	/* no memory is made: there is room for what is promised, and for a byte that is too much */
	struct decompressed to = {
		.most = stream->out_size + 1,
		.too_much = "it is longer than it says",
		.bytes = stream->out,
		.room = stream->out_size + 1,
	};
	const char *problem = fn(stream->in, stream->in_size, &to);

	*ret_size = to.size;
	return problem;
}

static const char *unpack_gzip(const struct payload_stream *stream, size_t *ret_size)
{
	return decompress(decompress_gzip, stream, ret_size);
}

static const char *unpack_xz(const struct payload_stream *stream, size_t *ret_size)
{
	return decompress(decompress_xz, stream, ret_size);
}

static const char *unpack_zstd(const struct payload_stream *stream, size_t *ret_size)
{
	return decompress(decompress_zstd, stream, ret_size);
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

/* The .lzma format, whose end may be marked in it (and is, when the kernel's build made it from a pipe) or known by the size alone. */
static const char *unpack_lzma(const struct payload_stream *stream, size_t *ret_size)
{
	lzma_stream lzma = LZMA_STREAM_INIT;
	lzma_ret status = lzma_alone_decoder(&lzma, DECOMPRESS_LZMA_MEMORY);

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

/* -- the table -- */

static const struct format {
	const char *name;
	uint8_t magic_size;
	char magic[9];
	uint8_t appended; /* bytes behind the compressed data that hold the size */
	payload_format *unpack;
} formats[] = {
	{"gzip", GZIP_MAGIC_SIZE, GZIP_MAGIC, 0, unpack_gzip},      {"xz", XZ_MAGIC_SIZE, XZ_MAGIC, SIZE_BYTES, unpack_xz},
	{"lzma", 3, "\x5d\0\0", SIZE_BYTES, unpack_lzma},           {"bzip2", 3, "BZh", SIZE_BYTES, unpack_bzip2},
	{"LZ4", 4, "\x02\x21\x4c\x18", SIZE_BYTES, payload_lz4}, /* the legacy frame */
	{"lzo", 9, "\x89LZO\0\r\n\x1a\n", SIZE_BYTES, payload_lzo}, {"zstd", ZSTD_MAGIC_SIZE, ZSTD_MAGIC, SIZE_BYTES, unpack_zstd},
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
	stream.out = malloc((size_t)promised + 1); /* see decompress() */
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
