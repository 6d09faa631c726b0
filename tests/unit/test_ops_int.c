/*
 * Integer instructions of emu/ops/{shift,muldiv,bit,bcd,string,exchange,misc}.c in the whole engine: known answers (those of flags that the
 * SDM leaves undefined are Zen 5's), exceptions, and what random comparison with the host does not reach: other modes than 64-bit, faults
 * in the middle of strings, restarting.
 */
#include "tests/unit/rig.h"

enum { FLAGS = FLAGS_ARITHMETIC, HANDLER = RIG_CODE + 0x1000 };

/* -- known answers -- */

struct known {
	const char *name;
	enum rig_mode mode;
	const char *code;
	unsigned size;
	struct {
		uint64_t rax, rcx, rdx, rbx;
		uint32_t flags;
	} before, after;
};

#define CODE(literal) literal, sizeof(literal) - 1
#define C FLAG_CF
#define P FLAG_PF
#define A FLAG_AF
#define Z FLAG_ZF
#define S FLAG_SF
#define O FLAG_OF

static const struct known known[] = {
	{"shl eax, 1", RIG_LONG, CODE("\xd1\xe0"), {0xffffffff80000001, 0, 0, 0, 0}, {2, 0, 0, 0, C | O | A}},
	{"shl eax, cl by 0 clears the upper half", RIG_LONG, CODE("\xd3\xe0"), {-1ull, 32, 0, 0, FLAGS}, {0xffffffff, 32, 0, 0, FLAGS}},
	{"shl al, 9", RIG_LONG, CODE("\xc0\xe0\x09"), {0xff, 0, 0, 0, 0}, {0, 0, 0, 0, A | Z | P}},
	{"shr ah, 1", RIG_PROT32, CODE("\xd0\xec"), {0x8100, 0, 0, 0, 0}, {0x4000, 0, 0, 0, C | O | A}},
	{"sar ax, 31", RIG_PROT32, CODE("\x66\xc1\xf8\x1f"), {0x18000, 0, 0, 0, 0}, {0x1ffff, 0, 0, 0, C | S | P | A}},
	{"rol rax, 63", RIG_LONG, CODE("\x48\xc1\xc0\x3f"), {3, 0, 0, 0, Z | P}, {1ull << 63 | 1, 0, 0, 0, Z | P | C}},
	{"rcl al, 9 is no rotation, but sets OF", RIG_PROT32, CODE("\xc0\xd0\x09"), {0x80, 0, 0, 0, C}, {0x80, 0, 0, 0, C}},
	{"rcr ax, 17", RIG_PROT32, CODE("\x66\xc1\xd8\x11"), {0x8000, 0, 0, 0, C}, {0x8000, 0, 0, 0, C | O}},
	{"rcl eax, 1", RIG_LONG, CODE("\xd1\xd0"), {0x80000000, 0, 0, 0, C}, {1, 0, 0, 0, C | O}},
	{"shld eax, edx, 4",
	 RIG_LONG,
	 CODE("\x0f\xa4\xd0\x04"),
	 {0x12345678, 0, 0xabcdef01, 0, 0},
	 {0x2345678a, 0, 0xabcdef01, 0, C | A | O}},
	{"shld ax, dx, cl by 20", RIG_PROT32, CODE("\x66\x0f\xa5\xd0"), {0xffff, 20, 0x1234, 0, C}, {0x2341, 20, 0x1234, 0, A | P}},
	{"shrd rax, rdx, 8", RIG_LONG, CODE("\x48\x0f\xac\xd0\x08"), {0x180, 0, 0xff, 0, 0}, {0xff00000000000001, 0, 0xff, 0, C | S | A}},

	{"mul al, ah", RIG_PROT32, CODE("\xf6\xe4"), {0x1010, 0, 0, 0, Z}, {0x100, 0, 0, 0, C | O | Z}},
	{"mul edx", RIG_LONG, CODE("\xf7\xe2"), {-1ull, 0, -1ull, 0, S}, {1, 0, 0xfffffffe, 0, C | O | S}},
	{"imul rbx", RIG_LONG, CODE("\x48\xf7\xeb"), {-2ull, 0, 0, 3, C | O}, {-6ull, 0, -1ull, 3, 0}},
	{"imul eax, ecx, -2", RIG_LONG, CODE("\x6b\xc1\xfe"), {0, 0x40000000, 0, 0, 0}, {0x80000000, 0x40000000, 0, 0, 0}},
	{"imul ax, cx, 0x4000", RIG_LONG, CODE("\x66\x69\xc1\x00\x40"), {0, 4, 0, 0, 0}, {0, 4, 0, 0, C | O}},
	{"div cl", RIG_PROT32, CODE("\xf6\xf1"), {0x0102, 2, 0, 0, C | Z}, {0x0081, 2, 0, 0, C | A}},
	{"div rcx", RIG_LONG, CODE("\x48\xf7\xf1"), {5, 16, 15, 0, O}, {0xf000000000000000, 16, 5, 0, O | A}},
	{"idiv ecx", RIG_LONG, CODE("\xf7\xf9"), {-7ull, 2, -1ull, 0, 0}, {0xfffffffd, 2, 0xffffffff, 0, A}},
	{"idiv rcx, 128 bits", RIG_LONG, CODE("\x48\xf7\xf9"), {0, 4, 1, 0, 0}, {1ull << 62, 4, 0, 0, A}},
	{"cbw", RIG_LONG, CODE("\x66\x98"), {0x12345680, 0, 0, 0, 0}, {0x1234ff80, 0, 0, 0, 0}},
	{"cdqe", RIG_LONG, CODE("\x48\x98"), {0x80000000, 0, 0, 0, 0}, {0xffffffff80000000, 0, 0, 0, 0}},
	{"cdq", RIG_LONG, CODE("\x99"), {0x80000000, 0, -1ull, 0, 0}, {0x80000000, 0, 0xffffffff, 0, 0}},

	{"bt eax, ecx", RIG_LONG, CODE("\x0f\xa3\xc8"), {2, 33, 0, 0, Z | S}, {2, 33, 0, 0, Z | S | C}},
	{"btc ax, 17", RIG_PROT32, CODE("\x66\x0f\xba\xf8\x11"), {2, 0, 0, 0, O}, {0, 0, 0, 0, O | C}},
	{"bsf of 0", RIG_LONG, CODE("\x0f\xbc\xc1"), {-1ull, 0, 0, 0, C | O}, {-1ull, 0, 0, 0, Z | P}},
	{"bsf: PF of the bit's number", RIG_LONG, CODE("\x0f\xbc\xc1"), {-1ull, 0x28, 0, 0, FLAGS}, {3, 0x28, 0, 0, P}},
	{"bsf of 1", RIG_LONG, CODE("\x0f\xbc\xc1"), {-1ull, 1, 0, 0, FLAGS}, {0, 1, 0, 0, P}},
	{"rep bsr (LZCNT elsewhere)", RIG_LONG, CODE("\xf3\x0f\xbd\xc1"), {-1ull, 0x100, 0, 0, Z | S}, {8, 0x100, 0, 0, 0}},
	{"popcnt", RIG_LONG, CODE("\xf3\x48\x0f\xb8\xc1"), {0, -1ull, 0, 0, FLAGS}, {64, -1ull, 0, 0, 0}},
	{"crc32 eax, cl", RIG_LONG, CODE("\xf2\x0f\x38\xf0\xc1"), {-1ull, 'a', 0, 0, Z}, {0x3e2fbccf, 'a', 0, 0, Z}},
	{"bswap ax", RIG_LONG, CODE("\x66\x0f\xc8"), {0x12345678, 0, 0, 0, 0}, {0x12340000, 0, 0, 0, 0}},

	{"daa", RIG_PROT32, CODE("\x27"), {0x9a, 0, 0, 0, 0}, {0, 0, 0, 0, C | P | A | Z}},
	{"das, borrow by the low digit", RIG_PROT32, CODE("\x2f"), {5, 0, 0, 0, A}, {0xff, 0, 0, 0, C | P | A | S}},
	{"aaa", RIG_PROT32, CODE("\x37"), {0x70fa, 0, 0, 0, 0}, {0x7200, 0, 0, 0, C | P | A}},
	{"aas", RIG_PROT32, CODE("\x3f"), {0x8000, 0, 0, 0, A}, {0x7e0a, 0, 0, 0, C | A | P | O}},
	{"aam", RIG_PROT32, CODE("\xd4\x0a"), {0x63, 0, 0, 0, FLAGS}, {0x0909, 0, 0, 0, P}},
	{"aad", RIG_PROT32, CODE("\xd5\x0a"), {0x0909, 0, 0, 0, FLAGS}, {0x63, 0, 0, 0, A | P}},

	{"xchg eax, edx", RIG_LONG, CODE("\x92"), {-1ull, 0, -2ull, 0, 0}, {0xfffffffe, 0, 0xffffffff, 0, 0}},
	{"xadd al, ah", RIG_LONG, CODE("\x0f\xc0\xe0"), {0x0180, 0, 0, 0, 0}, {0x8081, 0, 0, 0, S | P}},
	{"cmpxchg ecx, edx holds", RIG_LONG, CODE("\x0f\xb1\xd1"), {-1ull, 0xffffffff, -2ull, 0, 0}, {-1ull, 0xfffffffe, -2ull, 0, Z | P}},
	{"cmpxchg ecx, edx fails", RIG_LONG, CODE("\x0f\xb1\xd1"), {-1ull, -2ull, 0, 0, 0}, {0xfffffffe, -2ull, 0, 0, 0}},

	{"lahf", RIG_LONG, CODE("\x9f"), {0, 0, 0, 0, C | Z | O}, {0x4300, 0, 0, 0, C | Z | O}},
	{"sahf", RIG_LONG, CODE("\x9e"), {0xff00, 0, 0, 0, O}, {0xff00, 0, 0, 0, FLAGS}},
	{"salc", RIG_PROT32, CODE("\xd6"), {0, 0, 0, 0, C}, {0xff, 0, 0, 0, C}},
	{"cmc", RIG_PROT32, CODE("\xf5"), {0, 0, 0, 0, C | Z}, {0, 0, 0, 0, Z}},
};
#undef C
#undef P
#undef A
#undef Z
#undef S
#undef O

