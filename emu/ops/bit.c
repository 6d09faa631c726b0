/*
 * Bits: BT BTS BTR BTC, BSF BSR POPCNT CRC32, BSWAP MOVBE (SDM vol. 1, 7.3.6.3-7.3.6.5, 7.3.1.1).
 *
 * A register bit offset with a memory operand is signed and reaches beyond the operand: a bit string (SDM vol. 1, 4.6.1, figure 3-2 of
 * vol. 2A). Immediate offsets, and all offsets into registers, are taken modulo the operand size.
 *
 * Undefined in the SDM, established on AMD processors: BT and its kin write CF alone; BSF and BSR of 0 leave the destination as it was,
 * the upper half of a 64-bit register included. BSWAP of a word gives 0. BSF and BSR clear CF, OF, SF and AF, and PF is that of the bit's
 * number (of 0, if there is none), as on Zen 5, and it is said on Intel's; on Zen 3 they write ZF alone.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"
#include "emu/ops/offset.h"

enum flags_use { FLAGS_LIVE, FLAGS_DEAD };

/* -- single bits -- */

/* What becomes of the value that holds the bit. */
typedef uint64_t change_fn(uint64_t value, uint64_t bit);

ALWAYS_INLINE uint64_t bit_same(uint64_t value, uint64_t bit)
{
	(void)bit;
	return value;
}

ALWAYS_INLINE uint64_t bit_set(uint64_t value, uint64_t bit)
{
	return value | bit;
}

ALWAYS_INLINE uint64_t bit_reset(uint64_t value, uint64_t bit)
{
	return value & ~bit;
}

ALWAYS_INLINE uint64_t bit_complement(uint64_t value, uint64_t bit)
{
	return value ^ bit;
}

ALWAYS_INLINE void bit_flags(struct cpu *cpu, uint64_t value, uint64_t bit, enum flags_use use)
{
	if (use == FLAGS_LIVE)
		flags_replace(&cpu->flags, value & bit ? FLAG_CF : 0, FLAG_CF);
}

/* The bit offset: op2 or the immediate, by form. */
ALWAYS_INLINE struct value bit_offset(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size)
{
	if (form == FORM_RI || form == FORM_MI)
		return (struct value){(int64_t)insn->imm, 0};
	return reg_get(cpu, insn->op2, size);
}

/* Address of the operand-sized unit of a bit string that holds the bit at a signed offset from the memory operand. */
ALWAYS_INLINE struct address bit_string_unit(struct cpu *cpu, const struct insn *insn, struct value offset, unsigned size, bool write)
{
	struct value start = ea_offset(cpu, insn);
	unsigned shift = size == 8 ? 6 : size == 4 ? 5 : 4;
	int64_t unit = ((int64_t)sign_extend(offset.v, size) >> shift) * (int64_t)size;
	tag_t tag = start.tag | offset.tag;

	return (struct address){offset_linear(cpu, insn, insn->segment, start.v + (uint64_t)unit, size, write), tag};
}

ALWAYS_INLINE void bit_register(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, change_fn *change,
				enum flags_use use)
{
	struct value offset = bit_offset(cpu, insn, form, size), value = reg_get(cpu, insn->op1, size);
	uint64_t bit = 1ull << (offset.v & (8 * size - 1));

	if (change != bit_same)
		reg_set(cpu, insn->op1, size, (struct value){change(value.v, bit), value.tag | offset.tag});
	bit_flags(cpu, value.v, bit, use);
}

ALWAYS_INLINE void bit_memory(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, change_fn *change,
			      enum flags_use use)
{
	struct value offset = bit_offset(cpu, insn, form, size), value;
	uint64_t bit = 1ull << (offset.v & (8 * size - 1));
	bool write = change != bit_same;
	struct address address = form == FORM_MR ? bit_string_unit(cpu, insn, offset, size, write) : ea(cpu, insn, size, write);
	struct rmw rmw;

	if (write) {
		value = load_rmw(cpu, insn, address, size, &rmw);
		store_rmw(cpu, insn, &rmw, size, (struct value){change(value.v, bit), value.tag | offset.tag});
	} else {
		value = load(cpu, insn, address, size);
	}
	bit_flags(cpu, value.v, bit, use);
}

