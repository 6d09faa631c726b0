/*
 * Random encodings: prefixes in any order, REX, opcode, ModRM with all its forms, SIB, displacement; then random bytes, of which the
 * decoder takes as many as the immediates need. Formats: SDM vol. 2A chapter 2.
 */
#include "tests/differential/encode.h"

#include <string.h>

#include "emu/cpu.h"

const uint8_t pointer_registers[POINTER_REGISTERS] = {RBX, RBP, RSI, RDI};

struct encoder {
	struct random *random;
	const struct isa_row *row;
	const struct encode_options *options;
	struct encoding *out;
	unsigned length;
	bool memory;         /* ModRM names memory */
	bool address_prefix; /* 67 */
	bool lock_prefix;    /* F0 */
	bool locked;         /* LOCK, or as if with it: XCHG */
	uint8_t prefix[8];
	unsigned prefixes;
	uint8_t rex;
	uint8_t mod, reg, rm; /* reg and rm as registers, 0..15 */
	bool has_sib;
	uint8_t index, base, scale;
};

static unsigned below(struct encoder *e, unsigned n)
{
	return random_below(e->random, n);
}

static bool percent(struct encoder *e, unsigned n)
{
	return random_percent(e->random, n);
}

static void add_prefix(struct encoder *e, uint8_t byte)
{
	unsigned at = below(e, e->prefixes + 1);

	if (e->prefixes == sizeof(e->prefix))
		return;
	memmove(&e->prefix[at + 1], &e->prefix[at], e->prefixes - at);
	e->prefix[at] = byte;
	e->prefixes++;
}

static void emit(struct encoder *e, uint8_t byte)
{
	e->out->bytes[e->length++] = byte;
}

static bool has_method(const struct isa_row *row, unsigned method)
{
	for (unsigned i = 0; i < 4; i++) {
		if (isa_operands[row->operand[i]].method == method)
			return true;
	}
	return false;
}

/* The register that an operand of this field may be. Sequences keep their pointers, nearly always. */
static unsigned pick_register(struct encoder *e)
{
	unsigned count = e->options->code_size == 8 ? 16 : 8, n = below(e, count);

	if (e->options->in_sequence && !percent(e, 2))
		while (n == RSP || memchr(pointer_registers, n, POINTER_REGISTERS))
			n = below(e, count);
	return n;
}

/* Addresses of 16 bits. */
static bool has_short_address(const struct encoder *e)
{
	return e->options->code_size == (e->address_prefix ? 4 : 2);
}

static void choose_mandatory_prefix(struct encoder *e)
{
	static const uint8_t byte[] = {[P_66] = 0x66, [P_F3] = 0xf3, [P_F2] = 0xf2};
	uint32_t attributes = e->row->attributes;
	bool any = e->row->prefix == P_ANY;
	uint32_t other_size = e->options->code_size == 2 ? A_O32 : A_O16; /* than the code's own */

	if (!any && e->row->prefix != P_NP)
		add_prefix(e, byte[e->row->prefix]);
	if (attributes & other_size || (any && !(attributes & (A_O16 | A_O32 | A_O64)) && percent(e, 20)))
		add_prefix(e, 0x66);
	else if ((e->row->prefix == P_F3 || e->row->prefix == P_F2) && percent(e, 10)) /* 66 with another: operand size */
		add_prefix(e, 0x66);
	if (attributes & A_REP && percent(e, 60))
		add_prefix(e, percent(e, 50) ? 0xf3 : 0xf2);
	else if (any && !(attributes & A_REP) && percent(e, 2)) /* without a meaning */
		add_prefix(e, percent(e, 50) ? 0xf3 : 0xf2);
}

static void choose_other_prefixes(struct encoder *e)
{
	static const uint8_t segments[] = {0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e};
	bool implicit = has_method(e->row, METHOD_X) || has_method(e->row, METHOD_Y) || has_method(e->row, METHOD_O);

	if (!(e->locked && e->options->in_sequence) && percent(e, e->memory || implicit ? 12 : 2))
		add_prefix(e, segments[percent(e, 60) ? below(e, 2) : below(e, 6)]);
	if (e->address_prefix)
		add_prefix(e, 0x67);
	if (e->lock_prefix)
		add_prefix(e, 0xf0);
	while (e->prefixes && percent(e, 3)) /* the same again */
		add_prefix(e, e->prefix[below(e, e->prefixes)]);
}

/*
 * Locked operands must not cross a cache line: processors that detect it trap, and kernels then slow or end the program. In sequences it
 * is not known where a register will point, so there such an operand has none.
 */
static void choose_lock(struct encoder *e)
{
	e->lock_prefix = (e->row->attributes & A_LOCK && e->memory && percent(e, 25)) || percent(e, 1);
	e->locked = e->memory && (e->lock_prefix || e->row->op == OP_XCHG);
}

static void choose_modrm(struct encoder *e)
{
	const struct isa_row *row = e->row;
	bool fixed_rm = row->attributes >> A_RM_SHIFT & 15;

	e->memory = row->mod == M_MEM || (row->mod == M_ANY && percent(e, 60));
	if (row->mod == M_NONE)
		e->memory = false;
	e->mod = e->memory ? below(e, 3) : 3;
	e->reg = row->reg >= 0 ? (unsigned)row->reg : pick_register(e);
	e->rm = fixed_rm ? (row->attributes >> A_RM_SHIFT & 15) - 1 : pick_register(e);
	if (has_method(row, METHOD_S) && percent(e, 90)) /* existing segment registers */
		e->reg = below(e, 6);
}