static void check_known(const struct known *k)
{
	struct rig rig;
	struct cpu *cpu;

	rig_init(&rig, k->mode);
	cpu = rig.cpu;
	cpu->gpr[RAX] = k->before.rax;
	cpu->gpr[RCX] = k->before.rcx;
	cpu->gpr[RDX] = k->before.rdx;
	cpu->gpr[RBX] = k->before.rbx;
	cpu_set_eflags(cpu, k->before.flags, FLAGS);
	rig_code(&rig, k->code, k->size);
	assert_int_equal(rig_run(&rig, 1), CPU_EXIT_DEADLINE);
	if (cpu->rip != RIG_CODE + k->size || cpu->gpr[RAX] != k->after.rax || cpu->gpr[RCX] != k->after.rcx ||
	    cpu->gpr[RDX] != k->after.rdx || cpu->gpr[RBX] != k->after.rbx || (cpu_get_eflags(cpu) & FLAGS) != k->after.flags)
		fail_msg("%s: rip %#lx rax %#lx rcx %#lx rdx %#lx rbx %#lx flags %#x, not %#x", k->name, cpu->rip, cpu->gpr[RAX],
			 cpu->gpr[RCX], cpu->gpr[RDX], cpu->gpr[RBX], cpu_get_eflags(cpu) & FLAGS, k->after.flags);
	rig_deinit(&rig);
}

