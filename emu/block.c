/*
 * The block cache: see block.h. Blocks live in one arena that is emptied as a whole when it is full; a hash table finds them by
 * physical address and mode, and a list for each physical page finds those that a write to the page may have to drop.
 */
#include "emu/block.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "emu/access.h"
#include "emu/chain.h"
#include "emu/mark.h"
#include "emu/paging.h"

enum {
	HASH_SIZE = 1 << 15,
	PAGE_HASH_SIZE = 1 << 12,
	ARENA_SIZE = 96 << 20, /* virtual; what is touched is what blocks need, some 40 bytes an instruction */
	BLOCK_RESERVE = sizeof(struct block) + (BLOCK_MAX + 3) * sizeof(struct insn),
};

struct block_cache {
	struct lowering *lowering;
	uint8_t *arena;
	size_t used;
	struct block *hash[HASH_SIZE];
	struct block *page[PAGE_HASH_SIZE]; /* by physical page number; chains mix pages of the same hash */
	struct block_stats stats;
	struct lowered scratch[BLOCK_MAX];
	_Alignas(struct block) uint8_t single[sizeof(struct block) + 4 * sizeof(struct insn)];
};

struct error *block_cache_create(struct cpu *cpu, struct block_cache **ret)
{
	struct block_cache *cache = aligned_alloc(_Alignof(struct block_cache), sizeof(*cache));

	if (!cache)
		return error_create("block cache: out of memory");
	memset(cache, 0, sizeof(*cache));
	cache->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cache->arena == MAP_FAILED) {
		free(cache);
		return error_create("block cache: cannot map %d MiB", ARENA_SIZE >> 20);
	}
	cache->lowering = lowering_create();
	if (!cache->lowering) {
		munmap(cache->arena, ARENA_SIZE);
		free(cache);
		return error_create("block cache: out of memory");
	}
	cpu->mem->code_written = block_cache_invalidate;
	cpu->mem->code_opaque = cpu;
	*ret = cache;
	return NULL;
}

void block_cache_destroy(struct block_cache *cache)
{
	if (!cache)
		return;
	lowering_destroy(cache->lowering);
	munmap(cache->arena, ARENA_SIZE);
	free(cache);
}

const struct block_stats *block_cache_stats(const struct cpu *cpu)
{
	return &cpu->blocks->stats;
}

/* -- finding and filing -- */

static unsigned hash_of(uint64_t paddr, uint32_t mode)
{
	return (paddr ^ paddr >> 15 ^ mode * 0x9e5u) & (HASH_SIZE - 1);
}

static unsigned page_hash_of(uint64_t page)
{
	return (page >> PAGE_SHIFT) & (PAGE_HASH_SIZE - 1);
}

static uint64_t page_of(const struct block *block, unsigned which)
{
	return which ? block->second_page : block->paddr & PAGE_MASK;
}

/* The slot of a page list's `next` pointer in block for the list of pages that hash like page. */
static struct block **page_link(struct block *block, unsigned bucket)
{
	return &block->page_next[page_hash_of(page_of(block, 0)) == bucket ? 0 : 1];
}

static unsigned bytes_in_first_page(const struct block *block)
{
	unsigned room = PAGE_SIZE - (block->paddr & ~PAGE_MASK);

	return block->size < room ? block->size : room;
}

static void mark_granules(struct cpu *cpu, uint64_t paddr, unsigned size)
{
	uint32_t *bitmap = physmem_code_bitmap(cpu->mem, paddr);

	if (!bitmap)
		return; /* ROM: never written */
	if (!*bitmap)
		cpu_protect_code_page(cpu, paddr);
	*bitmap |= physmem_granules(paddr & ~PAGE_MASK, size);
}

static void file_block(struct cpu *cpu, struct block *block)
{
	struct block_cache *cache = cpu->blocks;
	struct block **hash = &cache->hash[hash_of(block->paddr, block->mode)];
	unsigned bucket = page_hash_of(block->paddr), second;

	block->hash_next = *hash;
	*hash = block;
	block->page_next[0] = cache->page[bucket];
	cache->page[bucket] = block;
	if (block->second_page != UINT64_MAX) {
		second = page_hash_of(block->second_page);
		if (second != bucket) {
			block->page_next[1] = cache->page[second];
			cache->page[second] = block;
		}
	}
	mark_granules(cpu, block->paddr, bytes_in_first_page(block));
	if (block->second_page != UINT64_MAX)
		mark_granules(cpu, block->second_page, block->size - bytes_in_first_page(block));
}

