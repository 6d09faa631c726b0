/*
 * The headers of kdump-compressed dumps ("diskdump"): struct disk_dump_header in block 0, struct kdump_sub_header in block 1, as
 * makedumpfile 1.7 (diskdump_mod.h) and crash define them, and QEMU (include/sysemu/dump.h) writes them. Their members are of the machine's
 * word size, except that they are laid out for 64-bit machines by QEMU if the machine is one, whatever runs in it.
 */
#ifndef XRAY86_PRODUCT_KDUMP_HEADER_H
#define XRAY86_PRODUCT_KDUMP_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "product/dump_file.h"
#include "util/error.h"

enum { KDUMP_BLOCK_SIZE = 4096 };

struct kdump_header {
	char machine[66]; /* utsname's, ended by a zero */
	bool incomplete;  /* whoever wrote it ran out of space */
	bool split;       /* it has the pages from first_pfn up to, but without, end_pfn, of a dump in several files */
	uint64_t first_pfn, end_pfn;
	uint64_t pages;      /* page frames that the bitmaps tell of (max_mapnr) */
	uint64_t exists_at;  /* in the dump: the bitmap of what is memory */
	uint64_t dumped_at;  /* and of what is in the dump; may be the same */
	uint64_t pages_at;   /* the pages' descriptors */
	uint64_t notes_at;   /* ELF notes */
	uint64_t notes_size; /* 0: none */
};

/* Whether a dump that begins so is one. */
bool kdump_header_is_one(const uint8_t *head, size_t size);

/* Reads both headers, and checks that the bitmaps are within the dump. */
struct error *kdump_header_read(const struct dump_file *dump, struct kdump_header *ret);

#endif
