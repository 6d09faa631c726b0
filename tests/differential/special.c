/*
 * What single operations need of the state in order to do something: divisors that do not overflow, counts that end, return addresses
 * that lead
 * somewhere, selectors that exist, and values of the formats that they read. One small function each, in a table.
 */
#include <string.h>

#include "emu/cpu.h"
#include "tests/differential/prepare.h"
#include "tests/differential/segments.h"

static uint64_t *gpr(struct preparation *p, unsigned n)
{
	return &p->test->before.gpr[n];
}

static void patch_target(struct preparation *p, const void *bytes, unsigned size)
{
	if (p->has_target)
		prepare_patch(p->test, p->target, bytes, size);
}

static void patch_stack(struct preparation *p, unsigned offset, const void *bytes, unsigned size)
{
	prepare_patch(p->test, prepare_stack_address(p->test, offset), bytes, size);
}

/* The offset in CS of somewhere in the code pages that holds INT3s. */
static uint64_t landing(struct preparation *p)
{
	unsigned offset = random_below(p->random, CODE_SIZE);

	if (offset + 1 >= p->test->offset && offset < p->test->offset + 32u)
		offset = p->test->offset > 0x800 ? 8 : 0x1800;
	return CODE_BASE + offset - segment_base(p->test, SEG_CS);
}

static uint16_t random_selector(const struct preparation *p)
{
	static const uint16_t selectors[] = {SELECTOR_DATA,
					     SELECTOR_DATA,
					     SELECTOR_DATA,
					     SELECTOR_CODE32,
					     SELECTOR_CODE64,
					     0,
					     3,
					     SELECTOR_DATA & ~3,
					     SELECTOR_CODE64 & ~1,
					     0x08,
					     0x10,
					     0x18,
					     0x13,
					     0xfff8,
					     0x2f};

	if (p->test->segmented && random_percent(p->random, 70))
		return segment_any(p->random);
	return selectors[random_below(p->random, sizeof(selectors) / sizeof(selectors[0]))];
}

/* -- integer -- */

static void divide(struct preparation *p)
{
	unsigned size = p->decoded->operand_size;
	uint64_t high = random_percent(p->random, 50) ? 0 : random_below(p->random, 100);

	if (random_percent(p->random, 20))
		return;
	if (p->decoded->row->op == OP_IDIV && random_percent(p->random, 50))
		high = ~high;
	if (size == 1)
		*gpr(p, RAX) = (*gpr(p, RAX) & ~0xff00ull) | (high & 0xff) << 8;
	else
		memcpy(gpr(p, RDX), &high, size);
}

static void compare_exchange(struct preparation *p)
{
	const struct decoded *d = p->decoded;

	if (random_percent(p->random, 50))
		return;
	if (d->mod == 3)
		*gpr(p, RAX) = *gpr(p, d->rm);
	else
		patch_target(p, gpr(p, RAX), d->operand_size);
}

static void compare_exchange_pair(struct preparation *p)
{
	unsigned half = p->decoded->row->op == OP_CMPXCHG16B ? 8 : 4;
	uint8_t pair[16];

	memcpy(pair, gpr(p, RAX), half);
	memcpy(pair + half, gpr(p, RDX), half);
	if (random_percent(p->random, 50))
		patch_target(p, pair, 2 * half);
}

/* A bit offset that leads out of the operand, but not out of the page. */
static void bit_offset(struct preparation *p)
{
	uint64_t offset = (int64_t)(random_below(p->random, 1024)) - 512;

	if (p->decoded->mod != 3 && random_percent(p->random, 90) && p->decoded->reg != p->decoded->base &&
	    p->decoded->reg != p->decoded->index)
		memcpy(gpr(p, p->decoded->reg), &offset, p->decoded->operand_size);
}

static void count(struct preparation *p)
{
	*gpr(p, RCX) = (*gpr(p, RCX) & ~0xffull) | random_below(p->random, random_percent(p->random, 60) ? 36 : 256);
}

static void loop_count(struct preparation *p)
{
	uint64_t few = random_below(p->random, 3);

	if (random_percent(p->random, 60))
		memcpy(gpr(p, RCX), &few, p->decoded->address_size);
}

