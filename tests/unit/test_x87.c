/*
 * x87: every instruction against the host's own, single (from random states: empty registers, unmasked exceptions, all formats of operands,
 * all precisions and roundings) and in sequences (all exceptions masked); images in memory; pending exceptions.
 *
 * The native side runs in a page of generated code. X87_TEST_ROUNDS=N in the environment multiplies the random tests.
 */
#include "tests/unit/rig.h"

#include <stdio.h>
#include <sys/mman.h>

#include "emu/x87.h"
#include "tests/hybrid.h"

enum { FLAGS = FLAGS_ARITHMETIC, OPERAND = RIG_DATA, OPERAND_SIZE = 16 };

struct fixture {
	struct rig rig;
	uint8_t *page;
	uint64_t random;
	unsigned rounds;
	uint64_t operand; /* where memory operands are */
};

/* -- random states -- */

static uint64_t next_random(struct fixture *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random * 0x2545f4914f6cdd1d;
}

static unsigned below(struct fixture *f, unsigned n)
{
	return (next_random(f) >> 33) % n;
}

static uint64_t random_fraction(struct fixture *f)
{
	switch (below(f, 5)) {
	case 0:
		return 0;
	case 1:
		return next_random(f) & next_random(f) & next_random(f) & next_random(f); /* few bits */
	case 2:
		return ~0ull << below(f, 64);
	case 3:
		return next_random(f) << 11; /* of a double */
	default:
		return next_random(f);
	}
}

static void random_register(struct fixture *f, uint8_t ret[10])
{
	static const uint16_t exponents[] = {0,      0,      1,      2,      0x7fff, 0x7fff, 0x7ffe, 0x7ffd, 0x3fff,
					     0x3c00, 0x3c01, 0x43fe, 0x43ff, 0x3f80, 0x3f81, 0x407e, 0x407f};
	uint16_t exponent;
	uint64_t significand = random_fraction(f) | 1ull << 63;

	switch (below(f, 5)) {
	case 0:
		exponent = exponents[below(f, sizeof(exponents) / sizeof(*exponents))];
		break;
	case 1:
		exponent = next_random(f) & 0x7fff;
		break;
	default:
		exponent = 0x3fff - 20 + below(f, 90); /* of ordinary numbers */
	}
	if (exponent == 0 || below(f, 40) == 0)
		significand &= below(f, 4) ? ~(1ull << 63) : ~0ull; /* denormals; unnormals and other unsupported formats */
	if (below(f, 20) == 0)
		significand = exponent = 0;
	exponent |= below(f, 2) << 15;
	memcpy(ret, &significand, 8);
	memcpy(ret + 8, &exponent, 2);
}

static void random_operand(struct fixture *f, int size, uint8_t ret[OPERAND_SIZE])
{
	uint64_t value = next_random(f);
	unsigned i;

	for (i = 0; i < OPERAND_SIZE; i += 8, value = next_random(f))
		memcpy(ret + i, &value, 8);
	if (size == 10 && below(f, 2)) {
		random_register(f, ret);
	} else if (size == 10) { /* a number in BCD, perhaps */
		for (i = 0; i < 9; i++)
			ret[i] = below(f, 10) << 4 | below(f, 10);
	} else if (below(f, 2)) { /* special reals, small integers */
		static const uint64_t doubles[] = {0,
						   1,
						   0xfffffffffffff,
						   0x10000000000000,
						   0x3ff0000000000000,
						   0x7ff0000000000000,
						   0x7ff0000000000001,
						   0x7ff8000000000000,
						   0x7fefffffffffffff,
						   0x4000000000000000,
						   0x8000000000000000};
		static const uint32_t singles[] = {0,          1,          0x7fffff,   0x800000,   0x3f800000,
						   0x7f800000, 0x7f800001, 0x7fc00000, 0x7f7fffff, 0x80000000};

		if (size == 8)
			value = doubles[below(f, 11)] ^ (uint64_t)below(f, 2) << 63;
		else if (size == 4)
			value = singles[below(f, 10)] ^ below(f, 2) << 31;
		else
			value = below(f, 5) - 2;
		memcpy(ret, &value, 8);
	} else if (size == 8) { /* of ordinary magnitude */
		value = (value & 0x800fffffffffffff) | (uint64_t)(0x3ff - 20 + below(f, 60)) << 52;
		memcpy(ret, &value, 8);
	} else if (size == 4) {
		value = (value & 0x807fffff) | (0x7f - 20 + below(f, 40)) << 23;
		memcpy(ret, &value, 4);
	}
}