/* 32- and 64-bit addressing; with 16-bit there is no more to choose than rm: in sequences, one pointer. */
static void choose_address(struct encoder *e)
{
	bool wide = e->options->code_size == 8;

	if (has_short_address(e)) {
		e->rm = e->options->in_sequence ? 4 + below(e, 4) : e->rm & 7;
		return;
	}
	if (e->locked && e->options->in_sequence) { /* where prepare_displacement() says, aligned */
		e->mod = 0;
		e->rm = e->base = RBP;
		return;
	}
	if (!e->options->in_sequence) {
		e->has_sib = (e->rm & 7) == 4;
		e->base = below(e, wide ? 16 : 8);
		e->index = below(e, wide ? 16 : 8);
		e->scale = below(e, 4);
		if (!e->has_sib)
			e->base = e->rm;
		return;
	}
	e->rm = pointer_registers[below(e, POINTER_REGISTERS)];
	e->base = e->rm;
	if (e->mod == 0 && percent(e, 70)) /* otherwise RIP-relative and absolute ones would prevail */
		e->mod = 1 + below(e, 2);
	if (percent(e, 20)) { /* SIB without an index */
		e->has_sib = true;
		e->rm = 4;
		e->index = 4;
		e->scale = below(e, 4);
	}
}

static void choose_rex(struct encoder *e)
{
	uint32_t attributes = e->row->attributes;
	uint8_t rex = 0x40;

	if (e->options->code_size != 8)
		return;
	if (attributes & A_O64 || (!(attributes & (A_O16 | A_O32)) && percent(e, 35)))
		rex |= 8;
	if (e->reg & 8)
		rex |= 4;
	if (e->memory) {
		if (e->has_sib && e->index & 8)
			rex |= 2;
		if (e->base & 8)
			rex |= 1;
	} else if (e->rm & 8) {
		rex |= 1;
	}
	if (percent(e, 5)) /* bits without a meaning, as far as they have none */
		rex |= below(e, 8);
	if (rex != 0x40 || percent(e, 10))
		e->rex = rex;
}

static void emit_opcode(struct encoder *e)
{
	const struct isa_row *row = e->row;
	uint8_t opcode = row->opcode;

	if (row->map != MAP_1)
		emit(e, 0x0f);
	if (row->map == MAP_0F38)
		emit(e, 0x38);
	if (row->map == MAP_0F3A)
		emit(e, 0x3a);
	if (row->attributes & A_PLUS_R)
		opcode += e->rm & 7;
	if (row->attributes & A_PLUS_CC)
		opcode += below(e, 16);
	emit(e, opcode);
}

static void emit_displacement(struct encoder *e, unsigned size)
{
	uint64_t value = random_integer(e->random);

	if (e->options->in_sequence)
		value = (uint64_t)(int64_t)(int8_t)value;
	e->out->displacement_at = e->length;
	e->out->displacement_size = size;
	for (unsigned i = 0; i < size; i++)
		emit(e, value >> 8 * i);
}

static void emit_modrm(struct encoder *e)
{
	bool short_address = has_short_address(e);
	unsigned size;

	emit(e, e->mod << 6 | (e->reg & 7) << 3 | (e->rm & 7));
	if (!e->memory)
		return;
	if (short_address) {
		size = e->mod == 1 ? 1 : e->mod == 2 || (e->rm & 7) == 6 ? 2 : 0;
	} else {
		if ((e->rm & 7) == 4)
			emit(e, e->scale << 6 | (e->index & 7) << 3 | (e->base & 7));
		size = e->mod == 1 ? 1 : e->mod == 2 || ((e->rm & 7) == 4 ? e->base & 7 : e->rm & 7) == 5 ? 4 : 0;
	}
	if (size)
		emit_displacement(e, size);
}

/* moffs have the width of an address; the offset is where a displacement would be. */
static void emit_moffs(struct encoder *e)
{
	unsigned size = e->options->code_size;

	emit_displacement(e, !e->address_prefix ? size : size == 4 ? 2 : 4);
}

void encode_random(struct random *random, const struct isa_row *row, const struct encode_options *options, struct encoding *ret)
{
	struct encoder e = {.random = random, .row = row, .options = options, .out = ret};

	memset(ret, 0, sizeof(*ret));
	choose_modrm(&e);
	e.address_prefix = percent(&e, options->in_sequence ? (options->code_size == 8 ? 3 : 0) : 10);
	choose_lock(&e);
	if (e.memory)
		choose_address(&e);
	choose_mandatory_prefix(&e);
	choose_other_prefixes(&e);
	choose_rex(&e);
	for (unsigned i = 0; i < e.prefixes; i++)
		emit(&e, e.prefix[i]);
	if (e.rex)
		emit(&e, e.rex);
	if (e.rex && percent(&e, 1) && e.prefixes) { /* a REX that is not last does not count */
		e.length--;
		e.out->bytes[e.length - 1] = e.rex;
		emit(&e, e.prefix[e.prefixes - 1]);
	}
	emit_opcode(&e);
	if (row->mod != M_NONE)
		emit_modrm(&e);
	if (has_method(row, METHOD_O))
		emit_moffs(&e);
	for (unsigned n = 0; n < 2; n++) {
		uint64_t tail = random_integer(random);

		for (unsigned i = 0; i < 8; i++)
			emit(&e, tail >> 8 * i);
	}
}
