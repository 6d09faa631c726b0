/*
 * Lowering: from decoded instructions to what the engine executes. Resolves operands to offsets, finds out which flags are dead and
 * where those that are read come from, and picks the handlers from the tables of emu/ops/.
 *
 * Liveness is exact, not a guess: at a block's end and before every instruction that may fault all flags count as read.
 */
#include <stdlib.h>
#include <string.h>

#include "emu/access.h"
#include "emu/block.h"

/* -- operands -- */

static uint16_t gpr_offset(unsigned number)
{
	return CPU_OFFSET(gpr) + number * sizeof(uint64_t);
}

/* Byte registers: without REX, 4-7 are AH, CH, DH, BH. */
static uint16_t gpr8_offset(unsigned number, bool rex)
{
	return !rex && number >= 4 && number < 8 ? gpr_offset(number - 4) + 1 : gpr_offset(number);
}

static uint16_t segment_base_offset(unsigned segment)
{
	return CPU_OFFSET(seg) + segment * sizeof(struct segment) + offsetof(struct segment, base);
}

static uint16_t xmm_offset(unsigned number)
{
	return CPU_OFFSET(xmm) + number * sizeof(union xmm);
}

static uint16_t mmx_offset(unsigned number)
{
	return CPU_OFFSET(fpu) + offsetof(struct fpu, reg) + (number & 7) * sizeof(struct fpu_register);
}

static uint16_t fixed_offset(unsigned operand, const struct decoded *decoded)
{
	switch (operand) {
	case OPN_rCL:
		return gpr_offset(RCX);
	case OPN_rDX:
		return gpr_offset(RDX);
	case OPN_sES:
	case OPN_sCS:
	case OPN_sSS:
	case OPN_sDS:
	case OPN_sFS:
	case OPN_sGS:
		return CPU_OFFSET(seg) + (operand - OPN_sES) * sizeof(struct segment);
	case OPN_ST0:
		return 0;
	case OPN_STi:
		return decoded->rm & 7;
	default:
		return gpr_offset(RAX);
	}
}

/* Kind of an operand and, for registers, its offset. */
static enum operand_kind lower_operand(const struct decoded *decoded, unsigned operand, uint16_t *ret_offset)
{
	const struct isa_operand_info *info = &isa_operands[operand];
	bool byte = info->type == TYPE_b;
	bool in_memory = decoded->has_modrm && decoded->mod != 3 && !(decoded->row->attributes & A_REGISTER);

	switch ((enum isa_method)info->method) {
	case METHOD_none:
		return KIND_NONE;
	case METHOD_I:
	case METHOD_J:
	case METHOD_A:
		return KIND_IMM;
	case METHOD_M:
	case METHOD_O:
	case METHOD_X:
	case METHOD_Y:
		return KIND_MEM;
	case METHOD_G:
		*ret_offset = byte ? gpr8_offset(decoded->reg, decoded->rex) : gpr_offset(decoded->reg);
		return KIND_REG;
	case METHOD_E:
	case METHOD_R:
		if (in_memory)
			return KIND_MEM;
		*ret_offset = byte ? gpr8_offset(decoded->rm, decoded->rex) : gpr_offset(decoded->rm);
		return KIND_REG;
	case METHOD_Z:
		*ret_offset = byte ? gpr8_offset(decoded->opcode_reg, decoded->rex) : gpr_offset(decoded->opcode_reg);
		return KIND_REG;
	case METHOD_S:
		*ret_offset = CPU_OFFSET(seg) + (decoded->reg & 7) * sizeof(struct segment);
		return KIND_REG;
	case METHOD_C:
	case METHOD_D:
		*ret_offset = decoded->reg;
		return KIND_REG;
	case METHOD_V:
		*ret_offset = xmm_offset(decoded->reg);
		return KIND_REG;
	case METHOD_W:
	case METHOD_U:
		if (in_memory)
			return KIND_MEM;
		*ret_offset = xmm_offset(decoded->rm);
		return KIND_REG;
	case METHOD_P:
		*ret_offset = mmx_offset(decoded->reg);
		return KIND_REG;
	case METHOD_Q:
	case METHOD_N:
		if (in_memory)
			return KIND_MEM;
		*ret_offset = mmx_offset(decoded->rm);
		return KIND_REG;
	case METHOD_FIXED:
		*ret_offset = fixed_offset(operand, decoded);
		return KIND_REG;
	}
	return KIND_NONE;
}

