/*
 * Page walkers. Tables are data: a sparse list of entries, and rows of (paging, request) -> (physical address | error code). The rights
 * of 4.6.1 are tried in all combinations against a second statement of them, worded after the SDM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mmu/walk.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define P PTE_P
#define W PTE_W
#define U PTE_U
#define A PTE_A
#define D PTE_D
#define PS PTE_PS
#define NX PTE_NX
#define BIT(n) (1ull << (n))

/* -- memory as a list of entries; everything else is absent (entry 0), but for a hole above 1 TiB -- */

struct cell {
	uint64_t paddr, entry;
};

struct sparse {
	struct cell *cell;
	unsigned count;
};

#define HOLE BIT(40)

static struct cell *find(struct sparse *sparse, uint64_t paddr)
{
	for (unsigned i = 0; i < sparse->count; i++)
		if (sparse->cell[i].paddr == paddr)
			return &sparse->cell[i];
	return NULL;
}

static bool sparse_read(void *opaque, uint64_t paddr, unsigned size, uint64_t *ret)
{
	struct cell *cell = find(opaque, paddr);

	assert_true(paddr % size == 0);
	*ret = cell ? cell->entry : 0;
	return paddr < HOLE;
}

static bool sparse_set_bits(void *opaque, uint64_t paddr, unsigned size, uint64_t bits)
{
	struct cell *cell = find(opaque, paddr);

	(void)size;
	assert_non_null(cell);
	assert_true(bits & ~cell->entry); /* never called in vain */
	cell->entry |= bits;
	return true;
}

static struct walk_memory memory_of(struct sparse *sparse)
{
	return (struct walk_memory){.opaque = sparse, .read = sparse_read, .set_bits = sparse_set_bits};
}

/* -- structure and reserved bits -- */

#define READ ACCESS_READ
#define WRITE ACCESS_WRITE
#define FETCH ACCESS_FETCH
#define FAULT(code) .status = WALK_FAULT, .error_code = (code)

struct row {
	const char *name;
	struct paging paging;
	uint64_t linear;
	enum access access;
	bool user;
	struct cell cell[5]; /* from the top */
	enum walk_status status;
	uint64_t paddr;
	unsigned shift;
	uint32_t error_code;
};

#define M32 .paging = {.mode = PAGING_32BIT, .root = 0x1018, .pse = true, .maxphyaddr = 40}
#define M32_NO_PSE .paging = {.mode = PAGING_32BIT, .root = 0x1000, .maxphyaddr = 40}
#define M32_36 .paging = {.mode = PAGING_32BIT, .root = 0x1000, .pse = true, .maxphyaddr = 36}
#define M32_46 .paging = {.mode = PAGING_32BIT, .root = 0x1000, .pse = true, .maxphyaddr = 46}
#define MPAE .paging = {.mode = PAGING_PAE, .root = 0x7e0, .pdpte = {0x1001, 0, 0, 0x2001}, .maxphyaddr = 36, .nxe = true}
#define MPAE_NO_NX .paging = {.mode = PAGING_PAE, .pdpte = {0x1001, 0, 0, 0x2001}, .maxphyaddr = 36}
#define M4 .paging = {.mode = PAGING_4LEVEL, .root = 0x1fff | BIT(63), .maxphyaddr = 46, .nxe = true}
#define M4_NO_NX .paging = {.mode = PAGING_4LEVEL, .root = 0x1000, .maxphyaddr = 46}
#define M4_SMEP .paging = {.mode = PAGING_4LEVEL, .root = 0x1000, .maxphyaddr = 46, .smep = true}
#define M5 .paging = {.mode = PAGING_5LEVEL, .root = 0x1000, .maxphyaddr = 52, .nxe = true}

/* The paths of these addresses: index 1 at every level, offset 0x123. */
#define VA32 0x00401123
#define VA32_4M 0x00654321
#define VAPAE 0xc0201123ull
#define VA4 0x0000008040201123ull
#define VA4_2M 0x0000008040354321ull
#define VA4_1G 0x0000008054354321ull
#define VA5 0x0001008040201123ull

#define PATH4(a, b, c, d) .cell = {{0x1008, a}, {0x2008, b}, {0x3008, c}, {0x4008, d}}
#define PTE4(pte) PATH4(0x2000 | P | U | W, 0x3000 | P | U | W, 0x4000 | P | U | W, pte)

