/*
 * Decompression by libraries, of data that may be anything: into memory that grows up to a limit. For payloads (payload.h) and modules
 * (module_files.h).
 */
#ifndef XRAY86_LOADER_DECOMPRESS_H
#define XRAY86_LOADER_DECOMPRESS_H

#include <stddef.h>
#include <stdint.h>

/* What data of a format begin with. */
#define GZIP_MAGIC "\x1f\x8b"
#define XZ_MAGIC                                                                                                                           \
	"\xfd"                                                                                                                             \
	"7zXZ\0"
#define ZSTD_MAGIC "\x28\xb5\x2f\xfd"
enum { GZIP_MAGIC_SIZE = 2, XZ_MAGIC_SIZE = 6, ZSTD_MAGIC_SIZE = 4 };

/* Memory that liblzma may take: dictionaries are 32 MiB in kernels. */
#define DECOMPRESS_LZMA_MEMORY (256ull << 20)

struct decompressed {
	/* -- filled in by the caller -- */
	size_t most;          /* bytes that it may become */
	const char *too_much; /* the reason that is given if it becomes more */

	/* -- the result: the caller frees bytes, even after a failure -- */
	uint8_t *bytes;
	size_t size, room; /* room: of bytes, which the caller may have made before */
};

/* Decompress [in, in + size). Return NULL on success, or the reason in few words. */
typedef const char *decompress_fn(const uint8_t *in, size_t size, struct decompressed *to);

decompress_fn decompress_gzip, decompress_xz, decompress_zstd;

#endif