struct state {
	uint8_t image[X87_IMAGE_SIZE];
	uint8_t operand[OPERAND_SIZE];
	uint64_t flags;
};

static uint16_t image16(const struct state *s, unsigned offset)
{
	uint16_t value;

	memcpy(&value, s->image + offset, 2);
	return value;
}

static void random_state(struct fixture *f, int size, bool masked, struct state *ret)
{
	uint16_t control = (next_random(f) & 0xf00) | (masked || below(f, 2) ? 0x7f : 0x40 | (next_random(f) & 0x3f));
	uint16_t status = (next_random(f) & (X87_CONDITION | 7 << X87_TOP_SHIFT | X87_SF | X87_EXCEPTIONS)) & ~(~control & X87_EXCEPTIONS);
	uint16_t tags = below(f, 2) ? 0 : next_random(f) & (next_random(f) | 0x5555);
	unsigned i;

	memset(ret, 0, sizeof(*ret));
	if (below(f, 3) == 0)
		control = X87_CONTROL_INITIAL;
	for (i = 0; i < 16; i += 2) /* only "empty" matters */
		if ((tags >> i & 3) != 3)
			tags &= ~(3 << i);
	if (below(f, 4) == 0)
		tags = 0x5555 * 3 & ~(0x3f << below(f, 16)); /* nearly empty */
	memcpy(ret->image, &control, 2);
	memcpy(ret->image + 4, &status, 2);
	memcpy(ret->image + 8, &tags, 2);
	for (i = 0; i < 8; i++)
		random_register(f, ret->image + 28 + 10 * i);
	if (below(f, 4) == 0) /* numbers near each other */
		memcpy(ret->image + 28 + 12, ret->image + 28 + 2, 8);
	random_operand(f, size, ret->operand);
	ret->flags = (next_random(f) & FLAGS) | 2;
}

/* -- both sides -- */

/* FRSTOR; POPFQ; code, its memory operands by RSI; PUSHFQ; FNSAVE. */
static void prepare_native(struct fixture *f, const uint8_t *code, unsigned size)
{
	static const uint8_t before[] = {0xdd, 0x27, 0x52, 0x9d}, after[] = {0x9c, 0x58, 0xdd, 0x37, 0xc3};

	memcpy(f->page, before, sizeof(before));
	memcpy(f->page + sizeof(before), code, size);
	memcpy(f->page + sizeof(before) + size, after, sizeof(after));
}

static void run_native(struct fixture *f, struct state *s)
{
	uint64_t (*run)(void *image, void *operand, uint64_t flags) = (void *)f->page;

	s->flags = run(s->image, s->operand, s->flags) & FLAGS;
}

static void run_emulated(struct fixture *f, struct state *s, unsigned instructions)
{
	struct cpu *cpu = f->rig.cpu;

	x87_load_image(cpu, s->image, true);
	cpu_set_eflags(cpu, s->flags, FLAGS);
	rig_write(&f->rig, f->operand, s->operand, OPERAND_SIZE);
	cpu->gpr[RSI] = f->operand;
	cpu->rip = RIG_CODE;
	assert_int_equal(rig_run(&f->rig, instructions), CPU_EXIT_DEADLINE);
	s->flags = cpu_get_eflags(cpu) & FLAGS;
	x87_store_image(cpu, s->image, true);
	assert_true(physmem_copy_out(&f->rig.mem, f->operand, s->operand, OPERAND_SIZE));
}

