/*
 * String instructions: MOVS CMPS STOS LODS SCAS, alone and repeated (SDM vol. 1, 7.3.9).
 *
 * The source is [rSI] in DS or the segment that a prefix names, the destination [rDI] in ES always; rSI, rDI and the count rCX have the
 * address size. Each iteration is complete in itself: registers (and, for CMPS and SCAS, flags) are written after its memory accesses, so
 * that one that faults leaves the state in which the instruction can be started again.
 *
 * Repeated instructions go by pieces: as many elements as lie within one page of the source and of the destination, where both
 * are plain memory in the TLB and the direction is forward, at the speed of the host's memory; else one element. One
 * execution ends where the count is a multiple of cpu->rep_limit, then the instruction starts again, so that interrupts need not wait: as
 * where it ends depends on the count alone, how many executions it takes does not depend on restarts in between.
 * A count of 0 changes nothing, not even the upper half of RCX.
 */
#include "emu/access.h"
#include "emu/isa/isa.h"
#include "emu/ops/offset.h"

/* What a piece came to. */
struct piece {
	uint64_t done; /* iterations, at least 1 */
	bool ended;    /* CMPS, SCAS: by REPE's or REPNE's condition */
};

/* Does between 1 and `most` iterations of a string instruction with elements of `size` bytes. */
typedef struct piece piece_fn(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t most);

/* -- index registers -- */

ALWAYS_INLINE struct address source_address(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	return (struct address){offset_linear(cpu, insn, insn->segment, cpu->gpr[RSI], size, false), reg_tag(cpu, CPU_OFFSET(gpr[RSI]))};
}

/* ES needs a look only if the segments do at all; it has no base otherwise. */
ALWAYS_INLINE struct address destination_address(struct cpu *cpu, const struct insn *insn, unsigned size, bool write)
{
	uint16_t base = insn->bits & INSN_SLOW_EA ? CPU_OFFSET(seg[SEG_ES].base) : CPU_OFFSET(zero);

	return (struct address){offset_linear(cpu, insn, base, cpu->gpr[RDI], size, write), reg_tag(cpu, CPU_OFFSET(gpr[RDI]))};
}

/* Writes RSI, RDI or RCX in the address size. */
ALWAYS_INLINE void set_index(struct cpu *cpu, const struct insn *insn, enum gpr index, uint64_t value)
{
	uint64_t mask = address_mask(insn);

	if (mask == 0xffff)
		value = (cpu->gpr[index] & ~mask) | (value & mask);
	cpu->gpr[index] = mask == 0xffffffff ? value & mask : value;
}

ALWAYS_INLINE void advance(struct cpu *cpu, const struct insn *insn, enum gpr index, uint64_t bytes)
{
	set_index(cpu, insn, index, cpu->gpr[index] + (cpu->eflags & FLAG_DF ? -bytes : bytes));
}

/* -- pieces: how many elements may be done at once -- */

/* Elements of `size` bytes at linear that end in its page. */
ALWAYS_INLINE uint64_t elements_in_page(uint64_t linear, unsigned size)
{
	return (PAGE_SIZE - (linear & ~PAGE_MASK)) / size;
}

/* No piece of more than one element backwards, under segment checks, or near where the offset wraps around. */
ALWAYS_INLINE bool goes_up(const struct cpu *cpu, const struct insn *insn, enum gpr index)
{
	return !(cpu->eflags & FLAG_DF) && !(insn->bits & INSN_SLOW_EA) &&
	       (cpu->gpr[index] & address_mask(insn)) < address_mask(insn) - PAGE_SIZE;
}

/* Nor, but for STOS, with tags. */
ALWAYS_INLINE bool may_do_many(const struct cpu *cpu, const struct insn *insn, enum gpr index)
{
	return !ENGINE_TAGGED && goes_up(cpu, insn, index);
}

ALWAYS_INLINE uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* -- MOVS -- */

/* Copies count elements one after the other, lowest first: an overlap with to above from repeats what lies between. */
ALWAYS_INLINE void copy_elements(uint8_t *to, const uint8_t *from, uint64_t count, unsigned size)
{
	if ((uint64_t)(to - from) >= count * size) { /* apart, or to below from */
		memmove(to, from, count * size);
		return;
	}
	for (; count; count--, to += size, from += size)
		store_host(to, load_host(from, size), size);
}

ALWAYS_INLINE void move_element(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value value = load(cpu, insn, source_address(cpu, insn, size), size);

	store(cpu, insn, destination_address(cpu, insn, size, true), size, value);
	advance(cpu, insn, RSI, size);
	advance(cpu, insn, RDI, size);
}