static void unlink_hash(struct block_cache *cache, struct block *block)
{
	struct block **at = &cache->hash[hash_of(block->paddr, block->mode)];

	while (*at != block)
		at = &(*at)->hash_next;
	*at = block->hash_next;
}

static void unlink_page(struct block_cache *cache, struct block *block, unsigned bucket)
{
	struct block **at = &cache->page[bucket];

	while (*at != block)
		at = page_link(*at, bucket);
	*at = *page_link(block, bucket);
}

static void drop(struct block_cache *cache, struct block *block)
{
	unsigned bucket = page_hash_of(block->paddr);

	unlink_hash(cache, block);
	unlink_page(cache, block, bucket);
	if (block->second_page != UINT64_MAX && page_hash_of(block->second_page) != bucket)
		unlink_page(cache, block, page_hash_of(block->second_page));
	cache->stats.dropped++;
}

/* -- dropping -- */

static void void_links(struct cpu *cpu)
{
	cpu_forget_jumps(cpu);
	if (++cpu->link_generation == 0)
		block_cache_empty(cpu); /* a wrapped generation might meet links of its namesake */
}

/* The part of block in the page at `page`, as [*start, *end) offsets; empty if there is none. */
static void extent_in_page(const struct block *block, uint64_t page, unsigned *ret_start, unsigned *ret_end)
{
	unsigned first = bytes_in_first_page(block);

	*ret_start = *ret_end = 0;
	if (page_of(block, 0) == page) {
		*ret_start = block->paddr & ~PAGE_MASK;
		*ret_end = *ret_start + first;
	} else if (block->second_page == page) {
		*ret_end = block->size - first;
	}
}

static void invalidate_in_page(struct cpu *cpu, uint64_t page, unsigned start, unsigned end)
{
	struct block_cache *cache = cpu->blocks;
	unsigned bucket = page_hash_of(page), from, to;
	uint32_t remaining = 0;
	struct block *block, *next;
	bool dropped = false;

	for (block = cache->page[bucket]; block; block = next) {
		next = *page_link(block, bucket);
		extent_in_page(block, page, &from, &to);
		if (from == to)
			continue;
		if (from < end && start < to) {
			drop(cache, block);
			dropped = true;
		} else {
			remaining |= physmem_granules(from, to - from);
		}
	}
	*physmem_code_bitmap(cpu->mem, page) = remaining;
	if (dropped)
		void_links(cpu);
}

void block_cache_invalidate(void *opaque, uint64_t paddr, uint64_t size)
{
	struct cpu *cpu = opaque;
	uint64_t end = paddr + size;

	while (paddr < end) {
		uint64_t page = paddr & PAGE_MASK;
		uint64_t stop = end < page + PAGE_SIZE ? end : page + PAGE_SIZE;
		uint32_t *bitmap = physmem_code_bitmap(cpu->mem, page);

		if (bitmap && (*bitmap & physmem_granules(paddr - page, stop - paddr)))
			invalidate_in_page(cpu, page, paddr - page, stop - page);
		paddr = stop;
	}
}

static void unmark_page(struct cpu *cpu, uint64_t paddr)
{
	uint32_t *bitmap = physmem_code_bitmap(cpu->mem, paddr);

	if (bitmap)
		*bitmap = 0;
}

void block_cache_empty(struct cpu *cpu)
{
	struct block_cache *cache = cpu->blocks;
	struct block *block;
	unsigned i;

	if (!cache->used)
		return; /* as after each of several marks */
	for (i = 0; i < HASH_SIZE; i++) {
		for (block = cache->hash[i]; block; block = block->hash_next) {
			unmark_page(cpu, block->paddr);
			if (block->second_page != UINT64_MAX)
				unmark_page(cpu, block->second_page);
		}
	}
	memset(cache->hash, 0, sizeof(cache->hash));
	memset(cache->page, 0, sizeof(cache->page));
	cache->used = 0;
	cache->stats.emptied++;
	cpu->link_from = NULL;
	if (++cpu->link_generation == 0)
		cpu->link_generation = 1; /* 0 is that of links not made yet */
	cpu_forget_jumps(cpu);
}

/* -- making -- */

/* Where the bytes of the instructions to decode come from. */
struct code {
	uint64_t rip, linear, paddr; /* of the next byte to decode */
	const uint8_t *host;         /* of paddr, to the page's end; NULL if it is no RAM or ROM */
	unsigned available;          /* bytes to the page's end */
	uint64_t limit;              /* last valid RIP */
};

