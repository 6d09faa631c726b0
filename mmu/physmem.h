/*
 * Guest-physical memory: RAM, ROM and memory-mapped devices in one address space.
 *
 * Invariants: regions do not overlap, and start and end on page boundaries. RAM and ROM are host memory, with stable host addresses for the
 * object's life, so a TLB may cache them. Addresses outside of all regions read as all-ones and ignore writes, as an undecoded bus cycle
 * does on a PC.
 *
 * Code tracking: each RAM page has a bitmap of 128-byte granules, which tells where decoded blocks came from. A write through this file to
 * such a granule calls the `code_written` hook *before* memory changes. Writers that cache host pointers (the write TLB) must have none to
 * a page whose bitmap is not zero.
 */
#ifndef XRAY86_MMU_PHYSMEM_H
#define XRAY86_MMU_PHYSMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

enum { PAGE_SHIFT = 12, PAGE_SIZE = 1 << PAGE_SHIFT, CODE_GRANULE_SHIFT = 7 };
#define PAGE_MASK (~(uint64_t)(PAGE_SIZE - 1))

/* A memory-mapped device. size is 1, 2, 4 or 8; offset counts from the region's start. */
struct mmio_ops {
	uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
	void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
};

enum physmem_kind { PHYSMEM_RAM, PHYSMEM_ROM, PHYSMEM_MMIO };

struct physmem_region {
	uint64_t start, size; /* bytes, page-aligned */
	enum physmem_kind kind;
	uint8_t *host;              /* RAM and ROM: `size` bytes */
	uint32_t *code;             /* RAM: one granule bitmap a page */
	const struct mmio_ops *ops; /* MMIO */
	void *opaque;
};

/* Called before bytes [paddr, paddr+size) of a granule with code change. May clear bitmap bits. */
typedef void physmem_code_hook(void *opaque, uint64_t paddr, uint64_t size);

struct physmem {
	struct physmem_region *region; /* sorted by start */
	size_t count;
	const struct physmem_region *main; /* the largest RAM region, where searches begin; or NULL */
	physmem_code_hook *code_written;   /* NULL: nobody wants to know */
	void *code_opaque;
};

void physmem_init(struct physmem *mem);
/* Frees all RAM and ROM. MMIO opaques belong to their devices. */
void physmem_deinit(struct physmem *mem);

/* Adds zeroed RAM, which costs host memory only where it is touched. Error if it overlaps or is not page-aligned. */
struct error *physmem_add_ram(struct physmem *mem, uint64_t start, uint64_t size);
/* Adds read-only memory with a copy of data[0..size). size is rounded up to a page; the rest reads as 0. */
struct error *physmem_add_rom(struct physmem *mem, uint64_t start, const void *data, uint64_t size);
struct error *physmem_add_mmio(struct physmem *mem, uint64_t start, uint64_t size, const struct mmio_ops *ops, void *opaque);
/*
 * Gives the RAM region that starts at `start` the contents of a file from offset (page-aligned) on, which must hold all of the region. They
 * are mapped copy-on-write, and cost host memory only where they are touched. The region must not have been used yet. Error if mapping
 * fails.
 */
struct error *physmem_map_file(struct physmem *mem, uint64_t start, int fd, uint64_t offset);
/* Removes the region that starts at `start` (for a device that moves, as the local APIC may). */
void physmem_remove(struct physmem *mem, uint64_t start);

/* The region that holds paddr, or NULL. */
const struct physmem_region *physmem_find(const struct physmem *mem, uint64_t paddr);

/*
 * Host address of the byte at paddr in RAM (or, for reading, ROM), valid to the end of its page. NULL for MMIO, holes, and writes to ROM;
 * also for writes to a page with code, unless code_too is set.
 */
uint8_t *physmem_host(const struct physmem *mem, uint64_t paddr, bool write, bool code_too);

/* One access of 1, 2, 4 or 8 bytes that does not cross a page. Reads of holes give all-ones of that size. Little-endian. */
uint64_t physmem_read(const struct physmem *mem, uint64_t paddr, unsigned size);
void physmem_write(struct physmem *mem, uint64_t paddr, uint64_t value, unsigned size);

/* Bulk copies from and to RAM and ROM (physmem_copy_in() also fills ROM). Return false, with nothing copied, if a byte is elsewhere. */
bool physmem_copy_out(const struct physmem *mem, uint64_t paddr, void *to, uint64_t size);
bool physmem_copy_in(struct physmem *mem, uint64_t paddr, const void *from, uint64_t size);

/* The granule bitmap of the RAM page that holds paddr, or NULL if there is none. */
uint32_t *physmem_code_bitmap(const struct physmem *mem, uint64_t paddr);
/* Bits of the granules that [offset, offset+size) of a page touches. offset+size <= PAGE_SIZE, size > 0. */
uint32_t physmem_granules(unsigned offset, unsigned size);

#endif
