/* What a format of snapshots provides, and what it finds in snapshot.c to do so. Only for loader/snapshot*.c. */
#ifndef XRAY86_PRODUCT_SNAPSHOT_FORMAT_H
#define XRAY86_PRODUCT_SNAPSHOT_FORMAT_H

#include "product/snapshot.h"

enum { SNAPSHOT_HEAD_SIZE = 8192 };

struct snapshot_format {
	const char *name;
	/* By the file's first bytes (all of it, if it is shorter than SNAPSHOT_HEAD_SIZE). */
	bool (*detect)(const uint8_t *head, size_t size);
	/* Adds the extents; fills in machine and CPUs, if known. */
	struct error *(*open)(struct snapshot *snapshot);
};

extern const struct snapshot_format snapshot_elf, snapshot_raw;

/*
 * Adds memory [paddr, paddr + size), which stands at `offset` of the file. Ranges may come in any order, overlap and be unaligned. Where
 * they disagree about the place in the file, the one that starts first counts.
 */
struct error *snapshot_add(struct snapshot *snapshot, uint64_t paddr, uint64_t size, uint64_t offset);

/* Reads from the file; an error if [offset, offset + size) is not all there. `what` is for the message. */
struct error *snapshot_read_file(const struct snapshot *snapshot, uint64_t offset, void *to, size_t size, const char *what);

/* An error that says what the file is and what to do, if it is of a format that would pass for raw memory; by its first bytes. */
struct error *snapshot_refuse_foreign(const uint8_t *head, size_t size);

/* Takes registers from the notes of an ELF core. Whatever is malformed or unknown is passed over. */
struct error *snapshot_parse_notes(struct snapshot *snapshot, const uint8_t *notes, size_t size);

#endif
