/*
 * The product's kernel address space, as product context sees it. The product's own kernel page tables (swapper_pg_dir) translate linear
 * addresses of the kernel half; they are read through the overlay, too. Loads take the overlay, or else the snapshot. Stores go to the
 * overlay.
 *
 * It is the client of a TLB bank, which replaces the CPU's own in product context (mmu/tlb.h, cpu_set_supervisor_banks()). It leaves
 * addresses of the user half to the CPU: they are the trusted VM's. Physical addresses where the snapshot has no memory (devices) read as
 * zero, keep what is written like any other page, and are counted. A page that the snapshot has and that cannot be read faults: nobody
 * knows its contents.
 *
 * One window of linear addresses, which the product does not use, is ours: the stack of product context in the "context" way.
 */
#ifndef XRAY86_REDIRECT_MEMORY_H
#define XRAY86_REDIRECT_MEMORY_H

#include "mmu/overlay.h"
#include "mmu/tlb.h"
#include "mmu/walk.h"

enum { TRANSLATIONS = 512 };

/* Why an access was refused. */
enum product_gap {
	PRODUCT_GAP_NONE, /* the page tables refuse it */
	PRODUCT_GAP_FULL, /* the overlay takes no more pages */
	PRODUCT_GAP_UNREADABLE,
};

/* Pages with constant data (constant_data.h). */
struct product_constants {
	uint64_t start, size; /* whole pages; start MUST BE FIRST: the key */
	/* The contents to read for linear's page; NULL: those of the product. Called from within accesses, so nothing may be run there. */
	uint8_t *(*page)(void *opaque, uint64_t linear);
	void *opaque;
};

struct product_memory {
	struct tlb_client client; /* MUST BE FIRST: fill() finds us by it */
	struct tlb bank;
	struct tlb *other_bank; /* a bank whose client asks this one, and which is flushed with it; or NULL */
	struct page_source snapshot;
	struct overlay *overlay;
	struct paging paging;
	struct translation {     /* of a page, by its number modulo TRANSLATIONS. Like a CPU's TLB, it outlives calls */
		uint64_t linear; /* | 1; 0: none */
		uint64_t paddr;
		bool writable;
	} translation[TRANSLATIONS];
	uint64_t kernel_start; /* the kernel half begins here */
	uint64_t window;       /* linear, page-aligned; window_size 0: none */
	uint64_t window_size;
	uint8_t *window_host;
	void (*user_write)(void *opaque, uint64_t linear); /* called before a write to a user page that the bank lacks */
	void *opaque;
	struct product_constants *constants; /* sorted, without overlaps */
	size_t constant_count, constant_room;
	bool held; /* product_memory_hold() */
	/* Called when a page of the snapshot is about to be written, from within accesses. NULL: nobody wants to know. */
	void (*page_write)(void *opaque, uint64_t paddr);
	void *page_write_opaque;
	/*
	 * Called when an instruction is about to read a page that the page tables protect from writing, and that has no known constants.
	 * From within accesses. NULL: nobody wants to know.
	 */
	void (*protected_read)(void *opaque, uint64_t linear);
	void *protected_opaque;
	bool counts;
	struct tlb_traffic traffic; /* with `counts`: accesses of instructions to the snapshot and the overlay */
	enum page_lack lack;        /* of the last miss, if zeros were read instead */
	enum product_gap gap;       /* of the last miss that was refused */
	struct {
		uint64_t fills, faults;   /* misses answered; refused */
		uint64_t holes, left_out; /* of the answered ones: reads of zeros instead of memory that the snapshot lacks */
		uint64_t unreadable;      /* pages that could not be read; a page counts each time */
	} count;
};

struct product_memory_config {
	struct page_source snapshot;
	struct paging paging; /* by the kernel's own page tables, swapper_pg_dir */
	uint64_t kernel_start;
	bool shadows; /* for tagged execution: values that come from the product carry `product_tag` */
	uint8_t product_tag;
	uint64_t max_pages; /* how many pages may be written */
	bool counts;        /* count loads and stores, which makes accesses several times slower */
};

struct error *product_memory_init(struct product_memory *memory, const struct product_memory_config *config);
void product_memory_deinit(struct product_memory *memory);

/*
 * Finds `size` bytes (a multiple of the page size) of unmapped kernel-half addresses, aligned to `size`, and puts memory of ours there.
 * Error if there is no such hole.
 */
struct error *product_memory_open_window(struct product_memory *memory, uint64_t size);

/* The physical address of a kernel-half address. Returns false if it is not mapped, or in the window. */
bool product_memory_translate(struct product_memory *memory, uint64_t linear, uint64_t *ret_paddr);

/*
 * Copy bytes at kernel-half addresses, also in the window. Return false if some address is not mapped: nothing is written then, and *to is
 * undefined.
 */
bool product_memory_read(struct product_memory *memory, uint64_t linear, void *to, size_t size);
bool product_memory_write(struct product_memory *memory, uint64_t linear, const void *from, size_t size);
/* Read and write a little-endian number of `size` bytes, up to 8. */
bool product_memory_read_word(struct product_memory *memory, uint64_t linear, unsigned size, uint64_t *ret);
bool product_memory_write_word(struct product_memory *memory, uint64_t linear, unsigned size, uint64_t value);
/* Gives written bytes a tag, if the overlay has shadows. */
void product_memory_tag(struct product_memory *memory, uint64_t linear, unsigned size, uint8_t tag);

/* From now on reads of these pages have the contents that the owner gives. They must overlap with no others. The error is about memory. */
struct error *product_memory_add_constants(struct product_memory *memory, const struct product_constants *constants);

/* Forgets translations, as a CPU's TLB does, and what the banks know. */
void product_memory_invalidate(struct product_memory *memory);
/* Forgets what the banks know. */
void product_memory_flush(struct product_memory *memory);

/* Transactions of the overlay, with the banks kept in step. */
void product_memory_begin(struct product_memory *memory);
void product_memory_commit(struct product_memory *memory);
void product_memory_rollback(struct product_memory *memory);

/*
 * From now on transactions have no effect, until product_memory_let_go() takes back all that was written meanwhile: for asking the product
 * something that is to leave no trace. Between transactions only.
 */
void product_memory_hold(struct product_memory *memory);
void product_memory_let_go(struct product_memory *memory);

#endif