/* -- scans and counts: op1 = function of op2 -- */

ALWAYS_INLINE struct value source(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size)
{
	if (form == FORM_RM)
		return load(cpu, insn, ea(cpu, insn, size, false), size);
	return reg_get(cpu, insn->op2, size);
}

typedef uint64_t scan_fn(uint64_t value);

ALWAYS_INLINE uint64_t scan_forward(uint64_t value)
{
	return __builtin_ctzll(value);
}

ALWAYS_INLINE uint64_t scan_reverse(uint64_t value)
{
	return 63 ^ __builtin_clzll(value);
}

ALWAYS_INLINE void bit_scan(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, scan_fn *scan, enum flags_use use)
{
	struct value value = source(cpu, insn, form, size);

	if (value.v)
		reg_set(cpu, insn->op1, size, (struct value){scan(value.v), value.tag});
	if (use == FLAGS_LIVE) /* ZF is that of the source, PF the low byte's of the result: the bit above makes one number of both */
		flags_set(&cpu->flags, FLAGS_LOGIC, 0, 0, value.v ? scan(value.v) | 0x100 : 0, 8);
}

/* All flags but ZF are cleared, PF too. */
ALWAYS_INLINE void population_count(struct cpu *cpu, const struct insn *insn, enum form form, unsigned size, scan_fn *scan,
				    enum flags_use use)
{
	struct value value = source(cpu, insn, form, size);

	(void)scan;
	reg_set(cpu, insn->op1, size, (struct value){__builtin_popcountll(value.v), value.tag});
	if (use == FLAGS_LIVE)
		flags_set_raw(&cpu->flags, value.v ? 0 : FLAG_ZF);
}

