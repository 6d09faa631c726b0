/* Random states and where memory operands point: prepare.h. What single operations need is in special.c. */
#include "tests/differential/prepare.h"

#include <string.h>

#include "emu/cpu.h"
#include "tests/differential/segments.h"

static const uint64_t user_top = 1ull << 47;

static void put16(uint8_t *to, uint16_t value)
{
	memcpy(to, &value, 2);
}

static void put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, 4);
}

static void put64(uint8_t *to, uint64_t value)
{
	memcpy(to, &value, 8);
}

/* x87 state: ES and B agree with flags and masks, as FXRSTOR would make them. */
static void prepare_fpu(struct random *random, uint8_t *fx, bool gentle)
{
	unsigned masks = gentle || random_percent(random, 70) ? 0x3f : random_below(random, 64);
	unsigned control = 0x40 | masks | random_below(random, 16) << 8, flags = 0, kind = random_below(random, 10);
	unsigned status = random_below(random, 0x80) << 8; /* C0-C3 and TOP; B stays 0 */

	control |= random_percent(random, 50) ? 0x300 : 0;
	if (random_percent(random, 40))
		flags = random_below(random, 0x80);
	if (!random_percent(random, 3))
		flags &= masks | 0x40;
	if (flags & 0x3f & ~masks)
		status |= 0x8080;
	put16(fx + FX_FCW, control);
	put16(fx + FX_FSW, status | flags);
	fx[FX_FTW] = kind < 5 ? 0xff : kind < 9 ? random_below(random, 256) : 0;
	put16(fx + FX_FOP, random_below(random, 0x800));
	put64(fx + FX_FIP, random_bits(random) % user_top);
	put64(fx + FX_FDP, random_bits(random) % user_top);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t significand;
		uint16_t sign_exponent;

		random_extended(random, &significand, &sign_exponent);
		if (random_percent(random, 10)) { /* MMX values */
			significand = random_integer(random);
			sign_exponent = 0xffff;
		}
		put64(fx + FX_ST + 16 * i, significand);
		put16(fx + FX_ST + 16 * i + 8, sign_exponent);
	}
}

static void prepare_sse(struct random *random, uint8_t *fx, bool gentle)
{
	unsigned mxcsr = gentle || random_percent(random, 75) ? 0x1f80 : random_below(random, 64) << 7;

	mxcsr |= random_below(random, 4) << 13;
	if (random_percent(random, 25))
		mxcsr |= 0x8000;
	if (random_percent(random, 25))
		mxcsr |= 0x40;
	if (random_percent(random, 30))
		mxcsr |= random_below(random, 64);
	put32(fx + FX_MXCSR, mxcsr);
	for (unsigned i = 0; i < 16; i++)
		random_vector(random, fx + FX_XMM + 16 * i);
}

static uint64_t random_segment_base(struct random *random, unsigned code_size)
{
	uint64_t bits = random_bits(random);

	if (bits & 1)
		return bits >> 4 & 0xfff;
	if (code_size == 4)
		return (uint32_t)(bits >> 20);
	return bits & 2 ? bits % user_top : (bits >> 20) % DATA_BASE;
}

static uint64_t random_flags(struct random *random)
{
	uint64_t flags = (random_bits(random) & FLAGS_ARITHMETIC) | 2 | FLAG_IF;

	if (random_percent(random, 20))
		flags |= FLAG_DF;
	if (random_percent(random, 2))
		flags |= FLAG_NT;
	if (random_percent(random, 2))
		flags |= FLAG_ID;
	if (random_percent(random, 1))
		flags |= FLAG_TF;
	if (random_percent(random, 2)) /* the host has CR0.AM set */
		flags |= FLAG_AC;
	return flags;
}

/* The flat segments of 32- and 64-bit code, and pointers into them. */
static void prepare_flat(struct random *random, struct test_case *test, bool gentle)
{
	struct state *state = &test->before;
	bool wide = test->code_size == 8;

	state->gpr[RSP] = STACK_BASE + 0x400 + random_below(random, 0x1800);
	if (gentle || random_percent(random, 60))
		state->gpr[RSP] &= ~15ull;
	if (gentle) {
		for (unsigned i = 0; i < POINTER_REGISTERS; i++)
			state->gpr[pointer_registers[i]] = DATA_BASE + 0x200 + (random_below(random, 0x1c00) & ~15u);
		if (random_percent(random, 50))
			state->gpr[RCX] = random_below(random, 16);
	} else if (random_percent(random, 2)) {
		state->gpr[RSP] = prepare_target(random, 16, test->code_size);
	} else if (random_percent(random, 1)) {
		state->gpr[RSP] = wide ? random_integer(random) : (uint32_t)random_integer(random);
	}
	state->fs_base = random_segment_base(random, test->code_size);
	state->gs_base = random_segment_base(random, test->code_size);
	for (unsigned i = 0; i < 6; i++)
		state->selector[i] = SELECTOR_DATA;
	state->selector[SEG_CS] = wide ? SELECTOR_CODE64 : SELECTOR_CODE32;
}

