/*
 * 32-bit and PAE paging (SDM vol. 3A 4.3, 4.4): pages of all sizes, rights, write protection, #PF's error codes, accessed and dirty bits, NX, reserved
 * bits, PDPTEs, accesses and instructions across pages. QEMU differs in that a read-modify-write faults as a read first, and that reserved bits give
 * error codes without P. Memory is mapped one to one but for the window of 16 pages at WINDOW.
 */
#include "tests/metal/metal.h"

#define WINDOW 0x40000000u
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, LARGE = 0x80, G = 0x100 };
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t window32[1024] __attribute__((aligned(4096)));
static uint64_t pdpt[4] __attribute__((aligned(32)));
static uint64_t directories[4][512] __attribute__((aligned(4096)));
static uint64_t window64[512] __attribute__((aligned(4096)));
static bool pae;

static void set_page(unsigned n, uint64_t entry)
{
	if (pae)
		window64[n] = entry;
	else
		window32[n] = entry;
	invlpg((void *)(WINDOW + 4096 * n));
}

static uint64_t get_page(unsigned n)
{
	return pae ? *(volatile uint64_t *)&window64[n] : *(volatile uint32_t *)&window32[n];
}

/* Window page n to pages[n]. */
static void map(unsigned n, unsigned flags)
{
	set_page(n, (uintptr_t)pages[n] | flags);
}

static volatile uint8_t *at(unsigned n, unsigned offset)
{
	return (volatile uint8_t *)(WINDOW + 4096 * n + offset);
}

/* -- one access -- */

SNIPPET(reads, "mov (%ebx), %eax" DONE);
SNIPPET(writes, "mov %eax, (%ebx)" DONE);
SNIPPET(modifies, "addl $1, (%ebx)" DONE);
SNIPPET(executes, "jmp *%ebx");
SNIPPET(exchanges, "mov $1, %eax; mov $1, %ecx; lock cmpxchg %ecx, (%ebx)" DONE);

#define FAULT(error) (VEC_PF | (uint64_t)(error) << 32)

static uint64_t touch(const void *code, bool user, const volatile void *address)
{
	struct state s = user ? user_state(code) : kernel_state(code);
	unsigned vector;

	s.bx = (word)address;
	vector = go(&s);
	if (vector == VEC_PF && s.cr2 != (word)address)
		return s.cr2 << 8;
	return vector == VEC_PF ? FAULT(s.error) : vector;
}

static void test_rights(const char *mode)
{
	say(mode);
	say("\n");
	map(0, P | W | U);
	map(1, P | W);
	map(2, P | U);
	map(3, P);
	map(4, W | U);
	for (unsigned n = 0; n < 5; n++) {
		memset(pages[n], 0, 4096);
		memcpy(pages[n], "\xcd\x30", 2); /* int 30h */
	}
	check_equal("page: user reads", touch(reads, true, at(0, 0)), VECTOR_DONE);
	check_equal("page: user writes", touch(writes, true, at(0, 16)), VECTOR_DONE);
	check_equal("page: user executes", touch(executes, true, at(0, 0)), VECTOR_DONE);
	check_equal("page: user reads supervisor's", touch(reads, true, at(1, 0)), FAULT(PF_U | PF_P));
	check_equal("page: user writes supervisor's", touch(writes, true, at(1, 0)), FAULT(PF_U | PF_P | PF_W));
	check_equal("page: user executes supervisor's", touch(executes, true, at(1, 0)) & ~((uint64_t)PF_I << 32), FAULT(PF_U | PF_P));
	check_equal("page: user writes read-only", touch(writes, true, at(2, 0)), FAULT(PF_U | PF_P | PF_W));
	check_equal("page: user modifies read-only", touch(modifies, true, at(2, 0)), FAULT(PF_U | PF_P | PF_W));
	check_equal("page: failed compare-exchange of read-only", touch(exchanges, true, at(2, 8)), FAULT(PF_U | PF_P | PF_W));
	check_equal("page: kernel writes read-only, WP", touch(writes, false, at(2, 0)), FAULT(PF_P | PF_W));
	check_equal("page: kernel reads absent", touch(reads, false, at(4, 4)), FAULT(0));
	check_equal("page: kernel writes absent", touch(writes, false, at(4, 4)), FAULT(PF_W));
	check_equal("page: user reads absent", touch(reads, true, at(4, 4)), FAULT(PF_U));
	check_strict("page: user modifies absent", touch(modifies, true, at(4, 4)), FAULT(PF_U | PF_W));
	check_equal("page: kernel executes absent", touch(executes, false, at(4, 0)) & ~((uint64_t)PF_I << 32), FAULT(0));

	write_cr0(read_cr0() & ~CR0_WP);
	check_equal("page: kernel writes read-only without WP", touch(writes, false, at(2, 16)), VECTOR_DONE);
	check_equal("page: user still does not", touch(writes, true, at(2, 16)), FAULT(PF_U | PF_P | PF_W));
	write_cr0(read_cr0() | CR0_WP);
	check_equal("page: WP is back", touch(writes, false, at(2, 16)), FAULT(PF_P | PF_W));
}

