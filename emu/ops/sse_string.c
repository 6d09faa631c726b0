/*
 * The string comparisons of SSE4.2: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2B chapter 4.1).
 *
 * Each compares all elements of the first operand (a set, ranges, or a string to look for) with all of the second (the text). What the SDM
 * describes as a matrix of booleans are bit masks here, bit j for element j of the text. Rows come from comparing the text with one
 * element at once.
 */
#include "emu/isa/isa.h"
#include "emu/ops/simd.h"

/* Fields of the immediate. */
enum {
	CONTROL_WORDS = 1 << 0,
	CONTROL_SIGNED = 1 << 1,
	CONTROL_AGGREGATION_SHIFT = 2, /* 2 bits: enum aggregation */
	CONTROL_NEGATE = 1 << 4,
	CONTROL_MASKED = 1 << 5, /* negate the bits of valid text elements only */
	CONTROL_LAST = 1 << 6,	 /* index: of the last bit; mask: of whole elements */
};
enum aggregation { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED };

struct operands {
	__m128i set, text;
	unsigned set_length, text_length; /* valid elements */
	unsigned count;			  /* 16 or 8 */
	unsigned control;
};

static unsigned low_bits(unsigned count)
{
	return (1u << count) - 1;
}

/* A vector of all-ones and all-zeros elements as a bit mask. */
static unsigned mask_of(const struct operands *o, __m128i elements)
{
	if (o->control & CONTROL_WORDS)
		elements = _mm_packs_epi16(elements, _mm_setzero_si128());
	return (unsigned)_mm_movemask_epi8(elements) & low_bits(o->count);
}

/* Element i of the set in all places. */
static __m128i broadcast(const struct operands *o, unsigned i)
{
	union xmm set;

	_mm_store_si128((__m128i *)&set, o->set);
	return o->control & CONTROL_WORDS ? _mm_set1_epi16((short)set.u16[i]) : _mm_set1_epi8((char)set.u8[i]);
}

static __m128i equal(const struct operands *o, __m128i a, __m128i b)
{
	return o->control & CONTROL_WORDS ? _mm_cmpeq_epi16(a, b) : _mm_cmpeq_epi8(a, b);
}

/* a >= b */
static __m128i not_below(const struct operands *o, __m128i a, __m128i b)
{
	switch (o->control & (CONTROL_WORDS | CONTROL_SIGNED)) {
	case 0:
		return _mm_cmpeq_epi8(_mm_subs_epu8(b, a), _mm_setzero_si128());
	case CONTROL_WORDS:
		return _mm_cmpeq_epi16(_mm_subs_epu16(b, a), _mm_setzero_si128());
	case CONTROL_SIGNED:
		return _mm_xor_si128(_mm_cmpgt_epi8(b, a), _mm_set1_epi8(-1));
	default:
		return _mm_xor_si128(_mm_cmpgt_epi16(b, a), _mm_set1_epi8(-1));
	}
}

/* The text's elements that are in the set; in one of its ranges; that equal the set's of the same place; that begin a match of it. */
static unsigned equal_any(const struct operands *o)
{
	unsigned result = 0;

	for (unsigned i = 0; i < o->set_length; i++)
		result |= mask_of(o, equal(o, o->text, broadcast(o, i)));
	return result & low_bits(o->text_length);
}

static unsigned ranges(const struct operands *o)
{
	unsigned result = 0;

	for (unsigned i = 0; i + 1 < o->set_length; i += 2)
		result |= mask_of(o, _mm_and_si128(not_below(o, o->text, broadcast(o, i)), not_below(o, broadcast(o, i + 1), o->text)));
	return result & low_bits(o->text_length);
}

static unsigned equal_each(const struct operands *o)
{
	unsigned both = low_bits(o->set_length) & low_bits(o->text_length);
	unsigned neither = ~(low_bits(o->set_length) | low_bits(o->text_length)) & low_bits(o->count);

	return (mask_of(o, equal(o, o->set, o->text)) & both) | neither;
}

static unsigned equal_ordered(const struct operands *o)
{
	unsigned result = low_bits(o->count);

	for (unsigned i = 0; i < o->set_length; i++) {
		unsigned here = mask_of(o, equal(o, o->text, broadcast(o, i))) & low_bits(o->text_length);

		result &= here >> i | ~(low_bits(o->count) >> i); /* what runs over the end of the text matches so far */
	}
	return result;
}

