/*
 * Page-table walkers (SDM vol. 3A chapter 4). All paging modes are one loop over levels, counted from 0 (page tables) upwards; what
 * differs is in `formats` and in the reserved bits. Nothing is written before the whole access is known to be permitted.
 */
#include "mmu/walk.h"

enum { MAX_LEVELS = 5, PAGE_BITS = 12 };

struct format {
	uint8_t levels;
	uint8_t index_bits;
	uint8_t entry_size;
	uint8_t page_levels;   /* bit n: PS in an entry of level n makes it map a page (32-bit: if CR4.PSE) ... */
	uint8_t no_ps_levels;  /* ... is reserved; in neither: ignored, or PAT (level 0) */
	uint8_t reserved_high; /* bits MAXPHYADDR .. this are reserved; 0: none */
};

static const struct format formats[] = {
	[PAGING_32BIT] = {2, 10, 4, 1 << 1, 0, 0},
	[PAGING_PAE] = {2, 9, 8, 1 << 1, 0, 62}, /* the walk starts below the PDPTE registers */
	[PAGING_4LEVEL] = {4, 9, 8, 1 << 1 | 1 << 2, 1 << 3, 51},
	[PAGING_5LEVEL] = {5, 9, 8, 1 << 1 | 1 << 2, 1 << 3 | 1 << 4, 51},
};