static void dump(const char *title, const struct state *s)
{
	unsigned i;

	printf("%-8s cw %04x sw %04x tags %04x flags %03llx memory ", title, image16(s, 0), image16(s, 4), image16(s, 8),
	       (unsigned long long)s->flags);
	for (i = 0; i < OPERAND_SIZE; i++)
		printf("%02x", s->operand[i]);
	for (i = 0; i < 8; i++) {
		uint64_t significand;
		uint16_t exponent;

		memcpy(&significand, s->image + 28 + 10 * i, 8);
		memcpy(&exponent, s->image + 36 + 10 * i, 2);
		printf("%s ST%u %04x %016llx", i & 3 ? "" : "\n        ", i, exponent, (unsigned long long)significand);
	}
	printf("\n");
}

/* All but the pointers, which differ. */
static bool same(const struct state *a, const struct state *b)
{
	return image16(a, 0) == image16(b, 0) && image16(a, 4) == image16(b, 4) && image16(a, 8) == image16(b, 8) && a->flags == b->flags &&
	       memcmp(a->image + 28, b->image + 28, 80) == 0 && memcmp(a->operand, b->operand, OPERAND_SIZE) == 0;
}

static void compare_one(struct fixture *f, const uint8_t *code, unsigned size, int operand_size, bool masked, unsigned instructions)
{
	struct state start, native, emulated;
	unsigned i;

	random_state(f, operand_size, masked, &start);
	native = emulated = start;
	run_native(f, &native);
	run_emulated(f, &emulated, instructions);
	if (same(&native, &emulated))
		return;
	for (i = 0; i < size; i++)
		printf("%02x ", code[i]);
	printf("\n");
	dump("start", &start);
	dump("native", &native);
	dump("emulated", &emulated);
	fail_msg("emulated and native execution differ");
}

/* -- single instructions -- */

static bool is_undefined_or_control(unsigned opcode, unsigned modrm)
{
	static const uint8_t undefined[8][8] = {
		/* bits of rm, by reg, in the register forms of D8-DF */
		[1] = {0, 0, 0xfe, 0, 0xcc, 0x80},
		[2] = {0, 0, 0, 0, 0xff, 0xfd, 0xff, 0xff},
		[3] = {0, 0, 0, 0, 0xff /* control */, 0, 0, 0xff},
		[5] = {0, 0, 0, 0, 0, 0, 0xff, 0xff},
		[6] = {0, 0, 0, 0xfd},
		[7] = {0, 0, 0, 0, 0xff /* FNSTSW AX */, 0, 0, 0xff},
	};

	if (modrm < 0xc0)
		return x87_memory_size((opcode & 7) << 8 | modrm) == 0;
	return undefined[opcode & 7][modrm >> 3 & 7] >> (modrm & 7) & 1;
}

static void test_instructions(struct fixture *f, unsigned rounds)
{
	unsigned opcode, modrm, round;

	for (opcode = 0xd8; opcode <= 0xdf; opcode++) {
		for (modrm = 0x06; modrm <= 0xff; modrm += modrm < 0x3e ? 8 : modrm == 0x3e ? 0xc0 - 0x3e : 1) {
			uint8_t code[] = {opcode, modrm};
			unsigned fop = (opcode & 7) << 8 | modrm;

			if (is_undefined_or_control(opcode, modrm))
				continue;
			rig_code(&f->rig, code, sizeof(code));
			prepare_native(f, code, sizeof(code));
			for (round = 0; round < rounds * f->rounds; round++) {
				compare_one(f, code, sizeof(code), abs(x87_memory_size(fop)), false, 1);
				assert_int_equal(f->rig.cpu->fpu.fip, RIG_CODE);
				assert_int_equal(f->rig.cpu->fpu.opcode, fop);
				assert_int_equal(f->rig.cpu->fpu.fcs, RIG_CS0);
				if (modrm < 0xc0)
					assert_int_equal(f->rig.cpu->fpu.fdp, f->operand);
			}
		}
	}
}