static void test_accessed_dirty(void)
{
	map(0, P | W | U);
	check_equal("page: not accessed", get_page(0) & (A | D), 0);
	touch(reads, false, at(0, 8));
	check_equal("page: accessed by a read", get_page(0) & (A | D), A);
	touch(writes, false, at(0, 8));
	check_equal("page: dirty by a write", get_page(0) & (A | D), A | D);
	map(2, P | U);
	touch(writes, true, at(2, 8));
	check_equal("page: a failed write does not make it dirty", get_page(2) & D, 0);
	map(0, P | W | U);
	touch(modifies, false, at(0, 8));
	check_equal("page: dirty by read-modify-write", get_page(0) & (A | D), A | D);
}

/* -- across pages -- */

static void test_crossing(void)
{
	struct state s;

	map(0, P | W | U);
	map(1, P | W | U);
	*(volatile uint16_t *)&pages[0][4094] = 0x2211;
	*(volatile uint16_t *)&pages[1][0] = 0x4433;
	s = kernel_state(reads);
	s.bx = (word)at(0, 4094);
	go(&s);
	check_equal("cross: read", s.ax, 0x44332211);
	map(1, 0);
	s = kernel_state(writes);
	s.bx = (word)at(0, 4094), s.ax = -1;
	check_equal("cross: write to absent second page", go(&s), VEC_PF);
	check_equal("cross: CR2 is the second page", s.cr2, (word)at(1, 0));
	check_equal("cross: nothing was written", *(volatile uint16_t *)&pages[0][4094], 0x2211);
	map(1, P | U);
	s = user_state(writes);
	s.bx = (word)at(0, 4094), s.ax = -1;
	check_equal("cross: write to read-only second page", go(&s) | s.error << 8, VEC_PF | (PF_P | PF_W | PF_U) << 8);
	check_equal("cross: nor then", *(volatile uint16_t *)&pages[0][4094], 0x2211);

	/* mov $0x44332211, %eax, its immediate cut in two */
	map(1, P | W | U);
	memcpy(&pages[0][4093], "\xb8\x11\x22\x33\x44\xcd\x30", 3);
	memcpy(&pages[1][0], "\x33\x44\xcd\x30", 4);
	s = user_state((void *)at(0, 4093));
	check_equal("cross: instruction runs", go(&s), VECTOR_DONE);
	check_equal("cross: its operand", s.ax, 0x44332211);
	*(volatile uint8_t *)&pages[1][0] = 0x55;
	s = user_state((void *)at(0, 4093));
	go(&s);
	check_equal("cross: changed in the second page", s.ax, 0x44552211);
	/* The second page becomes another one */
	memcpy(&pages[5][0], "\x66\x77\xcd\x30", 4);
	set_page(1, (uintptr_t)pages[5] | P | W | U);
	s = user_state((void *)at(0, 4093));
	go(&s);
	check_equal("cross: second page remapped", s.ax, 0x77662211);
	map(1, 0);
	s = user_state((void *)at(0, 4093));
	check_equal("cross: second page absent", go(&s), VEC_PF);
	check_equal("cross: CR2", s.cr2, (word)at(1, 0));
	check_equal("cross: EIP", s.ip, (word)at(0, 4093));
	/* An instruction that ends with its page does not look at the next */
	memcpy(&pages[0][4094], "\xcd\x30", 2);
	s = user_state((void *)at(0, 4094));
	check_equal("cross: ends with the page", go(&s), VECTOR_DONE);
}

SNIPPET(fill, "rep stosl" DONE);
SNIPPET(push_all, "pusha" DONE);
SNIPPET(calls, "call *%ebx" DONE);

