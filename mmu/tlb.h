/*
 * TLB banks. A bank holds three direct-mapped arrays (read, write, fetch) of {tag, addend}; host address = linear + addend.
 *
 * A tag is the linear page address with the bank's 12-bit generation in its low bits, so that one comparison checks page, alignment
 * (the access does not cross into the next page) and validity, and flushing everything is adding one to the generation.
 * A write entry exists only for pages that may be written at full speed: dirty bit set, RAM, no code in the page.
 * Fetch entries hold physical addresses in place of host ones (addend = physical - linear): blocks are keyed by them.
 * Who may use an entry is not in it: each privilege has its own bank, and what a bank admits is decided when it is filled.
 *
 * Shadow: for tagged execution each entry also has the host address of the page's tag bytes (one byte of tag a byte of memory),
 * NULL where memory has no shadow. Plain execution never looks at it.
 */
#ifndef XRAY86_MMU_TLB_H
#define XRAY86_MMU_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "mmu/physmem.h"

enum { TLB_SIZE = 512, TLB_GENERATIONS = 1 << PAGE_SHIFT };

struct tlb_entry {
	uint64_t tag;
	uint64_t addend; /* modulo 2^64 */
};

struct tlb {
	uint64_t generation; /* 1 .. TLB_GENERATIONS-1; entries with another are dead */
	struct tlb_entry read[TLB_SIZE];
	struct tlb_entry write[TLB_SIZE];
	struct tlb_entry fetch[TLB_SIZE];
	uint8_t *read_shadow[TLB_SIZE];
	uint8_t *write_shadow[TLB_SIZE];
	/*
	 * Who fills this bank. NULL: the CPU's own walk of its page tables. A client (redirect/) may take over a bank: it is asked
	 * on every miss, and answers with TLB_FILL_*.
	 */
	struct tlb_client *client;
	uint64_t large[8]; /* by linear >> 21: see tlb_flush_page() */
	uint64_t giant;    /* by linear >> 30 */
};

/* What a client made of a miss. */
enum tlb_fill_status {
	TLB_FILL_OK,      /* ret_page is valid */
	TLB_FILL_TRUSTED, /* translate as the CPU itself would */
	TLB_FILL_FAULT,   /* #PF with ret_page->error_code */
	TLB_FILL_STOP,    /* leave the run loop with CPU_EXIT_CLIENT; the instruction has not happened */
};

struct tlb_page {
	uint8_t *host;   /* start of the page */
	uint8_t *shadow; /* start of its tags, or NULL */
	uint32_t error_code;
};

struct tlb_client {
	enum tlb_fill_status (*fill)(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page);
	uint8_t default_tag; /* of a load from memory without a shadow */
};

void tlb_init(struct tlb *tlb);
/* Forgets everything: O(1), but for one clearing in TLB_GENERATIONS calls. */
void tlb_flush(struct tlb *tlb);
/*
 * INVLPG: forgets the entries of the page that holds linear. Large pages are entered in pieces of 4 KiB; `large` and `giant` remember (as
 * small Bloom filters) where pieces of 2/4 MiB and 1 GiB pages were entered, and a page that may be one costs a whole flush.
 */
void tlb_flush_page(struct tlb *tlb, uint64_t linear);
/* Forgets the write entries, of whatever linear address, that lead to the host page at target: it has code now. */
void tlb_flush_write_target(struct tlb *tlb, uint64_t target);
/* To be called with each tlb_enter() of a piece of a page larger than 4 KiB. */
void tlb_note_large(struct tlb *tlb, uint64_t linear, unsigned page_shift);

static inline unsigned tlb_index(uint64_t linear)
{
	return (linear >> PAGE_SHIFT) & (TLB_SIZE - 1);
}

/* The entry's tag for an access of size bytes: the page of its *last* byte, which is the entry's only if nothing crosses. */
static inline uint64_t tlb_tag(const struct tlb *tlb, uint64_t linear, unsigned size)
{
	return ((linear + (size - 1)) & PAGE_MASK) | tlb->generation;
}

/* Enters linear's page in one of tlb's arrays. target: the page's host (read, write) or physical (fetch) address. */
static inline void tlb_enter(const struct tlb *tlb, struct tlb_entry *array, uint64_t linear, uint64_t target)
{
	uint64_t page = linear & PAGE_MASK;

	array[tlb_index(linear)] = (struct tlb_entry){.tag = page | tlb->generation, .addend = target - page};
}

#endif