/* clang-format off */
static const struct row rows[] = {
	{"off", .paging = {.mode = PAGING_OFF}, 0xfedcba98, READ, false, {{0}}, WALK_OK, 0xfedcba98, 12, 0},

	{"32: page", M32, VA32, READ, false, {{0x1004, 0x2000 | P}, {0x2004, 0xfffff000 | P}}, WALK_OK, 0xfffff123, 12, 0},
	{"32: PAT and PWT, PCD, G and the available bits of a PTE are free", M32, VA32, READ, false,
	 {{0x1004, 0x2f18 | P}, {0x2004, 0x5f98 | P}}, WALK_OK, 0x5123, 12, 0},
	{"32: PDE absent", M32, VA32, READ, false, {{0x1004, 0x2000 | U}}, FAULT(0)},
	{"32: PTE absent, user write", M32, VA32, WRITE, true, {{0x1004, 0x2000 | P | W | U}, {0x2004, W | U}}, FAULT(PF_W | PF_U)},
	{"32: fetch does not tell without SMEP", M32, VA32, FETCH, true, {{0x1004, 0}}, FAULT(PF_U)},
	{"32: PS without PSE is ignored", M32_NO_PSE, VA32, READ, false,
	 {{0x1004, 0x2000 | P | PS}, {0x2004, 0x7000 | P}}, WALK_OK, 0x7123, 12, 0},
	{"32: 4 MiB", M32, VA32_4M, READ, false, {{0x1004, 0x80000000 | P | PS}}, WALK_OK, 0x80254321, 22, 0},
	{"32: 4 MiB, PAT", M32, VA32_4M, READ, false, {{0x1004, 0x80001000 | P | PS}}, WALK_OK, 0x80254321, 22, 0},
	{"32: PSE-36", M32, VA32_4M, READ, false, {{0x1004, 0x40000000 | 0xa5 << 13 | P | PS}}, WALK_OK, 0xa540254321, 22, 0},
	{"32: PSE-36, MAXPHYADDR above 40", M32_46, VA32_4M, READ, false, {{0x1004, 0x1fe000 | P | PS}}, WALK_OK, 0xff00254321, 22, 0},
	{"32: 4 MiB, bit 21", M32, VA32_4M, READ, false, {{0x1004, BIT(21) | P | PS}}, FAULT(PF_P | PF_RSVD)},
	{"32: 36 bits, address bit 35", M32_36, VA32_4M, READ, false, {{0x1004, BIT(16) | P | PS}}, WALK_OK, 0x800254321, 22, 0},
	{"32: 36 bits, address bit 36", M32_36, VA32_4M, WRITE, true, {{0x1004, BIT(17) | P | PS}}, FAULT(PF_P | PF_W | PF_U | PF_RSVD)},
	{"32: absent goes before reserved", M32, VA32_4M, READ, false, {{0x1004, BIT(21) | PS}}, FAULT(0)},
	{"32: root's high bits do not exist", .paging = {.mode = PAGING_32BIT, .root = BIT(32) | 0x1000}, VA32, READ, false,
	 {{0x1004, 0x2000 | P}, {0x2004, 0x3000 | P}}, WALK_OK, 0x3123, 12, 0},

	{"PAE: page", MPAE, VAPAE, READ, false, {{0x2008, 0x3000 | P}, {0x3008, 0xabcdef000 | P}}, WALK_OK, 0xabcdef123, 12, 0},
	{"PAE: PDPTE absent", MPAE, 0x40000000, WRITE, true, {{0}}, FAULT(PF_W | PF_U)},
	{"PAE: 2 MiB", MPAE, 0xc0354321, READ, false, {{0x2008, 0xabc200000 | P | PS}}, WALK_OK, 0xabc354321, 21, 0},
	{"PAE: 2 MiB, PAT", MPAE, 0xc0354321, READ, false, {{0x2008, 0xabc201000 | P | PS}}, WALK_OK, 0xabc354321, 21, 0},
	{"PAE: 2 MiB, bit 13", MPAE, 0xc0354321, READ, false, {{0x2008, BIT(13) | P | PS}}, FAULT(PF_P | PF_RSVD)},
	{"PAE: 2 MiB, bit 20", MPAE, 0xc0354321, READ, false, {{0x2008, BIT(20) | P | PS}}, FAULT(PF_P | PF_RSVD)},
	{"PAE: PDE beyond MAXPHYADDR", MPAE, VAPAE, READ, false, {{0x2008, 0x3000 | BIT(36) | P}}, FAULT(PF_P | PF_RSVD)},
	{"PAE: PTE beyond MAXPHYADDR", MPAE, VAPAE, READ, false, {{0x2008, 0x3000 | P}, {0x3008, BIT(51) | P}}, FAULT(PF_P | PF_RSVD)},
	{"PAE: bits 62:52 are reserved", MPAE, VAPAE, READ, false, {{0x2008, 0x3000 | P}, {0x3008, BIT(62) | P}}, FAULT(PF_P | PF_RSVD)},
	{"PAE: bits 62:52 are reserved in a PDE", MPAE, VAPAE, READ, false, {{0x2008, 0x3000 | BIT(52) | P}}, FAULT(PF_P | PF_RSVD)},
	{"PAE: NX allows reading", MPAE, VAPAE, READ, false, {{0x2008, 0x3000 | P}, {0x3008, 0x5000 | NX | P}}, WALK_OK, 0x5123, 12, 0},
	{"PAE: NX forbids fetching", MPAE, VAPAE, FETCH, false, {{0x2008, 0x3000 | P}, {0x3008, 0x5000 | NX | P}}, FAULT(PF_P | PF_I)},
	{"PAE: NX reserved without NXE", MPAE_NO_NX, VAPAE, FETCH, false, {{0x2008, 0x3000 | P}, {0x3008, NX | P}}, FAULT(PF_P | PF_RSVD)},
	{"PAE: fetch does not tell without NXE", MPAE_NO_NX, VAPAE, FETCH, true, {{0x2008, 0}}, FAULT(PF_U)},

	{"4: page", M4, VA4, READ, true, PTE4(0x3fffffff5000 | P | U), WALK_OK, 0x3fffffff5123, 12, 0},
	{"4: bits 62:52 are free", M4, VA4, READ, true,
	 PATH4(0x2000 | P | U | BIT(52), 0x3000 | P | U | BIT(62), 0x4000 | P | U | BIT(59), 0x5000 | P | U | BIT(55)),
	 WALK_OK, 0x5123, 12, 0},
	{"4: PML4E absent", M4, VA4, FETCH, true, PATH4(0, 0, 0, 0), FAULT(PF_U | PF_I)},
	{"4: PDPTE absent", M4, VA4, READ, false, PATH4(0x2000 | P, 0, 0, 0), FAULT(0)},
	{"4: PDE absent", M4, VA4, READ, false, PATH4(0x2000 | P, 0x3000 | P, 0, 0), FAULT(0)},
	{"4: PTE absent", M4, VA4, WRITE, false, PTE4(0x5000 | W), FAULT(PF_W)},
	{"4: absence goes before the rights of upper levels", M4, VA4, WRITE, true,
	 PATH4(0x2000 | P, 0x3000 | P, 0x4000 | P, 0), FAULT(PF_W | PF_U)},
	{"4: reserved goes before the rights of upper levels", M4, VA4, WRITE, true, PATH4(0x2000 | P, 0x3000 | P, 0x4000 | P, BIT(46) | P),
	 FAULT(PF_P | PF_W | PF_U | PF_RSVD)},
	{"4: PS in PML4E", M4, VA4, READ, false, PATH4(0x2000 | P | PS, 0, 0, 0), FAULT(PF_P | PF_RSVD)},
	{"4: 1 GiB", M4, VA4_1G, READ, false, PATH4(0x2000 | P, 0x5c0000000 | P | PS, 0, 0), WALK_OK, 0x5d4354321, 30, 0},
	{"4: 1 GiB, PAT", M4, VA4_1G, READ, false, PATH4(0x2000 | P, 0x5c0001000 | P | PS, 0, 0), WALK_OK, 0x5d4354321, 30, 0},
	{"4: 1 GiB, bit 13", M4, VA4_1G, READ, false, PATH4(0x2000 | P, BIT(13) | P | PS, 0, 0), FAULT(PF_P | PF_RSVD)},
	{"4: 1 GiB, bit 29", M4, VA4_1G, READ, false, PATH4(0x2000 | P, BIT(29) | P | PS, 0, 0), FAULT(PF_P | PF_RSVD)},
	{"4: 2 MiB", M4, VA4_2M, READ, false, PATH4(0x2000 | P, 0x3000 | P, 0x7600000 | P | PS, 0), WALK_OK, 0x7754321, 21, 0},
	{"4: 2 MiB, bit 20", M4, VA4_2M, READ, false, PATH4(0x2000 | P, 0x3000 | P, BIT(20) | P | PS, 0), FAULT(PF_P | PF_RSVD)},
	{"4: PTE's bit 7 is PAT", M4, VA4, READ, false, PTE4(0x5000 | PS | P), WALK_OK, 0x5123, 12, 0},
	{"4: beyond MAXPHYADDR, PML4E", M4, VA4, READ, false, PATH4(0x2000 | P | BIT(46), 0, 0, 0), FAULT(PF_P | PF_RSVD)},
	{"4: beyond MAXPHYADDR, 2 MiB", M4, VA4, READ, false, PATH4(0x2000 | P, 0x3000 | P, BIT(51) | P | PS, 0), FAULT(PF_P | PF_RSVD)},
	{"4: NX reserved without NXE", M4_NO_NX, VA4, READ, false, PATH4(0x2000 | P | NX, 0, 0, 0), FAULT(PF_P | PF_RSVD)},
	{"4: fetch does not tell without NXE", M4_NO_NX, VA4, FETCH, false, PATH4(0, 0, 0, 0), FAULT(0)},
	{"4: fetch tells with SMEP", M4_SMEP, VA4, FETCH, false, PATH4(0, 0, 0, 0), FAULT(PF_I)},
	{"4: index bits 47:39", M4, 0xfffffffffffff123, READ, false,
	 {{0x1ff8, 0x2000 | P}, {0x2ff8, 0x3000 | P}, {0x3ff8, 0x4000 | P}, {0x4ff8, 0x5000 | P}},
	 WALK_OK, 0x5123, 12, 0},
	{"4: no memory", M4, VA4, READ, false, PATH4(HOLE | P, 0, 0, 0), WALK_NO_MEMORY, 0, 0, 0},

	{"5: page", M5, VA5, READ, false,
	 {{0x1008, 0x2000 | P}, {0x2008, 0x3000 | P}, {0x3008, 0x4000 | P}, {0x4008, 0x5000 | P}, {0x5008, 0xf000000006000 | P}},
	 WALK_OK, 0xf000000006123, 12, 0},
	{"5: PS in PML5E", M5, VA5, READ, false, {{0x1008, 0x2000 | P | PS}}, FAULT(PF_P | PF_RSVD)},
	{"5: PS in PML4E", M5, VA5, READ, false, {{0x1008, 0x2000 | P}, {0x2008, 0x3000 | P | PS}}, FAULT(PF_P | PF_RSVD)},
	{"5: 1 GiB", M5, VA5, READ, false, {{0x1008, 0x2000 | P}, {0x2008, 0x3000 | P}, {0x3008, 0x40000000 | P | PS}},
	 WALK_OK, 0x40201123, 30, 0},
};
/* clang-format on */

