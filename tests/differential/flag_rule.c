/* The rules and what they are tried with: flag_rule.h. */
#include "tests/differential/flag_rule.h"

#include "emu/cpu.h"
#include "tests/differential/random.h"
#include "tests/differential/trait.h"

const struct flag_group_info flag_groups[FLAG_GROUPS] = {
	[GROUP_LOGIC] = {"logic", "AF = 0"},
	[GROUP_MULTIPLY] = {"multiply", "only CF and OF are written"},
	[GROUP_DIVIDE] = {"divide", "CF and OF stay, AF = 1, SF = ZF = PF = 0"},
	[GROUP_SHIFT] = {"shift", "OF and CF as of the last of the shifts by one, AF = 1"},
	[GROUP_ROTATE] = {"rotate", "OF as of the last of the rotations by one"},
	[GROUP_DOUBLE_SHIFT] = {"double-shift", "OF as of the last shift, AF = 1; a word by more than 16 goes on with the second operand"},
	[GROUP_BIT] = {"bit", "only CF is written"},
	[GROUP_BIT_SCAN] = {"bit-scan", "CF = OF = SF = AF = 0, PF of the bit's number (or of 0)"},
	[GROUP_DECIMAL] = {"decimal", "OF of the addition (DAS: subtraction) of 6, 60H or 66H"},
	[GROUP_AAA] = {"aaa", "those of the addition (AAS: subtraction) of 106H"},
	[GROUP_AAM] = {"aam", "CF = OF = AF = 0"},
	[GROUP_AAD] = {"aad", "those of the addition of AH * base to AL"},
};

static uint64_t cut(uint64_t value, unsigned size)
{
	return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

static bool top(uint64_t value, unsigned size)
{
	return value >> (8 * size - 1) & 1;
}

static uint64_t parity(uint8_t value)
{
	return __builtin_parity(value) ? 0 : FLAG_PF;
}

static uint64_t kept(const struct operands *o)
{
	return o->flags;
}

static uint64_t logic(const struct operands *o)
{
	(void)o;
	return 0;
}

static uint64_t divide(const struct operands *o)
{
	return (o->flags & (FLAG_CF | FLAG_OF)) | FLAG_AF;
}

static unsigned shift_count(const struct operands *o)
{
	return o->c & (o->size == 8 ? 63 : 31);
}

/* OF and CF of a shift by one: the old and new highest bits, and what fell out. */
static uint64_t shifted(uint64_t before, uint64_t after, bool out, unsigned size)
{
	return (out ? FLAG_CF : 0) | (top(before, size) != top(after, size) ? FLAG_OF : 0) | FLAG_AF;
}

static uint64_t shl(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--) {
		uint64_t next = cut(value << 1, o->size);

		flags = shifted(value, next, top(value, o->size), o->size);
		value = next;
	}
	return flags;
}

static uint64_t shr(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--) {
		flags = shifted(value, value >> 1, value & 1, o->size);
		value >>= 1;
	}
	return flags;
}

static uint64_t sar(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), sign = top(value, o->size) ? 1ull << (8 * o->size - 1) : 0, flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--) {
		flags = shifted(value, value >> 1 | sign, value & 1, o->size);
		value = value >> 1 | sign;
	}
	return flags;
}

static uint64_t rol(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--) {
		uint64_t next = cut(value << 1, o->size) | top(value, o->size);

		flags = shifted(value, next, top(value, o->size), o->size);
		value = next;
	}
	return flags;
}

static uint64_t ror(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--) {
		uint64_t next = value >> 1 | (value & 1) << (8 * o->size - 1);

		flags = shifted(value, next, value & 1, o->size);
		value = next;
	}
	return flags;
}

static uint64_t rcl(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--) {
		uint64_t next = cut(value << 1, o->size) | (flags & FLAG_CF);

		flags = shifted(value, next, top(value, o->size), o->size);
		value = next;
	}
	return flags;
}

static uint64_t rcr(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--) {
		uint64_t next = value >> 1 | (flags & FLAG_CF) << (8 * o->size - 1);

		flags = shifted(value, next, value & 1, o->size);
		value = next;
	}
	return flags;
}

/* SHLD rAX, rDX, CL; of counts up to the size. */
static uint64_t shld(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), from = o->d, flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--, from <<= 1) {
		uint64_t next = cut(value << 1, o->size) | top(from, o->size);

		flags = shifted(value, next, top(value, o->size), o->size);
		value = next;
	}
	return flags;
}

