/*
 * Snappy's framing format (google/snappy, framing_format.txt): a stream of chunks, of which those with data have up to 64 KiB each when
 * they are decompressed. Their places are found once, from chunk header to chunk header; then any of them is decompressed by itself.
 */
#ifndef XRAY86_PRODUCT_SNAPPY_FRAMES_H
#define XRAY86_PRODUCT_SNAPPY_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNAPPY_FRAME_SIZE = 65536 };

struct snappy_frame {
	uint64_t start;      /* of its first byte, in what the stream is decompressed */
	uint64_t offset;     /* in the file, of what is behind the chunk's header */
	uint32_t size;       /* there */
	uint32_t plain_size; /* when it is decompressed */
	uint8_t type;
};

struct snappy_index {
	struct snappy_frame *frame;
	size_t count, room;
};

/*
 * Finds the frames of the stream in bytes [offset, offset + size) of the file, of which `plain_size` bytes are expected. Stops where the
 * stream makes no sense: what is before is in the index. Does no more work than fits the size expected. false: out of memory.
 */
bool snappy_index_make(int fd, uint64_t offset, uint64_t size, uint64_t plain_size, struct snappy_index *ret);
void snappy_index_free(struct snappy_index *index);

/* The frame that has byte `at` of what is decompressed, or NULL. */
const struct snappy_frame *snappy_index_find(const struct snappy_index *index, uint64_t at);

/* Decompresses a frame into to[0..SNAPPY_FRAME_SIZE). false: it cannot be read, or is damaged (its checksum says so, too). */
bool snappy_frame_read(int fd, const struct snappy_frame *frame, uint8_t *to);

#endif
