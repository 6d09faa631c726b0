/*
 * The product's kernel address space, as product context sees it: linear addresses of the kernel half, translated by the product's own
 * kernel page tables (swapper_pg_dir), which are read through the overlay like everything else; loads from the overlay, else from the
 * snapshot; stores to the overlay.
 *
 * It is the client of the TLB bank that takes the CPU's own place in product context (mmu/tlb.h, cpu_set_supervisor_banks()). Addresses of
 * the user half it leaves to the CPU: they are the trusted VM's. Physical addresses where the snapshot has no memory (devices)
 * read as zero, and keep what is written like any other page; they are counted. A page that the snapshot has and that cannot be read
 * faults: nobody knows what it was.
 *
 * One window of linear addresses that the product does not use is ours: the stack of product context in the "context" way.
 */
#ifndef XRAY86_REDIRECT_MEMORY_H
#define XRAY86_REDIRECT_MEMORY_H

#include "mmu/overlay.h"
#include "mmu/tlb.h"
#include "mmu/walk.h"

enum { TRANSLATIONS = 512 };

/* Why an access was refused. */
enum product_gap {
	PRODUCT_GAP_NONE, /* the page tables did */
	PRODUCT_GAP_FULL, /* the overlay takes no more pages */
	PRODUCT_GAP_UNREADABLE,
};

struct product_memory {
	struct tlb_client client; /* MUST BE FIRST: fill() finds us by it */
	struct tlb bank;
	struct tlb *other_bank; /* whose client asks ours: flushed with it; or NULL */
	struct page_source snapshot;
	struct overlay *overlay;
	struct paging paging;
	struct translation {     /* of a page, by its number modulo TRANSLATIONS; what outlives calls, where a CPU's TLB would keep it */
		uint64_t linear; /* and 1; 0: none */
		uint64_t paddr;
		bool writable;
	} translation[TRANSLATIONS];
	uint64_t kernel_start; /* the kernel half begins here */
	uint64_t window;       /* linear, page-aligned; window_size 0: none */
	uint64_t window_size;
	uint8_t *window_host;
	void (*user_write)(void *opaque, uint64_t linear); /* before the first write to a page of the user half since the bank forgot it */
	void *opaque;
	bool counts;
	struct tlb_traffic traffic; /* with `counts`: of instructions with the snapshot and the overlay */
	enum page_lack lack;        /* of the last miss, where zeros are read instead */
	enum product_gap gap;       /* of the last miss that was refused */
	struct {
		uint64_t fills, faults;   /* misses answered; refused */
		uint64_t holes, left_out; /* of the answered, reads of zeros instead of what is not in the snapshot */
		uint64_t unreadable;      /* pages that could not be read, each time */
	} count;
};

struct product_memory_config {
	struct page_source snapshot;
	struct paging paging; /* by the kernel's own page tables, swapper_pg_dir */
	uint64_t kernel_start;
	bool shadows; /* for tagged execution: values that come from the product carry `product_tag` */
	uint8_t product_tag;
	uint64_t max_pages; /* that may be written */
	bool counts;        /* loads and stores: accesses are several times slower then */
};

struct error *product_memory_init(struct product_memory *memory, const struct product_memory_config *config);
void product_memory_deinit(struct product_memory *memory);

/*
 * Finds `size` bytes (a multiple of the page size) of kernel-half addresses that the page tables leave unmapped, aligned to `size`, and
 * puts memory of ours there. Error if there is no such hole.
 */
struct error *product_memory_open_window(struct product_memory *memory, uint64_t size);

/* The physical address of a kernel-half address; false: not mapped (or the window). */
bool product_memory_translate(struct product_memory *memory, uint64_t linear, uint64_t *ret_paddr);

/* Bytes at kernel-half addresses, the window's too. False where something is not mapped: nothing (read: an unspecified part) is copied
 * then. */
bool product_memory_read(struct product_memory *memory, uint64_t linear, void *to, size_t size);
bool product_memory_write(struct product_memory *memory, uint64_t linear, const void *from, size_t size);
/* A little-endian number of `size` bytes, up to 8. */
bool product_memory_read_word(struct product_memory *memory, uint64_t linear, unsigned size, uint64_t *ret);
bool product_memory_write_word(struct product_memory *memory, uint64_t linear, unsigned size, uint64_t value);
/* Gives bytes that were written a tag, if the overlay has shadows. */
void product_memory_tag(struct product_memory *memory, uint64_t linear, unsigned size, uint8_t tag);

/* What a CPU would keep of the page tables in its TLB is void, and what the banks know. */
void product_memory_invalidate(struct product_memory *memory);
/* What the banks know is void. */
void product_memory_flush(struct product_memory *memory);

/* Transactions of the overlay, with the banks kept in step. */
void product_memory_begin(struct product_memory *memory);
void product_memory_commit(struct product_memory *memory);
void product_memory_rollback(struct product_memory *memory);

#endif