static void test_known(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		check_known(&known[i]);
}

/* -- exceptions -- */

/* 32-bit interrupt gates to HANDLER for all exceptions. */
static void fill_idt(struct rig *rig)
{
	unsigned vector;

	for (vector = 0; vector < 32; vector++)
		rig_write64(rig, RIG_IDT + 8 * vector,
			    (HANDLER & 0xffff) | RIG_CS0 << 16 | 0x8e00ull << 32 | (uint64_t)(HANDLER >> 16) << 48);
}

/* The code's first instruction raises the vector expected. */
#define RAISES(rig, code, expected) check_raises(rig, code, sizeof(code) - 1, expected)
static void check_raises(struct rig *rig, const void *code, size_t size, enum vector expected)
{
	struct cpu *cpu = rig->cpu;

	cpu->gpr[RSP] = RIG_STACK;
	rig_code(rig, code, size);
	assert_int_equal(rig_run(rig, 1), CPU_EXIT_DEADLINE);
	assert_int_equal(cpu->rip, HANDLER);
	assert_int_equal(cpu->exception.vector, expected);
	assert_int_equal((uint32_t)rig_read64(rig, cpu->gpr[RSP] + (cpu->exception.has_error_code ? 4 : 0)), RIG_CODE);
}

static void test_exceptions(void **state)
{
	struct rig rig;
	struct cpu *cpu;

	(void)state;
	rig_init(&rig, RIG_PROT32);
	cpu = rig.cpu;
	fill_idt(&rig);
	cpu->gpr[RCX] = 0;
	RAISES(&rig, "\xf7\xf1", VECTOR_DE); /* div ecx */
	RAISES(&rig, "\xf7\xf9", VECTOR_DE); /* idiv ecx */
	RAISES(&rig, "\xd4\x00", VECTOR_DE); /* aam 0 */
	cpu->gpr[RCX] = 5;
	cpu->gpr[RDX] = 5;
	RAISES(&rig, "\xf7\xf1", VECTOR_DE); /* quotient 2^32 */
	cpu->gpr[RCX] = 0xffffffff;
	cpu->gpr[RDX] = 0xffffffff;
	cpu->gpr[RAX] = 0x80000000;
	RAISES(&rig, "\xf7\xf9", VECTOR_DE); /* -2^31 / -1 */
	RAISES(&rig, "\x0f\x0b", VECTOR_UD);
	RAISES(&rig, "\x0f\xb9\xc0", VECTOR_UD);
	rig_write64(&rig, RIG_DATA, 0x00000005fffffffbull); /* -5..5 */
	cpu->gpr[RAX] = 6;
	RAISES(&rig, "\x62\x05\x00\x00\x03\x00", VECTOR_BR); /* bound eax, [RIG_DATA] */
	cpu->gpr[RAX] = 0xfffffffa;
	RAISES(&rig, "\x62\x05\x00\x00\x03\x00", VECTOR_BR);
	cpu->gpr[RAX] = 0xfffffffb;
	RIG_RUN(&rig, "\x62\x05\x00\x00\x03\x00", 1);
	assert_int_equal(cpu->rip, RIG_CODE + 6);
	rig_deinit(&rig);
}