static unsigned form_of(const struct decoded *decoded)
{
	uint16_t offset;
	enum operand_kind first = lower_operand(decoded, decoded->row->operand[0], &offset);
	enum operand_kind second = lower_operand(decoded, decoded->row->operand[1], &offset);

	return FORM(first, second);
}

/* Size in bytes by which handlers are chosen: the first operand's; the operand size where it has none or is an immediate. */
static unsigned size_of(const struct decoded *decoded)
{
	unsigned size = decoded->operand_size;
	unsigned method = isa_operands[decoded->row->operand[0]].method;

	if (method == METHOD_I || method == METHOD_J || method == METHOD_A)
		return size;
	switch ((enum isa_type)isa_operands[decoded->row->operand[0]].type) {
	case TYPE_b:
	case TYPE_bs:
		return 1;
	case TYPE_w:
		return 2;
	case TYPE_d:
	case TYPE_ss:
		return 4;
	case TYPE_q:
	case TYPE_sd:
		return 8;
	case TYPE_dq:
	case TYPE_x:
		return 16;
	case TYPE_t:
		return 10;
	case TYPE_z:
		return size > 4 ? 4 : size;
	case TYPE_y:
		return size < 4 ? 4 : size;
	default:
		return size;
	}
}

static bool has_memory_operand(const struct decoded *decoded)
{
	return decoded->has_modrm && decoded->mod != 3 && !(decoded->row->attributes & A_REGISTER);
}

static bool has_method(const struct decoded *decoded, enum isa_method method)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		if (isa_operands[decoded->row->operand[i]].method == method)
			return true;
	return false;
}

/* Whether accesses by way of the segment need no check in this mode. */
static bool segment_unchecked(unsigned segment, uint32_t mode)
{
	switch (segment) {
	case SEG_CS:
		return false; /* never writable */
	case SEG_FS:
		return mode & MODE_FS_UNCHECKED;
	case SEG_GS:
		return mode & MODE_GS_UNCHECKED;
	default:
		return mode & MODE_FLAT;
	}
}

static void lower_segment(unsigned segment, uint32_t mode, struct insn *ret)
{
	bool code64 = (mode >> MODE_CODE_SHIFT & 3) == 3, checked = !code64 && !segment_unchecked(segment, mode);
	bool based = checked || segment == SEG_FS || segment == SEG_GS;

	ret->segment = based ? segment_base_offset(segment) : CPU_OFFSET(zero);
	if (checked)
		ret->bits |= INSN_SLOW_EA;
}

static uint16_t address_register(unsigned number)
{
	if (number == NO_REGISTER)
		return CPU_OFFSET(zero);
	if (number == RIP_REGISTER)
		return CPU_OFFSET(rip);
	return gpr_offset(number);
}

static void lower_memory(const struct decoded *decoded, uint32_t mode, unsigned offset, struct insn *ret)
{
	unsigned native = (mode >> MODE_CODE_SHIFT & 3) == 3 ? 8 : 4;
	int64_t disp = decoded->displacement;

	lower_segment(decoded->segment, mode, ret);
	if (decoded->address_size != native) {
		ret->bits |= INSN_SLOW_EA;
		if (native == 4)
			ret->segment = segment_base_offset(decoded->segment); /* ea_slow() checks outside 64-bit code */
	}
	ret->base = address_register(decoded->base);
	ret->index = address_register(decoded->index);
	ret->scale = decoded->scale;
	if (decoded->base == RIP_REGISTER) {
		disp += offset + decoded->length;
		if (disp > INT32_MAX) { /* cannot have an index: the slot is free */
			disp -= CPU_BIAS;
			ret->index = CPU_OFFSET(bias);
			ret->scale = 0;
		}
	}
	ret->disp = disp;
}

/* MASKMOVQ, MASKMOVDQU: DS:[rDI], as if it were written out. */
static void lower_masked_store(const struct decoded *decoded, uint32_t mode, unsigned offset, struct insn *ret)
{
	struct decoded with_memory = *decoded;

	with_memory.base = RDI;
	lower_memory(&with_memory, mode, offset, ret);
}

/* Implicit stack accesses: what the slow paths need to know of the segment. */
static void lower_stack(uint32_t mode, struct insn *ret)
{
	ret->base = gpr_offset(RSP);
	lower_segment(SEG_SS, mode, ret);
}

