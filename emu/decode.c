/*
 * The decoder (SDM vol. 2A chapter 2; vol. 2D appendix A). See decode.h.
 *
 * One pass: prefixes, opcode, ModRM, then the row that these choose, then what the row and ModRM say must follow (SIB, displacement,
 * immediates). Every byte comes through fetch_unsigned(), which knows the two ends: what is available, and 15. What is undefined is read
 * to its end before, as processors do: being too long, crossing into a page that faults or beyond the segment's limit comes first. How
 * long it would be, its opcode says (shape_of()); only an opcode that nothing is known of is #UD at once.
 *
 * Where processors differ we do as Intel's: near branches in 64-bit code ignore 66 (A_F64); 0F 0D with a register is NOP. Where the SDM
 * calls a combination of prefixes "unpredictable" we do what all processors do: the last of several segment overrides counts, and the
 * last of F2 and F3; in 64-bit code the ES, CS, SS and DS overrides are as if absent, so that an FS before them stays in force; a REX
 * prefix counts only if nothing stands between it and the opcode.
 */
#include "emu/decode.h"

#include "emu/cpu.h"

struct decoder {
	const uint8_t *bytes;
	unsigned available, position;
	unsigned code_size;
	enum decode_status status; /* DECODE_OK as long as all fetches found their bytes */
	bool prefix_66, prefix_67;
	uint8_t map;
	uint8_t modrm;
	struct decoded *to;
};

enum { REX_B = 1 << 0, REX_X = 1 << 1, REX_R = 1 << 2, REX_W = 1 << 3 };

/* The next size-byte little-endian number; 0 once the bytes have run out. */
static uint64_t fetch_unsigned(struct decoder *d, unsigned size)
{
	uint64_t value = 0;

	if (d->status != DECODE_OK)
		return 0;
	if (d->position + size > d->available) {
		d->status = d->available >= INSN_MAX_LENGTH ? DECODE_TOO_LONG : DECODE_MORE;
		return 0;
	}
	if (d->position + size > INSN_MAX_LENGTH) {
		d->status = DECODE_TOO_LONG;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)d->bytes[d->position++] << 8 * i;
	return value;
}

static int64_t fetch(struct decoder *d, unsigned size)
{
	return (int64_t)sign_extend(fetch_unsigned(d, size), size);
}

/* -- prefixes and opcode -- */

static void set_segment(struct decoder *d, enum segment_index segment)
{
	if (d->code_size == 8 && segment < SEG_FS)
		return;
	d->to->segment = segment;
	d->to->segment_override = true;
}

/* Takes byte as a legacy prefix if it is one. */
static bool legacy_prefix(struct decoder *d, uint8_t byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		set_segment(d, byte >> 3 & 3); /* ES, CS, SS, DS in this order */
		return true;
	case 0x64:
	case 0x65:
		set_segment(d, byte == 0x64 ? SEG_FS : SEG_GS);
		return true;
	case 0x66:
		d->prefix_66 = true;
		return true;
	case 0x67:
		d->prefix_67 = true;
		return true;
	case 0xf0:
		d->to->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		d->to->rep = byte == 0xf2 ? REP_NE : REP_E;
		return true;
	default:
		return false;
	}
}

/* All prefixes; returns the byte after them. */
static uint8_t fetch_prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t byte = (uint8_t)fetch(d, 1);

		if (d->status != DECODE_OK)
			return 0;
		if (d->code_size == 8 && (byte & 0xf0) == 0x40)
			d->to->rex = byte;
		else if (legacy_prefix(d, byte))
			d->to->rex = 0;
		else
			return byte;
	}
}

static void fetch_opcode(struct decoder *d)
{
	uint8_t byte = fetch_prefixes(d);

	d->map = MAP_1;
	if (byte == 0x0f) {
		d->map = MAP_0F;
		byte = (uint8_t)fetch(d, 1);
		if (byte == 0x38 || byte == 0x3a) {
			d->map = byte == 0x38 ? MAP_0F38 : MAP_0F3A;
			byte = (uint8_t)fetch(d, 1);
		}
	}
	d->to->opcode = byte;
	d->to->opcode_reg = (byte & 7) | (d->to->rex & REX_B ? 8 : 0);
}

