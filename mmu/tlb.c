/*
 * TLB banks: entering and flushing. tlb.h has the layout and its invariants; looking up data entries is in emu/access.h.
 */
#include "mmu/tlb.h"

#include <string.h>

enum { LARGE_SHIFT = 21, GIANT_SHIFT = 30 };

void tlb_init(struct tlb *tlb)
{
	memset(tlb, 0, sizeof(*tlb));
	tlb->generation = TLB_GENERATION; /* tag 0 is then no valid one */
}

void tlb_flush(struct tlb *tlb)
{
	tlb->generation += TLB_GENERATION;
	if (tlb->generation == TLB_GENERATIONS) { /* entries of the first generation would come to life again */
		memset(tlb->read, 0, sizeof(tlb->read));
		memset(tlb->write, 0, sizeof(tlb->write));
		memset(tlb->fetch, 0, sizeof(tlb->fetch));
		tlb->generation = TLB_GENERATION;
	}
	memset(tlb->large, 0, sizeof(tlb->large));
	tlb->giant = 0;
	tlb->overrides = 0;
}

/* -- data -- */

/* target: where the page starts. A client's need not be aligned. */
static struct tlb_entry entry_of(const struct tlb *tlb, uint64_t linear, uint64_t target, uint64_t flags)
{
	uint64_t page = linear & PAGE_MASK;

	return (struct tlb_entry){.tag = page | tlb->generation | flags, .addend = target - page};
}

void tlb_enter(struct tlb *tlb, uint64_t linear, const struct tlb_page *page, enum tlb_rights rights, uint64_t paddr)
{
	unsigned i = tlb_index(linear);
	uint64_t host = (uintptr_t)page->host;

	tlb->read[i] = entry_of(tlb, linear, host, 0);
	tlb->read_shadow[i] = tlb->write_shadow[i] = page->shadow;
	switch (rights) {
	case TLB_READ:
		tlb->write[i].tag = 0;
		break;
	case TLB_WRITE:
		tlb->write[i] = entry_of(tlb, linear, host, 0);
		break;
	case TLB_WRITE_SLOW:
		tlb->write[i] = entry_of(tlb, linear, paddr & PAGE_MASK, TLB_SLOW);
		break;
	}
}

void tlb_slow_write_target(struct tlb *tlb, uint64_t target, uint64_t paddr)
{
	for (unsigned i = 0; i < TLB_SIZE; i++) {
		struct tlb_entry *entry = &tlb->write[i];

		if ((entry->tag & PAGE_MASK) + entry->addend != target || (entry->tag & TLB_SLOW))
			continue;
		entry->addend += paddr - target;
		entry->tag |= TLB_SLOW;
	}
}

/* -- fetches -- */

bool tlb_enter_fetch(struct tlb *tlb, uint64_t linear, uint64_t paddr)
{
	unsigned set = tlb_fetch_set(linear);
	struct tlb_entry *entry = &tlb->fetch[set][tlb->fetch_next[set]++ % TLB_FETCH_WAYS];
	bool alive = (entry->tag & ~PAGE_MASK) == tlb->generation;

	*entry = entry_of(tlb, linear, paddr & PAGE_MASK, 0);
	return alive;
}

/* -- flushing one page -- */

/*
 * The filters' bits: the upper half of the address space, the kernel's, has its own half of them, so that its large pages do not stand in
 * the way of the many INVLPGs for user pages.
 */
static uint64_t upper_half(uint64_t linear)
{
	return linear >> 32 ? linear >> 63 : linear >> 31;
}

static unsigned large_index(uint64_t linear)
{
	return (linear >> LARGE_SHIFT & 255) | upper_half(linear) << 8;
}

static uint64_t giant_bit(uint64_t linear)
{
	return 1ull << ((linear >> GIANT_SHIFT & 31) | upper_half(linear) << 5);
}

static void forget(struct tlb_entry *entry, uint64_t linear)
{
	if (((entry->tag ^ linear) & PAGE_MASK) == 0)
		entry->tag = 0;
}

void tlb_flush_page(struct tlb *tlb, uint64_t linear)
{
	unsigned i = tlb_index(linear), large = large_index(linear);

	if ((tlb->giant & giant_bit(linear)) || (tlb->large[large / 64] >> (large % 64) & 1)) {
		tlb_flush(tlb);
		return;
	}
	forget(&tlb->read[i], linear);
	forget(&tlb->write[i], linear);
	for (unsigned way = 0; way < TLB_FETCH_WAYS; way++)
		forget(&tlb->fetch[tlb_fetch_set(linear)][way], linear);
}

void tlb_note_large(struct tlb *tlb, uint64_t linear, unsigned page_shift)
{
	unsigned large = large_index(linear);

	if (page_shift >= GIANT_SHIFT) {
		tlb->giant |= giant_bit(linear);
	} else {
		tlb->large[large / 64] |= 1ull << (large % 64);
		if (page_shift > LARGE_SHIFT) /* 4 MiB: the other half too */
			tlb->large[large / 64] |= 1ull << (large % 64 ^ 1);
	}
}

/* -- pages that are admitted for a while -- */

void tlb_note_override(struct tlb *tlb, uint64_t linear)
{
	if (tlb->overrides < TLB_OVERRIDES)
		tlb->override[tlb->overrides] = tlb_index(linear);
	tlb->overrides++;
}

void tlb_forget_overrides(struct tlb *tlb)
{
	if (tlb->overrides > TLB_OVERRIDES) {
		tlb_flush(tlb);
		return;
	}
	for (; tlb->overrides; tlb->overrides--) {
		unsigned i = tlb->override[tlb->overrides - 1];

		tlb->read[i].tag = tlb->write[i].tag = 0;
	}
}
