/*
 * TLB banks: flushing. Entering is inline in tlb.h, which has the layout and its invariants too; looking up is in emu/access.h.
 */
#include "mmu/tlb.h"

#include <string.h>

enum { LARGE_SHIFT = 21, GIANT_SHIFT = 30 };

void tlb_init(struct tlb *tlb)
{
	memset(tlb, 0, sizeof(*tlb));
	tlb->generation = 1; /* tag 0 is then no valid one */
}

void tlb_flush(struct tlb *tlb)
{
	if (++tlb->generation == TLB_GENERATIONS) { /* entries of the first generation would come to life again */
		memset(tlb->read, 0, sizeof(tlb->read));
		memset(tlb->write, 0, sizeof(tlb->write));
		memset(tlb->fetch, 0, sizeof(tlb->fetch));
		tlb->generation = 1;
	}
	memset(tlb->large, 0, sizeof(tlb->large));
	tlb->giant = 0;
}

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
	forget(&tlb->fetch[i], linear);
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

void tlb_flush_write_target(struct tlb *tlb, uint64_t target)
{
	for (unsigned i = 0; i < TLB_SIZE; i++) {
		struct tlb_entry *entry = &tlb->write[i];

		if ((entry->tag & PAGE_MASK) + entry->addend == target)
			entry->tag = 0;
	}
}