static unsigned log2_size(unsigned size)
{
	return size >= 8 ? 3 : size >> 1; /* 1, 2, 4 -> 0, 1, 2 */
}

static bool wide_immediate(const struct decoded *decoded)
{
	return has_method(decoded, METHOD_A) || has_method(decoded, METHOD_O) || decoded->row->op == OP_MOV_IMM64;
}

/*
 * x87 instructions have no immediate; theirs tells what the FPU remembers of each (SDM vol. 1, 8.1.8-8.1.9): bits 0-10 are the FOP (the
 * opcode's low bits and ModRM), bits 16-31 the offset in struct cpu of the selector that goes with a memory operand.
 */
static int32_t x87_opcode(const struct decoded *decoded)
{
	uint32_t fop = (decoded->opcode & 7u) << 8 | decoded->mod << 6 | (decoded->reg & 7) << 3 | (decoded->rm & 7);
	uint32_t selector = CPU_OFFSET(seg) + decoded->segment * sizeof(struct segment) + offsetof(struct segment, selector);

	return (int32_t)(selector << 16 | fop);
}

void lower_operands(const struct decoded *decoded, uint32_t mode, unsigned offset, struct insn *ret)
{
	const struct isa_row *row = decoded->row;

	memset(ret, 0, sizeof(*ret));
	ret->base = ret->index = ret->segment = CPU_OFFSET(zero);
	ret->offset = offset;
	ret->length = decoded->length;
	ret->bits = log2_size(decoded->address_size) << INSN_ADDRESS_SHIFT | log2_size(decoded->operand_size) << INSN_OPERAND_SHIFT |
		    decoded->rep << INSN_REP_SHIFT | (decoded->lock ? INSN_LOCK : 0);
	lower_operand(decoded, row->operand[0], &ret->op1);
	lower_operand(decoded, row->operand[1], &ret->op2);

	if (wide_immediate(decoded)) {
		ret->imm64 = has_method(decoded, METHOD_O)   ? (uint64_t)decoded->displacement
			     : has_method(decoded, METHOD_A) ? (uint32_t)decoded->immediate | decoded->immediate2 << 32
							     : decoded->immediate;
		if (has_method(decoded, METHOD_O))
			lower_segment(decoded->segment, mode, ret);
		return;
	}
	ret->imm = row->op == OP_ENTER ? (int32_t)(decoded->immediate | decoded->immediate2 << 16) : (int32_t)decoded->immediate;
	if (row->attributes & A_X87)
		ret->imm = x87_opcode(decoded);
	if (has_memory_operand(decoded))
		lower_memory(decoded, mode, offset, ret);
	else if (has_method(decoded, METHOD_X) || row->op == OP_XLAT)
		lower_segment(decoded->segment, mode, ret);
	else if (has_method(decoded, METHOD_Y))
		lower_segment(SEG_ES, mode, ret);
	else if (row->op == OP_MASKMOVQ || row->op == OP_MASKMOVDQU)
		lower_masked_store(decoded, mode, offset, ret);
	else if (row->attributes & A_STACK)
		lower_stack(mode, ret);
	if (has_method(decoded, METHOD_X) && has_method(decoded, METHOD_Y) && !segment_unchecked(SEG_ES, mode) &&
	    (mode >> MODE_CODE_SHIFT & 3) != 3) {
		ret->bits |= INSN_SLOW_EA; /* the destination's segment needs checks, so both go that way */
		ret->segment = segment_base_offset(decoded->segment);
	}
}

/* -- handlers -- */

enum engine { ENGINE_PLAIN, ENGINE_TAGS, ENGINE_COUNT };

/* emu/ops/tables.def, read once for each use of the names in it. */
#define IMPLS(name) extern const struct op_impl name##_plain[], name##_tagged[];
#define TRAPPING_IMPLS(name) IMPLS(name)
#define CONDITION_IMPLS(name) extern const struct condition_impl name##_plain[], name##_tagged[];
#include "emu/ops/tables.def"
#undef IMPLS
#undef TRAPPING_IMPLS
#undef CONDITION_IMPLS

#define CONDITION_IMPLS(name)
#define TRAPPING_IMPLS(name)
#define IMPLS(name) name##_plain,
static const struct op_impl *const plain_tables[] = {
#include "emu/ops/tables.def"
	NULL};