/* A null selector comes with a base of 0. */
static uint16_t random_data_selector(struct random *random, bool gentle)
{
	if (!gentle && random_percent(random, 2))
		return random_below(random, 4);
	return segment_choose(random, PURPOSE_DATA, gentle);
}

/* Segments of the LDT, and pointers into them. */
static void prepare_segments(struct random *random, struct test_case *test, bool gentle)
{
	struct state *state = &test->before;
	const struct segment_row *stack;
	uint32_t pointer;

	for (unsigned i = 0; i < 6; i++)
		state->selector[i] = random_data_selector(random, gentle);
	state->selector[SEG_CS] = segment_choose(random, test->code_size == 2 ? PURPOSE_CODE16 : PURPOSE_CODE32, gentle);
	state->selector[SEG_SS] = segment_choose(random, PURPOSE_STACK, gentle);
	state->fs_base = segment_base(test, SEG_FS);
	state->gs_base = segment_base(test, SEG_GS);
	stack = segment_find(state->selector[SEG_SS]);
	pointer = stack->live + 0x200 + random_below(random, stack->live_size - 0x400);
	if (gentle || random_percent(random, 60))
		pointer &= ~15u;
	if (!gentle && random_percent(random, 20))
		pointer = segment_offset(random, stack, 16, stack->wide ? 0xffffffff : 0xffff);
	if (!stack->wide)
		pointer = segment_stack_pointer(random, pointer);
	state->gpr[RSP] = pointer;
	if (!gentle)
		return;
	for (unsigned i = 0; i < POINTER_REGISTERS; i++)
		state->gpr[pointer_registers[i]] = 0x200 + (random_below(random, 0x1c00) & ~15u);
	if (random_percent(random, 50))
		state->gpr[RCX] = random_below(random, 16);
}

void prepare_registers(struct random *random, struct test_case *test, bool gentle)
{
	struct state *state = &test->before;
	bool wide = test->code_size == 8;

	memset(state, 0, sizeof(*state));
	for (unsigned i = 0; i < 16; i++)
		state->gpr[i] = wide ? random_integer(random) : i < 8 ? (uint32_t)random_integer(random) : 0;
	state->rflags = random_flags(random);
	if (gentle)
		state->rflags &= ~(uint64_t)(FLAG_TF | FLAG_NT | FLAG_AC);
	prepare_fpu(random, state->fx, gentle);
	prepare_sse(random, state->fx, gentle);
	if (test->segmented)
		prepare_segments(random, test, gentle);
	else
		prepare_flat(random, test, gentle);
}

void prepare_image(struct random *random, uint8_t *image)
{
	for (unsigned i = 0; i < IMAGE_SIZE; i += 16) {
		uint64_t significand;
		uint16_t sign_exponent;

		random_vector(random, image + i);
		if (random_percent(random, 20)) {
			random_extended(random, &significand, &sign_exponent);
			put64(image + i, significand);
			put16(image + i + 8, sign_exponent);
		}
	}
}

uint64_t prepare_target(struct random *random, unsigned size, unsigned address_size)
{
	unsigned kind = random_below(random, 100), edge = 1 + random_below(random, size > 1 ? size - 1 : 1);
	uint64_t any = random_below(random, DATA_WRITABLE - size);

	if (address_size == 2)
		return kind < 85 ? LOW_BASE + random_below(random, 4096 - size) : kind < 92 ? LOW_BASE + 4096 - edge : LOW_BASE - edge;
	if (kind < 50)
		return DATA_BASE + (any & ~15ull);
	if (kind < 72)
		return DATA_BASE + any;
	if (kind < 80) /* from a page into the next */
		return DATA_BASE + 0x1000 - edge;
	if (kind < 83) /* into the read-only page */
		return DATA_BASE + DATA_WRITABLE - edge;
	if (kind < 86) /* in it */
		return DATA_BASE + DATA_WRITABLE + random_below(random, 4096 - size);
	if (kind < 88) /* beyond it */
		return DATA_BASE + DATA_PAGES * 4096 - edge;
	if (kind < 90)
		return DATA_BASE - edge;
	if (kind < 91)
		return DATA_BASE - 0x800;
	if (kind < 94)
		return STACK_BASE + random_below(random, STACK_SIZE - size);
	if (kind < 96)
		return LOW_BASE + random_below(random, 4096 - size);
	return (address_size == 8 ? HIGH_BASE : DATA_BASE) + random_below(random, 4096 - size);
}

