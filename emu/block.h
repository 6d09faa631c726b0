/*
 * Blocks: straight runs of lowered instructions, cached by (physical address, mode bits) and, where there are marks, by linear page.
 *
 * Invariants. The granules of a cached block's code bytes are marked in physmem, so block_cache_invalidate() is called before a store
 * reaches them. A block ends at a branch, at an instruction that may change what follows, before a marked address, after BLOCK_MAX
 * instructions or at the end of its page. Only a block of one instruction may cross into a second page. Dropped blocks keep their memory
 * until the whole cache is emptied, so a running block never disappears under the engine. But nothing leads to them any more: generation
 * numbers make links and the jump cache void.
 */
#ifndef XRAY86_EMU_BLOCK_H
#define XRAY86_EMU_BLOCK_H

#include "emu/cpu.h"
#include "emu/decode.h"

enum { BLOCK_MAX = 64 };

/* Behind a block's last instruction: its direct successors. [0] is that of a taken branch, or the only one; [1] the fall-through. */
struct block_links {
	struct block *to[2];
	uint32_t generation[2]; /* valid if equal to cpu->link_generation */
	uint64_t page;          /* physical page of the block's last byte, in which its links stay */
};

_Static_assert(sizeof(struct block_links) <= sizeof(struct insn), "links fit in the slot of one instruction");

struct block {
	uint64_t paddr;
	uint64_t second_page; /* physical page of the rest of a page-crossing instruction; all-ones if none */
	uint32_t mode;        /* MODE_KEY bits */
	uint16_t size;        /* code bytes */
	uint8_t count;        /* instructions */
	bool marked;          /* the first instruction's address is marked, and insn[0] is the mark's pseudo instruction */
	uint64_t mark_page;   /* linear page with marks that the block was made for; it is found at that page only. all-ones: no marks.
				 See mark_page() */
	struct block *hash_next;
	struct block *page_next[2];                       /* in the lists of the first and second page */
	_Alignas(sizeof(struct insn)) struct insn insn[]; /* count, a terminator, and the links */
};

/* The links of the block whose last instruction (or terminator) is insn. */
static inline struct block_links *block_links_of(const struct insn *insn)
{
	return (struct block_links *)(uintptr_t)(insn + 1);
}

struct block_stats {
	uint64_t translated, dropped, emptied, single, lookups;
};

struct block_cache;

struct error *block_cache_create(struct cpu *cpu, struct block_cache **ret);
void block_cache_destroy(struct block_cache *cache);

/*
 * Finds or makes the block at cpu->rip in the current mode. Raises what fetching raises (#PF, #GP). Returns NULL if the code there cannot
 * be cached or entered as a block (it is not RAM, or CS has a limit): execute it with block_single().
 */
struct block *block_find(struct cpu *cpu);

/* A throw-away block with the one instruction at cpu->rip. It is valid until the next call. Raises what fetching raises. */
struct block *block_single(struct cpu *cpu);

/* physmem's code hook (opaque is the cpu). Drops the blocks that contain any of these bytes. */
void block_cache_invalidate(void *opaque, uint64_t paddr, uint64_t size);

/* Drops everything. */
void block_cache_empty(struct cpu *cpu);

const struct block_stats *block_cache_stats(const struct cpu *cpu);

/* Lowering (emu/lower.c): handler tables, indexed by operation. */
struct lowering;
struct lowering *lowering_create(void); /* NULL: out of memory */
void lowering_destroy(struct lowering *lowering);

/* A decoded instruction on its way into a block. */
struct lowered {
	struct decoded decoded;
	struct insn insn;
	bool flags_dead;  /* nobody can see the flags that it writes */
	uint8_t producer; /* enum producer: which operation made the flags that it reads */
};

/*
 * Fills insn's operand fields from decoded, but not execute, offset and left. `offset` is the instruction's offset in its block.
 */
void lower_operands(const struct decoded *decoded, uint32_t mode, unsigned offset, struct insn *ret);
/* Whether lowering has a handler for the form (for the test that checks that all rows have one). */
bool lower_supported(const struct lowering *lowering, const struct decoded *decoded, uint32_t mode);
/* Finds out the liveness of flags over a finished block, and chooses handlers. lowered[n] becomes out[n]. */
void lower_block(const struct lowering *lowering, struct lowered *lowered, unsigned count, uint32_t mode, struct insn *out);

/* Which kind of operation made the flags that a conditional instruction reads, as far as the block shows. */
enum producer { PRODUCER_UNKNOWN, PRODUCER_SUB, PRODUCER_LOGIC, PRODUCER_RESULT, PRODUCER_COUNT };

/* Handlers of conditional instructions, by producer and condition. */
struct condition_impl {
	uint16_t op;
	uint8_t form, size;
	handler_fn *execute[PRODUCER_COUNT][16];
};

/* Pseudo instructions (emu/ops/branch.c). */
handler_fn end_chain_plain, end_chain_tagged; /* the block goes on in the next one */
handler_fn end_exit_plain, end_exit_tagged;   /* back to the run loop */
handler_fn raise_ud, raise_nm, raise_gp;      /* emu/engine.c */
handler_fn raise_sse_off, raise_mmx_off;
handler_fn run_mark;

#endif