static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		struct cell cell[5];
		struct sparse sparse = {cell, 5};
		struct walk_memory memory = memory_of(&sparse);
		struct walk_request request = {.linear = row->linear, .access = row->access, .user = row->user};
		struct walk_result result = {0};
		uint32_t error_code = 0;
		enum walk_status status;

		for (unsigned n = 0; n < 5; n++)
			cell[n] = row->cell[n];
		status = paging_walk(&row->paging, &memory, &request, &result, &error_code);
		if (status != row->status || (status == WALK_OK && (result.paddr != row->paddr || result.page_shift != row->shift)) ||
		    (status == WALK_FAULT && error_code != row->error_code))
			fail_msg("%s: status %d, paddr 0x%llx, shift %u, error code 0x%x", row->name, status,
				 (unsigned long long)result.paddr, result.page_shift, error_code);
		if (status != WALK_OK) /* an access that faults sets nothing */
			for (unsigned n = 0; n < 5; n++)
				assert_int_equal(cell[n].entry, row->cell[n].entry);
	}
}

/* -- rights -- */

struct shape {
	struct paging paging;
	uint64_t linear;
	unsigned count; /* entries on the path */
	uint64_t address[5], entry[5];
};

static const struct shape shapes[] = {
	{{.mode = PAGING_32BIT, .root = 0x1000, .maxphyaddr = 46}, VA32, 2, {0x1004, 0x2004}, {0x2000, 0x5000}},
	{{.mode = PAGING_32BIT, .root = 0x1000, .pse = true, .maxphyaddr = 46}, VA32, 1, {0x1004}, {0x400000 | PS}},
	{{.mode = PAGING_PAE, .pdpte = {[3] = 0x1001}, .maxphyaddr = 46}, VAPAE, 2, {0x1008, 0x2008}, {0x2000, 0x5000}},
	{{.mode = PAGING_PAE, .pdpte = {[3] = 0x1001}, .maxphyaddr = 46}, VAPAE, 1, {0x1008}, {0x200000 | PS}},
	{{.mode = PAGING_4LEVEL, .root = 0x1000, .maxphyaddr = 46},
	 VA4,
	 4,
	 {0x1008, 0x2008, 0x3008, 0x4008},
	 {0x2000, 0x3000, 0x4000, 0x5000}},
	{{.mode = PAGING_4LEVEL, .root = 0x1000, .maxphyaddr = 46}, VA4, 3, {0x1008, 0x2008, 0x3008}, {0x2000, 0x3000, 0x200000 | PS}},
	{{.mode = PAGING_4LEVEL, .root = 0x1000, .maxphyaddr = 46}, VA4, 2, {0x1008, 0x2008}, {0x2000, 0x40000000 | PS}},
	{{.mode = PAGING_5LEVEL, .root = 0x1000, .maxphyaddr = 46},
	 VA5,
	 5,
	 {0x1008, 0x2008, 0x3008, 0x4008, 0x5008},
	 {0x2000, 0x3000, 0x4000, 0x5000, 0x6000}},
};

