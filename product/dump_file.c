/* Files of dumps, flattened or not: dump_file.h. */
#include "product/dump_file.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/read_at.h"

/*
 * Records are of some KiB, but for a few. So the list, of 24 bytes for each, stays a small part of the file. Rewritten are headers, if
 * anything.
 */
enum { FREE_RECORDS = 4096, BYTES_PER_RECORD = 1024, MAX_REWRITES = 4096 };

static const char magic[16] = "makedumpfile";

bool dump_file_is_flattened(const uint8_t *head, size_t size)
{
	return size >= sizeof(magic) && memcmp(head, magic, sizeof(magic)) == 0;
}

/* -- finding the records -- */

/* The record at *position, which is moved behind it. *ret_end: it was the end. */
static struct error *next_record(const struct dump_file *dump, uint64_t file_size, uint64_t *position, struct dump_piece *ret,
				 bool *ret_end)
{
	uint64_t header[2];

	if (file_size - *position < sizeof(header) || read_at(dump->fd, *position, header, sizeof(header)) != sizeof(header))
		return error_create("truncated: the file ends at byte %" PRIu64 ", without a mark: make the snapshot again", file_size);
	*position += sizeof(header);
	*ret = (struct dump_piece){be64toh(header[0]), *position, be64toh(header[1])};
	*ret_end = ret->at == UINT64_MAX && ret->size == UINT64_MAX;
	if (*ret_end)
		return NULL;
	if (ret->at > INT64_MAX || ret->size > INT64_MAX)
		return error_create("damaged: no record of a flattened dump at byte %" PRIu64 ": make the snapshot again",
				    *position - sizeof(header));
	if (ret->size > file_size - *position)
		return error_create("truncated: the file has %" PRIu64 " bytes, a record would be the %" PRIu64 " from byte %" PRIu64
				    " on: make the snapshot again",
				    file_size, ret->size, *position);
	*position += ret->size;
	return NULL;
}

static struct error *add(struct dump_piece **list, size_t *count, size_t *room, const struct dump_piece *piece)
{
	if (!array_reserve(list, *count, room, sizeof(**list)))
		return error_create("out of memory");
	(*list)[(*count)++] = *piece;
	return NULL;
}

static struct error *find_records(struct dump_file *dump, uint64_t file_size)
{
	uint64_t position = FLATTENED_HEADER_SIZE;
	struct dump_piece piece;
	bool end = false;

	if (file_size < position)
		return error_create("truncated: it has nothing but a header: make the snapshot again");
	for (;;) {
		struct error *err = next_record(dump, file_size, &position, &piece, &end);

		if (err || end)
			return err;
		if (dump->pieces > FREE_RECORDS + file_size / BYTES_PER_RECORD)
			return error_create("damaged: a flattened dump of too many records: make the snapshot again");
		if (piece.size)
			err = add(&dump->piece, &dump->pieces, &dump->room, &piece);
		if (err)
			return err;
		if (piece.at + piece.size > dump->size)
			dump->size = piece.at + piece.size;
	}
}

static int by_place(const void *left, const void *right)
{
	const struct dump_piece *a = left, *b = right;

	return a->at < b->at ? -1 : a->at > b->at;
}

static int by_position(const void *left, const void *right)
{
	const struct dump_piece *a = left, *b = right;

	return a->position < b->position ? -1 : a->position > b->position;
}

/* The number of pieces from `first` on that hang together by overlapping. */
static size_t overlapping(const struct dump_file *dump, size_t first)
{
	uint64_t end = dump->piece[first].at + dump->piece[first].size;
	size_t next = first + 1;

	for (; next < dump->pieces && dump->piece[next].at < end; next++) {
		if (dump->piece[next].at + dump->piece[next].size > end)
			end = dump->piece[next].at + dump->piece[next].size;
	}
	return next - first;
}

/* Sorts the pieces, and takes those out that overlap others. */
static struct error *arrange(struct dump_file *dump)
{
	size_t kept = 0;

	if (dump->pieces)
		qsort(dump->piece, dump->pieces, sizeof(*dump->piece), by_place);
	for (size_t i = 0, count; i < dump->pieces; i += count) {
		struct error *err = NULL;

		count = overlapping(dump, i);
		if (count == 1)
			dump->piece[kept++] = dump->piece[i];
		for (size_t j = i; !err && count > 1 && j < i + count; j++)
			err = add(&dump->rewritten, &dump->rewrites, &dump->rewrites_room, &dump->piece[j]);
		if (err)
			return err;
		if (dump->rewrites > MAX_REWRITES)
			return error_create("damaged: records of a flattened dump overlap: make the snapshot again");
	}
	dump->pieces = kept;
	if (dump->rewrites)
		qsort(dump->rewritten, dump->rewrites, sizeof(*dump->rewritten), by_position);
	return NULL;
}

struct error *dump_file_open(int fd, uint64_t file_size, bool flattened, struct dump_file *ret)
{
	struct error *err;

	*ret = (struct dump_file){.fd = fd, .flattened = flattened};
	if (!flattened) {
		ret->size = file_size;
		return NULL;
	}
	err = find_records(ret, file_size);
	return err ? err : arrange(ret);
}

void dump_file_close(struct dump_file *dump)
{
	free(dump->piece);
	free(dump->rewritten);
	*dump = (struct dump_file){.fd = -1};
}

/* -- reading -- */

/* The part of [at, at + size) that the piece has. */
static bool read_part(const struct dump_file *dump, const struct dump_piece *piece, uint64_t at, uint8_t *to, size_t size)
{
	uint64_t start = at > piece->at ? at : piece->at, end = at + size, part;

	if (piece->at + piece->size < end)
		end = piece->at + piece->size;
	if (start >= end)
		return true;
	part = end - start;
	return read_at(dump->fd, piece->position + (start - piece->at), to + (start - at), part) == (ssize_t)part;
}

/* The first piece that ends above `at`. */
static size_t first_above(const struct dump_file *dump, uint64_t at)
{
	size_t low = 0, high = dump->pieces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (dump->piece[middle].at + dump->piece[middle].size <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool dump_file_read(const struct dump_file *dump, uint64_t at, void *to, size_t size)
{
	bool good = true;

	if (at > dump->size || size > dump->size - at)
		return false;
	if (!dump->flattened)
		return read_at(dump->fd, at, to, size) == (ssize_t)size;
	memset(to, 0, size);
	for (size_t i = first_above(dump, at); good && i < dump->pieces && dump->piece[i].at < at + size; i++)
		good = read_part(dump, &dump->piece[i], at, to, size);
	for (size_t i = 0; good && i < dump->rewrites; i++)
		good = read_part(dump, &dump->rewritten[i], at, to, size);
	return good;
}
