/*
 * TLB banks. A bank holds arrays of {tag, addend} for reads, writes and fetches; host address = linear + addend.
 *
 * A tag is the linear page address with the bank's generation in its low bits, so that one comparison checks page, alignment
 * (the access does not cross into the next page) and validity, and flushing everything is going on to the next generation.
 * Who may use an entry is not in it: each privilege has its own bank, and what a bank admits is decided when it is filled.
 *
 * Reads and writes: direct-mapped. A write entry exists only for pages that may be written without another walk (writable, dirty bit set,
 * RAM); that of a page with code has TLB_SLOW in its tag, which no access at full speed matches. A slot's write entry is always of the page
 * that its read entry is of.
 * Fetches: TLB_FETCH_WAYS to a set, replaced in turn. These and slow write entries hold physical addresses in place of host ones
 * (addend = physical - linear): blocks are keyed by them, and the code in a page is known by them.
 *
 * What is in a bank depends on nothing but the accesses made through it (and flushes), not on the blocks that there are or on how often an
 * entry was looked at: guests can tell, by clearing accessed and dirty bits without INVLPG, and runs are to be reproducible.
 *
 * Shadow: for tagged execution each entry also has the host address of the page's tag bytes (one byte of tag a byte of memory),
 * NULL where memory has no shadow. Plain execution never looks at it.
 */
#ifndef XRAY86_MMU_TLB_H
#define XRAY86_MMU_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "mmu/physmem.h"

enum {
	TLB_SIZE = 512,
	TLB_FETCH_SETS = 512,
	TLB_FETCH_WAYS = 4,
	TLB_SLOW = 1,                      /* in the tag of a write entry: the page has code */
	TLB_GENERATION = 2,                /* the first, and what lies between two */
	TLB_GENERATIONS = 1 << PAGE_SHIFT, /* there is none from here on */
	TLB_OVERRIDES = 16,
};

struct tlb_entry {
	uint64_t tag;
	uint64_t addend; /* modulo 2^64 */
};

struct tlb {
	uint64_t generation; /* TLB_GENERATION .. TLB_GENERATIONS - TLB_GENERATION; entries with another are dead */
	struct tlb_entry read[TLB_SIZE];
	struct tlb_entry write[TLB_SIZE];
	uint8_t *read_shadow[TLB_SIZE];
	uint8_t *write_shadow[TLB_SIZE];
	/*
	 * Who fills this bank. NULL: the CPU's own walk of its page tables. A client (redirect/) may take over a bank: it is asked
	 * on every miss, and answers with TLB_FILL_*.
	 */
	struct tlb_client *client;
	uint64_t large[8]; /* by linear >> 21: see tlb_flush_page() */
	uint64_t giant;    /* by linear >> 30 */
	struct tlb_entry fetch[TLB_FETCH_SETS][TLB_FETCH_WAYS];
	uint8_t fetch_next[TLB_FETCH_SETS]; /* the way to be replaced next */
	/* Clients' banks: slots of user pages that supervisor accesses may use only while EFLAGS.AC overrides SMAP. */
	uint16_t override[TLB_OVERRIDES];
	unsigned overrides; /* may exceed TLB_OVERRIDES */
};

/* What a client made of a miss. */
enum tlb_fill_status {
	TLB_FILL_OK,      /* ret_page is valid: memory of the client's, never the CPU's RAM, which may have code */
	TLB_FILL_TRUSTED, /* translate as the CPU itself would; ret_page may give the page a shadow all the same */
	TLB_FILL_FAULT,   /* #PF with ret_page->error_code */
	TLB_FILL_STOP,    /* leave the run loop with CPU_EXIT_CLIENT; the instruction has not happened */
};

/* What instructions transferred; one that reads, changes and writes does both. */
struct tlb_traffic {
	uint64_t loads, stores;
};

struct tlb_page {
	uint8_t *host;   /* start of the page */
	uint8_t *shadow; /* start of its tags, or NULL */
	uint32_t error_code;
	struct tlb_traffic *traffic; /* not NULL: the page is not entered, so that each access to it is seen, and counted here */
};

/*
 * ret_page comes zeroed. A page answered to a write replaces the one that reads had. Whether it is the client's or the CPU's, the first
 * write to a page is asked about even if reads of it were.
 */
struct tlb_client {
	enum tlb_fill_status (*fill)(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page);
	uint8_t default_tag; /* of a load from memory without a shadow */
};

void tlb_init(struct tlb *tlb);
/* Forgets everything: O(1), but for one clearing in some 2000 calls. */
void tlb_flush(struct tlb *tlb);
/*
 * INVLPG: forgets the entries of the page that holds linear. Large pages are entered in pieces of 4 KiB; `large` and `giant` remember (as
 * small Bloom filters) where pieces of 2/4 MiB and 1 GiB pages were entered, and a page that may be one costs a whole flush.
 */
void tlb_flush_page(struct tlb *tlb, uint64_t linear);
/* Makes the write entries, of whatever linear address, that lead to the host page at target slow: it has code now. */
void tlb_slow_write_target(struct tlb *tlb, uint64_t target, uint64_t paddr);
/* To be called with each entry of a piece of a page larger than 4 KiB. */
void tlb_note_large(struct tlb *tlb, uint64_t linear, unsigned page_shift);
/* To be called with each entry of a page that only EFLAGS.AC admits; and when it admits them no longer. */
void tlb_note_override(struct tlb *tlb, uint64_t linear);
void tlb_forget_overrides(struct tlb *tlb);

static inline unsigned tlb_index(uint64_t linear)
{
	return (linear >> PAGE_SHIFT) & (TLB_SIZE - 1);
}

/* The entry's tag for an access of size bytes: the page of its *last* byte, which is the entry's only if nothing crosses. */
static inline uint64_t tlb_tag(const struct tlb *tlb, uint64_t linear, unsigned size)
{
	return ((linear + (size - 1)) & PAGE_MASK) | tlb->generation;
}

/* What a page may be entered for. */
enum tlb_rights {
	TLB_READ,       /* reads only */
	TLB_WRITE,      /* reads, and writes at full speed */
	TLB_WRITE_SLOW, /* reads, and writes by way of its physical address */
};

/* Enters linear's page, which stands at `host` and, for slow writes, at paddr. */
void tlb_enter(struct tlb *tlb, uint64_t linear, const struct tlb_page *page, enum tlb_rights rights, uint64_t paddr);

static inline unsigned tlb_fetch_set(uint64_t linear)
{
	return (linear >> PAGE_SHIFT) & (TLB_FETCH_SETS - 1);
}

/* The physical address to fetch from, if the bank has it. */
static inline bool tlb_find_fetch(const struct tlb *tlb, uint64_t linear, uint64_t *ret_paddr)
{
	const struct tlb_entry *set = tlb->fetch[tlb_fetch_set(linear)];
	uint64_t tag = tlb_tag(tlb, linear, 1);

	for (unsigned way = 0; way < TLB_FETCH_WAYS; way++) {
		if (set[way].tag == tag) {
			*ret_paddr = linear + set[way].addend;
			return true;
		}
	}
	return false;
}

/* Enters a page for fetches. Returns whether another one had to go for it. */
bool tlb_enter_fetch(struct tlb *tlb, uint64_t linear, uint64_t paddr);

#endif