static void test_cmpxchg16b(void **state)
{
	struct rig rig;
	struct cpu *cpu;

	(void)state;
	rig_init(&rig, RIG_LONG);
	cpu = rig.cpu;
	rig_write64(&rig, RIG_DATA, 1);
	rig_write64(&rig, RIG_DATA + 8, 2);
	cpu->gpr[RAX] = 1;
	cpu->gpr[RDX] = 2;
	cpu->gpr[RBX] = 3;
	cpu->gpr[RCX] = 4;
	cpu->gpr[RDI] = RIG_DATA;
	RIG_RUN(&rig, "\xf0\x48\x0f\xc7\x0f", 1); /* lock cmpxchg16b [rdi] */
	assert_int_equal(rig_read64(&rig, RIG_DATA), 3);
	assert_int_equal(rig_read64(&rig, RIG_DATA + 8), 4);
	assert_true(cpu_get_eflags(cpu) & FLAG_ZF);
	RIG_RUN(&rig, "\xf0\x48\x0f\xc7\x0f", 1);
	assert_false(cpu_get_eflags(cpu) & FLAG_ZF);
	assert_int_equal(cpu->gpr[RAX], 3);
	assert_int_equal(cpu->gpr[RDX], 4);
	cpu->gpr[RDI] = RIG_DATA + 8; /* unaligned: #GP, and then a triple fault for want of an IDT */
	assert_int_equal(RIG_RUN(&rig, "\xf0\x48\x0f\xc7\x0f", 1), CPU_EXIT_SHUTDOWN);
	rig_deinit(&rig);
}