static void string(struct preparation *p)
{
	static const unsigned pointers[] = {RSI, RDI};
	const struct decoded *d = p->decoded;
	uint64_t few = random_below(p->random, 20);

	for (unsigned i = 0; i < 2; i++) {
		uint64_t target = prepare_offset(p->random, p->test, i == 0 ? d->segment : SEG_ES, 8, d->address_size);

		if (!random_percent(p->random, 2))
			memcpy(gpr(p, pointers[i]), &target, d->address_size);
	}
	if (random_percent(p->random, 10))
		few = random_below(p->random, 0x2000);
	memcpy(gpr(p, RCX), &few, d->address_size);
	if (d->row->op == OP_SCAS && random_percent(p->random, 50)) /* all alike, so that comparing goes on */
		*gpr(p, RAX) = 0;
}

static void translate(struct preparation *p)
{
	uint64_t target =
		prepare_offset(p->random, p->test, p->decoded->segment, 1, p->decoded->address_size) - (*gpr(p, RAX) & 0xff);

	memcpy(gpr(p, RBX), &target, p->decoded->address_size);
}

static void bound(struct preparation *p)
{
	uint8_t bounds[8];
	uint64_t value = *gpr(p, p->decoded->reg), low = value - random_below(p->random, 3) + 1,
		 high = value + random_below(p->random, 3) - 1;
	unsigned size = p->decoded->operand_size;

	memcpy(bounds, &low, size);
	memcpy(bounds + size, &high, size);
	if (random_percent(p->random, 80))
		patch_target(p, bounds, 2 * size);
}

/* -- stack and transfers -- */

static void return_near(struct preparation *p)
{
	uint64_t to = landing(p);

	if (random_percent(p->random, 97))
		patch_stack(p, 0, &to, 8);
}

static void jump_indirect(struct preparation *p)
{
	uint64_t to = landing(p), stack = prepare_stack_address(p->test, 0);

	/* not where the stack may fault too: which of the two comes first is each processor's own */
	if (random_percent(p->random, 3) && stack >= STACK_BASE + 16 && stack < STACK_BASE + STACK_SIZE)
		return;
	if (p->decoded->mod == 3)
		*gpr(p, p->decoded->rm) = to;
	else
		patch_target(p, &to, 8);
}

/* RSP itself may be the register that addresses memory: leave it then. */
static void frame(struct preparation *p)
{
	const struct segment_row *row = p->test->segmented ? segment_find(p->test->before.selector[SEG_SS]) : NULL;
	uint32_t start = row ? row->live : STACK_BASE, pointer = start + 0x200 + random_below(p->random, STACK_SIZE - 0x400);

	if (random_percent(p->random, 5))
		return;
	*gpr(p, RBP) = segment_stack16(p->test) ? (*gpr(p, RBP) & 0xffff0000) | (pointer & 0xffff) : pointer;
}

static void enter_frame(struct preparation *p)
{
	unsigned length = p->decoded->length;

	frame(p);
	if (random_percent(p->random, 80))
		p->bytes[length - 2] &= 3; /* few bytes */
	if (random_percent(p->random, 50))
		p->bytes[length - 1] &= 3; /* few levels */
}

static void pop_flags(struct preparation *p)
{
	uint64_t flags = random_bits(p->random) & 0x3fffff & ~(uint64_t)(FLAG_AC | FLAG_TF);

	if (random_percent(p->random, 5))
		flags |= FLAG_TF;
	patch_stack(p, 0, &flags, 8);
}

/* -- segments -- */

static void selector_operand(struct preparation *p)
{
	uint16_t selector = random_selector(p);

	if (p->decoded->mod == 3)
		memcpy(gpr(p, p->decoded->rm), &selector, 2);
	else
		patch_target(p, &selector, 2);
}

static void selector_on_stack(struct preparation *p)
{
	uint16_t selector = random_selector(p);

	patch_stack(p, 0, &selector, 2);
}

static void far_pointer(struct preparation *p)
{
	uint16_t selector = random_selector(p);

	if (p->has_target)
		prepare_patch(p->test, p->target + p->decoded->operand_size, &selector, 2);
}

/* -- SSE and x87 state -- */

static void load_mxcsr(struct preparation *p)
{
	uint32_t mxcsr = random_below(p->random, 0x10000);

	if (random_percent(p->random, 5))
		mxcsr |= 1u << (18 + random_below(p->random, 14)); /* reserved. Bit 17 is not on some processors */
	patch_target(p, &mxcsr, 4);
}

static void restore_fx(struct preparation *p)
{
	uint32_t mxcsr = random_percent(p->random, 95) ? random_below(p->random, 0x10000) : 0x80000000;
	uint64_t pointers[2] = {random_bits(p->random) >> 17, random_bits(p->random) >> 17}; /* canonical: processors keep 48 bits or 64 */
	uint8_t image[20];

	memcpy(image, pointers, 16);
	memcpy(image + 16, &mxcsr, 4);
	if (p->has_target)
		prepare_patch(p->test, p->target + FX_FIP, image, sizeof(image));
}