uint64_t prepare_segment_base(const struct test_case *test, const struct decoded *decoded)
{
	return test->code_size == 8 && decoded->segment < SEG_FS ? 0 : segment_base(test, decoded->segment);
}

uint64_t prepare_offset(struct random *random, const struct test_case *test, unsigned segment, unsigned size, unsigned address_size)
{
	const struct segment_row *row = test->segmented ? segment_find(test->before.selector[segment]) : NULL;

	if (row)
		return segment_offset(random, row, size, address_size == 2 ? 0xffff : 0xffffffff);
	return prepare_target(random, size, address_size) - segment_base(test, segment);
}

uint64_t prepare_stack_address(const struct test_case *test, int64_t above)
{
	uint64_t pointer = test->before.gpr[RSP] + above;

	if (test->code_size == 8)
		return pointer;
	return (uint32_t)(segment_base(test, SEG_SS) + (segment_stack16(test) ? pointer & 0xffff : pointer));
}

void prepare_patch(struct test_case *test, uint64_t address, const void *bytes, unsigned size)
{
	struct patch *patch = &test->patch[test->patches];

	if (test->patches == MAX_PATCHES)
		return;
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		const struct data_region *region = &data_regions[i];

		if (address < region->base || address + size > region->base + region->writable_pages * 4096)
			continue;
		patch->address = address;
		patch->size = size;
		memcpy(patch->bytes, bytes, size);
		test->patches++;
		return;
	}
}

/* How much memory an operand of this type is, about. */
static unsigned memory_size(const struct decoded *decoded)
{
	static const uint8_t sizes[] = {[TYPE_b] = 1,  [TYPE_w] = 2,  [TYPE_d] = 4,  [TYPE_q] = 8,  [TYPE_dq] = 16,
					[TYPE_t] = 10, [TYPE_x] = 16, [TYPE_ss] = 4, [TYPE_sd] = 8, [TYPE_0] = 16};

	for (unsigned i = 0; i < 4; i++) {
		const struct isa_operand_info *operand = &isa_operands[decoded->row->operand[i]];
		bool memory = operand->method == METHOD_E || operand->method == METHOD_M || operand->method == METHOD_W ||
			      operand->method == METHOD_Q || operand->method == METHOD_O;

		if (memory && operand->type < sizeof(sizes) && sizes[operand->type])
			return sizes[operand->type];
	}
	return decoded->operand_size;
}

/* An address register gets its value; what is above the address size stays as it was. */
static void set_address_register(struct state *state, unsigned reg, uint64_t value, unsigned address_size)
{
	memcpy(&state->gpr[reg], &value, address_size);
}

static bool set_displacement(const struct encoding *encoding, uint8_t *bytes, uint64_t value, uint64_t mask)
{
	unsigned size = encoding->displacement_size;
	uint64_t kept;

	if (size < 2)
		return false;
	memcpy(bytes + encoding->displacement_at, &value, size);
	kept = size == 8 ? value : size == 4 ? (uint64_t)(int64_t)(int32_t)value : value & 0xffff;
	return (kept & mask) == (value & mask);
}

static uint64_t address_mask(const struct decoded *decoded)
{
	return decoded->address_size == 8 ? ~0ull : (1ull << 8 * decoded->address_size) - 1;
}

/* Solves base + index * scale + displacement = offset for the registers. Returns the offset that it came to. */
static uint64_t solve_registers(struct preparation *p, uint64_t offset)
{
	const struct decoded *d = p->decoded;
	struct state *state = &p->test->before;
	uint64_t mask = address_mask(d), left = (offset - d->displacement) & mask;

	if (d->index == NO_REGISTER) {
		set_address_register(state, d->base, left, d->address_size);
		return offset;
	}
	if (d->base == NO_REGISTER || d->base == d->index) {
		uint64_t factor = (1u << d->scale) + (d->base == d->index);

		set_address_register(state, d->index, left / factor, d->address_size);
		return (left / factor * factor + d->displacement) & mask;
	}
	set_address_register(state, d->base, left - (state->gpr[d->index] << d->scale), d->address_size);
	return offset;
}

static bool is_mapped(uint64_t address)
{
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		if (address >= data_regions[i].base && address < data_regions[i].base + data_regions[i].pages * 4096)
			return true;
	}
	return false;
}