/* -- bit strings -- */

/* With a 16-bit address the sum of base and bit offset wraps around within 64 KiB. */
static void test_bit_string_wraps(void **state)
{
	struct rig rig;
	struct cpu *cpu;

	(void)state;
	rig_init(&rig, RIG_PROT32);
	cpu = rig.cpu;
	cpu->gpr[RBX] = 0xfffc;
	cpu->gpr[RCX] = 64 + 5;
	rig_write64(&rig, 4, 0);
	RIG_RUN(&rig, "\x67\x0f\xab\x0f", 1); /* bts [bx], ecx */
	assert_int_equal(rig_read64(&rig, 4), 1 << 5);
	cpu->gpr[RBX] = RIG_DATA + 8;
	cpu->gpr[RCX] = (uint32_t)-1;
	RIG_RUN(&rig, "\x0f\xab\x0b", 1); /* bts [ebx], ecx */
	assert_int_equal(rig_read64(&rig, RIG_DATA), 1ull << 63);
	rig_deinit(&rig);
}

/* -- strings -- */

static void set_string(struct cpu *cpu, uint64_t source, uint64_t destination, uint64_t count)
{
	cpu->gpr[RSI] = source;
	cpu->gpr[RDI] = destination;
	cpu->gpr[RCX] = count;
}

static void assert_string(const struct cpu *cpu, uint64_t source, uint64_t destination, uint64_t count)
{
	assert_int_equal(cpu->gpr[RSI], source);
	assert_int_equal(cpu->gpr[RDI], destination);
	assert_int_equal(cpu->gpr[RCX], count);
}

/* An overlap with the destination above the source repeats the bytes between them, whatever the element size. */
static void test_overlap(void **state)
{
	uint8_t data[64];
	struct rig rig;
	unsigned i;

	(void)state;
	rig_init(&rig, RIG_LONG);
	rig_write(&rig, RIG_DATA + 0xff0, "abc", 3);
	set_string(rig.cpu, RIG_DATA + 0xff0, RIG_DATA + 0xff3, 40); /* over a page's end */
	RIG_RUN(&rig, "\xf3\xa4", 1);
	assert_string(rig.cpu, RIG_DATA + 0xff0 + 40, RIG_DATA + 0xff3 + 40, 0);
	assert_true(physmem_copy_out(&rig.mem, RIG_DATA + 0xff0, data, 43));
	for (i = 0; i < 43; i++)
		assert_int_equal(data[i], "abc"[i % 3]);
	rig_deinit(&rig);
}

/* A fault leaves the registers at the element that faulted, with all before it done. */
static void test_fault_in_the_middle(void **state)
{
	static const uint8_t pattern[] = {0x11, 0x22, 0x33, 0x44};
	struct rig rig;
	unsigned i;

	(void)state;
	rig_init(&rig, RIG_PAGED32);
	fill_idt(&rig);
	rig_write64(&rig, RIG_TABLES + 8, 0); /* 8-16 MiB are absent */
	cpu_flush_tlb(rig.cpu);
	for (i = 0; i < 16; i++)
		rig_write(&rig, RIG_DATA + 4 * i, pattern, 4);
	set_string(rig.cpu, RIG_DATA, (8 << 20) - 20, 16);
	RAISES(&rig, "\xf3\xa5", VECTOR_PF); /* rep movsd */
	assert_string(rig.cpu, RIG_DATA + 20, 8 << 20, 11);
	assert_int_equal(rig.cpu->cr2, 8 << 20);
	assert_int_equal(rig_read64(&rig, (8 << 20) - 8), 0x4433221144332211);

	rig.cpu->gpr[RAX] = 0x55;
	set_string(rig.cpu, 1, (8 << 20) - 3, 9);
	RAISES(&rig, "\xf3\xaa", VECTOR_PF); /* rep stosb */
	assert_string(rig.cpu, 1, 8 << 20, 6);
	set_string(rig.cpu, 1, (8 << 20) - 3, 9);
	RAISES(&rig, "\xf3\xae", VECTOR_PF); /* repe scasb */
	assert_string(rig.cpu, 1, 8 << 20, 6);
	rig_deinit(&rig);
}