/* Bits first..last. */
static inline uint64_t bits(unsigned first, unsigned last)
{
	return first > last ? 0 : (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

#define ADDRESS 0x000ffffffffff000ull

bool paging_pdpte_reserved(uint64_t pdpte, unsigned maxphyaddr)
{
	return (pdpte & PTE_P) && (pdpte & (bits(1, 2) | bits(5, 8) | bits(maxphyaddr, 63)));
}

/* Reserved in every present entry (tables 4-4 to 4-20). */
static uint64_t reserved_always(const struct paging *paging, const struct format *format)
{
	if (!format->reserved_high)
		return 0;
	return bits(paging->maxphyaddr, format->reserved_high) | (paging->nxe ? 0 : PTE_NX);
}

/* Reserved between the flags and the address of an entry that maps a large page. Bit 12 is PAT. */
static uint64_t reserved_large(const struct paging *paging, unsigned shift)
{
	unsigned width = paging->maxphyaddr < 40 ? paging->maxphyaddr : 40;

	if (paging->mode == PAGING_32BIT) /* PSE-36: bits 20:13 are address bits 39:32, as far as those exist */
		return bits(13 + (width - 32), 21);
	return bits(13, shift - 1);
}

static uint64_t large_page(const struct paging *paging, uint64_t entry, unsigned shift)
{
	if (paging->mode == PAGING_32BIT)
		return (entry & bits(22, 31)) | (entry & bits(13, 20)) << (32 - 13);
	return entry & ADDRESS & bits(shift, 63);
}

/* What the path's entries allow the requester (4.6.1). all, any: the conjunction and disjunction of its entries. */
struct rights {
	bool read, write, execute;
};

static struct rights rights_of(const struct paging *paging, const struct walk_request *request, uint64_t all, uint64_t any)
{
	bool user_page = all & PTE_U, w = all & PTE_W, x = !(any & PTE_NX);

	if (request->user) {
		return (struct rights){user_page, user_page && w, user_page && x};
	} else {
		bool allowed = !(user_page && paging->smap && !request->smap_override);

		return (struct rights){allowed, allowed && (w || !paging->wp), x && !(user_page && paging->smep)};
	}
}

static bool permitted(struct rights rights, enum access access)
{
	switch (access) {
	case ACCESS_READ:
		return rights.read;
	case ACCESS_WRITE:
		return rights.write;
	default:
		return rights.execute;
	}
}

/* A #PF with its error code (4.7): PF_P and PF_RSVD are given, the rest is the request's. */
static __attribute__((noinline)) enum walk_status fault(const struct paging *paging, const struct walk_request *request, uint32_t code,
							uint32_t *ret_error_code)
{
	bool tells_fetches = paging->smep || (paging->nxe && paging->mode != PAGING_32BIT);

	*ret_error_code = code | (request->access == ACCESS_WRITE ? PF_W : 0) | (request->user ? PF_U : 0) |
			  (request->access == ACCESS_FETCH && tells_fetches ? PF_I : 0);
	return WALK_FAULT;
}

struct step {
	uint64_t address, entry;
};

/* Sets A in the entries from level `leaf` to `top`, and D in the leaf's for a write. */
static void set_accessed(const struct walk_memory *memory, const struct step *step, unsigned leaf, unsigned top, unsigned entry_size,
			 bool write)
{
	for (unsigned level = leaf; level <= top; level++) {
		uint64_t wanted = PTE_A | (write && level == leaf ? PTE_D : 0);

		if (wanted & ~step[level].entry)
			memory->set_bits(memory->opaque, step[level].address, entry_size, wanted);
	}
}

/* Whether a present entry of this level maps a page; and whether one that has PS set, or does so, has a reserved bit. */
static bool maps_page(const struct paging *paging, const struct format *format, unsigned level, uint64_t entry)
{
	return (entry & PTE_PS) && (format->page_levels >> level & 1) && (paging->mode != PAGING_32BIT || paging->pse);
}

static bool ps_reserved(const struct paging *paging, const struct format *format, unsigned level, unsigned shift, uint64_t entry)
{
	if (format->no_ps_levels >> level & 1)
		return true;
	return maps_page(paging, format, level, entry) && (entry & reserved_large(paging, shift));
}

/* The walk proper; an instance for each mode, to which `format` is a constant. */
static inline __attribute__((always_inline)) enum walk_status walk(const struct format *format, const struct paging *paging, uint64_t table,
								   const struct walk_memory *memory, const struct walk_request *request,
								   struct walk_result *ret, uint32_t *ret_error_code)
{
	const uint64_t reserved = reserved_always(paging, format);
	const bool write = request->access == ACCESS_WRITE;
	uint64_t all = ~0ull, any = 0, entry;
	unsigned level = format->levels - 1, shift;
	struct step step[MAX_LEVELS];
	struct rights rights;
	bool large;

	for (;; level--) {
		uint64_t index;

		shift = PAGE_BITS + level * format->index_bits;
		index = request->linear >> shift & ((1u << format->index_bits) - 1);
		step[level].address = table + index * format->entry_size;
		if (!memory->read(memory->opaque, step[level].address, format->entry_size, &entry))
			return WALK_NO_MEMORY;
		if (!(entry & PTE_P))
			return fault(paging, request, 0, ret_error_code);
		if ((entry & reserved) || ((entry & PTE_PS) && ps_reserved(paging, format, level, shift, entry)))
			return fault(paging, request, PF_P | PF_RSVD, ret_error_code);
		step[level].entry = entry;
		all &= entry;
		any |= entry;
		large = maps_page(paging, format, level, entry);
		if (large || level == 0)
			break;
		table = entry & ADDRESS;
	}
	rights = rights_of(paging, request, all, any);
	if (!permitted(rights, request->access))
		return fault(paging, request, PF_P, ret_error_code);
	if (memory->set_bits && (!(all & PTE_A) || (write && !(entry & PTE_D))))
		set_accessed(memory, step, level, format->levels - 1, format->entry_size, write);
	*ret = (struct walk_result){
		.paddr = (large ? large_page(paging, entry, shift) : entry & ADDRESS) | (request->linear & bits(0, shift - 1)),
		.page_shift = shift,
		.writable = rights.write,
		.user_page = all & PTE_U,
		.executable = rights.execute,
		.dirty = (entry & PTE_D) || (write && memory->set_bits),
		.global = entry & PTE_G,
	};
	return WALK_OK;
}

/* PAE: from the PDPTE registers, which carry no rights. */
static enum walk_status walk_pae(const struct paging *paging, const struct walk_memory *memory, const struct walk_request *request,
				 struct walk_result *ret, uint32_t *ret_error_code)
{
	uint64_t pdpte = paging->pdpte[request->linear >> 30 & 3];

	if (!(pdpte & PTE_P))
		return fault(paging, request, 0, ret_error_code);
	return walk(&formats[PAGING_PAE], paging, pdpte & ADDRESS, memory, request, ret, ret_error_code);
}

enum walk_status paging_walk(const struct paging *paging, const struct walk_memory *memory, const struct walk_request *request,
			     struct walk_result *ret, uint32_t *ret_error_code)
{
	uint64_t root = paging->root & ADDRESS;

	switch (paging->mode) {
	case PAGING_32BIT:
		return walk(&formats[PAGING_32BIT], paging, root & bits(0, 31), memory, request, ret, ret_error_code);
	case PAGING_PAE:
		return walk_pae(paging, memory, request, ret, ret_error_code);
	case PAGING_4LEVEL:
		return walk(&formats[PAGING_4LEVEL], paging, root, memory, request, ret, ret_error_code);
	case PAGING_5LEVEL:
		return walk(&formats[PAGING_5LEVEL], paging, root, memory, request, ret, ret_error_code);
	case PAGING_OFF:
		break;
	}
	*ret = (struct walk_result){.paddr = request->linear, .page_shift = PAGE_BITS, .writable = true, .executable = true, .dirty = true};
	return WALK_OK;
}