static uint64_t shrd(const struct operands *o)
{
	uint64_t value = cut(o->a, o->size), from = o->d, flags = o->flags;

	for (unsigned i = shift_count(o); i > 0; i--, from >>= 1) {
		uint64_t next = value >> 1 | (from & 1) << (8 * o->size - 1);

		flags = shifted(value, next, value & 1, o->size);
		value = next;
	}
	return flags;
}

static uint64_t bsf(const struct operands *o)
{
	uint64_t value = cut(o->c, o->size);

	return parity(value ? __builtin_ctzll(value) : 0);
}

static uint64_t bsr(const struct operands *o)
{
	uint64_t value = cut(o->c, o->size);

	return parity(value ? 63 - __builtin_clzll(value) : 0);
}

/* All six flags of a + b and a - b. */
static uint64_t added(uint64_t a, uint64_t b, unsigned size)
{
	uint64_t sum = cut(a + b, size);

	return (sum < cut(a, size) ? FLAG_CF : 0) | parity(sum) | ((a ^ b ^ sum) & FLAG_AF) | (sum ? 0 : FLAG_ZF) |
	       (top(sum, size) ? FLAG_SF : 0) | (top((a ^ sum) & (b ^ sum), size) ? FLAG_OF : 0);
}

static uint64_t subtracted(uint64_t a, uint64_t b, unsigned size)
{
	uint64_t difference = cut(a - b, size);

	return (cut(a, size) < b ? FLAG_CF : 0) | parity(difference) | ((a ^ b ^ difference) & FLAG_AF) | (difference ? 0 : FLAG_ZF) |
	       (top(difference, size) ? FLAG_SF : 0) | (top((a ^ b) & (a ^ difference), size) ? FLAG_OF : 0);
}

static unsigned correction(const struct operands *o)
{
	uint8_t al = o->a;

	return ((al & 15) > 9 || o->flags & FLAG_AF ? 6 : 0) + (al > 0x99 || o->flags & FLAG_CF ? 0x60 : 0);
}

static uint64_t daa(const struct operands *o)
{
	return added(o->a, correction(o), 1);
}

static uint64_t das(const struct operands *o)
{
	return subtracted(o->a, correction(o), 1);
}

static uint64_t aaa(const struct operands *o)
{
	return added(o->a, correction(o) & 2 ? 0x106 : 0, 2);
}

static uint64_t aas(const struct operands *o)
{
	return subtracted(o->a, correction(o) & 2 ? 0x106 : 0, 2);
}

static uint64_t aad(const struct operands *o)
{
	return added(o->a & 0xff, (o->a >> 8 & 0xff) * 10, 1);
}

enum { OF = FLAG_OF, AF = FLAG_AF, OAC = OF | AF | FLAG_CF, SZP = FLAG_SF | FLAG_ZF | FLAG_PF, OSZP = OF | SZP, OSZAPC = FLAGS_ARITHMETIC };

#define CODE(bytes) .length = sizeof(bytes) - 1, .code = (bytes)
/* In the four operand sizes: opcode8 for bytes, opcode for the others. */
#define SIZES(group, opcode8, opcode, undefined, rule)                                                                                     \
	{group, .size = 1, CODE(opcode8), undefined, rule}, {group, .size = 2, CODE("\x66" opcode), undefined, rule},                      \
		{group, .size = 4, CODE(opcode), undefined, rule},                                                                         \
	{                                                                                                                                  \
		group, .size = 8, CODE("\x48" opcode), undefined, rule                                                                     \
	}
#define WORDS(group, opcode, undefined, rule)                                                                                              \
	{group, .size = 2, CODE("\x66" opcode), undefined, rule}, {group, .size = 4, CODE(opcode), undefined, rule},                       \
	{                                                                                                                                  \
		group, .size = 8, CODE("\x48" opcode), undefined, rule                                                                     \
	}