enum { NXE_ = 1, WP_ = 2, SMEP_ = 4, SMAP_ = 8, AC_ = 16, USER_ = 32, SWITCHES = 64 };

/* SDM vol. 3A 4.6.1, sentence by sentence. nx: XD in any entry, and it means something. */
static bool allowed_by_sdm(unsigned switches, enum access access, bool user_address, bool rw, bool nx)
{
	if (switches & USER_) {
		if (!user_address)
			return false;
		return access == ACCESS_READ ? true : access == ACCESS_WRITE ? rw : !nx;
	}
	if (access == ACCESS_FETCH)
		return user_address && (switches & SMEP_) ? false : !nx;
	if (user_address && (switches & SMAP_) && !(switches & AC_))
		return false;
	return access == ACCESS_READ ? true : !(switches & WP_) || rw;
}

/* One path with the given flags in its first and its last entry (all allowed in between), for all requesters and accesses. */
static void try_rights(const struct shape *shape, uint64_t top, uint64_t leaf, unsigned switches, enum access access)
{
	struct cell cell[5];
	struct sparse sparse = {cell, shape->count};
	struct walk_memory memory = memory_of(&sparse);
	struct paging paging = shape->paging;
	struct walk_request request = {shape->linear, access, switches & USER_, switches & AC_};
	struct walk_result result;
	uint32_t error_code = 0, expected_code;
	uint64_t all = P | U | W, any = 0;
	bool nx_exists = paging.mode != PAGING_32BIT, nx, reserved, allowed;
	enum walk_status status;

	paging.nxe = switches & NXE_;
	paging.wp = switches & WP_;
	paging.smep = switches & SMEP_;
	paging.smap = switches & SMAP_;
	for (unsigned i = 0; i < shape->count; i++) {
		uint64_t flags = i == shape->count - 1 ? leaf : i == 0 ? top : P | U | W;

		cell[i] = (struct cell){shape->address[i], shape->entry[i] | flags};
		all &= flags;
		any |= flags;
	}
	nx = nx_exists && (any & NX);
	reserved = nx && !paging.nxe;
	allowed = !reserved && allowed_by_sdm(switches, access, all & U, all & W, nx);
	expected_code = PF_P | (access == ACCESS_WRITE ? PF_W : 0) | (request.user ? PF_U : 0) | (reserved ? PF_RSVD : 0);
	if (access == ACCESS_FETCH && (paging.smep || (paging.nxe && nx_exists)))
		expected_code |= PF_I;

	status = paging_walk(&paging, &memory, &request, &result, &error_code);
	if (status != (allowed ? WALK_OK : WALK_FAULT) || (!allowed && error_code != expected_code))
		fail_msg("mode %d, %u levels, top 0x%llx, leaf 0x%llx, switches 0x%x, access %d: status %d, code 0x%x (expected 0x%x)",
			 paging.mode, shape->count, (unsigned long long)top, (unsigned long long)leaf, switches, access, status, error_code,
			 expected_code);
	for (unsigned i = 0; i < shape->count; i++) {
		uint64_t flags = i == shape->count - 1 ? leaf : i == 0 ? top : P | U | W;

		if (allowed)
			flags |= A | (access == ACCESS_WRITE && i == shape->count - 1 ? D : 0);
		assert_int_equal(cell[i].entry, shape->entry[i] | flags);
	}
	if (allowed) {
		assert_int_equal(result.writable, allowed_by_sdm(switches, ACCESS_WRITE, all & U, all & W, nx));
		assert_int_equal(result.executable, allowed_by_sdm(switches, ACCESS_FETCH, all & U, all & W, nx));
		assert_int_equal(result.user_page, (all & U) != 0);
		assert_int_equal(result.dirty, access == ACCESS_WRITE || (leaf & D));
		assert_int_equal(result.global, (leaf & PTE_G) != 0);
	}
}

