/*
 * TLB banks. A bank holds arrays of {tag, addend} for reads, writes and fetches; host address = linear + addend.
 *
 * A tag is the linear page address with the bank's generation in its low bits. So one comparison checks the page, the alignment (the access
 * does not cross into the next page) and the validity, and a flush of everything only begins the next generation. Rights are not in an
 * entry: each privilege has its own bank, and filling a bank decides what it admits.
 *
 * Reads and writes: direct-mapped. A write entry exists only for pages that can be written without another walk (writable, dirty bit set,
 * RAM). The write entry of a page with code has TLB_SLOW in its tag, which no access at full speed matches. The read and the write entry of
 * a slot are always for the same page.
 * Fetches: TLB_FETCH_WAYS in a set, replaced in turn. These and slow write entries hold physical addresses instead of host addresses
 * (addend = physical - linear), since blocks and the code in a page are found by physical address.
 *
 * The contents of a bank depend on the accesses through it and on flushes alone, and neither on blocks nor on how often somebody looked at
 * an entry. A guest can see the contents, by clearing accessed and dirty bits without INVLPG, and runs must be reproducible.
 *
 * Shadow: for tagged execution each entry also has the host address of the page's tag bytes (one byte of tag for each byte of memory), or
 * NULL if the memory has no shadow. Plain execution never looks at it.
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
	TLB_GENERATION = 2,                /* the first, and the distance between two */
	TLB_GENERATIONS = 1 << PAGE_SHIFT, /* all generations are below this */
	TLB_OVERRIDES = 16,
};

struct tlb_entry {
	uint64_t tag;
	uint64_t addend; /* modulo 2^64 */
};

struct tlb {
	uint64_t generation; /* TLB_GENERATION .. TLB_GENERATIONS - TLB_GENERATION; entries of another one are dead */
	struct tlb_entry read[TLB_SIZE];
	struct tlb_entry write[TLB_SIZE];
	uint8_t *read_shadow[TLB_SIZE];
	uint8_t *write_shadow[TLB_SIZE];
	/*
	 * What fills this bank. NULL: the CPU's own walk of its page tables. A client (redirect/) may take a bank over; every miss then
	 * asks it, and it answers with TLB_FILL_*.
	 */
	struct tlb_client *client;
	uint64_t large[8]; /* by linear >> 21: see tlb_flush_page() */
	uint64_t giant;    /* by linear >> 30 */
	struct tlb_entry fetch[TLB_FETCH_SETS][TLB_FETCH_WAYS];
	uint8_t fetch_next[TLB_FETCH_SETS]; /* the way that will be replaced next */
	/* In clients' banks: slots of user pages that supervisor accesses may use only while EFLAGS.AC overrides SMAP. */
	uint16_t override[TLB_OVERRIDES];
	unsigned overrides; /* may exceed TLB_OVERRIDES */
};

/* A client's answer to a miss. */
enum tlb_fill_status {
	TLB_FILL_OK,      /* ret_page is valid. It is the client's own memory, never the CPU's RAM, which may have code */
	TLB_FILL_TRUSTED, /* let the CPU's own page walk decide; ret_page may still give the page a shadow */
	TLB_FILL_FAULT,   /* #PF with ret_page->error_code */
	TLB_FILL_STOP,    /* leave the run loop with CPU_EXIT_CLIENT, before the instruction */
};

/* Counts of loads and stores; a read-modify-write counts as both. */
struct tlb_traffic {
	uint64_t loads, stores;
};

struct tlb_page {
	uint8_t *host;   /* start of the page */
	uint8_t *shadow; /* start of its tags, or NULL */
	uint32_t error_code;
	struct tlb_traffic *traffic; /* if not NULL, the page gets no entry, so that each access to it is seen and counted here */
};

/*
 * fill() gets a zeroed *ret_page. Its page for a write replaces the one for reads. The first write to a page asks again, even if a read of
 * the page has asked before, and whether the page is the client's or the CPU's.
 */
struct tlb_client {
	enum tlb_fill_status (*fill)(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page);
	uint8_t default_tag; /* the tag of a load from memory without a shadow */
};

void tlb_init(struct tlb *tlb);
/* Forgets everything, in O(1); one call in some 2000 clears the arrays. */
void tlb_flush(struct tlb *tlb);
/*
 * INVLPG: forgets the entries of the page that holds linear. A large page has entries for pieces of 4 KiB. `large` and `giant` remember (as
 * small Bloom filters) where there are pieces of 2/4 MiB and 1 GiB pages; a page that may be such a piece costs a flush of everything.
 */
void tlb_flush_page(struct tlb *tlb, uint64_t linear);
/* Makes all write entries that lead to the host page at target slow, since the page has code now. */
void tlb_slow_write_target(struct tlb *tlb, uint64_t target, uint64_t paddr);
/* To be called for each entry of a piece of a page that is larger than 4 KiB. */
void tlb_note_large(struct tlb *tlb, uint64_t linear, unsigned page_shift);
/* To be called for each entry of a page that only EFLAGS.AC admits; to be called when EFLAGS.AC admits them no longer. */
void tlb_note_override(struct tlb *tlb, uint64_t linear);
void tlb_forget_overrides(struct tlb *tlb);

static inline unsigned tlb_index(uint64_t linear)
{
	return (linear >> PAGE_SHIFT) & (TLB_SIZE - 1);
}

/* The tag that an entry for this access has. It names the page of the *last* byte, so no entry matches an access that crosses pages. */
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

/* Enters linear's page, whose memory is page->host; paddr is its physical address, for slow writes. */
void tlb_enter(struct tlb *tlb, uint64_t linear, const struct tlb_page *page, enum tlb_rights rights, uint64_t paddr);

static inline unsigned tlb_fetch_set(uint64_t linear)
{
	return (linear >> PAGE_SHIFT) & (TLB_FETCH_SETS - 1);
}

/* The physical address to fetch from. Returns false if the bank has none. */
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

/* Enters a page for fetches. Returns true if it replaced another page. */
bool tlb_enter_fetch(struct tlb *tlb, uint64_t linear, uint64_t paddr);

#endif