static void fetch_modrm(struct decoder *d)
{
	struct decoded *to = d->to;

	d->modrm = (uint8_t)fetch(d, 1);
	to->has_modrm = true;
	to->mod = d->modrm >> 6;
	to->reg = (d->modrm >> 3 & 7) | (to->rex & REX_R ? 8 : 0);
	to->rm = (d->modrm & 7) | (to->rex & REX_B ? 8 : 0);
}

/* -- the row -- */

static bool prefix_fits(const struct decoder *d, enum isa_prefix prefix)
{
	switch (prefix) {
	case P_NP:
		return !d->prefix_66 && d->to->rep == REP_NONE;
	case P_66:
		return d->prefix_66 && d->to->rep == REP_NONE;
	case P_F3:
		return d->to->rep == REP_E;
	case P_F2:
		return d->to->rep == REP_NE;
	case P_ANY:
		break;
	}
	return true;
}

static bool modrm_fits(const struct decoder *d, const struct isa_row *row)
{
	unsigned fixed_rm = row->attributes >> A_RM_SHIFT & 0xf;

	if (row->mod == M_NONE)
		return fixed_rm == 0 || d->to->opcode_reg == fixed_rm - 1;
	if (row->reg != R_ANY && (d->modrm >> 3 & 7) != row->reg)
		return false;
	if (fixed_rm != 0 && (d->modrm & 7u) != fixed_rm - 1)
		return false;
	return row->mod == M_ANY || (row->mod == M_REG) == (d->to->mod == 3);
}

/* Operand size in bytes as prefixes and mode make it, before the operands' types are looked at. */
static unsigned operand_size(const struct decoder *d, uint32_t attributes)
{
	if (d->code_size == 8) {
		if ((d->to->rex & REX_W) || (attributes & A_F64))
			return 8;
		if (d->prefix_66)
			return 2;
		return attributes & A_D64 ? 8 : 4;
	}
	return (d->code_size == 2) != d->prefix_66 ? 2 : 4;
}

static bool mode_fits(const struct decoder *d, uint32_t attributes)
{
	uint32_t sizes = attributes & (A_O16 | A_O32 | A_O64);
	unsigned size = operand_size(d, attributes);

	if (attributes & (d->code_size == 8 ? A_NO64 : A_ONLY64))
		return false;
	return !sizes || (sizes & (size == 2 ? A_O16 : size == 4 ? A_O32 : A_O64));
}

static const struct isa_row *find_row(const struct isa *isa, struct decoder *d)
{
	unsigned slot = d->map << 8 | d->to->opcode;
	unsigned end = isa->first[slot + 1];

	if (isa->first[slot] == end)
		return NULL;
	if (isa->row[isa->first[slot]]->mod != M_NONE)
		fetch_modrm(d);
	for (unsigned i = isa->first[slot]; i < end; i++) {
		const struct isa_row *row = isa->row[i];

		if (prefix_fits(d, row->prefix) && modrm_fits(d, row) && mode_fits(d, row->attributes))
			return row;
	}
	return NULL;
}

/* Rows of what has none: the extended maps have ModRM in every opcode, 0F 3A an immediate byte besides; VMREAD and VMWRITE have ModRM. */
static const struct isa_row undefined_modrm = {.mod = M_ANY, .reg = R_ANY};
static const struct isa_row undefined_modrm_ib = {.mod = M_ANY, .reg = R_ANY, .operand = {OPN_Ib}};

/*
 * What follows an opcode that no row fits: as in a row of the same opcode for other prefixes, modes or members of its group, if there is
 * one for this reg the better (TEST in group 3 alone has an immediate). NULL: nothing does. Measured on Zen 5.
 */
static const struct isa_row *shape_of(const struct isa *isa, const struct decoder *d)
{
	unsigned slot = d->map << 8 | d->to->opcode, first = isa->first[slot], end = isa->first[slot + 1];
	bool vmread_vmwrite = d->map == MAP_0F && (d->to->opcode & 0xfe) == 0x78;

	for (unsigned i = first; i < end; i++) {
		if (modrm_fits(d, isa->row[i]))
			return isa->row[i];
	}
	if (first < end)
		return isa->row[first];
	if (d->map == MAP_0F3A)
		return &undefined_modrm_ib;
	return d->map == MAP_0F38 || vmread_vmwrite ? &undefined_modrm : NULL;
}