static const uint64_t flag_sets[] = {P, P | W, P | U, P | U | W, P | NX, P | W | NX, P | U | NX, P | U | W | NX};

static void test_rights(void **state)
{
	(void)state;
	for (unsigned s = 0; s < COUNT(shapes); s++)
		for (unsigned top = 0; top < COUNT(flag_sets); top++)
			for (unsigned leaf = 0; leaf < COUNT(flag_sets); leaf++)
				for (unsigned switches = 0; switches < SWITCHES; switches++)
					for (enum access access = ACCESS_READ; access <= ACCESS_FETCH; access++) {
						bool nx = shapes[s].paging.mode != PAGING_32BIT; /* entries have no bit 63 there */
						uint64_t mask = nx ? ~0ull : ~NX;

						try_rights(&shapes[s], flag_sets[top] & mask, flag_sets[leaf] & mask, switches, access);
						try_rights(&shapes[s], flag_sets[top] & mask, (flag_sets[leaf] & mask) | D | PTE_G,
							   switches, access);
					}
}

/* -- A and D -- */

static void test_no_set_bits(void **state)
{
	struct cell cell[] = {{0x1008, 0x2000 | P | W}, {0x2008, 0x3000 | P | W}, {0x3008, 0x4000 | P | W}, {0x4008, 0x5000 | P | W}};
	struct sparse sparse = {cell, 4};
	struct walk_memory memory = {.opaque = &sparse, .read = sparse_read};
	struct paging paging = {.mode = PAGING_4LEVEL, .root = 0x1000, .maxphyaddr = 46};
	struct walk_request request = {.linear = VA4, .access = ACCESS_WRITE};
	struct walk_result result;
	uint32_t error_code;

	(void)state;
	assert_int_equal(paging_walk(&paging, &memory, &request, &result, &error_code), WALK_OK);
	assert_int_equal(cell[3].entry, 0x5000 | P | W);
	assert_false(result.dirty);
}

