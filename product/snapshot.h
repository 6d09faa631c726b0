/*
 * Snapshots: the physical memory of a machine, frozen in a file.
 *
 * A snapshot is a list of extents of physical memory. Each has whole pages, which its format (snapshot_format.h) reads. Memory outside of
 * all extents is a hole, or was left out. Opening costs what reading the headers costs, however much memory the file holds.
 *
 * The file is opened for reading only and is *not* mapped. A mapping of a file that somebody truncates (or of a disk that fails) raises
 * SIGBUS at the next access, which only a process-wide signal handler could catch. Instead, address space of the memory's size is reserved,
 * and a page is read into it when somebody first asks for it. So a page that was given out stays as it was, whatever happens to the file. A
 * page that can no longer be read is counted in `lost`. Memory use follows the pages that were asked for.
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
	struct timespec changed; /* the file's last change, when it was opened */
	const struct snapshot_format *format;
	void *private;                 /* the format's own */
	enum snapshot_machine machine; /* what the file says about the CPU's mode when it was made */
	struct extents ram;            /* memory in the file */
	struct extents left_out;       /* memory that the machine had and the file lacks */
	const struct extent *main;     /* the largest of ram, where searches begin; never NULL */
	struct snapshot_cpu *cpu;      /* none in formats without registers */
	size_t cpus, cpu_room;
	uint8_t *memory; /* the extents' pages, where `present` says so */
	uint64_t memory_size;
	uint64_t *present;    /* a bit a page */
	uint64_t lost;        /* how often a page that the file has could not be read */
	struct cancel cancel; /* stops searches; may be set after opening */
};

/* On success *ret belongs to the caller, until snapshot_close(). The error names the file. */
struct error *snapshot_open(const char *path, struct snapshot **ret);
/* The same with an open file, which the snapshot takes over, even after an error. `name` is for messages. */
struct error *snapshot_open_fd(int fd, const char *name, struct snapshot **ret);
/*
 * Whether the file is as it was when it was opened, by its size and the time of its last change. (Pages that were read before a change may
 * not fit those that were read after it.)
 */
enum snapshot_change { SNAPSHOT_SAME, SNAPSHOT_TRUNCATED, SNAPSHOT_CHANGED };
enum snapshot_change snapshot_change(const struct snapshot *snapshot);

/* NULL is allowed. */
void snapshot_close(struct snapshot *snapshot);

/* "ELF core" and the like. */
const char *snapshot_format_name(const struct snapshot *snapshot);
/* Whether convention alone says where its memory is. */
bool snapshot_is_raw(const struct snapshot *snapshot);

/*
 * For memory of one extent from 0 on that turns out to leave out the machine's hole: moves the memory at `from` and behind it to `to`.
 * Pages stay valid. Returns false without memory, and if the two are no page boundaries.
 */
bool snapshot_split(struct snapshot *snapshot, uint64_t from, uint64_t to);
/* Undoes it. */
void snapshot_join(struct snapshot *snapshot);

/*
 * The page that holds paddr. It is page-aligned, valid and unchanging until snapshot_close(). NULL: *ret_lack has the reason. A page of
 * which the file has only a part is a hole.
 */
const uint8_t *snapshot_page(struct snapshot *snapshot, uint64_t paddr, enum page_lack *ret_lack);
/* The same as an interface; valid until snapshot_close(). */
struct page_source snapshot_source(struct snapshot *snapshot);

/* Copies from any number of pages. Returns false, with *to undefined, if a byte is in a hole. */
bool snapshot_read(struct snapshot *snapshot, uint64_t paddr, void *to, size_t size);

/* The same from the file, without keeping pages. For searches, which look at much and need little of it. */
bool snapshot_peek(const struct snapshot *snapshot, uint64_t paddr, void *to, size_t size);

/*
 * The same as far as it goes: missing pages become zeros, in which no search finds anything. Returns false if all are missing.
 */
bool snapshot_scan(const struct snapshot *snapshot, uint64_t paddr, void *to, size_t size);

/*
 * The next range of memory, at paddr `from` or above, that has data in the file. Skips holes of the memory, and those of a sparse file,
 * which read as zeros. Returns false if there is none.
 */
bool snapshot_next_data(const struct snapshot *snapshot, uint64_t from, uint64_t *ret_start, uint64_t *ret_end);

/* The extent that holds paddr, or NULL. */
const struct extent *snapshot_find(const struct snapshot *snapshot, uint64_t paddr);

#endif