ALWAYS_INLINE struct piece move_piece(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t most)
{
	if (may_do_many(cpu, insn, RSI) && may_do_many(cpu, insn, RDI)) {
		uint64_t source = source_address(cpu, insn, size).linear, destination = destination_address(cpu, insn, size, true).linear;
		const uint8_t *from = fast_read(cpu->data, source, size);
		uint8_t *to = fast_write(cpu->data, destination, size);

		if (from && to) {
			most = smaller(most, smaller(elements_in_page(source, size), elements_in_page(destination, size)));
			copy_elements(to, from, most, size);
			advance(cpu, insn, RSI, most * size);
			advance(cpu, insn, RDI, most * size);
			return (struct piece){.done = most};
		}
	}
	move_element(cpu, insn, size);
	return (struct piece){.done = 1};
}

/* -- STOS -- */

ALWAYS_INLINE void fill_elements(uint8_t *to, uint64_t value, uint64_t count, unsigned size)
{
	uint64_t ones = UINT64_MAX / 0xff >> (64 - 8 * size); /* 01 in each byte */

	if (size == 1 || value == (value & 0xff) * ones) {
		memset(to, value, count * size);
		return;
	}
	for (; count; count--, to += size)
		store_host(to, value, size);
}

ALWAYS_INLINE void store_element(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	store(cpu, insn, destination_address(cpu, insn, size, true), size, reg_get(cpu, CPU_OFFSET(gpr[RAX]), size));
	advance(cpu, insn, RDI, size);
}

/* What is beyond the fast path in a client's bank: whole pages that are written for the first time, or whose accesses are counted. */
static __attribute__((noinline)) bool store_stretch(struct cpu *cpu, const struct insn *insn, struct tlb *bank, uint64_t linear,
							    unsigned size, uint64_t count)
{
	struct stretch stretch;

	if (!bank->client || !write_stretch(cpu, insn, bank, linear, count * size, &stretch))
		return false;
	fill_elements(stretch.host, load_host(&cpu->gpr[RAX], size), count, size);
	if (ENGINE_TAGGED && stretch.shadow)
		shadow_set(stretch.shadow, count * size, reg_tag(cpu, CPU_OFFSET(gpr[RAX])));
	if (stretch.traffic)
		stretch.traffic->stores += count;
	advance(cpu, insn, RDI, count * size);
	return true;
}

ALWAYS_INLINE struct piece store_piece(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t most)
{
	if (goes_up(cpu, insn, RDI)) {
		struct address destination = destination_address(cpu, insn, size, true);
		struct tlb *bank = data_bank(cpu, destination);
		uint8_t *to = fast_write(bank, destination.linear, size);

		most = smaller(most, elements_in_page(destination.linear, size));
		if (to) {
			fill_elements(to, load_host(&cpu->gpr[RAX], size), most, size);
			fast_store_tag(bank, destination.linear, most * size, reg_tag(cpu, CPU_OFFSET(gpr[RAX])));
			advance(cpu, insn, RDI, most * size);
			return (struct piece){.done = most};
		}
		if (most > 1 && store_stretch(cpu, insn, bank, destination.linear, size, most))
			return (struct piece){.done = most};
	}
	store_element(cpu, insn, size);
	return (struct piece){.done = 1};
}

/* -- LODS: repeated ones are too rare to hurry -- */

ALWAYS_INLINE void load_element(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	reg_set(cpu, CPU_OFFSET(gpr[RAX]), size, load(cpu, insn, source_address(cpu, insn, size), size));
	advance(cpu, insn, RSI, size);
}

ALWAYS_INLINE struct piece load_piece(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t most)
{
	(void)most;
	load_element(cpu, insn, size);
	return (struct piece){.done = 1};
}

/* -- CMPS and SCAS: the flags are those of first - second -- */

/* Sets the flags; returns whether a repetition ends here. */
ALWAYS_INLINE bool compare(struct cpu *cpu, const struct insn *insn, uint64_t first, uint64_t second, unsigned size)
{
	flags_set(&cpu->flags, FLAGS_SUB, first, second, first - second, size);
	return (first == second) != (insn_rep(insn) == REP_E);
}

ALWAYS_INLINE bool compare_element(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value first = load(cpu, insn, source_address(cpu, insn, size), size); /* of two faults, this one is seen */
	struct value second = load(cpu, insn, destination_address(cpu, insn, size, false), size);

	advance(cpu, insn, RSI, size);
	advance(cpu, insn, RDI, size);
	return compare(cpu, insn, first.v, second.v, size);
}

ALWAYS_INLINE struct piece compare_piece(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t most)
{
	if (may_do_many(cpu, insn, RSI) && may_do_many(cpu, insn, RDI)) {
		uint64_t source = source_address(cpu, insn, size).linear, destination = destination_address(cpu, insn, size, false).linear;
		const uint8_t *first = fast_read(cpu->data, source, size), *second = fast_read(cpu->data, destination, size);
		bool while_equal = insn_rep(insn) == REP_E;
		uint64_t last;

		if (first && second) {
			most = smaller(most, smaller(elements_in_page(source, size), elements_in_page(destination, size)));
			for (last = 0; last < most - 1; last++)
				if ((load_host(first + last * size, size) == load_host(second + last * size, size)) != while_equal)
					break;
			advance(cpu, insn, RSI, (last + 1) * size);
			advance(cpu, insn, RDI, (last + 1) * size);
			return (struct piece){last + 1, compare(cpu, insn, load_host(first + last * size, size),
								load_host(second + last * size, size), size)};
		}
	}
	return (struct piece){1, compare_element(cpu, insn, size)};
}

