/*
 * The product: the Linux kernel in a snapshot, identified from its memory.
 *
 * Sources are the memory itself and the landmarks of a kernel image of the same build. Registers of CPUs, where the format has them, only
 * say where to look first. So it makes no difference what the CPUs were doing, or whether they used page-table isolation.
 *
 * A banner alone proves nothing: memory has copies of it (the log buffer, files in the page cache, the remains of an earlier boot). It
 * counts if page tables inside the same image map the kernel's virtual range to the banner's place. struct product is filled from such
 * banners only.
 */
#ifndef XRAY86_PRODUCT_PRODUCT_H
#define XRAY86_PRODUCT_PRODUCT_H

#include "loader/banner.h"
#include "product/snapshot.h"
#include "mmu/walk.h"
#include "product/landmarks.h"

enum { PRODUCT_MAX_CPUS = 8192 /* the most that CONFIG_NR_CPUS can be (MAXSMP) */ };

struct product {
	struct snapshot *snapshot;
	struct banner banner;
	uint64_t banner_paddr;
	struct paging paging; /* the kernel's own page tables: swapper_pg_dir (init_top_pgt) */
	bool x86_64;
	bool based;            /* vbase and pbase are known: always on x86-64, on i386 with landmarks */
	uint64_t vbase, pbase; /* of the image's first byte (_text) */
	uint64_t ram_end;      /* the end of the machine's RAM, if a raw snapshot ends before it; 0: it does not */
	/* Filled in by product_complete(), which needs landmarks: */
	uint64_t *per_cpu_base; /* __per_cpu_offset[n], which is CPU n's base of GS (i386: FS) in the kernel; of a kernel for one CPU 0 */
	unsigned cpus;          /* how many: CPUs that are set up, running or not */
	bool all_cpus;          /* false: there may be more, of which the image tells nothing */
	unsigned online;        /* 0: the image does not tell */
	bool timed;             /* uptime_ms is known: always if the landmarks are an image's */
	uint64_t uptime_ms;     /* at the last tick; without time asleep */
};

/*
 * Finds the kernel. With landmarks it finds a kernel of that build, and looks only where KASLR can have put it. Without (NULL) it finds any
 * kernel: it searches first around the code to which the CPUs' registers lead, then everywhere.
 */
struct error *product_find(struct snapshot *snapshot, const struct landmarks *landmarks, struct product *ret);

/* Adds what only the image's landmarks tell. The error says what does not fit; product is as it was then, or complete in part. */
struct error *product_complete(struct product *product, const struct landmarks *landmarks);

/* Takes that back. */
void product_forget_completion(struct product *product);

void product_deinit(struct product *product);

/* Through the kernel's page tables. Return false if the address is not mapped, or not in the snapshot. */
bool product_translate(const struct product *product, uint64_t vaddr, uint64_t *ret_paddr);
bool product_read(const struct product *product, uint64_t vaddr, void *to, size_t size);

/* The present address of what was linked at `address`. (Per-CPU offsets of x86-64, which are small numbers, stay.) */
uint64_t product_relocated(const struct product *product, const struct landmarks *landmarks, uint64_t address);

#endif