static void every_instruction(void **state)
{
	test_instructions(*state, 400);
}

static void every_instruction_across_pages(void **state)
{
	struct fixture *f = *state;

	f->operand = OPERAND + PAGE_SIZE - 1;
	test_instructions(f, 50);
}

static void every_instruction_tagged(void **state)
{
	struct fixture *f = *state;

	f->rig.cpu->mode |= MODE_TAGGED;
	cpu_update_mode(f->rig.cpu);
	test_instructions(f, 50);
}

/* FLD1; FADD ST(0), ST(1); FXCH ST(2); FSTP ST(3). */
static void tags(void **state)
{
	struct fixture *f = *state;
	struct cpu *cpu = f->rig.cpu;

	cpu->mode |= MODE_TAGGED;
	cpu_update_mode(cpu);
	x87_init(cpu);
	cpu->fpu.valid = 0x0f; /* ST(i) is Ri */
	memcpy(cpu->fpu_tag, (tag_t[]){TAG_STACK, TAG_PRODUCT, 0, 0, 0, 0, 0, TAG_STACK | TAG_PRODUCT}, 8);
	RIG_RUN(&f->rig, "\xd9\xe8\xd8\xc1\xd9\xca\xdd\xdb", 4);
	assert_int_equal(cpu->fpu.top, 0);
	assert_int_equal(cpu->fpu_tag[0], TAG_STACK);
	assert_int_equal(cpu->fpu_tag[1], TAG_STACK);   /* the sum, exchanged */
	assert_int_equal(cpu->fpu_tag[2], TAG_PRODUCT); /* stored */
}

/* -- sequences -- */

/* Adds a random instruction to code; returns its size. */
static unsigned random_instruction(struct fixture *f, uint8_t *code)
{
	static const uint8_t control[][2] = {{0xdb, 0xe2}, {0xdb, 0xe3}, {0xdb, 0xe0}, {0x9b, 0x90}};

	for (;;) {
		code[0] = 0xd8 + below(f, 8);
		code[1] = below(f, 3) ? 0xc0 + below(f, 64) : 0x06 + 8 * below(f, 8);
		if (below(f, 30) == 0)
			memcpy(code, control[below(f, 4)], 2);
		else if (is_undefined_or_control(code[0], code[1]))
			continue;
		return 2;
	}
}

static void sequences(void **state)
{
	struct fixture *f = *state;
	unsigned round, i, instructions;
	uint8_t code[64];

	for (round = 0; round < 20000 * f->rounds; round++) {
		unsigned size = 0;

		instructions = 1 + below(f, 20);
		for (i = 0; i < instructions; i++) {
			unsigned at = size;

			size += random_instruction(f, code + size);
			if (code[at] == 0x9b) /* NOP after WAIT */
				code[at + 1] = 0x9b;
		}
		for (i = 0, instructions = 0; i < size; i += code[i] == 0x9b ? 1 : 2)
			instructions++;
		rig_code(&f->rig, code, size);
		prepare_native(f, code, size);
		for (i = 0; i < 3; i++)
			compare_one(f, code, size, 4 + 4 * below(f, 2), true, instructions);
	}
}

/* Truncating conversions as compilers write them: FNSTCW; FLDCW with RC = 3; FISTP; FLDCW. */
static void conversion_to_integer(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = {0xd9, 0x7e, 0x08, 0xd9, 0x6e, 0x0a, 0xdb, 0x1e, 0xd9, 0x6e, 0x08, 0xd8, 0xc1, 0xdb, 0x56, 0x04};
	uint16_t truncate = 0xf7f;
	unsigned i;

	rig_code(&f->rig, code, sizeof(code));
	prepare_native(f, code, sizeof(code));
	for (i = 0; i < 2000 * f->rounds; i++) {
		struct state start, native, emulated;

		random_state(f, 4, true, &start);
		memcpy(start.operand + 10, &truncate, 2);
		native = emulated = start;
		run_native(f, &native);
		run_emulated(f, &emulated, 6);
		assert_true(same(&native, &emulated));
	}
}