static void test_partial(void)
{
	struct state s = user_state(fill);

	map(0, P | W | U);
	map(1, 0);
	s.di = (word)at(0, 4088), s.cx = 4, s.ax = 0x12345678;
	check_equal("rep: faults in the second page", go(&s), VEC_PF);
	check_equal("rep: registers say how far", s.cx << 16 | (s.di & 0xffff), 2 << 16 | 0x1000);
	check_equal("rep: what was before is written", *(volatile uint32_t *)&pages[0][4092], 0x12345678);
	map(1, P | W | U);
	s.vector = 0;
	check_equal("rep: goes on", go(&s), VECTOR_DONE);
	check_equal("rep: to the end", *(volatile uint32_t *)&pages[1][4], 0x12345678);

	map(0, 0);
	s = user_state(push_all);
	s.sp = (word)at(1, 8);
	check_equal("pusha: faults", go(&s), VEC_PF);
	check_equal("pusha: ESP unchanged", s.sp, (word)at(1, 8));
	s = user_state(calls);
	s.sp = (word)at(1, 0), s.bx = (word)push_all;
	check_equal("call: faults", go(&s), VEC_PF);
	check_equal("call: EIP unchanged", s.ip << 16 | (s.sp & 0xffff), (word)calls << 16 | 0x1000);
}

/* A translation that changes under code that has run. */
static void test_remap(void)
{
	struct state s;

	for (unsigned n = 0; n < 2; n++) {
		memcpy(pages[n], "\xb8\0\0\0\0\xcd\x30", 7);
		pages[n][1] = 0x10 + n;
	}
	map(0, P | W | U);
	s = user_state((void *)at(0, 0));
	go(&s);
	check_equal("remap: code of the first page", s.ax, 0x10);
	set_page(0, (uintptr_t)pages[1] | P | W | U);
	s = user_state((void *)at(0, 0));
	go(&s);
	check_equal("remap: code of the second page", s.ax, 0x11);
	/* Through an alias */
	pages[1][1] = 0x77;
	s = user_state((void *)at(0, 0));
	go(&s);
	check_equal("remap: code written through another address", s.ax, 0x77);
	/* Without INVLPG, a load of CR3 must do, unless the page is global */
	if (pae)
		window64[0] = (uintptr_t)pages[0] | P | W | U;
	else
		window32[0] = (uintptr_t)pages[0] | P | W | U;
	write_cr3(read_cr3());
	s = user_state((void *)at(0, 0));
	go(&s);
	check_equal("remap: by a load of CR3", s.ax, 0x10);
	write_cr4(read_cr4() | CR4_PGE);
	set_page(0, (uintptr_t)pages[0] | P | W | U | G);
	touch(reads, false, at(0, 0));
	if (pae)
		window64[0] = (uintptr_t)pages[1] | P | W | U | G;
	else
		window32[0] = (uintptr_t)pages[1] | P | W | U | G;
	write_cr4(read_cr4() & ~CR4_PGE);
	s = user_state((void *)at(0, 0));
	go(&s);
	check_equal("remap: a change of CR4.PGE flushes global pages", s.ax, 0x77);
}

/* -- two-level paging -- */

static void test_two_level(void)
{
	uint32_t last = (uintptr_t)pages[8] & ~0x3fffffu;

	for (unsigned i = 0; i < 1024; i++)
		directory[i] = i << 22 | LARGE | P | W | U;
	directory[WINDOW >> 22] = (uintptr_t)window32 | P | W | U;
	write_cr4(read_cr4() | CR4_PSE);
	write_cr3((word)directory);
	write_cr0(read_cr0() | CR0_PG | CR0_WP);
	test_rights("-- two-level --");
	test_accessed_dirty();
	test_crossing();
	test_partial();
	test_remap();

	/* A second 4 MiB page over the same memory, with other rights */
	directory[(WINDOW >> 22) + 1] = last | LARGE | P | U;
	write_cr3((word)directory);
	volatile uint8_t *alias = (volatile uint8_t *)(WINDOW + 0x400000 + ((uintptr_t)pages[8] & 0x3fffff));
	pages[8][0] = 0x5a;
	check_equal("4 MiB page: read", *alias, 0x5a);
	check_equal("4 MiB page: accessed", directory[(WINDOW >> 22) + 1] & (A | D), A);
	check_equal("4 MiB page: read-only", touch(writes, false, alias), FAULT(PF_P | PF_W));
	directory[(WINDOW >> 22) + 1] = last | LARGE | P | W;
	invlpg((void *)alias);
	check_equal("4 MiB page: supervisor's", touch(reads, true, alias), FAULT(PF_P | PF_U));
	touch(writes, false, alias);
	check_equal("4 MiB page: dirty", directory[(WINDOW >> 22) + 1] & (A | D), A | D);
	directory[(WINDOW >> 22) + 1] = last | LARGE | P | W | 1 << 21;
	invlpg((void *)alias);
	check_strict("4 MiB page: reserved bit 21", touch(reads, false, alias), FAULT(PF_P | PF_RSVD));
	/* Rights are those of both levels */
	directory[WINDOW >> 22] = (uintptr_t)window32 | P | U;
	write_cr3((word)directory);
	map(0, P | W | U);
	check_equal("directory: read-only", touch(writes, true, at(0, 8)), FAULT(PF_P | PF_W | PF_U));
	directory[WINDOW >> 22] = (uintptr_t)window32 | P | W;
	write_cr3((word)directory);
	check_equal("directory: supervisor's", touch(reads, true, at(0, 8)), FAULT(PF_P | PF_U));
	directory[WINDOW >> 22] = 0;
	write_cr3((word)directory);
	check_equal("directory: absent", touch(reads, false, at(0, 8)), FAULT(0));
	directory[WINDOW >> 22] = (uintptr_t)window32 | P | W | U;
	write_cr0(read_cr0() & ~CR0_PG);
}