static void locate_code(struct cpu *cpu, struct code *ret)
{
	ret->rip = cpu->rip;
	ret->linear = (cpu->seg[SEG_CS].base + cpu->rip) & cpu->ea_mask;
	ret->limit = cpu->mode & MODE_CS_LIMITED ? cpu->seg[SEG_CS].limit : UINT64_MAX;
	if (ret->rip > ret->limit)
		cpu_raise_code(cpu, VECTOR_GP, 0);
	cpu_translate_fetch(cpu, ret->linear, &ret->paddr);
	ret->available = PAGE_SIZE - (ret->paddr & ~PAGE_MASK);
	ret->host = physmem_host(cpu->mem, ret->paddr, false, true);
}

static unsigned code_size(uint32_t mode)
{
	return 1u << (mode >> MODE_CODE_SHIFT & 3);
}

static void fetch_slowly(struct cpu *cpu, uint64_t paddr, uint8_t *to, unsigned size)
{
	unsigned i;

	for (i = 0; i < size; i++)
		to[i] = physmem_read(cpu->mem, paddr + i, 1);
}

/* Whether the instruction's bytes end beyond CS's limit. */
static bool beyond_limit(const struct code *code, unsigned length)
{
	return code->limit != UINT64_MAX && code->rip + length - 1 > code->limit;
}

/*
 * Decodes one instruction at *code wherever it lies, fetching from the next page only if the instruction reaches into it.
 * *ret_second_page: physical address of that page, or all-ones.
 */
static enum decode_status decode_anywhere(struct cpu *cpu, const struct code *code, struct decoded *ret, uint64_t *ret_second_page)
{
	uint8_t bytes[INSN_MAX_LENGTH] = {0};
	unsigned first = code->available < sizeof(bytes) ? code->available : sizeof(bytes);
	enum decode_status status;
	uint64_t second;

	*ret_second_page = UINT64_MAX;
	fetch_slowly(cpu, code->paddr, bytes, first);
	status = decode(cpu->isa, code_size(cpu->mode), bytes, first, ret);
	if (status != DECODE_MORE)
		return status;
	if (first == sizeof(bytes) || beyond_limit(code, first + 1)) /* the limit is met before the page beyond it */
		return DECODE_TOO_LONG;
	cpu_translate_fetch(cpu, (code->linear + first) & cpu->ea_mask, &second);
	fetch_slowly(cpu, second, bytes + first, sizeof(bytes) - first);
	*ret_second_page = second & PAGE_MASK;
	status = decode(cpu->isa, code_size(cpu->mode), bytes, sizeof(bytes), ret);
	return status == DECODE_MORE ? DECODE_TOO_LONG : status;
}

/* What follows a block's last instruction: its links if it is a branch, else the way on. */
static void finish(struct block *block, const struct lowered *last, bool single)
{
	bool tagged = block->mode & MODE_TAGGED, branch = last && (last->decoded.row->attributes & A_BRANCH);
	struct insn *end = &block->insn[block->count];

	memset(end, 0, 2 * sizeof(*end));
	block_links_of(branch ? end - 1 : end)->page = page_of(block, block->second_page != UINT64_MAX);
	if (branch)
		return;
	end->offset = block->size;
	if (single || (last && (last->decoded.row->attributes & A_END)))
		end->execute = tagged ? end_exit_tagged : end_exit_plain;
	else
		end->execute = tagged ? end_chain_tagged : end_chain_plain;
}

/* An instruction that cannot be executed, in insn form. */
static void lower_failure(enum decode_status status, const struct decoded *decoded, unsigned offset, struct insn *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->execute = status == DECODE_UD ? raise_ud : raise_gp;
	ret->offset = offset;
	ret->length = decoded->length;
}

static void set_left(struct block *block)
{
	unsigned i;

	for (i = 0; i < block->count; i++)
		block->insn[i].left = block->count - i;
}

/* A block of one instruction into `block` (room for four insns). */
static void make_single(struct cpu *cpu, const struct code *code, struct block *block, bool throw_away)
{
	struct lowered *lowered = cpu->blocks->scratch;
	enum decode_status status;

	block->paddr = code->paddr;
	block->mode = cpu->mode & MODE_KEY;
	block->count = 1;
	block->marked = false;
	block->mark_page = (uint64_t)NO_MARKS;
	status = decode_anywhere(cpu, code, &lowered->decoded, &block->second_page);
	block->size = status == DECODE_TOO_LONG ? INSN_MAX_LENGTH : lowered->decoded.length;
	if (beyond_limit(code, block->size))
		status = DECODE_TOO_LONG; /* #GP(0) too */
	if (status == DECODE_OK) {
		lower_operands(&lowered->decoded, block->mode, 0, &lowered->insn);
		lower_block(cpu->blocks->lowering, lowered, 1, block->mode, block->insn);
	} else {
		lower_failure(status, &lowered->decoded, 0, block->insn);
	}
	set_left(block);
	finish(block, status == DECODE_OK ? lowered : NULL, throw_away);
}

