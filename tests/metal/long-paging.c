/*
 * Four-level paging (SDM vol. 3A 4.5, 4.6, 4.10): pages of 4 KiB, 2 MiB and 1 GiB, rights, SMEP, SMAP, PCIDs, global pages, NX; in windows of virtual
 * memory besides the one-to-one mapping of the start file. The upper half's window is reached through PML4 entry 511.
 */
#include "tests/metal/metal.h"

#define WINDOW 0x8000000000ull	       /* PML4 entry 1 */
#define UPPER 0xffffffff80000000ull    /* PML4 entry 511, PDPT entry 510 */
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, LARGE = 0x80, G = 0x100 };
#define NX (1ull << 63)
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };
#define FAULT(error) (VEC_PF | (uint64_t)(error) << 32)

extern uint64_t tables[]; /* the start file's PML4 */
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[512] __attribute__((aligned(4096)));
static uint64_t window[512] __attribute__((aligned(4096)));

SNIPPET(reads, "mov (%rbx), %eax; int $0x30");
SNIPPET(writes, "mov %eax, (%rbx); int $0x30");
SNIPPET(executes, "jmp *%rbx");
SNIPPET(reads_ac, "stac; mov (%rbx), %eax; clac; int $0x30");
SNIPPET(clears_ac, "clac; int $0x30");

static volatile uint8_t *at(unsigned n)
{
	return (volatile uint8_t *)(WINDOW + 4096 * n);
}

static void map(unsigned n, uint64_t flags)
{
	window[n] = (word)pages[n] | flags;
	invlpg((void *)at(n));
}

static uint64_t touch(const void *code, bool user, const volatile void *address)
{
	struct state s = user ? user_state(code) : kernel_state(code);
	unsigned vector;

	s.bx = (word)address;
	vector = go(&s);
	if (vector == VEC_PF && s.cr2 != (word)address)
		return s.cr2 << 8;
	return vector == VEC_PF ? FAULT(s.error) : vector | s.error << 32;
}

static void prepare(void)
{
	pdpt[0] = (word)directory | P | W | U;
	directory[0] = (word)window | P | W | U;
	tables[1] = (word)pdpt | P | W | U;
	tables[511] = (word)pdpt | P | W | U;
	pdpt[510] = (word)directory | P | W | U;
	write_cr3(read_cr3());
	for (unsigned n = 0; n < 8; n++)
		memcpy(pages[n], "\xb8\0\0\0\0\xcd\x30", 7), pages[n][1] = n;
}