/* -- images -- */

static void environment_formats(void **state)
{
	struct fixture *f = *state;
	struct cpu *cpu = f->rig.cpu;
	uint8_t image[28];
	uint32_t word32[7];
	uint16_t word16[7];

	x87_init(cpu);
	cpu->fpu.fip = 0x12345678;
	cpu->fpu.fcs = 0x1b;
	cpu->fpu.fdp = 0x9abcdef0;
	cpu->fpu.fds = 0x23;
	cpu->fpu.opcode = 0x5a6;
	assert_int_equal(x87_store_environment(cpu, image, true), 28);
	memcpy(word32, image, 28);
	assert_int_equal(word32[0], 0xffff037f);
	assert_int_equal(word32[1], 0xffff0000);
	assert_int_equal(word32[2], 0xffffffff);
	assert_int_equal(word32[3], 0x12345678);
	assert_int_equal(word32[4], 0x05a6001b);
	assert_int_equal(word32[5], 0x9abcdef0);
	assert_int_equal(word32[6], 0xffff0023);
	assert_int_equal(x87_store_environment(cpu, image, false), 14);
	memcpy(word16, image, 14);
	assert_int_equal(word16[3], 0x5678);
	assert_int_equal(word16[4], 0x1b);
	assert_int_equal(word16[5], 0xdef0);
	assert_int_equal(word16[6], 0x23);

	cpu->cr0 &= ~CR0_PE;
	cpu->fpu.fcs = 0x1000;
	cpu->fpu.fds = 0x2000;
	cpu->fpu.fip = 0x8765;
	cpu->fpu.fdp = 0x4321;
	x87_store_environment(cpu, image, false);
	memcpy(word16, image, 14);
	assert_int_equal(word16[3], 0x8765);
	assert_int_equal(word16[4], 0x15a6);
	assert_int_equal(word16[5], 0x4321);
	assert_int_equal(word16[6], 0x2000);
	x87_load_environment(cpu, image, false);
	assert_int_equal(cpu->fpu.fip, 0x18765);
	assert_int_equal(cpu->fpu.fdp, 0x24321);
	assert_int_equal(cpu->fpu.opcode, 0x5a6);
	x87_store_environment(cpu, image, true);
	memcpy(word32, image, 28);
	assert_int_equal(word32[3], 0xffff8765);
	assert_int_equal(word32[4], 0x000015a6);
	assert_int_equal(word32[5], 0xffff4321);
	assert_int_equal(word32[6], 0x00002000);
	cpu->cr0 |= CR0_PE;
}

/* AMD's processors store FOP, FIP and FDP only with an unmasked exception pending. The emulator does always. */
static void assert_same_fxsave(const struct fpu *fpu, const uint8_t *native, const uint8_t *emulated)
{
	uint32_t pointers[2];
	uint16_t fop;

	assert_memory_equal(native, emulated, fpu->status & X87_ES ? 24 : 6);
	assert_memory_equal(native + 32, emulated + 32, 128);
	memcpy(&fop, emulated + 6, 2);
	memcpy(&pointers[0], emulated + 8, 4);
	memcpy(&pointers[1], emulated + 16, 4);
	assert_int_equal(fop, fpu->opcode);
	assert_int_equal(pointers[0], (uint32_t)fpu->fip);
	assert_int_equal(pointers[1], (uint32_t)fpu->fdp);
}

static void fxsave_image(void **state)
{
	struct fixture *f = *state;
	static uint8_t native[512] __attribute__((aligned(16)));
	uint8_t emulated[512] = {0}, again[512] = {0};
	struct state s;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		random_state(f, 0, true, &s);
		__asm__ volatile("frstor %1\n\tfxsave %0\n\tfninit" : "=m"(native) : "m"(s.image));
		x87_load_image(f->rig.cpu, s.image, true);
		x87_fxsave_image(f->rig.cpu, emulated, false);
		assert_same_fxsave(&f->rig.cpu->fpu, native, emulated);
		x87_init(f->rig.cpu);
		x87_fxrstor_image(f->rig.cpu, emulated, false);
		x87_fxsave_image(f->rig.cpu, again, false);
		assert_memory_equal(again, emulated, 160);
	}
}