/* CRC of `size` bytes of data added to crc: polynomial 11EDC6F41H, bit-reflected; four bits a step. */
static uint32_t crc32c(uint32_t crc, uint64_t data, unsigned size)
{
	static const uint32_t step[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	unsigned nibble;

	for (nibble = 0; nibble < 2 * size; nibble++, data >>= 4)
		crc = crc >> 4 ^ step[(crc ^ data) & 0xf];
	return crc;
}

/* The operand size is that of the data; the destination is a doubleword, or a quadword of which the upper half is cleared: the same. */
static void do_crc32(struct cpu *cpu, const struct insn *insn, enum form form)
{
	unsigned size = insn_operand_size(insn);
	struct value crc = reg_get(cpu, insn->op1, 4), data = source(cpu, insn, form, size);

	reg_set(cpu, insn->op1, 4, (struct value){crc32c(crc.v, data.v, size), crc.tag | data.tag});
}

static void do_crc32_register(struct cpu *cpu, const struct insn *insn)
{
	do_crc32(cpu, insn, FORM_RR);
}

static void do_crc32_memory(struct cpu *cpu, const struct insn *insn)
{
	do_crc32(cpu, insn, FORM_RM);
}

SIMPLE(crc32_register, do_crc32_register)
SIMPLE(crc32_memory, do_crc32_memory)

/* -- byte order -- */

ALWAYS_INLINE uint64_t reverse_bytes(uint64_t value, unsigned size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

ALWAYS_INLINE void byte_swap(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value value = reg_get(cpu, insn->op1, size);

	reg_set(cpu, insn->op1, size, (struct value){size == 2 ? 0 : reverse_bytes(value.v, size), value.tag});
}

ALWAYS_INLINE void move_big_endian_load(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value value = load(cpu, insn, ea(cpu, insn, size, false), size);

	reg_set(cpu, insn->op1, size, (struct value){reverse_bytes(value.v, size), value.tag});
}

ALWAYS_INLINE void move_big_endian_store(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value value = reg_get(cpu, insn->op2, size);

	store(cpu, insn, ea(cpu, insn, size, true), size, (struct value){reverse_bytes(value.v, size), value.tag});
}

/* -- instances: HANDLER(operation, form, size, flags, template, function); MOVE(operation, form, size, template) -- */

#define SIZES(HANDLER, op, form, flags, template, function)                                                                                \
	HANDLER(op, form, 2, flags, template, function)                                                                                    \
	HANDLER(op, form, 4, flags, template, function)                                                                                    \
	HANDLER(op, form, 8, flags, template, function)
#define BIT_TEST(HANDLER, op, flags, function)                                                                                             \
	SIZES(HANDLER, op, RR, flags, bit_register, function)                                                                              \
	SIZES(HANDLER, op, RI, flags, bit_register, function)                                                                              \
	SIZES(HANDLER, op, MR, flags, bit_memory, function)                                                                                \
	SIZES(HANDLER, op, MI, flags, bit_memory, function)
#define SCAN(HANDLER, op, flags, template, function)                                                                                       \
	SIZES(HANDLER, op, RR, flags, template, function)                                                                                  \
	SIZES(HANDLER, op, RM, flags, template, function)
#define INSTANCES(HANDLER)                                                                                                                 \
	BIT_TEST(HANDLER, BT, FLAGS_LIVE, bit_same)                                                                                        \
	BIT_TEST(HANDLER, BTS, FLAGS_LIVE, bit_set)                                                                                        \
	BIT_TEST(HANDLER, BTR, FLAGS_LIVE, bit_reset)                                                                                      \
	BIT_TEST(HANDLER, BTC, FLAGS_LIVE, bit_complement)                                                                                 \
	BIT_TEST(HANDLER, BTS, FLAGS_DEAD, bit_set)                                                                                        \
	BIT_TEST(HANDLER, BTR, FLAGS_DEAD, bit_reset)                                                                                      \
	BIT_TEST(HANDLER, BTC, FLAGS_DEAD, bit_complement)                                                                                 \
	SCAN(HANDLER, BSF, FLAGS_LIVE, bit_scan, scan_forward)                                                                             \
	SCAN(HANDLER, BSR, FLAGS_LIVE, bit_scan, scan_reverse)                                                                             \
	SCAN(HANDLER, BSF, FLAGS_DEAD, bit_scan, scan_forward)                                                                             \
	SCAN(HANDLER, BSR, FLAGS_DEAD, bit_scan, scan_reverse)                                                                             \
	SCAN(HANDLER, POPCNT, FLAGS_LIVE, population_count, NULL)                                                                          \
	SCAN(HANDLER, POPCNT, FLAGS_DEAD, population_count, NULL)
#define MOVES(MOVE)                                                                                                                        \
	MOVE(BSWAP, R, 2, byte_swap)                                                                                                       \
	MOVE(BSWAP, R, 4, byte_swap)                                                                                                       \
	MOVE(BSWAP, R, 8, byte_swap)                                                                                                       \
	MOVE(MOVBE, RM, 2, move_big_endian_load)                                                                                           \
	MOVE(MOVBE, RM, 4, move_big_endian_load)                                                                                           \
	MOVE(MOVBE, RM, 8, move_big_endian_load)                                                                                           \
	MOVE(MOVBE, MR, 2, move_big_endian_store)                                                                                          \
	MOVE(MOVBE, MR, 4, move_big_endian_store)                                                                                          \
	MOVE(MOVBE, MR, 8, move_big_endian_store)

#define DEFINE(op, form, size, flags, template, function)                                                                                  \
	static const struct insn *op##_##form##_##size##_##flags(struct cpu *cpu, const struct insn *insn)                                 \
	{                                                                                                                                  \
		template(cpu, insn, FORM_##form, size, function, flags);                                                                   \
		NEXT(cpu, insn);                                                                                                           \
	}
#define DEFINE_MOVE(op, form, size, template)                                                                                              \
	static const struct insn *op##_##form##_##size(struct cpu *cpu, const struct insn *insn)                                           \
	{                                                                                                                                  \
		template(cpu, insn, size);                                                                                                 \
		NEXT(cpu, insn);                                                                                                           \
	}
INSTANCES(DEFINE)
MOVES(DEFINE_MOVE)

#define ROW(op, form, size, flags, template, function) {OP_##op, FORM_##form, size, flags == FLAGS_DEAD, op##_##form##_##size##_##flags},
#define ROW_MOVE(op, form, size, template) {OP_##op, FORM_##form, size, 0, op##_##form##_##size},
const struct op_impl ENGINE(bit_impls)[] = {
	INSTANCES(ROW) MOVES(ROW_MOVE){OP_CRC32, FORM_RR, 0, 0, crc32_register},
	{OP_CRC32, FORM_RM, 0, 0, crc32_memory},
	{0},
};