static void test_levels(void)
{
	map(0, P | W | U);
	map(1, P | U);
	map(2, P | W);
	map(3, P | W | U | NX);
	map(4, 0);
	check_equal("rights: user reads", touch(reads, true, at(0)), VECTOR_DONE);
	check_equal("rights: user writes", touch(writes, true, at(0) + 8), VECTOR_DONE);
	check_equal("rights: user executes", touch(executes, true, at(0)), VECTOR_DONE);
	check_equal("rights: user writes read-only", touch(writes, true, at(1) + 8), FAULT(PF_P | PF_W | PF_U));
	check_equal("rights: kernel writes read-only", touch(writes, false, at(1) + 8), FAULT(PF_P | PF_W));
	check_equal("rights: user reads kernel's", touch(reads, true, at(2)), FAULT(PF_P | PF_U));
	check_equal("rights: user executes kernel's", touch(executes, true, at(2)), FAULT(PF_P | PF_U | PF_I));
	check_equal("rights: NX", touch(executes, true, at(3)), FAULT(PF_P | PF_U | PF_I));
	check_equal("rights: NX is readable", touch(reads, true, at(3)), VECTOR_DONE);
	check_equal("rights: absent, fetch", touch(executes, false, at(4)), FAULT(PF_I));
	check_equal("upper half: the same page", *(volatile uint32_t *)UPPER, *(volatile uint32_t *)pages[0]);
	check_equal("upper half: executes", touch(executes, false, (void *)UPPER), VECTOR_DONE);
	check_equal("levels: accessed", tables[1] & pdpt[0] & directory[0] & A, A);
	check_equal("levels: only the last gets dirty", ((tables[1] | pdpt[0] | directory[0]) & D) | (window[0] & D) << 1, D << 1);

	pdpt[1] = LARGE | P | W | U; /* 1 GiB at 0 */
	check_equal("1 GiB page: reads", touch(reads, true, (void *)(WINDOW + 0x40000000 + (word)pages[5])), VECTOR_DONE);
	check_equal("1 GiB page: right place", *(volatile uint8_t *)(WINDOW + 0x40000000 + (word)pages[5] + 1), 5);
	pdpt[1] = LARGE | P | W | U | 1 << 13;
	write_cr3(read_cr3());
	check_strict("1 GiB page: reserved bit", touch(reads, false, (void *)(WINDOW + 0x40000000)), FAULT(PF_P | PF_RSVD));
	directory[1] = ((word)pages[6] & ~0x1fffffull) | LARGE | P | W | U | NX;
	volatile uint8_t *alias = (volatile uint8_t *)(WINDOW + 0x200000 + ((word)pages[6] & 0x1fffff));
	check_equal("2 MiB page: right place", alias[1], 6);
	check_equal("2 MiB page: NX", touch(executes, false, alias), FAULT(PF_P | PF_I));
	tables[1] |= LARGE; /* reserved in a PML4 entry */
	write_cr3(read_cr3());
	check_strict("PML4 entry: reserved bit 7", touch(reads, false, at(0)), FAULT(PF_P | PF_RSVD));
	tables[1] &= ~(uint64_t)(LARGE | W);
	write_cr3(read_cr3());
	check_equal("PML4 entry: read-only", touch(writes, false, at(0) + 8), FAULT(PF_P | PF_W));
	tables[1] = ((word)pdpt | P | W | U) | NX;
	write_cr3(read_cr3());
	check_equal("PML4 entry: NX", touch(executes, true, at(0)), FAULT(PF_P | PF_U | PF_I));
	tables[1] &= ~NX;
	write_cr3(read_cr3());
}

static void test_smep_smap(void)
{
	unsigned features = cpuid(7, 0).ebx;

	map(0, P | W | U);
	map(2, P | W);
	memcpy(pages[0], "\xb8\0\0\0\0\xcd\x30", 7);
	/* The one-to-one mapping is user-accessible: take that away first, as our own code and data lie there. */
	if (!(features & 1 << 7) || !(features & 1 << 20)) {
		skip("SMEP, SMAP");
		return;
	}
	for (unsigned i = 0; i < 2048; i++)
		tables[1024 + i] &= ~(uint64_t)U;
	write_cr3(read_cr3());
	check_equal("smep: off", touch(executes, false, at(0)), VECTOR_DONE);
	check_equal("stac: in ring 0 without CR4.SMAP", touch(reads_ac, false, at(0)), VECTOR_DONE);
	write_cr4(read_cr4() | CR4_SMEP);
	check_equal("smep: kernel executes user's", touch(executes, false, at(0)), FAULT(PF_P | PF_I));
	check_equal("smep: kernel executes kernel's", touch(executes, false, at(2)), VECTOR_DONE);
	check_equal("smep: kernel reads user's", touch(reads, false, at(0)), VECTOR_DONE);
	write_cr4((read_cr4() & ~(word)CR4_SMEP) | CR4_SMAP);
	check_equal("smap: kernel reads user's", touch(reads, false, at(0)), FAULT(PF_P));
	check_equal("smap: kernel writes user's", touch(writes, false, at(0) + 8), FAULT(PF_P | PF_W));
	check_equal("smap: kernel reads user's with AC", touch(reads_ac, false, at(0)), VECTOR_DONE);
	check_equal("smap: and not afterwards", touch(reads, false, at(0)), FAULT(PF_P));
	check_equal("smap: kernel reads kernel's", touch(reads, false, at(2)), VECTOR_DONE);
	check_equal("smap: kernel still executes user's", touch(executes, false, at(0)), VECTOR_DONE);
	write_cr4(read_cr4() & ~(word)CR4_SMAP);
	check_equal("smap: off", touch(reads, false, at(0)), VECTOR_DONE);
	for (unsigned i = 0; i < 2048; i++)
		tables[1024 + i] |= U;
	write_cr3(read_cr3());
	check_equal("stac: ring 3", touch(clears_ac, true, at(0)), VEC_UD);
}

