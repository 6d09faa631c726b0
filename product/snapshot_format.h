/*
 * What a format of snapshots provides, and what it finds in snapshot.c to do so. Only for product/snapshot*.c.
 *
 * A new format is a file product/snapshot_NAME.c with a struct snapshot_format, a line for it in the table of snapshot.c, and a test.
 *
 * Positions. A format adds ranges of physical memory, each with the position of its first byte. In a format without a read() of its own
 * that is a position in the file, where the bytes stand as they are. A format with one chooses: any numbers do in which consecutive bytes
 * of a range have consecutive positions, such as a count of the bytes that are decompressed, or the physical addresses themselves. Ranges
 * that go on in both are joined, so that a range which the file has in many pieces remains one extent.
 *
 * Memory. open() may keep what it needs to find things, in snapshot->private: of a constant size, or a small part of the file's. What
 * read() decompresses it keeps in a unit_cache, which is bounded. Pages that were given out are kept by snapshot.c.
 *
 * Files are hostile: open() checks all that it reads, read() all that it finds later, and neither loops or allocates by a number that the
 * file has without a limit.
 */
#ifndef XRAY86_PRODUCT_SNAPSHOT_FORMAT_H
#define XRAY86_PRODUCT_SNAPSHOT_FORMAT_H

#include "product/snapshot.h"

enum { SNAPSHOT_HEAD_SIZE = 8192 };

struct snapshot_format {
	const char *name;
	/* Whether it is this format, by the file's first bytes (all of it, if it is shorter than SNAPSHOT_HEAD_SIZE). */
	bool (*probe)(const uint8_t *head, size_t size);
	/* Adds the extents; fills in machine, CPUs and private as far as the file has that. After an error close() is called, too. */
	struct error *(*open)(struct snapshot *snapshot);
	/*
	 * Reads from a position within an extent; the range asked for ends in the same extent. Returns why one of the bytes is not to be
	 * had, and *to is undefined then. NULL: what the file has there.
	 */
	enum page_lack (*read)(const struct snapshot *snapshot, uint64_t position, void *to, size_t size);
	/*
	 * The first range within [from, to), which lies in one extent, that is worth a look: not known to be zeros, and not left out.
	 * false: there is none. NULL: without a read() what is no hole of the file; with one, all of it.
	 */
	bool (*next_data)(const struct snapshot *snapshot, uint64_t from, uint64_t to, uint64_t *ret_start, uint64_t *ret_end);
	/* Frees snapshot->private, which may be NULL. NULL: there is nothing to free. */
	void (*close)(struct snapshot *snapshot);
};

extern const struct snapshot_format snapshot_elf, snapshot_lime, snapshot_avml, snapshot_raw;

/* Adds memory [paddr, paddr + size), of which the first byte is at `position`. Ranges may come in any order, overlap and be unaligned. */
struct error *snapshot_add(struct snapshot *snapshot, uint64_t paddr, uint64_t size, uint64_t position);
/*
 * Says of memory that the machine had it and the snapshot does not. Where something was added, too, that counts. What is beyond 52 bits is
 * passed over.
 */
struct error *snapshot_add_left_out(struct snapshot *snapshot, uint64_t paddr, uint64_t size);

/* Reads from the file; an error if [offset, offset + size) is not all there. `what` is for the message. */
struct error *snapshot_read_file(const struct snapshot *snapshot, uint64_t offset, void *to, size_t size, const char *what);

/* An error that says what the file is and what to do, if it is of a format that would pass for raw memory; by its first bytes. */
struct error *snapshot_refuse_foreign(const uint8_t *head, size_t size);

/* Takes registers from the notes of an ELF core. Whatever is malformed or unknown is passed over. */
struct error *snapshot_parse_notes(struct snapshot *snapshot, const uint8_t *notes, size_t size);

#endif