ALWAYS_INLINE bool scan_element(struct cpu *cpu, const struct insn *insn, unsigned size)
{
	struct value value = load(cpu, insn, destination_address(cpu, insn, size, false), size);

	advance(cpu, insn, RDI, size);
	return compare(cpu, insn, reg_get(cpu, CPU_OFFSET(gpr[RAX]), size).v, value.v, size);
}

ALWAYS_INLINE struct piece scan_piece(struct cpu *cpu, const struct insn *insn, unsigned size, uint64_t most)
{
	uint64_t accumulator = load_host(&cpu->gpr[RAX], size);

	if (may_do_many(cpu, insn, RDI)) {
		uint64_t destination = destination_address(cpu, insn, size, false).linear;
		const uint8_t *from = fast_read(cpu->data, destination, size);
		bool while_equal = insn_rep(insn) == REP_E;
		uint64_t last;

		if (from) {
			most = smaller(most, elements_in_page(destination, size));
			for (last = 0; last < most - 1; last++)
				if ((load_host(from + last * size, size) == accumulator) != while_equal)
					break;
			advance(cpu, insn, RDI, (last + 1) * size);
			return (struct piece){last + 1, compare(cpu, insn, accumulator, load_host(from + last * size, size), size)};
		}
	}
	return (struct piece){1, scan_element(cpu, insn, size)};
}

/* -- repetition -- */

/* The instruction is to be started again: rip is its own, and the instructions of the block that do not follow now are given back. */
static void start_again(struct cpu *cpu, const struct insn *insn)
{
	cpu->rip = (cpu->rip + insn->offset) & cpu->ea_mask;
	cpu->budget += insn->left - 1;
}

/* Nothing of the instruction has happened yet: leaves the run, for whoever has set the allowance. */
static __attribute__((noinline, cold, noreturn)) void end_allowance(struct cpu *cpu, const struct insn *insn)
{
	cpu->current = insn;
	cpu_abandon(cpu, CPU_EXIT_CLIENT);
}

/* Goes on until the count is 0 or the condition ends it: true; or to the next multiple of rep_limit: false, to be started again. */
ALWAYS_INLINE bool repeat(struct cpu *cpu, const struct insn *insn, unsigned size, piece_fn *piece)
{
	uint64_t count = cpu->gpr[RCX] & address_mask(insn), until;
	struct piece result;

	if (unlikely(cpu->rep_allowance <= 0))
		end_allowance(cpu, insn);
	if (!count)
		return true;
	until = count <= cpu->rep_limit ? 0 : (count - 1) / cpu->rep_limit * cpu->rep_limit;
	do {
		result = piece(cpu, insn, size, count - until);
		count -= result.done;
		cpu->rep_allowance -= (int64_t)result.done;
		set_index(cpu, insn, RCX, count);
	} while (count > until && !result.ended);
	if (result.ended || !count)
		return true;
	start_again(cpu, insn);
	return false;
}

/* -- instances: HANDLER(operation, size, element, piece) -- */

#define SIZES(HANDLER, op, element, piece)                                                                                                 \
	HANDLER(op, 1, element, piece) HANDLER(op, 2, element, piece) HANDLER(op, 4, element, piece) HANDLER(op, 8, element, piece)
#define INSTANCES(HANDLER)                                                                                                                 \
	SIZES(HANDLER, MOVS, move_element, move_piece)                                                                                     \
	SIZES(HANDLER, CMPS, compare_element, compare_piece)                                                                               \
	SIZES(HANDLER, STOS, store_element, store_piece)                                                                                   \
	SIZES(HANDLER, LODS, load_element, load_piece)                                                                                     \
	SIZES(HANDLER, SCAS, scan_element, scan_piece)

/* The repetition stands in a function of its own: it would cost the single element its registers. */
#define DEFINE(op, size, element, piece)                                                                                                   \
	static __attribute__((noinline)) bool op##_##size##_repeat(struct cpu *cpu, const struct insn *insn)                               \
	{                                                                                                                                  \
		return repeat(cpu, insn, size, piece);                                                                                     \
	}                                                                                                                                  \
	static const struct insn *op##_##size(struct cpu *cpu, const struct insn *insn)                                                    \
	{                                                                                                                                  \
		if (insn_rep(insn) == REP_NONE)                                                                                            \
			element(cpu, insn, size);                                                                                          \
		else if (!op##_##size##_repeat(cpu, insn))                                                                                 \
			return NULL;                                                                                                       \
		NEXT(cpu, insn);                                                                                                           \
	}
INSTANCES(DEFINE)

#define ROW(op, size, element, piece) {OP_##op, FORM_ANY, size, 0, op##_##size},
const struct op_impl ENGINE(string_impls)[] = {INSTANCES(ROW){0}};