static void load_bcd(struct preparation *p)
{
	uint8_t bcd[10];

	random_bcd(p->random, bcd);
	patch_target(p, bcd, 10);
}

/* Where bytes that are not stored would fault, processors differ: so all of the operand is there. */
static void mask_move(struct preparation *p)
{
	const struct segment_row *row = p->test->segmented ? segment_find(p->test->before.selector[p->decoded->segment]) : NULL;
	uint64_t target = p->decoded->address_size == 2 ? LOW_BASE + random_below(p->random, 4096 - 16)
							: DATA_BASE + random_below(p->random, DATA_WRITABLE - 16);

	target = row ? row->live + random_below(p->random, row->live_size - 16) : target - prepare_segment_base(p->test, p->decoded);
	memcpy(gpr(p, RDI), &target, p->decoded->address_size);
}

/* Memory operands of x87, MMX and SSE: a number of the format they read, or of another. */
static void numeric_operand(struct preparation *p)
{
	uint64_t significand, number = random_double(p->random);
	uint32_t single = random_single(p->random);
	uint16_t sign_exponent;
	uint8_t bytes[16];

	random_vector(p->random, bytes);
	if (p->decoded->row->attributes & A_X87) {
		random_extended(p->random, &significand, &sign_exponent);
		memcpy(bytes, &significand, 8);
		memcpy(bytes + 8, &sign_exponent, 2);
		if (random_percent(p->random, 40))
			memcpy(bytes, &number, 8);
		if (random_percent(p->random, 40))
			memcpy(bytes, &single, 4);
	}
	patch_target(p, bytes, 16);
}

static const struct {
	uint16_t op;
	void (*prepare)(struct preparation *p);
} specials[] = {
	{OP_DIV, divide},
	{OP_IDIV, divide},
	{OP_CMPXCHG, compare_exchange},
	{OP_CMPXCHG8B, compare_exchange_pair},
	{OP_CMPXCHG16B, compare_exchange_pair},
	{OP_BT, bit_offset},
	{OP_BTS, bit_offset},
	{OP_BTR, bit_offset},
	{OP_BTC, bit_offset},
	{OP_ROL, count},
	{OP_ROR, count},
	{OP_RCL, count},
	{OP_RCR, count},
	{OP_SHL, count},
	{OP_SHR, count},
	{OP_SAR, count},
	{OP_LOOP, loop_count},
	{OP_LOOPE, loop_count},
	{OP_LOOPNE, loop_count},
	{OP_JrCXZ, loop_count},
	{OP_MOVS, string},
	{OP_CMPS, string},
	{OP_STOS, string},
	{OP_LODS, string},
	{OP_SCAS, string},
	{OP_INS, string},
	{OP_OUTS, string},
	{OP_XLAT, translate},
	{OP_BOUND, bound},
	{OP_RET, return_near},
	{OP_RET_N, return_near},
	{OP_JMP_INDIRECT, jump_indirect},
	{OP_CALL_INDIRECT, jump_indirect},
	{OP_ENTER, enter_frame},
	{OP_LEAVE, frame},
	{OP_POPF, pop_flags},
	{OP_MOV_TO_SREG, selector_operand},
	{OP_LAR, selector_operand},
	{OP_LSL, selector_operand},
	{OP_VERR, selector_operand},
	{OP_VERW, selector_operand},
	{OP_POP_SREG, selector_on_stack},
	{OP_LES, far_pointer},
	{OP_LDS, far_pointer},
	{OP_LSS, far_pointer},
	{OP_LFS, far_pointer},
	{OP_LGS, far_pointer},
	{OP_LDMXCSR, load_mxcsr},
	{OP_FXRSTOR, restore_fx},
	{OP_FXRSTOR64, restore_fx},
	{OP_FBLD, load_bcd},
	{OP_MASKMOVQ, mask_move},
	{OP_MASKMOVDQU, mask_move},
};

void prepare_operation(struct preparation *p)
{
	const struct isa_row *row = p->decoded->row;

	for (unsigned i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (specials[i].op == row->op) {
			specials[i].prepare(p);
			return;
		}
	}
	if (row->attributes & (A_X87 | A_MMX | A_SSE) && random_percent(p->random, 80))
		numeric_operand(p);
}