void prepare_memory(struct preparation *p, const struct encoding *encoding, uint64_t at)
{
	const struct decoded *d = p->decoded;
	uint64_t base = prepare_segment_base(p->test, d), mask = address_mask(d),
		 linear_mask = p->test->code_size == 8 ? ~0ull : 0xffffffff;
	bool any_memory = encoding->displacement_size || d->base != NO_REGISTER || d->index != NO_REGISTER;
	uint64_t offset;

	if (!any_memory || (d->base != RIP_REGISTER && random_percent(p->random, 2))) /* anywhere, but not in the code itself */
		return;
	offset = prepare_offset(p->random, p->test, d->segment, memory_size(d), d->address_size) & mask;
	if (d->base == RIP_REGISTER) {
		if (!set_displacement(encoding, p->bytes, offset - (at + d->length), mask))
			return;
	} else if (d->base == NO_REGISTER && d->index == NO_REGISTER) {
		if (!set_displacement(encoding, p->bytes, offset, mask))
			return;
	} else {
		offset = solve_registers(p, offset);
	}
	p->target = (offset + base) & linear_mask;
	p->has_target = is_mapped(p->target);
}

void prepare_displacement(struct random *random, const struct test_case *test, const struct decoded *d, const struct encoding *encoding,
			  uint8_t *bytes, uint64_t at)
{
	uint64_t target = DATA_BASE + (random_below(random, DATA_WRITABLE - 64) & ~15u), base = 0;

	if (test->segmented) /* plain segments, which start with the pages */
		target -= DATA_BASE;
	else if (d->address_size == 2)
		target = LOW_BASE + (random_below(random, 4096 - 64) & ~15u);
	if (d->base == RIP_REGISTER)
		base = at + d->length;
	else if (d->base != NO_REGISTER || d->index != NO_REGISTER)
		return;
	set_displacement(encoding, bytes, target - base, ~0ull);
}

/* Offset of the memory operand, but for RIP. */
static uint64_t operand_offset(const struct test_case *test, const struct decoded *d)
{
	uint64_t offset = d->displacement;

	if (d->base < 16)
		offset += test->before.gpr[d->base];
	if (d->index < 16)
		offset += test->before.gpr[d->index] << d->scale;
	return offset & address_mask(d);
}

uint64_t prepare_operand(const struct test_case *test, const struct decoded *d)
{
	uint64_t offset = operand_offset(test, d), linear;

	if (d->base == RIP_REGISTER)
		offset += test->before.rip + d->length;
	linear = (offset & address_mask(d)) + prepare_segment_base(test, d);
	return test->code_size == 8 ? linear : (uint32_t)linear;
}

/* Whether an offset of the segment is near the end of 4 GiB, where the segment has one. */
static bool near_wrap(const struct test_case *test, unsigned segment, uint64_t offset)
{
	const struct segment_row *row = test->segmented ? segment_find(test->before.selector[segment]) : NULL;

	if (test->segmented && !(row && segment_reaches_top(row)))
		return false;
	return (uint32_t)(offset + 0x200) < 0x400;
}

bool prepare_is_locked(const struct decoded *d)
{
	return d->has_modrm && d->mod != 3 && (d->lock || d->row->op == OP_XCHG);
}

bool prepare_splits_lock(const struct test_case *test, const struct decoded *d)
{
	static const uint16_t bit_ops[] = {OP_BTS, OP_BTR, OP_BTC};
	unsigned size = memory_size(d);

	if (!prepare_is_locked(d))
		return false;
	for (unsigned i = 0; i < sizeof(bit_ops) / sizeof(bit_ops[0]); i++) {
		if (d->row->op == bit_ops[i]) /* the bit's offset leads elsewhere, by multiples of the size */
			return test->operand % size != 0;
	}
	return test->operand % 64 + size > 64;
}

bool prepare_wraps(const struct test_case *test, const struct decoded *d)
{
	const uint64_t *gpr = test->before.gpr;
	bool string = false;

	if (test->code_size == 8) /* the host's kernel never comes to an end with these */
		return d->row->attributes & A_STACK && gpr[RSP] + 0x200 < 0x400;
	for (unsigned i = 0; i < 4; i++)
		string |= isa_operands[d->row->operand[i]].method == METHOD_X || isa_operands[d->row->operand[i]].method == METHOD_Y;
	if (d->row->attributes & A_STACK && (near_wrap(test, SEG_SS, gpr[RSP]) || near_wrap(test, SEG_SS, gpr[RBP])))
		return true;
	if (string)
		return d->address_size == 4 && (near_wrap(test, d->segment, gpr[RSI]) || near_wrap(test, SEG_ES, gpr[RDI]));
	if (!d->has_modrm && isa_operands[d->row->operand[0]].method != METHOD_O && isa_operands[d->row->operand[1]].method != METHOD_O)
		return false;
	return d->mod != 3 && d->address_size == 4 && near_wrap(test, d->segment, operand_offset(test, d));
}