/* -- what the row means for registers and sizes -- */

static uint8_t method(const struct isa_row *row, unsigned i)
{
	return isa_operands[row->operand[i]].method;
}

/* decoded.operand_size: `v` is any size, `y` 4 or 8, `z` 2 or 4; the first of them in this order that the row has decides. */
static unsigned row_operand_size(const struct decoder *d, const struct isa_row *row)
{
	unsigned size = operand_size(d, row->attributes);
	bool has_y = false, has_z = false;

	if (row->attributes & A_SIZE8)
		return 1;
	for (unsigned i = 0; i < 4; i++) {
		const struct isa_operand_info *operand = &isa_operands[row->operand[i]];

		if (operand->method == METHOD_I || operand->method == METHOD_J)
			continue;
		if (operand->type == TYPE_v)
			return size;
		has_y |= operand->type == TYPE_y;
		has_z |= operand->type == TYPE_z;
	}
	if (has_y && size == 2)
		return 4;
	if (!has_y && has_z && size == 8)
		return 4;
	return size;
}

/*
 * Which registers exist: there is no CR1, CR5-CR7, CR9-CR15, DR8-DR15 or segment register 6 and 7, and MOV does not load CS.
 * Segment and MMX registers have no REX bit.
 */
static bool check_registers(struct decoded *to)
{
	enum { SEGMENT_REGISTERS = 0x3f, CONTROL_REGISTERS = 0x11d, DEBUG_REGISTERS = 0xff };

	for (unsigned i = 0; i < 4; i++) {
		switch (method(to->row, i)) {
		case METHOD_S:
			to->reg &= 7;
			if (i == 0 && to->reg == SEG_CS)
				return false;
			if (!(SEGMENT_REGISTERS >> to->reg & 1))
				return false;
			break;
		case METHOD_C:
			if (!(CONTROL_REGISTERS >> to->reg & 1))
				return false;
			break;
		case METHOD_D:
			if (!(DEBUG_REGISTERS >> to->reg & 1))
				return false;
			break;
		case METHOD_P:
			to->reg &= 7;
			break;
		case METHOD_Q:
		case METHOD_N:
			if (to->mod == 3)
				to->rm &= 7;
			break;
		default:
			break;
		}
	}
	return true;
}

/* Settles what depends on the row. False: #UD after all. */
static bool apply_row(struct decoder *d)
{
	struct decoded *to = d->to;
	const struct isa_row *row = to->row;

	if (row->attributes & A_REGISTER)
		to->mod = 3;
	if (to->lock && (!(row->attributes & A_LOCK) || to->mod == 3))
		return false;
	if (row->prefix == P_F2 || row->prefix == P_F3)
		to->rep = REP_NONE;
	to->operand_size = (uint8_t)row_operand_size(d, row);
	return check_registers(to);
}

/* -- memory operands -- */

/* Base and index of 16-bit addressing by rm (SDM vol. 2A table 2-1). */
static const struct {
	uint8_t base, index;
} forms16[8] = {
	{RBX, RSI}, {RBX, RDI}, {RBP, RSI}, {RBP, RDI}, {RSI, NO_REGISTER}, {RDI, NO_REGISTER}, {RBP, NO_REGISTER}, {RBX, NO_REGISTER},
};

static void fetch_address16(struct decoder *d)
{
	struct decoded *to = d->to;
	unsigned rm = d->modrm & 7;

	if (to->mod == 0 && rm == 6) {
		to->displacement = fetch(d, 2);
		return;
	}
	to->base = forms16[rm].base;
	to->index = forms16[rm].index;
	if (to->mod != 0)
		to->displacement = fetch(d, to->mod);
}