/* -- PAE -- */

static void test_pae(void)
{
	for (unsigned i = 0; i < 4; i++) {
		pdpt[i] = (uintptr_t)directories[i] | P;
		for (unsigned j = 0; j < 512; j++)
			directories[i][j] = (uint64_t)(512 * i + j) << 21 | LARGE | P | W | U;
	}
	directories[1][0] = (uintptr_t)window64 | P | W | U;
	pae = true;
	write_cr4((read_cr4() & ~CR4_PSE) | CR4_PAE);
	write_cr3((word)pdpt);
	write_cr0(read_cr0() | CR0_PG);
	test_rights("-- PAE --");
	test_accessed_dirty();
	test_crossing();
	test_partial();
	test_remap();

	const uint64_t nx = 1ull << 63;
	set_page(0, (uintptr_t)pages[0] | P | W | U | nx);
	check_strict("nx: reserved without EFER.NXE", touch(reads, true, at(0, 0)), FAULT(PF_P | PF_RSVD | PF_U));
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 0x800);
	check_equal("nx: read", touch(reads, true, at(0, 0)), VECTOR_DONE);
	check_equal("nx: execute", touch(executes, true, at(0, 0)), FAULT(PF_P | PF_U | PF_I));
	check_equal("nx: execute in ring 0", touch(executes, false, at(0, 0)), FAULT(PF_P | PF_I));
	set_page(0, 0);
	check_equal("nx: absent, fetch", touch(executes, true, at(0, 0)), FAULT(PF_U | PF_I));
	directories[1][0] |= nx;
	memcpy(pages[0], "\xcd\x30", 2);
	map(0, P | W | U);
	write_cr3((word)pdpt);
	check_equal("nx: in the directory", touch(executes, true, at(0, 0)), FAULT(PF_P | PF_U | PF_I));
	directories[1][0] &= ~nx;
	write_cr3((word)pdpt);
	check_equal("nx: gone", touch(executes, true, at(0, 0)), VECTOR_DONE);
	set_page(0, (uintptr_t)pages[0] | P | 1ull << 52);
	check_strict("pae: reserved bit 52", touch(reads, false, at(0, 0)), FAULT(PF_P | PF_RSVD));

	/* PDPTEs are loaded with CR3 */
	map(0, P | W | U);
	pdpt[1] = 0;
	check_strict("pae: PDPTEs are in the CPU", touch(reads, false, at(0, 0)), VECTOR_DONE);
	write_cr3((word)pdpt);
	check_equal("pae: absent PDPTE", touch(reads, false, at(0, 0)), FAULT(0));
	pdpt[1] = (uintptr_t)directories[1] | P | 1ull << 5;
	check_strict("pae: reserved bit in a PDPTE", ATTEMPT("mov %0, %%cr3", : : "r"(pdpt) : "memory"), VEC_GP);
	pdpt[1] = (uintptr_t)directories[1] | P;
	write_cr3((word)pdpt);
	check_equal("pae: back", touch(reads, false, at(0, 0)), VECTOR_DONE);
	/* CR3 need be aligned to 32 bytes only */
	static uint64_t low_pdpt[8] __attribute__((aligned(64)));
	memcpy(low_pdpt + 4, pdpt, 32);
	write_cr3((word)(low_pdpt + 4));
	check_equal("pae: CR3 aligned to 32 bytes", touch(reads, false, at(0, 0)), VECTOR_DONE);
	/* Memory above 4 GiB is not there: a page there reads as nothing, but translates */
	set_page(0, 0x800000000ull | P | W | U);
	check_equal("pae: 36-bit address", touch(reads, false, at(0, 0)), VECTOR_DONE);
	write_cr0(read_cr0() & ~CR0_PG);
}

void run(void)
{
	test_two_level();
	test_pae();
}
