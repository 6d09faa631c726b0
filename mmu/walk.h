/*
 * Page-table walkers: pure functions from a linear address and the registers that govern paging to a
 * physical address or a page fault. They know no CPU: memory is reached through callbacks, so that guest RAM and
 * a snapshot's overlay share them and tests run them on tables written as data.
 * Follows Intel SDM vol. 3A chapter 4 (32-bit with PSE/PSE-36, PAE, 4-level, 5-level).
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

/* What governs translation, gathered from CR0, CR3, CR4, EFER (SDM vol. 3A 4.1). */
struct paging {
	enum paging_mode mode;
	uint64_t root;       /* CR3; its flag and PCID bits are ignored here */
	uint64_t pdpte[4];   /* PAE: the four registers loaded by MOV CR3 (4.4.1), already checked for reserved bits */
	bool pse;            /* CR4.PSE */
	bool wp;             /* CR0.WP */
	bool nxe;            /* EFER.NXE */
	bool smep, smap;     /* CR4 */
	unsigned maxphyaddr; /* bits, CPUID 80000008H:EAX */
};

/* Physical memory as the walker sees it. Both return false where there is no memory. size is 4 or 8. */
struct walk_memory {
	void *opaque;
	bool (*read)(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret);
	/* Sets the given bits of the entry at paddr (accessed, dirty). NULL: the walker leaves them alone. */
	bool (*set_bits)(void *opaque, uint64_t paddr, unsigned size, uint64_t bits);
};

/* Who asks, and for what. */
struct walk_request {
	uint64_t linear; /* canonical already (4- and 5-level); below 2^32 otherwise */
	enum access access;
	bool user;          /* CPL 3 explicit access; implicit supervisor accesses pass false */
	bool smap_override; /* supervisor data access with EFLAGS.AC set, so that SMAP does not apply */
};

struct walk_result {
	uint64_t paddr;      /* of the byte at `linear` */
	unsigned page_shift; /* 12, 21, 22 or 30 */
	bool writable;       /* whether the *same kind* of requester may also write (U/S, W, WP considered) */
	bool user_page;      /* U/S of all levels */
	bool executable;     /* whether the same kind of requester may fetch */
	bool dirty;          /* D set after this access: a write TLB entry may be made */
	bool global;
};

enum walk_status { WALK_OK, WALK_FAULT, WALK_NO_MEMORY };

/*
 * Walks for one access. WALK_OK fills *ret and has set A (and, for writes, D) bits through memory->set_bits if given.
 * WALK_FAULT fills *ret_error_code with the #PF error code (I bit only with NXE or SMEP, as the SDM says).
 * WALK_NO_MEMORY: a paging-structure entry lies where memory->read says there is none.
 * A/D bits are never set by an access that faults... the A bits of upper levels excepted, which hardware may set.
 */
enum walk_status paging_walk(const struct paging *paging, const struct walk_memory *memory, const struct walk_request *request,
			     struct walk_result *ret, uint32_t *ret_error_code);

/* Whether a PAE PDPTE loaded by MOV CR3 has a reserved bit set (that MOV CR3 raises #GP(0): SDM vol. 3A 4.4.1). */
bool paging_pdpte_reserved(uint64_t pdpte, unsigned maxphyaddr);

#endif