#undef IMPLS
#define IMPLS(name) name##_tagged,
static const struct op_impl *const tagged_tables[] = {
#include "emu/ops/tables.def"
	NULL};
#undef IMPLS
#undef TRAPPING_IMPLS
#define IMPLS(name)
#define TRAPPING_IMPLS(name) name##_plain,
static const struct op_impl *const plain_trapping_tables[] = {
#include "emu/ops/tables.def"
	NULL};
#undef TRAPPING_IMPLS
#define TRAPPING_IMPLS(name) name##_tagged,
static const struct op_impl *const tagged_trapping_tables[] = {
#include "emu/ops/tables.def"
	NULL};

static const struct op_impl *const *const impl_tables[ENGINE_COUNT] = {plain_tables, tagged_tables};
static const struct op_impl *const *const trapping_tables[ENGINE_COUNT] = {plain_trapping_tables, tagged_trapping_tables};
static const struct condition_impl *const condition_tables[ENGINE_COUNT] = {condition_impls_plain, condition_impls_tagged};

/* The tables' rows sorted by operation (stably: order within one is theirs): those of op are row[first[op]] .. row[first[op + 1] - 1]. */
struct impl_index {
	uint16_t first[OP_COUNT + 1];
	const struct op_impl **row;
};

struct lowering {
	struct impl_index impls[ENGINE_COUNT], trapping[ENGINE_COUNT];
};

static bool index_tables(const struct op_impl *const *tables, struct impl_index *ret)
{
	const struct op_impl *impl;
	unsigned fill[OP_COUNT] = {0}, total = 0, op, t;

	for (t = 0; tables[t]; t++)
		for (impl = tables[t]; impl->execute; impl++, total++)
			fill[impl->op]++;
	ret->row = calloc(total + 1, sizeof(void *));
	if (!ret->row)
		return false;
	for (op = 0; op < OP_COUNT; op++) {
		ret->first[op + 1] = ret->first[op] + fill[op];
		fill[op] = ret->first[op];
	}
	for (t = 0; tables[t]; t++)
		for (impl = tables[t]; impl->execute; impl++)
			ret->row[fill[impl->op]++] = impl;
	return true;
}

struct lowering *lowering_create(void)
{
	struct lowering *lowering = calloc(1, sizeof(*lowering));
	unsigned engine;

	if (!lowering)
		return NULL;
	for (engine = 0; engine < ENGINE_COUNT; engine++) {
		if (!index_tables(impl_tables[engine], &lowering->impls[engine]) ||
		    !index_tables(trapping_tables[engine], &lowering->trapping[engine])) {
			lowering_destroy(lowering);
			return NULL;
		}
	}
	return lowering;
}

void lowering_destroy(struct lowering *lowering)
{
	unsigned engine;

	if (!lowering)
		return;
	for (engine = 0; engine < ENGINE_COUNT; engine++) {
		free(lowering->impls[engine].row);
		free(lowering->trapping[engine].row);
	}
	free(lowering);
}

static handler_fn *find_impl(const struct impl_index *index, unsigned op, unsigned form, unsigned size, bool flags_dead)
{
	unsigned i;

	for (i = index->first[op]; i < index->first[op + 1]; i++) {
		const struct op_impl *impl = index->row[i];

		if ((impl->form == FORM_ANY || impl->form == form) && (!impl->size || impl->size == size) && impl->flags_dead == flags_dead)
			return impl->execute;
	}
	return NULL;
}

static handler_fn *find_condition(unsigned engine, const struct lowered *lowered, unsigned form, unsigned size)
{
	const struct condition_impl *impl;
	unsigned condition = lowered->decoded.opcode & 15;

	for (impl = condition_tables[engine]; impl->op; impl++) {
		if (impl->op != lowered->decoded.row->op || (impl->form != FORM_ANY && impl->form != form) ||
		    (impl->size && impl->size != size))
			continue;
		if (impl->execute[lowered->producer][condition])
			return impl->execute[lowered->producer][condition];
		return impl->execute[PRODUCER_UNKNOWN][condition];
	}
	return NULL;
}

