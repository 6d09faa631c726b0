/*
 * Snapshots: the physical memory of a machine, frozen in a file.
 *
 * A snapshot is a list of extents of physical memory, each of whole pages that its format (snapshot_format.h) reads; what is in no extent
 * is a hole, or was left out. Opening costs what the file's headers cost: neither time nor memory depends on how much memory it holds.
 *
 * The file is opened for reading only and is *not* mapped: a mapping of a file that somebody truncates (or of a disk that fails) raises
 * SIGBUS at the next access, which only a process-wide signal handler could catch. Instead address space of the memory's size is reserved,
 * and a page is read into it when it is first asked for. So a page that was once given out stays what it was, whatever happens to the file,
 * and one that can no longer be read is a hole, counted in `lost`. Memory use follows the pages asked for.
 */
#ifndef XRAY86_PRODUCT_SNAPSHOT_H
#define XRAY86_PRODUCT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "mmu/page_source.h"
#include "product/extents.h"
#include "util/cancel.h"
#include "util/error.h"

/* A CPU's registers, as far as the file's notes have them. */
struct snapshot_cpu {
	uint64_t rip, rsp, rflags;
	uint64_t fs_base, gs_base;
	uint16_t cs;
	bool system; /* whether what follows is known (QEMU's note) */
	uint64_t kernel_gs_base, idt_base;
	uint64_t cr[5];
};

enum snapshot_machine { SNAPSHOT_MACHINE_UNKNOWN, SNAPSHOT_MACHINE_I386, SNAPSHOT_MACHINE_X86_64 };

struct snapshot {
	int fd;
	uint64_t file_size;
	struct timespec changed; /* when the file was, last, as it was opened */
	const struct snapshot_format *format;
	void *private;                 /* the format's own */
	enum snapshot_machine machine; /* what the file says about the CPU's mode when it was made */
	struct extents ram;            /* that is in the file */
	struct extents left_out;       /* memory that the machine had and the file does not say anything of */
	const struct extent *main;     /* the largest of ram, which is looked at first; never NULL */
	struct snapshot_cpu *cpu;      /* none in formats without registers */
	size_t cpus;
	uint8_t *memory; /* the extents' pages, where `present` says so */
	uint64_t memory_size;
	uint64_t *present;    /* a bit a page */
	uint64_t lost;        /* how often a page that the file has could not be read */
	struct cancel cancel; /* whoever searches it asks this; may be set after opening */
};

/* The error names the file. On success *ret is the caller's, until snapshot_close(). */
struct error *snapshot_open(const char *path, struct snapshot **ret);
/* The same with an open file, which the snapshot takes over also in case of error; `name` is for messages. */
struct error *snapshot_open_fd(int fd, const char *name, struct snapshot **ret);
/*
 * Whether the file is as it was when it was opened, as far as the file system tells: by its size and the time of its last change. (Pages
 * that were read before it was changed and those that were read after may not fit together.)
 */
enum snapshot_change { SNAPSHOT_SAME, SNAPSHOT_TRUNCATED, SNAPSHOT_CHANGED };
enum snapshot_change snapshot_change(const struct snapshot *snapshot);

/* NULL is allowed. */
void snapshot_close(struct snapshot *snapshot);

/* "ELF core" and the like. */
const char *snapshot_format_name(const struct snapshot *snapshot);
/* Whether nothing but convention says where its memory is. */
bool snapshot_is_raw(const struct snapshot *snapshot);

/*
 * Memory of one extent from 0 on turns out to be in one piece although the machine's has a hole: what was at `from`, and behind it, is at
 * `to`. Pages stay valid. false: out of memory.
 */
bool snapshot_split(struct snapshot *snapshot, uint64_t from, uint64_t to);
/* Undoes it. */
void snapshot_join(struct snapshot *snapshot);

/*
 * The page that holds paddr: page-aligned, valid and unchanging until snapshot_close(). NULL: *ret_lack has the reason. A page of which the
 * file has but a part is a hole altogether.
 */
const uint8_t *snapshot_page(struct snapshot *snapshot, uint64_t paddr, enum page_lack *ret_lack);
/* The same as an interface; valid until snapshot_close(). */
struct page_source snapshot_source(struct snapshot *snapshot);

/* Copies out of any number of pages. false, with *to undefined, if a byte lies in a hole. */
bool snapshot_read(struct snapshot *snapshot, uint64_t paddr, void *to, size_t size);

/* The same from the file, keeping nothing: for searches, which look at much and need little of it. */
bool snapshot_peek(const struct snapshot *snapshot, uint64_t paddr, void *to, size_t size);

/*
 * The same as far as it goes: pages that are not to be had are zeros, in which no search finds anything. false: there is none, and *to is
 * zeros.
 */
bool snapshot_scan(const struct snapshot *snapshot, uint64_t paddr, void *to, size_t size);

/*
 * The next range of memory, at paddr `from` or above, that has data in the file: holes of the memory and those of a sparse file, which read
 * as zeros, are passed over. false if there is none.
 */
bool snapshot_next_data(const struct snapshot *snapshot, uint64_t from, uint64_t *ret_start, uint64_t *ret_end);

/* The extent that holds paddr, or NULL. */
const struct extent *snapshot_find(const struct snapshot *snapshot, uint64_t paddr);

#endif