/* An index of 4 is none (with REX.X it is R12); a base of 5 with mod 0 is none, and disp32 follows, REX.B or not. */
static void fetch_sib(struct decoder *d)
{
	struct decoded *to = d->to;
	uint8_t sib = (uint8_t)fetch(d, 1);
	unsigned index = (sib >> 3 & 7) | (to->rex & REX_X ? 8 : 0);

	if (index != RSP) {
		to->index = (uint8_t)index;
		to->scale = sib >> 6;
	}
	if ((sib & 7) == RBP && to->mod == 0)
		to->displacement = fetch(d, 4);
	else
		to->base = (sib & 7) | (to->rex & REX_B ? 8 : 0);
}

static void fetch_address32(struct decoder *d)
{
	struct decoded *to = d->to;
	unsigned rm = d->modrm & 7;

	if (rm == RSP) {
		fetch_sib(d);
	} else if (rm == RBP && to->mod == 0) {
		to->displacement = fetch(d, 4);
		if (d->code_size == 8)
			to->base = RIP_REGISTER;
	} else {
		to->base = to->rm;
	}
	if (to->mod != 0)
		to->displacement = fetch(d, to->mod == 1 ? 1 : 4);
}

static void fetch_address(struct decoder *d)
{
	struct decoded *to = d->to;

	if (!to->has_modrm || to->mod == 3)
		return;
	if (to->address_size == 2)
		fetch_address16(d);
	else
		fetch_address32(d);
	if (!to->segment_override && (to->base == RSP || to->base == RBP))
		to->segment = SEG_SS;
}

/* -- immediates -- */

/* Bytes of an immediate or relative operand of the row. */
static unsigned immediate_size(const struct decoder *d, const struct isa_row *row, enum isa_type type)
{
	unsigned size = operand_size(d, row->attributes);

	switch (type) {
	case TYPE_v:
		return size;
	case TYPE_z:
	case TYPE_p:
		return size == 2 ? 2 : 4;
	default:
		return 1;
	}
}

static void fetch_immediates(struct decoder *d, const struct isa_row *row)
{
	struct decoded *to = d->to;
	uint64_t *next = &to->immediate;

	for (unsigned i = 0; i < 4; i++) {
		const struct isa_operand_info *operand = &isa_operands[row->operand[i]];

		switch (operand->method) {
		case METHOD_I:
		case METHOD_J:
			if (operand->type == TYPE_1)
				*next = 1;
			else if (operand->type == TYPE_w) /* stack byte counts */
				*next = fetch_unsigned(d, 2);
			else
				*next = (uint64_t)fetch(d, immediate_size(d, row, operand->type));
			next = &to->immediate2;
			break;
		case METHOD_A:
			to->immediate = fetch_unsigned(d, immediate_size(d, row, TYPE_p));
			to->immediate2 = fetch_unsigned(d, 2);
			break;
		case METHOD_O:
			to->displacement = (int64_t)fetch_unsigned(d, to->address_size);
			break;
		default:
			break;
		}
	}
}

/* Reads what no row fits to its end. */
static void fetch_undefined(const struct isa *isa, struct decoder *d)
{
	const struct isa_row *shape = shape_of(isa, d);

	if (!shape)
		return;
	if (shape->mod != M_NONE && !d->to->has_modrm)
		fetch_modrm(d);
	if (shape->attributes & A_REGISTER)
		d->to->mod = 3;
	fetch_address(d);
	fetch_immediates(d, shape);
}

enum decode_status decode(const struct isa *isa, unsigned code_size, const uint8_t *bytes, unsigned available, struct decoded *ret)
{
	struct decoder d = {.bytes = bytes, .available = available, .code_size = code_size, .to = ret};
	bool legal;

	*ret = (struct decoded){.segment = SEG_DS, .base = NO_REGISTER, .index = NO_REGISTER};
	fetch_opcode(&d);
	ret->address_size = (uint8_t)(!d.prefix_67 ? code_size : code_size == 4 ? 2 : 4);
	if (d.status == DECODE_OK)
		ret->row = find_row(isa, &d);
	legal = ret->row && apply_row(&d);
	if (d.status == DECODE_OK && !ret->row)
		fetch_undefined(isa, &d);
	if (ret->row) {
		fetch_address(&d);
		fetch_immediates(&d, ret->row);
	}
	ret->length = (uint8_t)d.position;
	return d.status == DECODE_OK && !legal ? DECODE_UD : d.status;
}