struct block *block_single(struct cpu *cpu)
{
	struct block *block = (struct block *)cpu->blocks->single;
	struct code code;

	locate_code(cpu, &code);
	make_single(cpu, &code, block, true);
	cpu->blocks->stats.single++;
	return block;
}

/* Decodes from host memory until the block ends. Returns the number of instructions; the failure that ended it, if any, in *ret_status. */
static unsigned decode_run(struct cpu *cpu, const struct code *code, bool with_marks, unsigned *ret_size, enum decode_status *ret_status)
{
	struct lowered *lowered = cpu->blocks->scratch;
	uint32_t mode = cpu->mode & MODE_KEY;
	unsigned count = 0, offset = 0;

	*ret_status = DECODE_OK;
	while (count < BLOCK_MAX && offset < code->available) {
		struct decoded *decoded = &lowered[count].decoded;

		if (count && with_marks && mark_find(cpu, code->linear + offset))
			break;
		*ret_status = decode(cpu->isa, code_size(mode), code->host + offset, code->available - offset, decoded);
		if (*ret_status != DECODE_OK)
			break;
		lower_operands(decoded, mode, offset, &lowered[count].insn);
		offset += decoded->length;
		count++;
		if (decoded->row->attributes & (A_END | A_BRANCH))
			break;
	}
	*ret_size = offset;
	return count;
}

static struct block *make_block(struct cpu *cpu, const struct code *code, uint64_t marks)
{
	struct block_cache *cache = cpu->blocks;
	struct block *block = (struct block *)(cache->arena + cache->used);
	bool with_marks = marks != (uint64_t)NO_MARKS, marked = with_marks && mark_find(cpu, code->linear);
	enum decode_status status;
	unsigned size, insns, i;

	block->count = decode_run(cpu, code, with_marks, &size, &status);
	if (!block->count) {
		make_single(cpu, code, block, false); /* it crosses the page's end, or is undefined */
		status = DECODE_OK;
	} else {
		block->paddr = code->paddr;
		block->second_page = UINT64_MAX;
		block->mode = cpu->mode & MODE_KEY;
		block->size = size;
		block->marked = false;
		lower_block(cache->lowering, cache->scratch, block->count, block->mode, block->insn);
		set_left(block);
		finish(block, &cache->scratch[block->count - 1], false);
	}
	if (block->second_page != UINT64_MAX && !physmem_host(cpu->mem, block->second_page, false, true))
		return NULL;
	if (block->count == 1 && beyond_limit(code, block->size))
		return NULL; /* it raises; another limit may let it pass */
	insns = block->count + 2;
	block->mark_page = marks;
	if (marked) {
		for (i = insns; i > 0; i--)
			block->insn[i] = block->insn[i - 1];
		memset(&block->insn[0], 0, sizeof(block->insn[0]));
		block->insn[0].execute = run_mark;
		block->insn[0].left = block->count;
		block->marked = true;
		insns++;
	}
	cache->used += sizeof(*block) + insns * sizeof(struct insn);
	file_block(cpu, block);
	cache->stats.translated++;
	return block;
}

struct block *block_find(struct cpu *cpu)
{
	struct block_cache *cache = cpu->blocks;
	uint32_t mode = cpu->mode & MODE_KEY;
	uint64_t second, marks = (uint64_t)NO_MARKS;
	uint32_t generation;
	struct block *block;
	struct code code;

	locate_code(cpu, &code);
	generation = cpu->link_generation;
	cache->stats.lookups++;
	if (cpu->mark_count)
		marks = mark_page(cpu, code.linear);
	for (block = cache->hash[hash_of(code.paddr, mode)]; block; block = block->hash_next) {
		if (block->paddr != code.paddr || block->mode != mode || block->mark_page != marks)
			continue;
		if (beyond_limit(&code, block->size))
			return NULL;
		if (block->second_page == UINT64_MAX)
			return block;
		cpu_translate_fetch(cpu, ((code.linear & PAGE_MASK) + PAGE_SIZE) & cpu->ea_mask, &second);
		if (cpu->link_generation != generation)
			return NULL; /* the walk's accessed bit fell on code, maybe this block's: have it decoded again */
		if (block->second_page == second)
			return block;
	}
	if (!code.host)
		return NULL;
	if (cache->used + BLOCK_RESERVE > ARENA_SIZE)
		block_cache_empty(cpu);
	block = make_block(cpu, &code, marks);
	return block && !beyond_limit(&code, block->size) ? block : NULL;
}