static uint64_t first_byte(void)
{
	return at(0)[1];
}

static void test_global(void)
{
	write_cr4(read_cr4() | CR4_PGE);
	map(0, P | W | U | G);
	check_equal("global: first", first_byte(), 0);
	window[0] = (word)pages[5] | P | W | U | G;
	invlpg((void *)at(0));
	check_equal("global: INVLPG drops it", first_byte(), 5);
	window[0] = (word)pages[6] | P | W | U | G;
	write_cr4(read_cr4() & ~(word)CR4_PGE);
	check_equal("global: so does a change of CR4.PGE", first_byte(), 6);
	map(0, P | W | U);
	write_cr3(read_cr3());
}

static void test_pcid(void)
{
	static uint64_t other_pml4[512] __attribute__((aligned(4096)));
	static uint64_t other_tables[3][512] __attribute__((aligned(4096)));
	word cr3 = read_cr3();

	if (!(cpuid(1, 0).ecx & 1 << 17)) {
		skip("PCID");
		return;
	}
	memcpy(other_pml4, tables, 4096);
	other_pml4[1] = (word)other_tables[0] | P | W | U;
	other_tables[0][0] = (word)other_tables[1] | P | W | U;
	other_tables[1][0] = (word)other_tables[2] | P | W | U;
	other_tables[2][0] = (word)pages[7] | P | W | U;
	write_cr3(cr3 | 8);
	check_equal("pcid: not with CR3[11:0]", ATTEMPT("mov %0, %%cr4", : : "r"(read_cr4() | CR4_PCIDE) : "memory"), VEC_GP);
	write_cr3(cr3);
	write_cr4(read_cr4() | CR4_PCIDE);
	check_equal("pcid: first", first_byte(), 0);
	write_cr3((word)other_pml4 | 1);
	check_equal("pcid: second", first_byte(), 7);
	check_equal("pcid: CR3 reads back", read_cr3(), (word)other_pml4 | 1);
	write_cr3(cr3 | 1ull << 63);
	check_equal("pcid: first again, without a flush", first_byte(), 0);
	check_equal("pcid: bit 63 does not stay", read_cr3(), cr3);
	write_cr3((word)other_pml4 | 1 | 1ull << 63);
	check_equal("pcid: second again", first_byte(), 7);
	/* A load without bit 63 flushes that PCID's */
	other_tables[2][0] = (word)pages[6] | P | W | U;
	write_cr3((word)other_pml4 | 1);
	check_equal("pcid: flushing load", first_byte(), 6);
	if (cpuid(7, 0).ebx & 1 << 10) {
		struct {
			uint64_t pcid, linear;
		} which = {1, WINDOW};

		other_tables[2][0] = (word)pages[5] | P | W | U;
		__asm__ volatile("invpcid %0, %1" : : "m"(which), "r"(0ull) : "memory");
		check_equal("invpcid: one address", first_byte(), 5);
		other_tables[2][0] = (word)pages[4] | P | W | U;
		__asm__ volatile("invpcid %0, %1" : : "m"(which), "r"(1ull) : "memory");
		check_equal("invpcid: one PCID", first_byte(), 4);
		other_tables[2][0] = (word)pages[3] | P | W | U;
		__asm__ volatile("invpcid %0, %1" : : "m"(which), "r"(2ull) : "memory");
		check_equal("invpcid: all", first_byte(), 3);
		check_equal("invpcid: bad type", ATTEMPT("invpcid %0, %1", : : "m"(which), "r"(4ull) : "memory"), VEC_GP);
		which.pcid = 4096;
		check_equal("invpcid: bad PCID", ATTEMPT("invpcid %0, %1", : : "m"(which), "r"(1ull) : "memory"), VEC_GP);
	} else {
		skip("INVPCID");
	}
	write_cr3(cr3);
	write_cr4(read_cr4() & ~(word)CR4_PCIDE);
}

void run(void)
{
	prepare();
	test_levels();
	test_smep_smap();
	test_global();
	test_pcid();
}