/* Long strings give way at multiples of CPU_REP_LIMIT, each turn counting as an instruction; what follows in the block is not skipped. */
static void test_limit(void **state)
{
	uint64_t before;
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_string(rig.cpu, 0, RIG_DATA, 0);
	rig.cpu->gpr[RDI] = 1 << 20;
	rig.cpu->gpr[RCX] = 2 * CPU_REP_LIMIT + 100;
	rig.cpu->gpr[RAX] = 0x7f;
	before = cpu_instructions(rig.cpu);
	assert_int_equal(RIG_RUN(&rig, "\x90\xf3\xaa\xff\xc3\xf4", 2), CPU_EXIT_DEADLINE); /* nop; rep stosb; inc ebx; hlt */
	assert_int_equal(rig.cpu->rip, RIG_CODE + 1);
	assert_int_equal(rig.cpu->gpr[RCX], 2 * CPU_REP_LIMIT);
	assert_int_equal(rig_run(&rig, 1000), CPU_EXIT_HALT);
	assert_int_equal(rig.cpu->gpr[RCX], 0);
	assert_int_equal(rig.cpu->gpr[RDI], (1 << 20) + 2 * CPU_REP_LIMIT + 100);
	assert_int_equal(rig.cpu->gpr[RBX], 1);
	assert_int_equal(cpu_instructions(rig.cpu) - before, 6);
	rig_deinit(&rig);
}

/* Under TF each iteration is an instruction. */
static void test_single_step(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_PROT32);
	fill_idt(&rig);
	set_string(rig.cpu, RIG_DATA, RIG_DATA + 64, 3);
	cpu_set_eflags(rig.cpu, FLAG_TF, FLAG_TF);
	RIG_RUN(&rig, "\xf3\xa4", 2);
	assert_int_equal(rig.cpu->rip, HANDLER);
	assert_string(rig.cpu, RIG_DATA + 1, RIG_DATA + 65, 2);
	assert_int_equal((uint32_t)rig_read64(&rig, rig.cpu->gpr[RSP]), RIG_CODE);
	rig_deinit(&rig);
}

/* Address sizes: which part of the registers is written; a count of 0 writes none. */
static void test_address_sizes(void **state)
{
	const uint64_t high = 0xaaaaaaaa00000000, word = 0xbbbb0000;
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	set_string(rig.cpu, high | RIG_DATA, high | (RIG_DATA + 16), high | 3);
	RIG_RUN(&rig, "\x67\xf3\xa4", 1);
	assert_string(rig.cpu, RIG_DATA + 3, RIG_DATA + 19, 0);
	set_string(rig.cpu, high | RIG_DATA, high | (RIG_DATA + 16), high);
	RIG_RUN(&rig, "\x67\xf3\xa4", 1);
	assert_string(rig.cpu, high | RIG_DATA, high | (RIG_DATA + 16), high);
	rig_deinit(&rig);

	rig_init(&rig, RIG_PROT32);
	set_string(rig.cpu, word | 0xfffe, word | 0x100, word | 4);
	rig_write64(&rig, 0xfff8, 0x4142ull << 48);
	rig_write64(&rig, 0, 0x4344);
	RIG_RUN(&rig, "\x67\xf3\xa4", 1); /* the offset wraps around */
	assert_string(rig.cpu, word | 2, word | 0x104, word);
	assert_int_equal((uint32_t)rig_read64(&rig, 0x100), 0x43444142);
	rig_deinit(&rig);
}