/* IntRes2. */
static unsigned compare(const struct operands *o)
{
	static unsigned (*const aggregate[])(const struct operands *) = {
		[EQUAL_ANY] = equal_any,
		[RANGES] = ranges,
		[EQUAL_EACH] = equal_each,
		[EQUAL_ORDERED] = equal_ordered,
	};
	unsigned result = aggregate[o->control >> CONTROL_AGGREGATION_SHIFT & 3](o);

	if (o->control & CONTROL_NEGATE)
		result ^= o->control & CONTROL_MASKED ? low_bits(o->text_length) : low_bits(o->count);
	return result;
}

/* Lengths: to the first zero element; or a register's absolute value, if not above the count. */
static unsigned implicit_length(const struct operands *o, __m128i string)
{
	unsigned zeros = mask_of(o, equal(o, string, _mm_setzero_si128()));

	return zeros ? (unsigned)__builtin_ctz(zeros) : o->count;
}

static unsigned explicit_length(const struct operands *o, struct value length, unsigned size)
{
	int64_t value = (int64_t)sign_extend(length.v, size);
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;

	return magnitude < o->count ? (unsigned)magnitude : o->count;
}

static void write_index(struct cpu *cpu, const struct operands *o, unsigned result, tag_t tag)
{
	unsigned index = o->count;

	if (result)
		index = o->control & CONTROL_LAST ? 31 - (unsigned)__builtin_clz(result) : (unsigned)__builtin_ctz(result);
	reg_set(cpu, CPU_OFFSET(gpr[RCX]), 4, (struct value){index, tag});
}

static void write_mask(struct cpu *cpu, const struct operands *o, unsigned result, tag_t tag)
{
	union xmm mask = {.u64 = {result, 0}};

	if (o->control & CONTROL_LAST) {
		for (unsigned i = 0; i < 16; i++)
			mask.u8[i] = result >> (o->control & CONTROL_WORDS ? i / 2 : i) & 1 ? 0xff : 0;
	}
	xmm_set(cpu, CPU_OFFSET(xmm), _mm_load_si128((const __m128i *)&mask), tag);
}

/* length_size: of the registers with the explicit lengths, or 0. */
ALWAYS_INLINE void compare_strings(struct cpu *cpu, const struct insn *insn, struct packed text, unsigned length_size, bool to_mask)
{
	struct packed set = xmm_get(cpu, insn->op1);
	unsigned control = insn->imm & 0xff;
	struct operands o = {.set = set.v, .text = text.v, .count = control & CONTROL_WORDS ? 8 : 16, .control = control};
	tag_t tag = set.tag | text.tag;
	unsigned result;

	if (length_size) {
		struct value set_length = reg_get(cpu, CPU_OFFSET(gpr[RAX]), length_size);
		struct value text_length = reg_get(cpu, CPU_OFFSET(gpr[RDX]), length_size);

		o.set_length = explicit_length(&o, set_length, length_size);
		o.text_length = explicit_length(&o, text_length, length_size);
		tag |= set_length.tag | text_length.tag;
	} else {
		o.set_length = implicit_length(&o, set.v);
		o.text_length = implicit_length(&o, text.v);
	}
	result = compare(&o);
	if (to_mask)
		write_mask(cpu, &o, result, tag);
	else
		write_index(cpu, &o, result, tag);
	flags_set_raw(&cpu->flags, (result ? FLAG_CF : 0) | (o.text_length < o.count ? FLAG_ZF : 0) |
					   (o.set_length < o.count ? FLAG_SF : 0) | (result & 1 ? FLAG_OF : 0));
}

/* The instruction, its length registers' size, whether the result is a mask. */
#define STRINGS(X)                                                                                      \
	X(PCMPISTRI, 0, false) X(PCMPESTRI, 4, false) X(PCMPESTRI64, 8, false)                          \
	X(PCMPISTRM, 0, true) X(PCMPESTRM, 4, true) X(PCMPESTRM64, 8, true)

#define DEFINE_STRING(op, length_size, to_mask)                                                         \
	static void op##_register(struct cpu *cpu, const struct insn *insn)                             \
	{                                                                                               \
		compare_strings(cpu, insn, xmm_get(cpu, insn->op2), length_size, to_mask);              \
	}                                                                                               \
	static void op##_memory(struct cpu *cpu, const struct insn *insn)                               \
	{                                                                                               \
		compare_strings(cpu, insn, memory_get_unaligned(cpu, insn), length_size, to_mask);      \
	}                                                                                               \
	SIMPLE(op##_rr, op##_register)                                                                  \
	SIMPLE(op##_rm, op##_memory)
STRINGS(DEFINE_STRING)

#define ROWS(op, length_size, to_mask) XMM_ROWS(op)

const struct op_impl ENGINE(sse_string_impls)[] = {
	STRINGS(ROWS)
	{0},
};