/* -- pending exceptions -- */

/*
 * Runs code from FNINIT's state and a control word with #Z unmasked; returns how many instructions passed before an exception shut the
 * CPU down.
 */
static unsigned instructions_before_fault(struct fixture *f, const void *code, size_t size, unsigned limit)
{
	struct cpu *cpu = f->rig.cpu;
	uint64_t start = cpu_instructions(cpu);
	unsigned n;

	x87_init(cpu);
	x87_set_control_word(cpu, 0x37b);
	rig_code(&f->rig, code, size);
	cpu->gpr[RSI] = OPERAND;
	for (n = 0; n < limit; n++)
		if (rig_run(&f->rig, 1) != CPU_EXIT_DEADLINE || cpu_instructions(cpu) != start + n + 1 || cpu->rip < RIG_CODE)
			break;
	return n;
}

#define BEFORE_FAULT(f, code, limit) instructions_before_fault(f, code, sizeof(code) - 1, limit)

static void pending_exception(void **state)
{
	struct fixture *f = *state;
	struct cpu *cpu = f->rig.cpu;

	/* FLD1; FLDZ; FDIVP; the next waiting instruction faults. */
	assert_int_equal(BEFORE_FAULT(f, "\xd9\xe8\xd9\xee\xde\xf9\x9b\x90", 4), 3);
	assert_int_equal(x87_status_word(&cpu->fpu), X87_ZE | X87_ES | X87_B | 6 << X87_TOP_SHIFT);
	assert_int_equal(cpu->fpu.opcode, 0x6f9);
	assert_int_equal(cpu->fpu.fip, RIG_CODE + 4);
}

static void pending_exception_let_by(void **state)
{
	struct fixture *f = *state;

	/* FNSTSW AX, FNSTCW, FNSTENV (which masks), FLD1 are executed. */
	assert_int_equal(BEFORE_FAULT(f, "\xd9\xe8\xd9\xee\xde\xf9\xdf\xe0\xd9\x3e\xd9\x36\xd9\xe8", 7), 7);
	assert_int_equal(f->rig.cpu->gpr[RAX] & 0xffff, X87_ZE | X87_ES | X87_B | 6 << X87_TOP_SHIFT);
	assert_int_equal(f->rig.cpu->fpu.control, 0x37f);
	assert_int_equal(x87_status_word(&f->rig.cpu->fpu), X87_ZE | 5 << X87_TOP_SHIFT);
}

static void wait_with_task_switched(void **state)
{
	struct fixture *f = *state;
	struct cpu *cpu = f->rig.cpu;

	cpu->cr0 |= CR0_TS;
	cpu->cr0 &= ~CR0_MP;
	cpu_update_mode(cpu);
	assert_int_equal(BEFORE_FAULT(f, "\x9b\x90", 2), 2);
	cpu->cr0 |= CR0_MP;
	cpu_update_mode(cpu);
	assert_int_equal(BEFORE_FAULT(f, "\x9b\x90", 2), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *rounds = getenv("X87_TEST_ROUNDS");

	assert_true(stay_on_one_kind());
	rig_init(&f->rig, RIG_LONG);
	f->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f->page, MAP_FAILED);
	f->random = 0x9e3779b97f4a7c15;
	f->operand = OPERAND;
	f->rounds = rounds ? strtoul(rounds, NULL, 10) : 1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->page, 4096);
	rig_deinit(&f->rig);
	free(f);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_instruction), TEST(every_instruction_across_pages), TEST(every_instruction_tagged), TEST(tags),
		TEST(sequences),         TEST(conversion_to_integer),          TEST(environment_formats),      TEST(fxsave_image),
		TEST(pending_exception), TEST(pending_exception_let_by),       TEST(wait_with_task_switched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