/* What CR0 and CR4 make of the instruction, or NULL if they let it pass (SDM vol. 3A tables 9-3 and 13-1; AVX not offered). */
static handler_fn *forbidden(const struct isa_row *row, uint32_t mode)
{
	if ((row->attributes & A_SSE) && (mode & MODE_SSE_OFF))
		return raise_sse_off;
	if ((row->attributes & A_MMX) && (mode & MODE_X87_OFF))
		return raise_mmx_off;
	if ((row->attributes & A_X87) && (mode & MODE_X87_OFF))
		return raise_nm;
	return NULL;
}

static handler_fn *choose_handler(const struct lowering *lowering, const struct lowered *lowered, uint32_t mode)
{
	const struct isa_row *row = lowered->decoded.row;
	unsigned engine = mode & MODE_TAGGED ? ENGINE_TAGS : ENGINE_PLAIN;
	unsigned form = form_of(&lowered->decoded), size = size_of(&lowered->decoded);
	unsigned op = row->op;
	handler_fn *found = forbidden(row, mode);

	if (found)
		return found;
	if (row->attributes & A_PLUS_CC)
		return find_condition(engine, lowered, form, size);
	if ((row->attributes & A_SIMD_FP) && (mode & MODE_SIMD_TRAPS))
		found = find_impl(&lowering->trapping[engine], op, form, size, false);
	if (!found && lowered->flags_dead)
		found = find_impl(&lowering->impls[engine], op, form, size, true);
	return found ? found : find_impl(&lowering->impls[engine], op, form, size, false);
}

/* The handler, for the flags knowledge in *lowered. Never NULL: what cannot be executed raises. */
static handler_fn *handler_of(const struct lowering *lowering, const struct lowered *lowered, uint32_t mode)
{
	handler_fn *handler = choose_handler(lowering, lowered, mode);

	return handler ? handler : raise_ud;
}

bool lower_supported(const struct lowering *lowering, const struct decoded *decoded, uint32_t mode)
{
	struct lowered lowered = {.decoded = *decoded};

	return choose_handler(lowering, &lowered, mode) != NULL;
}

/* -- flags over a block -- */

static bool may_fault(const struct decoded *decoded, uint32_t mode)
{
	return !(decoded->row->attributes & A_PURE) || has_memory_operand(decoded) || has_method(decoded, METHOD_O) ||
	       forbidden(decoded->row, mode);
}

/* Whether it writes all the flags that its row says it does: a shift by an immediate leaves them only if its count is 0. */
static bool writes_for_certain(const struct decoded *decoded)
{
	if (!(decoded->row->attributes & A_MAYBE))
		return true;
	return has_method(decoded, METHOD_I) && (decoded->immediate & (decoded->operand_size == 8 ? 63 : 31));
}

static void find_dead_flags(struct lowered *lowered, unsigned count, uint32_t mode)
{
	unsigned live = FLAGS_ARITHMETIC;

	while (count--) {
		const struct isa_row *row = lowered[count].decoded.row;

		lowered[count].flags_dead = row->writes && !(row->writes & live);
		if (writes_for_certain(&lowered[count].decoded))
			live &= ~row->writes;
		live |= row->reads;
		if (may_fault(&lowered[count].decoded, mode))
			live = FLAGS_ARITHMETIC;
	}
}

/* What the flags come from after an instruction that writes them. */
static enum producer producer_of(const struct isa_row *row)
{
	switch (row->op) {
	case OP_CMP:
	case OP_SUB:
	case OP_NEG:
		return PRODUCER_SUB;
	case OP_AND:
	case OP_OR:
	case OP_XOR:
	case OP_TEST:
		return PRODUCER_LOGIC;
	case OP_ADD:
	case OP_ADC:
	case OP_SBB:
	case OP_INC:
	case OP_DEC:
		return PRODUCER_RESULT;
	default:
		return PRODUCER_UNKNOWN;
	}
}

static void find_producers(struct lowered *lowered, unsigned count)
{
	enum producer producer = PRODUCER_UNKNOWN;
	unsigned i;

	for (i = 0; i < count; i++) {
		const struct isa_row *row = lowered[i].decoded.row;

		lowered[i].producer = producer;
		if (row->writes)
			producer = producer_of(row);
	}
}

void lower_block(const struct lowering *lowering, struct lowered *lowered, unsigned count, uint32_t mode, struct insn *out)
{
	unsigned i;

	find_dead_flags(lowered, count, mode);
	find_producers(lowered, count);
	for (i = 0; i < count; i++) {
		out[i] = lowered[i].insn;
		out[i].execute = handler_of(lowering, &lowered[i], mode);
	}
}
