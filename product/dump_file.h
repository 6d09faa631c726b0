/*
 * The bytes of a dump in the order of its format: the file's own, or what a flattened file puts together.
 *
 * A flattened file (makedumpfile -F, QEMU's kdump) is what a program writes that cannot seek: a header of a page, then records, each a
 * place in the dump, a size and the bytes; numbers are big-endian, and both are -1 at the end (makedumpfile's README and
 * makedumpfile.h: struct makedumpfile_header, makedumpfile_data_header). The records are found once, from header to header.
 */
#ifndef XRAY86_PRODUCT_DUMP_FILE_H
#define XRAY86_PRODUCT_DUMP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* Where a flattened file has the first bytes of the dump, if its first record is the dump's beginning, as with all known programs. */
enum { FLATTENED_HEADER_SIZE = 4096, FLATTENED_RECORD_SIZE = 16 };

/* A range of the dump, and where it is in the file. */
struct dump_piece {
	uint64_t at, position, size;
};

struct dump_file {
	int fd;
	uint64_t size; /* of the dump */
	bool flattened;
	struct dump_piece *piece; /* of a flattened file, sorted and disjoint */
	size_t pieces, room;
	struct dump_piece *rewritten; /* what was written more than once, in the order of the file: the later counts */
	size_t rewrites, rewrites_room;
};

/* Whether the file is flattened, by its first bytes. */
bool dump_file_is_flattened(const uint8_t *head, size_t size);

/* The caller keeps fd open until dump_file_close(), which must be called after an error, too. */
struct error *dump_file_open(int fd, uint64_t file_size, bool flattened, struct dump_file *ret);
/* A zeroed one is allowed. */
void dump_file_close(struct dump_file *dump);

/*
 * Reads bytes [at, at + size) of the dump. What no record of a flattened file has is zeros, as in a file that was seeked over. Returns
 * false if a part is beyond the dump's end, or cannot be read.
 */
bool dump_file_read(const struct dump_file *dump, uint64_t at, void *to, size_t size);

#endif
