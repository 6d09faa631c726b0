/*
 * What a format of snapshots provides, and the functions of snapshot_format.c that it uses. Only for product/snapshot*.c.
 *
 * A new format is a file product/snapshot_NAME.c with a struct snapshot_format, a line for it in the table of snapshot.c, and a test.
 *
 * Positions. A format adds ranges of physical memory, each with the position of its first byte. Without a read() of its own, that is a
 * position in the file, where the bytes are as they are. A format with a read() chooses any numbers that are consecutive for consecutive
 * bytes of a range, such as a count of decompressed bytes, or the physical addresses themselves. Ranges that continue each other in both
 * are joined, so a range that the file has in many pieces is one extent.
 *
 * Memory. open() may keep what it needs to find things in snapshot->private, of constant size or a small part of the file's. read() keeps
 * what it decompresses in a unit_cache, which is bounded. snapshot.c keeps pages that were given out.
 *
 * Files are hostile. open() checks all that it reads, and read() all that it finds later. Neither loops or allocates by a number from the
 * file without a limit.
 */
#ifndef XRAY86_PRODUCT_SNAPSHOT_FORMAT_H
#define XRAY86_PRODUCT_SNAPSHOT_FORMAT_H

#include "product/snapshot.h"

enum { SNAPSHOT_HEAD_SIZE = 8192 };

struct snapshot_format {
	const char *name;
	/* Whether the file has this format, by its first bytes (all of it, if it is shorter than SNAPSHOT_HEAD_SIZE). */
	bool (*probe)(const uint8_t *head, size_t size);
	/* Adds the extents, and fills in machine, CPUs and private as far as the file has them. After an error close() is called, too. */
	struct error *(*open)(struct snapshot *snapshot);
	/*
	 * Reads from a position within an extent; the range ends in the same extent. Returns PAGE_THERE, or why a byte is lacking; *to is
	 * undefined then. NULL: the bytes are those of the file.
	 */
	enum page_lack (*read)(const struct snapshot *snapshot, uint64_t position, void *to, size_t size);
	/*
	 * The first range within [from, to), which is in one extent, that is worth a look: neither left out nor known to be zeros. Returns
	 * false if there is none. NULL: without a read() it is all but the file's holes; with a read() it is everything.
	 */
	bool (*next_data)(const struct snapshot *snapshot, uint64_t from, uint64_t to, uint64_t *ret_start, uint64_t *ret_end);
	/* Frees snapshot->private, which may be NULL. NULL: the format has nothing to free. */
	void (*close)(struct snapshot *snapshot);
};

extern const struct snapshot_format snapshot_elf, snapshot_lime, snapshot_avml, snapshot_kdump, snapshot_raw;

/* Adds memory [paddr, paddr + size), whose first byte is at `position`. Ranges may come in any order, overlap and be unaligned. */
struct error *snapshot_add(struct snapshot *snapshot, uint64_t paddr, uint64_t size, uint64_t position);
/*
 * Notes memory that the machine had and the snapshot lacks. Memory that was added, too, counts as added. Memory beyond 52 bits is ignored.
 */
struct error *snapshot_add_left_out(struct snapshot *snapshot, uint64_t paddr, uint64_t size);

/* Reads from the file. Error if a part of [offset, offset + size) is missing. `what` is for the message. */
struct error *snapshot_read_file(const struct snapshot *snapshot, uint64_t offset, void *to, size_t size, const char *what);

/* If the file, by its first bytes, has another format that would pass for raw memory: an error that says what it is, and what to do. */
struct error *snapshot_refuse_foreign(const struct snapshot *snapshot, const uint8_t *head, size_t size);

/* Takes registers from the notes of an ELF core. Ignores whatever is malformed or unknown. */
struct error *snapshot_parse_notes(struct snapshot *snapshot, const uint8_t *notes, size_t size);

#endif
