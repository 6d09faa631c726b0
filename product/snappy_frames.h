/*
 * Snappy's framing format (google/snappy, framing_format.txt): a stream of chunks. Each chunk with data has up to 64 KiB when it is
 * decompressed. The chunks are found once, from header to header; then each can be decompressed by itself.
 */
#ifndef XRAY86_PRODUCT_SNAPPY_FRAMES_H
#define XRAY86_PRODUCT_SNAPPY_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ratio: of decompressed bytes to a compressed one, rounded up. The densest element has 64 bytes in 3 (format_description.txt, 2.2). */
enum { SNAPPY_FRAME_SIZE = 65536, SNAPPY_LARGEST_RATIO = 22 };

struct snappy_frame {
	uint64_t start;      /* of its first byte in the decompressed stream */
	uint64_t offset;     /* in the file, behind the chunk's header */
	uint32_t size;       /* there */
	uint32_t plain_size; /* when it is decompressed */
	uint8_t type;
};

struct snappy_index {
	struct snappy_frame *frame;
	size_t count, room;
};

/*
 * Finds the frames of the stream in bytes [offset, offset + size) of the file, whose decompressed size should be `plain_size`. Stops where
 * the stream makes no sense; the index has the frames before. The expected size limits the work. Returns false without memory.
 */
bool snappy_index_make(int fd, uint64_t offset, uint64_t size, uint64_t plain_size, struct snappy_index *ret);
void snappy_index_free(struct snappy_index *index);

/* The frame with byte `at` of the decompressed stream, or NULL. */
const struct snappy_frame *snappy_index_find(const struct snappy_index *index, uint64_t at);

/* Decompresses a frame into to[0..SNAPPY_FRAME_SIZE). Returns false if it cannot be read, or is damaged, also by its checksum. */
bool snappy_frame_read(int fd, const struct snappy_frame *frame, uint8_t *to);

#endif