static void test_set_once(void **state)
{
	struct cell cell[] = {{0x1008, 0x2000 | P | W}, {0x2008, 0x3000 | P | W | A}, {0x3008, 0x600000 | PS | P | W}};
	struct sparse sparse = {cell, 3};
	struct walk_memory memory = memory_of(&sparse);
	struct paging paging = {.mode = PAGING_4LEVEL, .root = 0x1000, .maxphyaddr = 46};
	struct walk_request request = {.linear = VA4_2M, .access = ACCESS_READ};
	struct walk_result result;
	uint32_t error_code;

	(void)state;
	assert_int_equal(paging_walk(&paging, &memory, &request, &result, &error_code), WALK_OK);
	assert_int_equal(cell[0].entry, 0x2000 | P | W | A);
	assert_int_equal(cell[1].entry, 0x3000 | P | W | A);
	assert_int_equal(cell[2].entry, 0x600000 | PS | P | W | A);
	assert_false(result.dirty);
	request.access = ACCESS_WRITE;
	assert_int_equal(paging_walk(&paging, &memory, &request, &result, &error_code), WALK_OK);
	assert_int_equal(cell[2].entry, 0x600000 | PS | P | W | A | D);
	assert_int_equal(cell[1].entry, 0x3000 | P | W | A);
	assert_true(result.dirty);
	assert_int_equal(paging_walk(&paging, &memory, &request, &result, &error_code), WALK_OK); /* sparse_set_bits() would complain */
}

static void test_pdpte_reserved(void **state)
{
	(void)state;
	for (unsigned bit = 1; bit < 64; bit++) {
		bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 36;

		assert_int_equal(paging_pdpte_reserved(P | BIT(bit), 36), reserved);
		assert_false(paging_pdpte_reserved(BIT(bit), 36));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),     cmocka_unit_test(test_rights),         cmocka_unit_test(test_no_set_bits),
		cmocka_unit_test(test_set_once), cmocka_unit_test(test_pdpte_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