/* Real mode: segment bases, an override of the source's, the direction flag. */
static void test_segments(void **state)
{
	struct rig rig;
	struct cpu *cpu;

	(void)state;
	rig_init(&rig, RIG_REAL);
	cpu = rig.cpu;
	cpu->seg[SEG_ES].base = RIG_DATA;
	cpu->seg[SEG_FS].base = RIG_DATA + 0x1000;
	cpu_update_mode(cpu);
	rig_write64(&rig, RIG_DATA + 0x1010, 0x8877665544332211);
	set_string(cpu, 0x10, 0x20, 4);
	RIG_RUN(&rig, "\x64\xf3\xa5", 1); /* rep movsw es:[di], fs:[si] */
	assert_int_equal(rig_read64(&rig, RIG_DATA + 0x20), 0x8877665544332211);
	assert_string(cpu, 0x18, 0x28, 0);
	set_string(cpu, 0x17, 0x41, 2);
	cpu->eflags |= FLAG_DF;
	RIG_RUN(&rig, "\x64\xf3\xa4", 1); /* rep movsb, backwards */
	assert_int_equal(rig_read64(&rig, RIG_DATA + 0x40) & 0xffff, 0x8877);
	assert_string(cpu, 0x15, 0x3f, 0);
	cpu->gpr[RBX] = 0x10;
	cpu->gpr[RAX] = 3;
	RIG_RUN(&rig, "\x64\xd7", 1); /* xlat fs:[bx] */
	assert_int_equal(cpu->gpr[RAX], 0x44);
	rig_deinit(&rig);
}

static void test_compares(void **state)
{
	struct rig rig;
	struct cpu *cpu;

	(void)state;
	rig_init(&rig, RIG_LONG);
	cpu = rig.cpu;
	rig_write(&rig, RIG_DATA, "same text but not all", 22);
	rig_write(&rig, RIG_DATA + 0x100, "same text and not all", 22);
	set_string(cpu, RIG_DATA, RIG_DATA + 0x100, 22);
	RIG_RUN(&rig, "\xf3\xa6", 1); /* repe cmpsb: 'b' - 'a' */
	assert_string(cpu, RIG_DATA + 11, RIG_DATA + 0x10b, 11);
	assert_int_equal(cpu_get_eflags(cpu) & FLAGS, 0);
	set_string(cpu, 0, RIG_DATA, 100);
	cpu->gpr[RAX] = 0;
	RIG_RUN(&rig, "\xf2\xae", 1); /* repne scasb */
	assert_string(cpu, 0, RIG_DATA + 22, 78);
	assert_true(cpu_get_eflags(cpu) & FLAG_ZF);
	set_string(cpu, RIG_DATA, RIG_DATA + 0x100, 0);
	cpu_set_eflags(cpu, FLAG_CF | FLAG_SF, FLAGS);
	RIG_RUN(&rig, "\xf3\xa6", 1);
	assert_int_equal(cpu_get_eflags(cpu) & FLAGS, FLAG_CF | FLAG_SF);
	rig_deinit(&rig);
}

/* Of two absent operands CMPS meets the source's first. */
static void test_compare_order(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_PAE);
	fill_idt(&rig);
	set_string(rig.cpu, 0x50000000, 0x60000000, 1);
	RAISES(&rig, "\xa6", VECTOR_PF);
	assert_int_equal(rig.cpu->cr2, 0x50000000);
	assert_string(rig.cpu, 0x50000000, 0x60000000, 1);
	rig_deinit(&rig);
}

/* A string that overwrites the code that follows it in its own block. */
static void test_self_modifying(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, RIG_LONG);
	rig_code(&rig, "\xf3\xaa\xff\xc3\xff\xc3\xf4", 7); /* rep stosb; inc ebx; inc ebx; hlt */
	set_string(rig.cpu, 0, RIG_CODE + 2, 4);
	rig.cpu->gpr[RAX] = 0x90;
	assert_int_equal(rig_run(&rig, 100), CPU_EXIT_HALT);
	assert_int_equal(rig.cpu->gpr[RBX], 0);
	assert_int_equal(rig.cpu->gpr[RCX], 0);
	rig_deinit(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),         cmocka_unit_test(test_exceptions),
		cmocka_unit_test(test_cmpxchg16b),    cmocka_unit_test(test_bit_string_wraps),
		cmocka_unit_test(test_overlap),       cmocka_unit_test(test_fault_in_the_middle),
		cmocka_unit_test(test_limit),         cmocka_unit_test(test_single_step),
		cmocka_unit_test(test_address_sizes), cmocka_unit_test(test_segments),
		cmocka_unit_test(test_compares),      cmocka_unit_test(test_self_modifying),
		cmocka_unit_test(test_compare_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
