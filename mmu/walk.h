/*
 * Page-table walkers: pure functions that make a physical address or a page fault from a linear address and the registers that govern
 * paging. They know no CPU, and reach memory through callbacks. So guest RAM and a snapshot's overlay share them, and tests run them on
 * tables that are written as data. They follow the Intel SDM vol. 3A chapter 4 (32-bit with PSE/PSE-36, PAE, 4-level, 5-level).
 */
#ifndef XRAY86_MMU_WALK_H
#define XRAY86_MMU_WALK_H

#include <stdbool.h>
#include <stdint.h>

enum paging_mode { PAGING_OFF, PAGING_32BIT, PAGING_PAE, PAGING_4LEVEL, PAGING_5LEVEL };

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH };

/* #PF error code bits (SDM vol. 3A 4.7). */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* Paging-structure entry bits. */
#define PTE_P 0x1ull
#define PTE_W 0x2ull
#define PTE_U 0x4ull
#define PTE_PWT 0x8ull
#define PTE_PCD 0x10ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_PS 0x80ull
#define PTE_G 0x100ull
#define PTE_NX (1ull << 63)

/* What governs translation, from CR0, CR3, CR4 and EFER (SDM vol. 3A 4.1). */
struct paging {
	enum paging_mode mode;
	uint64_t root;       /* CR3; its flag and PCID bits are ignored here */
	uint64_t pdpte[4];   /* PAE: the four registers that MOV CR3 loads (4.4.1), already checked for reserved bits */
	bool pse;            /* CR4.PSE */
	bool wp;             /* CR0.WP */
	bool nxe;            /* EFER.NXE */
	bool smep, smap;     /* CR4 */
	unsigned maxphyaddr; /* bits, CPUID 80000008H:EAX */
};

/* Physical memory as the walker sees it. Both functions return false if there is no memory at paddr. size is 4 or 8. */
struct walk_memory {
	void *opaque;
	bool (*read)(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret);
	/* Sets the given bits of the entry at paddr (accessed, dirty). NULL: the walker leaves them alone. */
	bool (*set_bits)(void *opaque, uint64_t paddr, unsigned size, uint64_t bits);
};

/* Who asks, and for what. */
struct walk_request {
	uint64_t linear; /* must be canonical (4- and 5-level), or below 2^32 */
	enum access access;
	bool user;          /* an explicit access at CPL 3; false for implicit supervisor accesses */
	bool smap_override; /* a supervisor data access with EFLAGS.AC set, to which SMAP does not apply */
};

struct walk_result {
	uint64_t paddr;      /* of the byte at `linear` */
	unsigned page_shift; /* 12, 21, 22 or 30 */
	bool writable;       /* whether the *same kind* of requester may also write (by U/S, W and WP) */
	bool user_page;      /* U/S of all levels */
	bool executable;     /* whether the same kind of requester may fetch */
	bool dirty;          /* D set after this access: a write TLB entry may be made */
	bool global;
};

enum walk_status { WALK_OK, WALK_FAULT, WALK_NO_MEMORY };

/*
 * Walks for one access.
 * WALK_OK: *ret is filled in, and A bits (for writes, D bits, too) are set if memory->set_bits is given.
 * WALK_FAULT: *ret_error_code is the #PF error code (with the I bit only under NXE or SMEP, as the SDM says).
 * WALK_NO_MEMORY: memory->read has no memory where a paging-structure entry should be.
 * An access that faults sets no A/D bits, except for A bits of upper levels, which hardware may set, too.
 */
enum walk_status paging_walk(const struct paging *paging, const struct walk_memory *memory, const struct walk_request *request,
			     struct walk_result *ret, uint32_t *ret_error_code);

/* Whether a PAE PDPTE has a reserved bit set. MOV CR3 then raises #GP(0) (SDM vol. 3A 4.4.1). */
bool paging_pdpte_reserved(uint64_t pdpte, unsigned maxphyaddr);

#endif
