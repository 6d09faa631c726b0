/*
 * AVML's compressed format (avml --compress): records of up to 16 MiB, each a header as LiME's with a magic and version of its own, a
 * stream of snappy's frames, and 8 bytes with the stream's size. The facts are those of src/image.rs in microsoft/avml.
 *
 * The size stands behind the stream: so records are found from the file's end to its start, without a look at the streams. Positions count
 * the bytes of all records when they are decompressed. Where the frames of a record are is found when the record is first read.
 *
 * A header that claims more memory than a stream of its size can hold is damaged: else a file of 50 bytes would be terabytes to search.
 *
 * A block of 16 MiB that is all zeros is not written at all: it is a hole for us, which reads as zeros in product context.
 */
#include "product/snapshot_lime.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "product/snappy_frames.h"
#include "product/unit_cache.h"
#include "util/array.h"

static const char magic[] = "AVML";

enum { VERSION = 2, TRAILER_SIZE = 8, CACHED_FRAMES = 64 };

struct record {
	uint64_t paddr, plain_size;
	uint64_t position;     /* of its first byte */
	uint64_t offset, size; /* of its stream */
	bool indexed;
	struct snappy_index index;
};

struct avml {
	struct record *record; /* by position */
	size_t records, room;
	struct unit_cache *cache; /* of frames, by their offset in the file */
};

static bool probe(const uint8_t *head, size_t size)
{
	return lime_head_is(head, size, magic);
}

/* -- opening -- */

static struct error *damaged(uint64_t at)
{
	return error_create("a damaged or truncated AVML image: no record ends at byte %" PRIu64 ": make the snapshot again", at);
}

/* The record that ends at `end`. */
static struct error *read_record(const struct snapshot *snapshot, uint64_t end, struct record *ret)
{
	struct lime_header header;
	struct error *err;
	uint64_t size;

	if (end < sizeof(header) + TRAILER_SIZE)
		return damaged(end);
	err = snapshot_read_file(snapshot, end - TRAILER_SIZE, &size, sizeof(size), "a record's size");
	if (err)
		return err;
	if (size > end - TRAILER_SIZE - sizeof(header))
		return damaged(end);
	err = snapshot_read_file(snapshot, end - TRAILER_SIZE - size - sizeof(header), &header, sizeof(header), "a record's header");
	if (err)
		return err;
	if (!lime_header_is_valid(&header, magic, VERSION) || (header.last - header.first) / SNAPPY_LARGEST_RATIO > size)
		return damaged(end);
	*ret = (struct record){
		.paddr = header.first,
		.plain_size = header.last - header.first + 1,
		.offset = end - TRAILER_SIZE - size,
		.size = size,
	};
	return NULL;
}

static struct error *find_records(struct snapshot *snapshot, struct avml *avml)
{
	for (uint64_t end = snapshot->file_size; end;) {
		struct record record;
		struct error *err = read_record(snapshot, end, &record);

		if (err)
			return err;
		if (avml->records >= LIME_MAX_RECORDS)
			return error_create("a damaged AVML image: more than %u records", LIME_MAX_RECORDS);
		if (!array_reserve(&avml->record, avml->records, &avml->room, sizeof(record)))
			return error_create("out of memory");
		avml->record[avml->records++] = record;
		end = record.offset - sizeof(struct lime_header);
	}
	return NULL;
}

/* Gives records, which were found from the last to the first, their positions and their order. */
static struct error *add_records(struct snapshot *snapshot, struct avml *avml)
{
	uint64_t position = 0;

	for (size_t i = 0; i < avml->records / 2; i++) {
		struct record other = avml->record[avml->records - 1 - i];

		avml->record[avml->records - 1 - i] = avml->record[i];
		avml->record[i] = other;
	}
	for (size_t i = 0; i < avml->records; i++) {
		struct record *record = &avml->record[i];
		struct error *err;

		record->position = position;
		err = snapshot_add(snapshot, record->paddr, record->plain_size, position);
		if (err)
			return err;
		if (__builtin_add_overflow(position, record->plain_size, &position))
			return error_create("a damaged AVML image: its records have more memory than there can be");
	}
	return NULL;
}

static struct error *open_avml(struct snapshot *snapshot)
{
	struct avml *avml = snapshot->private = calloc(1, sizeof(*avml));
	struct error *err;

	if (!avml)
		return error_create("out of memory");
	avml->cache = unit_cache_create(CACHED_FRAMES, SNAPPY_FRAME_SIZE);
	if (!avml->cache)
		return error_create("out of memory");
	err = find_records(snapshot, avml);
	return err ? err : add_records(snapshot, avml);
}

static void close_avml(struct snapshot *snapshot)
{
	struct avml *avml = snapshot->private;

	if (!avml)
		return;
	for (size_t i = 0; i < avml->records; i++)
		snappy_index_free(&avml->record[i].index);
	unit_cache_destroy(avml->cache);
	free(avml->record);
	free(avml);
}

/* -- reading -- */

static int compare(const void *position, const void *element)
{
	const struct record *record = element;
	uint64_t wanted = *(const uint64_t *)position;

	return wanted < record->position ? -1 : wanted - record->position >= record->plain_size;
}

static struct record *find_record(const struct avml *avml, uint64_t position)
{
	return bsearch(&position, avml->record, avml->records, sizeof(*avml->record), compare);
}

struct reading {
	int fd;
	const struct snappy_frame *frame;
};

static bool fill(void *opaque, uint8_t *to)
{
	const struct reading *reading = opaque;

	return snappy_frame_read(reading->fd, reading->frame, to);
}

/* The frame that has byte `at` of the record, and where it is when decompressed. */
static const uint8_t *get_frame(const struct snapshot *snapshot, struct record *record, uint64_t at, const struct snappy_frame **ret_frame)
{
	const struct avml *avml = snapshot->private;
	struct reading reading = {.fd = snapshot->fd};

	if (!record->indexed) {
		if (!snappy_index_make(snapshot->fd, record->offset, record->size, record->plain_size, &record->index)) {
			snappy_index_free(&record->index); /* there may be memory when it is next asked for */
			return NULL;
		}
		record->indexed = true;
	}
	*ret_frame = reading.frame = snappy_index_find(&record->index, at);
	return reading.frame ? unit_cache_get(avml->cache, reading.frame->offset, fill, &reading) : NULL;
}

static enum page_lack read_avml(const struct snapshot *snapshot, uint64_t position, void *to, size_t size)
{
	uint8_t *out = to;

	while (size) {
		struct record *record = find_record(snapshot->private, position);
		const struct snappy_frame *frame;
		const uint8_t *bytes = record ? get_frame(snapshot, record, position - record->position, &frame) : NULL;
		uint64_t into, left, part;

		if (!bytes)
			return PAGE_UNREADABLE;
		into = position - record->position - frame->start;
		left = record->plain_size - (position - record->position); /* a frame may have more than belongs to its record */
		part = frame->plain_size - into < size ? frame->plain_size - into : size;
		part = part < left ? part : left;
		memcpy(out, bytes + into, part);
		out += part;
		position += part;
		size -= part;
	}
	return PAGE_THERE;
}

const struct snapshot_format snapshot_avml = {
	.name = "AVML",
	.probe = probe,
	.open = open_avml,
	.read = read_avml,
	.close = close_avml,
};
