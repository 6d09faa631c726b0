/* Snappy's framing format: see snappy_frames.h. */
#include "product/snappy_frames.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/crc32c.h"
#include "util/read_at.h"

/* Chunk types. Those from 0x80 on are to be skipped, the others that are not named end the stream. */
enum { COMPRESSED, UNCOMPRESSED, COMPRESSED_UNCHECKED, UNCOMPRESSED_UNCHECKED, FIRST_SKIPPABLE = 0x80 };

enum {
	HEADER_SIZE = 4,
	CHECKSUM_SIZE = 4,
	LENGTH_SIZE = 5, /* the most that the length takes at the start of compressed data */
	LARGEST_CHUNK = CHECKSUM_SIZE + 32 + SNAPPY_FRAME_SIZE + SNAPPY_FRAME_SIZE / 6, /* snappy_max_compressed_length() of a frame */
};

static bool is_checked(const struct snappy_frame *frame)
{
	return frame->type == COMPRESSED || frame->type == UNCOMPRESSED;
}

static bool is_compressed(const struct snappy_frame *frame)
{
	return frame->type == COMPRESSED || frame->type == COMPRESSED_UNCHECKED;
}

/* Fills in plain_size of a chunk with data, whose first `size` bytes are at `body`. false: it is damaged. */
static bool measure(struct snappy_frame *frame, const uint8_t *body, size_t size)
{
	size_t skip = is_checked(frame) ? CHECKSUM_SIZE : 0, plain;

	if (frame->size < skip || frame->size > LARGEST_CHUNK || size < skip)
		return false;
	plain = frame->size - skip;
	if (is_compressed(frame) && snappy_uncompressed_length((const char *)body + skip, size - skip, &plain) != SNAPPY_OK)
		return false;
	frame->plain_size = plain;
	return plain <= SNAPPY_FRAME_SIZE && plain / SNAPPY_LARGEST_RATIO <= frame->size;
}

/* The chunk at `offset`, of which no more than `size` bytes are there. false: there is none. */
static bool read_chunk(int fd, uint64_t offset, uint64_t size, struct snappy_frame *ret)
{
	uint8_t bytes[HEADER_SIZE + CHECKSUM_SIZE + LENGTH_SIZE];
	size_t wanted = size < sizeof(bytes) ? size : sizeof(bytes), body;

	if (wanted < HEADER_SIZE || read_at(fd, offset, bytes, wanted) != (ssize_t)wanted)
		return false;
	*ret = (struct snappy_frame){
		.offset = offset + HEADER_SIZE,
		.size = bytes[1] | bytes[2] << 8 | bytes[3] << 16,
		.type = bytes[0],
	};
	if (ret->size > size - HEADER_SIZE)
		return false;
	if (ret->type >= FIRST_SKIPPABLE)
		return true;
	body = wanted - HEADER_SIZE < ret->size ? wanted - HEADER_SIZE : ret->size;
	return ret->type <= UNCOMPRESSED_UNCHECKED && measure(ret, bytes + HEADER_SIZE, body);
}

bool snappy_index_make(int fd, uint64_t offset, uint64_t size, uint64_t plain_size, struct snappy_index *ret)
{
	uint64_t start = 0, chunks = plain_size / 4096 + 16; /* a chunk for each page, and some without data */
	struct snappy_frame frame;

	*ret = (struct snappy_index){0};
	while (start < plain_size && chunks-- && read_chunk(fd, offset, size, &frame)) {
		offset += HEADER_SIZE + frame.size;
		size -= HEADER_SIZE + frame.size;
		if (!frame.plain_size)
			continue;
		frame.start = start;
		start += frame.plain_size;
		if (!array_reserve(&ret->frame, ret->count, &ret->room, sizeof(frame)))
			return false;
		ret->frame[ret->count++] = frame;
	}
	return true;
}

void snappy_index_free(struct snappy_index *index)
{
	free(index->frame);
	*index = (struct snappy_index){0};
}

static int compare(const void *at, const void *element)
{
	const struct snappy_frame *frame = element;
	uint64_t wanted = *(const uint64_t *)at;

	return wanted < frame->start ? -1 : wanted - frame->start >= frame->plain_size;
}

const struct snappy_frame *snappy_index_find(const struct snappy_index *index, uint64_t at)
{
	return index->count ? bsearch(&at, index->frame, index->count, sizeof(*index->frame), compare) : NULL;
}

static bool decompress(const struct snappy_frame *frame, const uint8_t *body, uint8_t *to)
{
	size_t skip = is_checked(frame) ? CHECKSUM_SIZE : 0, size = SNAPPY_FRAME_SIZE;

	if (!is_compressed(frame)) {
		memcpy(to, body + skip, frame->plain_size);
		return true;
	}
	return snappy_uncompress((const char *)body + skip, frame->size - skip, (char *)to, &size) == SNAPPY_OK &&
	       size == frame->plain_size;
}

/* Section 3 of the format: checksums of checksums would be weak, so they are stored changed. */
static bool is_sound(const struct snappy_frame *frame, const uint8_t *body, const uint8_t *plain)
{
	uint32_t stored, sum = crc32c(plain, frame->plain_size);

	memcpy(&stored, body, sizeof(stored));
	return stored == (sum >> 15 | sum << 17) + 0xa282ead8;
}

bool snappy_frame_read(int fd, const struct snappy_frame *frame, uint8_t *to)
{
	uint8_t body[LARGEST_CHUNK];

	return read_at(fd, frame->offset, body, frame->size) == (ssize_t)frame->size && decompress(frame, body, to) &&
	       (!is_checked(frame) || is_sound(frame, body, to));
}