/* Of rAX with rCX, or by CL. */
const struct flag_probe flag_probes[] = {
	SIZES(GROUP_LOGIC, "\x20\xc8", "\x21\xc8", AF, logic),
	SIZES(GROUP_LOGIC, "\x08\xc8", "\x09\xc8", AF, logic),
	SIZES(GROUP_LOGIC, "\x30\xc8", "\x31\xc8", AF, logic),
	SIZES(GROUP_LOGIC, "\x84\xc8", "\x85\xc8", AF, logic),
	SIZES(GROUP_MULTIPLY, "\xf6\xe1", "\xf7\xe1", SZP | AF, kept),
	SIZES(GROUP_MULTIPLY, "\xf6\xe9", "\xf7\xe9", SZP | AF, kept),
	WORDS(GROUP_MULTIPLY, "\x0f\xaf\xc1", SZP | AF, kept),
	WORDS(GROUP_MULTIPLY, "\x6b\xc1\x63", SZP | AF, kept),
	SIZES(GROUP_DIVIDE, "\xf6\xf1", "\xf7\xf1", OSZAPC, divide),
	SIZES(GROUP_DIVIDE, "\xf6\xf9", "\xf7\xf9", OSZAPC, divide),
	SIZES(GROUP_SHIFT, "\xd2\xe0", "\xd3\xe0", OAC, shl),
	SIZES(GROUP_SHIFT, "\xd2\xe8", "\xd3\xe8", OAC, shr),
	SIZES(GROUP_SHIFT, "\xd2\xf8", "\xd3\xf8", OAC, sar),
	SIZES(GROUP_ROTATE, "\xd2\xc0", "\xd3\xc0", OF, rol),
	SIZES(GROUP_ROTATE, "\xd2\xc8", "\xd3\xc8", OF, ror),
	SIZES(GROUP_ROTATE, "\xd2\xd0", "\xd3\xd0", OF, rcl),
	SIZES(GROUP_ROTATE, "\xd2\xd8", "\xd3\xd8", OF, rcr),
	WORDS(GROUP_DOUBLE_SHIFT, "\x0f\xa5\xd0", OAC, shld),
	WORDS(GROUP_DOUBLE_SHIFT, "\x0f\xad\xd0", OAC, shrd),
	WORDS(GROUP_BIT, "\x0f\xa3\xc8", OF | FLAG_SF | AF | FLAG_PF, kept),
	WORDS(GROUP_BIT, "\x0f\xab\xc8", OF | FLAG_SF | AF | FLAG_PF, kept),
	WORDS(GROUP_BIT, "\x0f\xb3\xc8", OF | FLAG_SF | AF | FLAG_PF, kept),
	WORDS(GROUP_BIT, "\x0f\xbb\xc8", OF | FLAG_SF | AF | FLAG_PF, kept),
	WORDS(GROUP_BIT_SCAN, "\x0f\xbc\xc1", OSZAPC & ~FLAG_ZF, bsf),
	WORDS(GROUP_BIT_SCAN, "\x0f\xbd\xc1", OSZAPC & ~FLAG_ZF, bsr),
	{GROUP_DECIMAL, true, .size = 1, CODE("\x27"), OF, daa},
	{GROUP_DECIMAL, true, .size = 1, CODE("\x2f"), OF, das},
	{GROUP_AAA, true, .size = 1, CODE("\x37"), OSZP, aaa},
	{GROUP_AAA, true, .size = 1, CODE("\x3f"), OSZP, aas},
	{GROUP_AAM, true, .size = 1, CODE("\xd4\x0a"), OAC, logic},
	{GROUP_AAD, true, .size = 1, CODE("\xd5\x0a"), OAC, aad},
};
const unsigned flag_probe_count = sizeof(flag_probes) / sizeof(flag_probes[0]);

/* Operands that do not divide into too large a quotient, and counts that stay within words. */
static void tame(const struct flag_probe *probe, struct state *state)
{
	if (probe->group == GROUP_DIVIDE) {
		state->gpr[RCX] = (state->gpr[RCX] & 0x3f3f3f3f3f3f3f3f) | 0x4040404040404040;
		state->gpr[RAX] &= probe->size == 1 ? ~0xff00ull : ~0ull;
		state->gpr[RDX] = 0;
	}
	if (probe->group == GROUP_DOUBLE_SHIFT && probe->size == 2)
		state->gpr[RCX] &= ~16ull;
}

void flag_probe_prepare(const struct flag_probe *probe, unsigned vector, bool fsgsbase, struct test_case *ret)
{
	struct probe plain = {.code32 = probe->code32, .length = probe->length, .code = probe->code};
	struct random random;

	random_init(&random, probe - flag_probes, vector);
	probe_prepare(&plain, fsgsbase, ret);
	ret->before.gpr[RAX] = random_integer(&random);
	ret->before.gpr[RCX] = random_integer(&random);
	ret->before.gpr[RDX] = random_integer(&random);
	ret->before.rflags |= random_bits(&random) & FLAGS_ARITHMETIC;
	tame(probe, &ret->before);
}

uint64_t flag_probe_expected(const struct flag_probe *probe, const struct test_case *test)
{
	const struct state *before = &test->before;
	struct operands operands = {probe->size, before->gpr[RAX], before->gpr[RCX], before->gpr[RDX], before->rflags};

	return probe->rule(&operands);
}
