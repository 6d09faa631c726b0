/*
 * Tags, row by row of the instruction table, against an oracle that knows no instruction: information flow. Where changing one source (a
 * register, a piece of memory) changes a destination, the destination must be tagged when the source was; where it never does, it must not
 * be. Each row runs in its forms and sizes, alone and within a block, by hits and misses of the TLB, and across pages.
 *
 * What does not count as flow (docs/internals.md): flags carry no tags, and so neither does what only they transport; an address
 * tags nothing that is loaded or stored with it; nor does a count of repetitions, or control state. Exceptions to the rule stand in tables.
 */
#include "tests/unit/rig.h"

#include <stdio.h>

#include "emu/decode.h"

/* -- locations that may be tagged -- */

enum {
	GPRS = 0,
	XMMS = GPRS + 16,
	FPUS = XMMS + 16,
	OPERAND = FPUS + 8, /* at rSI: where memory operands lie */
	DESTINATION,        /* at rDI, of string instructions */
	STACK,
	LOCATIONS,
	AREA = 1024,
	SHADOWED = 0x40000,
};

static const uint64_t area_address[] = {RIG_DATA + 0x400, RIG_DATA + 0x2400, RIG_STACK + 0x1000};

enum {
	CROSSING = 3, /* in this trial the operand lies across pages */
	TRIALS = 4,
	MOST_TRIALS = 250, /* where something is tagged of which no flow has been seen yet: rare ones need luck */
};

/* What random values are: any; ordinary as floating-point numbers; small; code addresses. */
enum kind { ANY, FLOATS, SMALL, TARGETS };

struct world {
	struct rig rig;
	struct tlb_client client;
	struct tlb *bank;
	struct cpu_state *initial;
	unsigned random;
	enum kind kind;
	uint32_t mxcsr;
	uint64_t shift; /* added to the areas' addresses */
	uint8_t shadow[SHADOWED];
};

struct values {
	uint64_t gpr[16];
	union xmm xmm[16];
	struct fpu_register fpu[8];
	uint8_t area[3][AREA];
};

struct tags {
	uint8_t of[LOCATIONS];
	uint8_t area[3][AREA];
};

/* An instruction to run. */
struct encoding {
	uint8_t bytes[INSN_MAX_LENGTH + 8];
	struct decoded decoded;
	bool in_block; /* with instructions behind it that overwrite the flags */
	bool same;     /* both register operands are one */
};

static uint32_t next_random(struct world *world)
{
	world->random = world->random * 1103515245 + 12345;
	return world->random >> 8;
}

static uint64_t random_value(struct world *world)
{
	uint64_t high = next_random(world), low = next_random(world);

	switch (world->kind) {
	case FLOATS: /* their halves, too */
		return (0x3f800000 | (high & 0x7fffff)) << 32 | 0x3f800000 | (low & 0x7fffff);
	case SMALL:
		return low & 15;
	case TARGETS:
		return low << 16 ^ high;
	default:
		return high << 40 ^ low << 16 ^ next_random(world);
	}
}

static void randomise(struct world *world, struct values *values, unsigned location)
{
	if (location < XMMS) {
		values->gpr[location] = random_value(world);
	} else if (location < FPUS) {
		values->xmm[location - XMMS].u64[0] = random_value(world);
		values->xmm[location - XMMS].u64[1] = random_value(world);
	} else if (location < OPERAND) {
		values->fpu[location - FPUS].significand = random_value(world) | (world->kind == SMALL ? 0 : 1ull << 63);
		values->fpu[location - FPUS].sign_exponent = (next_random(world) & 0x8000) | (0x3ffc + next_random(world) % 8);
	} else {
		for (unsigned i = 0; i < AREA; i += 8) {
			uint64_t value = random_value(world);

			memcpy(&values->area[location - OPERAND][i], &value, 8);
		}
	}
}

/* -- running one instruction -- */

static enum tlb_fill_status give_shadow(struct tlb_client *client, uint64_t linear, bool write, struct tlb_page *ret_page)
{
	struct world *world = (struct world *)((uint8_t *)client - offsetof(struct world, client));

	(void)write;
	if (linear < SHADOWED)
		ret_page->shadow = world->shadow + (linear & PAGE_MASK);
	return TLB_FILL_TRUSTED;
}

static void open_world(struct world *world, enum rig_mode mode)
{
	memset(world, 0, sizeof(*world));
	rig_init(&world->rig, mode);
	world->random = 1;
	world->client.fill = give_shadow;
	world->bank = aligned_alloc(64, (sizeof(*world->bank) + 63) & ~(size_t)63);
	tlb_init(world->bank);
	world->bank->client = &world->client;
	world->rig.cpu->cr4 |= CR4_FSGSBASE;
	cpu_set_tagged(world->rig.cpu, true);
	cpu_set_supervisor_banks(world->rig.cpu, world->bank, world->bank);
	world->initial = cpu_state_save(world->rig.cpu);
}

static void close_world(struct world *world)
{
	cpu_state_destroy(world->initial);
	rig_deinit(&world->rig);
	free(world->bank);
}

static uint64_t area_at(const struct world *world, unsigned area)
{
	return area_address[area] + world->shift;
}

static void put_state(struct world *world, const struct values *values, const struct tags *tags, uint32_t flags)
{
	struct cpu *cpu = world->rig.cpu;

	memcpy(cpu->gpr, values->gpr, sizeof(values->gpr));
	memcpy(cpu->xmm, values->xmm, sizeof(values->xmm));
	memcpy(cpu->fpu.reg, values->fpu, sizeof(values->fpu));
	memcpy(cpu->gpr_tag, &tags->of[GPRS], 16);
	memcpy(cpu->xmm_tag, &tags->of[XMMS], 16);
	memcpy(cpu->fpu_tag, &tags->of[FPUS], 8);
	for (unsigned i = 0; i < 3; i++) {
		rig_write(&world->rig, area_at(world, i), values->area[i], AREA);
		memcpy(world->shadow + area_at(world, i), tags->area[i], AREA);
	}
	cpu->fpu.top = 4; /* ST(0) to ST(3) are R4 to R7, R0 to R3 are empty */
	cpu->fpu.valid = 0xf0;
	cpu->fpu.status = 0;
	cpu->fpu.control = 0x37f;
	cpu->mxcsr = world->mxcsr;
	cpu->tsc_offset = -cpu_instructions(cpu);
	cpu->eflags = 2;
	cpu_set_eflags(cpu, flags, FLAGS_ARITHMETIC);
	cpu_update_mode(cpu);
	cpu->rip = RIG_CODE;
}

static void get_state(struct world *world, struct values *values, struct tags *tags)
{
	struct cpu *cpu = world->rig.cpu;

	memcpy(values->gpr, cpu->gpr, sizeof(values->gpr));
	memcpy(values->xmm, cpu->xmm, sizeof(values->xmm));
	memcpy(values->fpu, cpu->fpu.reg, sizeof(values->fpu));
	memcpy(&tags->of[GPRS], cpu->gpr_tag, 16);
	memcpy(&tags->of[XMMS], cpu->xmm_tag, 16);
	memcpy(&tags->of[FPUS], cpu->fpu_tag, 8);
	for (unsigned i = 0; i < 3; i++) {
		physmem_copy_out(&world->rig.mem, area_at(world, i), values->area[i], AREA);
		memcpy(tags->area[i], world->shadow + area_at(world, i), AREA);
	}
}

/* False if the instruction raised an exception: there are no handlers, so that ends in a shutdown. */
static bool run(struct world *world, const struct encoding *encoding, uint32_t flags, struct values *values, struct tags *tags)
{
	put_state(world, values, tags, flags);
	if (next_random(world) & 1)
		tlb_flush(world->bank);
	if (rig_run(&world->rig, encoding->in_block ? 3 : 1) != CPU_EXIT_DEADLINE)
		return false;
	get_state(world, values, tags);
	return true;
}

/* -- what the oracle finds -- */

struct flow {
	bool ran[LOCATIONS]; /* by source */
	bool depends[LOCATIONS][LOCATIONS], tagged[LOCATIONS][LOCATIONS], missed[LOCATIONS][LOCATIONS];
	bool byte_written[3][AREA], byte_depends[3][AREA], byte_tagged[3][AREA]; /* of memory on itself */
};

static void tag_location(struct tags *tags, unsigned location)
{
	memset(tags, 0, sizeof(*tags));
	if (location < OPERAND)
		tags->of[location] = TAG_PRODUCT;
	else
		memset(tags->area[location - OPERAND], TAG_PRODUCT, AREA);
}

static bool differs(const struct values *a, const struct values *b, unsigned location)
{
	if (location < XMMS)
		return a->gpr[location] != b->gpr[location];
	if (location < FPUS)
		return memcmp(&a->xmm[location - XMMS], &b->xmm[location - XMMS], 16);
	return memcmp(&a->fpu[location - FPUS], &b->fpu[location - FPUS], 10);
}

/* b: what became of a run with `source` changed. */
static void note_registers(struct flow *flow, unsigned source, const struct values *a, const struct values *b, const struct tags *ta,
			   const struct tags *tb)
{
	for (unsigned to = 0; to < OPERAND; to++) {
		bool tagged = ta->of[to] | tb->of[to];

		flow->tagged[source][to] |= tagged;
		if (!differs(a, b, to))
			continue;
		flow->depends[source][to] = true;
		flow->missed[source][to] |= !tagged;
	}
}

/* Bytes of memory each have their own; of `depends` and `tagged` it is enough that they agree for one byte. */
static void note_memory(struct flow *flow, unsigned source, const struct values *start, const struct values *a, const struct values *b,
			const struct tags *ta, const struct tags *tb)
{
	for (unsigned area = 0; area < 3; area++) {
		for (unsigned i = 0; i < AREA; i++) {
			bool tagged = ta->area[area][i] | tb->area[area][i];

			flow->tagged[source][OPERAND + area] |= tagged;
			if (source == OPERAND + area) {
				flow->byte_tagged[area][i] |= tagged;
				flow->byte_written[area][i] |= start->area[area][i] != a->area[area][i];
			}
			if (a->area[area][i] == b->area[area][i])
				continue;
			if (source == OPERAND + area)
				flow->byte_depends[area][i] = true;
			flow->depends[source][OPERAND + area] = true;
			flow->missed[source][OPERAND + area] |= !tagged;
		}
	}
}

/* The sources that cannot be changed without another location being addressed. */
static bool is_address(const struct decoded *d, unsigned location)
{
	bool memory = d->has_modrm && d->mod != 3 && d->row->op != OP_LEA;
	bool string = (d->row->attributes & A_REP) || d->row->op == OP_MASKMOVQ || d->row->op == OP_MASKMOVDQU;
	bool bit_string = memory && isa_operands[d->row->operand[1]].method == METHOD_G &&
			  (d->row->op == OP_BT || d->row->op == OP_BTS || d->row->op == OP_BTR || d->row->op == OP_BTC);

	switch (location) {
	case RSP:
		return true;
	case RSI:
		return memory || string;
	case RDI:
		return string;
	case RCX:
		return d->rep && (d->row->attributes & A_REP);
	case RBX:
	case RAX:
		return d->row->op == OP_XLAT;
	case RBP:
		return d->row->op == OP_LEAVE || d->row->op == OP_ENTER || bit_string;
	default:
		return false;
	}
}

static bool loads_control_state(const struct decoded *d)
{
	return d->row->op == OP_FLDENV || d->row->op == OP_FRSTOR || d->row->op == OP_FXRSTOR || d->row->op == OP_FXRSTOR64 ||
	       d->row->op == OP_LDMXCSR;
}

/* The control state at the start of the operand: masks set, all registers valid. */
static void put_control_state(struct values *values, const struct decoded *d)
{
	static const uint8_t environment[28] = {0x7f, 3, 0, 0, [4] = 0, 0x20};
	static const uint8_t image[32] = {0x7f, 3, 0, 0x20, 0xff, [24] = 0x80, 0x1f};

	if (!loads_control_state(d))
		return;
	if (d->row->op == OP_LDMXCSR)
		memcpy(values->area[0], "\x80\x1f\0\0", 4);
	else if (d->row->op == OP_FXRSTOR || d->row->op == OP_FXRSTOR64)
		memcpy(values->area[0], image, sizeof(image));
	else if (d->operand_size == 2)
		memcpy(values->area[0], "\x7f\3\0\x20\0\0", 6);
	else
		memcpy(values->area[0], environment, sizeof(environment));
}

/* Quotients that fit, of most divisors. */
static void keep_divisible(const struct decoded *d, struct values *values)
{
	if (d->row->op != OP_DIV && d->row->op != OP_IDIV)
		return;
	values->gpr[RDX] &= 1;
	if (d->operand_size == 1)
		values->gpr[RAX] &= 0x1ff;
}

static void prepare(struct world *world, const struct encoding *encoding, struct values *values)
{
	const struct decoded *d = &encoding->decoded;

	for (unsigned location = 0; location < LOCATIONS; location++)
		randomise(world, values, location);
	values->gpr[RSP] = area_at(world, STACK - OPERAND) + AREA / 2;
	keep_divisible(d, values);
	if (is_address(d, RSI))
		values->gpr[RSI] = area_at(world, 0);
	if (is_address(d, RDI))
		values->gpr[RDI] = area_at(world, 1);
	if (is_address(d, RCX))
		values->gpr[RCX] = 5;
	if (d->row->op == OP_XLAT)
		values->gpr[RBX] = area_at(world, 0);
	if (d->row->op == OP_LEAVE || d->row->op == OP_ENTER)
		values->gpr[RBP] = values->gpr[RSP] + 64;
	else if (is_address(d, RBP))
		values->gpr[RBP] &= 0x7f;
	put_control_state(values, d);
}

static void change(struct world *world, const struct encoding *encoding, struct values *values, unsigned source)
{
	const struct decoded *d = &encoding->decoded;

	if (is_address(d, source))
		return;
	randomise(world, values, source);
	keep_divisible(d, values);
	put_control_state(values, d);
}

/* One trial: a state, and each source in turn changed. */
static void try(struct world *world, const struct encoding *encoding, unsigned trial, struct flow *flow)
{
	bool branches = encoding->decoded.row->attributes & A_END;
	uint32_t flags = next_random(world);
	struct values start;

	world->kind = branches ? TARGETS : trial == CROSSING ? ANY : trial % (SMALL + 1);
	world->shift = trial == CROSSING ? 0xc00 - 3 : 0; /* the areas begin 3 bytes before a page does */
	world->mxcsr = trial & 1 ? 0x1f80 : 0x1d80;       /* with division by zero unmasked other handlers are taken */
	prepare(world, encoding, &start);
	for (unsigned source = 0; source < LOCATIONS; source++) {
		struct values a = start, b = start;
		struct tags ta, tb;

		tag_location(&ta, source);
		tb = ta;
		change(world, encoding, &b, source);
		if (!run(world, encoding, flags, &a, &ta) || !run(world, encoding, flags, &b, &tb))
			continue;
		flow->ran[source] = true;
		note_registers(flow, source, &a, &b, &ta, &tb);
		note_memory(flow, source, &start, &a, &b, &ta, &tb);
	}
}

/* -- judging -- */

static const char *location_name(unsigned location)
{
	static char name[4][16];
	static unsigned next;
	char *at = name[next++ & 3];
	static const char *const areas[] = {"operand", "destination", "stack"};

	if (location < XMMS)
		snprintf(at, sizeof(*name), "gpr%u", location);
	else if (location < FPUS)
		snprintf(at, sizeof(*name), "xmm%u", location - XMMS);
	else if (location < OPERAND)
		snprintf(at, sizeof(*name), "r%u", location - FPUS);
	else
		return areas[location - OPERAND];
	return at;
}

static bool is_gpr(unsigned location)
{
	return location < XMMS;
}

/* Flow by ways that carry no tags. */
static bool may_miss(const struct encoding *encoding, unsigned from, unsigned to)
{
	switch (encoding->decoded.row->op) {
	case OP_CMPS: /* where a repetition ends is what flags say */
	case OP_SCAS:
		return is_gpr(to) && to != RAX;
	case OP_CMPXCHG: /* which way it goes likewise */
		return from == RAX;
	case OP_CMPXCHG8B:
	case OP_CMPXCHG16B:
		return from == RAX || from == RDX;
	case OP_LAR: /* a selector is an address, in the processor's tables */
	case OP_LSL:
		return true;
	case OP_CPUID: /* so is a leaf */
		return from == RAX || from == RCX;
	default:
		return false;
	}
}

/* Tags that are more than there need be. */
static bool may_exceed(const struct encoding *encoding)
{
	switch (encoding->decoded.row->op) {
	case OP_PCMPISTRI: /* one register compared with itself gives what no rule foresees */
	case OP_PCMPISTRM:
	case OP_PCMPESTRI:
	case OP_PCMPESTRI64:
	case OP_PCMPESTRM:
	case OP_PCMPESTRM64:
	case OP_PBLENDVB:
	case OP_BLENDVPS:
	case OP_BLENDVPD:
	case OP_CMPPS:
	case OP_CMPPD:
	case OP_CMPSS:
	case OP_CMPSD:
	case OP_SUBPS:
	case OP_SUBPD:
	case OP_PSADBW:
	case OP_PSADBW_MMX:
	case OP_CRC32:
	case OP_PSRLW_MMX: /* x >> x */
	case OP_PSRLD_MMX:
	case OP_PSRLQ_MMX:
		return encoding->same;
	case OP_CMPXCHG: /* equal ones are rare, and then the accumulator does not matter */
		return true;
	default:
		return false;
	}
}

/* An address register keeps its tag unless something is written to it. */
static bool keeps_address(const struct decoded *d, unsigned location)
{
	return !(d->row->op == OP_LEAVE) && !(d->row->op == OP_ENTER && location == RBP);
}

static const char *verdict(const struct encoding *encoding, const struct flow *flow, unsigned from, unsigned to)
{
	bool address = is_address(&encoding->decoded, from);

	if (!flow->ran[from])
		return NULL;
	if (address)
		return from == to && keeps_address(&encoding->decoded, from) && !flow->tagged[from][to] ? "lost its tag" : NULL;
	if (flow->missed[from][to] && !may_miss(encoding, from, to))
		return "flows, not tagged";
	if (flow->tagged[from][to] && !flow->depends[from][to] && !may_exceed(encoding))
		return "tagged, does not flow";
	return NULL;
}

/* Memory that is written with what does not come from it: what is written depends as a whole, not byte for byte. */
static bool bytes_exceed(const struct flow *flow, unsigned area)
{
	bool tagged = false, depends = false;

	for (unsigned i = 0; i < AREA; i++) {
		tagged |= flow->byte_tagged[area][i] && !flow->byte_depends[area][i];
		depends |= flow->byte_written[area][i] && flow->byte_depends[area][i];
	}
	return tagged && !depends;
}

static void complain(const struct encoding *encoding, unsigned from, unsigned to, const char *what)
{
	printf("%-12s", isa_op_names[encoding->decoded.row->op]);
	for (unsigned i = 0; i < encoding->decoded.length; i++)
		printf(" %02x", encoding->bytes[i]);
	printf("%s: %s -> %s: %s\n", encoding->in_block ? " (block)" : "", location_name(from), location_name(to), what);
}

/* Where memory is not filled with bytes of all values. */
static bool skips_bytes(const struct encoding *encoding)
{
	const struct isa_row *row = encoding->decoded.row;

	return (row->attributes & A_END) || loads_control_state(&encoding->decoded) || row->op == OP_WRFSBASE || row->op == OP_WRGSBASE;
}

/* The number of complaints. */
static unsigned judge(const struct encoding *encoding, const struct flow *flow, bool aloud)
{
	unsigned wrong = 0;

	for (unsigned from = 0; from < LOCATIONS; from++) {
		for (unsigned to = 0; to < LOCATIONS; to++) {
			const char *what = verdict(encoding, flow, from, to);

			if (!what && from == to && from >= OPERAND && !skips_bytes(encoding) && bytes_exceed(flow, from - OPERAND))
				what = "a byte is tagged to which nothing flows";
			if (!what)
				continue;
			wrong++;
			if (aloud)
				complain(encoding, from, to, what);
		}
	}
	return wrong;
}

static unsigned check(struct world *world, const struct encoding *encoding, bool *ret_ran)
{
	struct flow *flow = calloc(1, sizeof(*flow));
	unsigned wrong = 0;

	for (unsigned trial = 0; trial < TRIALS || (trial < MOST_TRIALS && judge(encoding, flow, false)); trial++)
		try(world, encoding, trial, flow);
	wrong = judge(encoding, flow, true);
	*ret_ran |= flow->ran[R15];
	free(flow);
	return wrong;
}

/* -- encodings of a row -- */

struct variant {
	bool memory, wide /* REX.W */, narrow /* 66 */, rex, same /* register twice */, rep;
};

static bool is_comparison(const struct isa_row *row)
{
	return row->op == OP_CMPPS || row->op == OP_CMPPD || row->op == OP_CMPSS || row->op == OP_CMPSD;
}

static bool encode(const struct isa_row *row, enum rig_mode mode, const struct variant *v, const struct isa *isa, struct encoding *ret)
{
	static const uint8_t mandatory[] = {[P_66] = 0x66, [P_F3] = 0xf3, [P_F2] = 0xf2};
	unsigned n = 0, rm = row->attributes >> A_RM_SHIFT & 15, code_size = mode == RIG_LONG ? 8 : 4;
	uint64_t moffs = area_address[0];
	bool has_moffs = isa_operands[row->operand[0]].method == METHOD_O || isa_operands[row->operand[1]].method == METHOD_O;

	memset(ret->bytes, 0, sizeof(ret->bytes));
	if (v->narrow)
		ret->bytes[n++] = 0x66;
	if (v->rep)
		ret->bytes[n++] = 0xf3;
	if (mandatory[row->prefix])
		ret->bytes[n++] = mandatory[row->prefix];
	if (v->wide || v->rex)
		ret->bytes[n++] = v->wide ? 0x48 : 0x40;
	if (row->map != MAP_1)
		ret->bytes[n++] = 0x0f;
	if (row->map > MAP_0F)
		ret->bytes[n++] = row->map == MAP_0F38 ? 0x38 : 0x3a;
	ret->bytes[n++] = row->opcode | (row->attributes & A_PLUS_R ? (rm ? rm - 1 : 5) : row->attributes & A_PLUS_CC ? 4 : 0);
	if (row->mod != M_NONE) {
		unsigned reg = row->reg >= 0 ? (unsigned)row->reg : 5;

		ret->bytes[n++] = (v->memory ? 0 : 0xc0) | reg << 3 | (rm ? rm - 1 : v->memory ? 6 : v->same ? reg : 3);
	}
	if (has_moffs)
		memcpy(ret->bytes + n, &moffs, code_size);
	else
		memcpy(ret->bytes + n, row->map == MAP_0F3A || is_comparison(row) ? "\x11\0\1" : "\3\0\1", 3); /* immediates */
	if (row->op == OP_PALIGNR || row->op == OP_PALIGNR_MMX || (row->op >= OP_PCMPESTRM64 && row->op <= OP_PCMPISTRI))
		ret->bytes[n] = 3;
	return decode(isa, code_size, ret->bytes, INSN_MAX_LENGTH, &ret->decoded) == DECODE_OK && ret->decoded.row == row;
}

/* Puts it at RIG_CODE, with what follows: TEST, which overwrites the flags, and an endless loop. */
static void place(struct world *world, struct encoding *encoding)
{
	memcpy(encoding->bytes + encoding->decoded.length, "\x85\xc0\xeb\xfe", 4);
	rig_write(&world->rig, RIG_CODE, encoding->bytes, encoding->decoded.length + 4);
}

static bool ends_block(const struct isa_row *row)
{
	return row->attributes & (A_END | A_BRANCH);
}

static bool has_type(const struct isa_row *row, enum isa_type type)
{
	for (unsigned i = 0; i < 4; i++)
		if (isa_operands[row->operand[i]].type == type)
			return true;
	return false;
}

/* Whether the variant is possible, and makes a difference. */
static bool is_worth_it(const struct isa_row *row, enum rig_mode mode, const struct variant *v)
{
	bool fixed_size = (row->attributes & (A_X87 | A_MMX | A_SSE)) && !has_type(row, TYPE_y) && !(row->attributes & A_O64);

	if ((v->wide || v->rex) && (mode != RIG_LONG || (v->wide && v->rex)))
		return false;
	if (v->rex && !(row->attributes & A_SIZE8) && !has_type(row, TYPE_b))
		return false;
	if ((v->wide || v->narrow) && fixed_size)
		return false;
	if ((v->same || v->memory) && row->mod == M_NONE)
		return false;
	if (v->same && (v->memory || row->reg >= 0))
		return false;
	return !(v->rep && !(row->attributes & A_REP)) && !(v->narrow && row->prefix != P_ANY);
}

static unsigned check_row(struct world *world, enum rig_mode mode, const struct isa_row *row, bool *ret_ran)
{
	unsigned wrong = 0;

	for (unsigned bits = 0; bits < 64; bits++) {
		struct variant v = {bits & 1, bits & 2, bits & 4, bits & 8, bits & 16, bits & 32};
		struct encoding encoding = {0};

		if (!is_worth_it(row, mode, &v) || !encode(row, mode, &v, world->rig.cpu->isa, &encoding))
			continue;
		for (unsigned in_block = 0; in_block < (ends_block(row) ? 1 : 2); in_block++) {
			encoding.in_block = in_block;
			encoding.same = v.same;
			place(world, &encoding);
			cpu_state_restore(world->rig.cpu, world->initial);
			wrong += check(world, &encoding, ret_ran);
		}
	}
	return wrong;
}

/*
 * Rows that are not run: privileged ones; those that go elsewhere or change what the rig stands on (segments, tables). Their general
 * registers are only sources of control state, but for those that the processor's tables answer, which are constants.
 */
static bool exempt(const struct isa_row *row)
{
	static const uint16_t ops[] = {
		OP_UD0,  OP_UD1,      OP_UD2,      OP_POP_SREG,          OP_MOV_TO_SREG,      OP_LES,  OP_LDS,   OP_LSS,    OP_LFS,
		OP_LGS,  OP_CALL_FAR, OP_JMP_FAR,  OP_RET_FAR,           OP_RET_FAR_N,        OP_IRET, OP_INT,   OP_INT1,   OP_INT3,
		OP_INTO, OP_SYSCALL,  OP_SYSENTER, OP_CALL_FAR_INDIRECT, OP_JMP_FAR_INDIRECT, OP_POPF, OP_RDPMC, OP_XGETBV,
	};

	if (row->attributes & A_CPL0)
		return true;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (row->op == ops[i])
			return true;
	return false;
}

static void test_rows(void **state)
{
	static const enum rig_mode modes[] = {RIG_LONG, RIG_PROT32};
	struct world *world = malloc(sizeof(*world));
	bool *ran = calloc(isa_row_count, sizeof(*ran));
	unsigned wrong = 0, never = 0;

	(void)state;
	for (unsigned m = 0; m < 2; m++) {
		open_world(world, modes[m]);
		for (size_t i = 0; i < isa_row_count; i++)
			if (!exempt(&isa_rows[i]))
				wrong += check_row(world, modes[m], &isa_rows[i], &ran[i]);
		close_world(world);
	}
	for (size_t i = 0; i < isa_row_count; i++)
		if (!ran[i] && !exempt(&isa_rows[i])) {
			never++;
			printf("never ran: %s (map %u, opcode %02x)\n", isa_op_names[isa_rows[i].op], isa_rows[i].map, isa_rows[i].opcode);
		}
	assert_int_equal(never, 0);
	assert_int_equal(wrong, 0);
	free(ran);
	free(world);
}

/* The distance between two stack addresses is none, whoever else had a part in them; nor is it where only one is. */
static void test_stack_differences(void **state)
{
	static const struct {
		const char *code;
		uint8_t a, b, result;
	} rows[] = {
		{"\x48\x29\xcb", TAG_STACK, TAG_STACK, 0}, /* sub rbx, rcx */
		{"\x48\x29\xcb", TAG_STACK, 0, TAG_STACK},
		{"\x48\x29\xcb", 0, TAG_STACK, TAG_STACK},
		{"\x48\x29\xcb", TAG_STACK | TAG_PRODUCT, TAG_STACK, TAG_PRODUCT},
		{"\x48\x29\xcb", TAG_STACK, TAG_PRODUCT, TAG_STACK | TAG_PRODUCT},
		{"\x29\xcb\x90", TAG_STACK, TAG_STACK, 0},                             /* sub ebx, ecx */
		{"\x48\x2b\x1e", TAG_STACK, TAG_STACK, 0},                             /* sub rbx, [rsi] */
		{"\x48\x01\xcb", TAG_STACK, TAG_STACK, TAG_STACK},                     /* add rbx, rcx */
		{"\x48\x83\xeb\x08", TAG_STACK, TAG_STACK, TAG_STACK},                 /* sub rbx, 8 */
		{"\x48\x8d\x1c\x0b", TAG_PRODUCT, TAG_STACK, TAG_STACK | TAG_PRODUCT}, /* lea rbx, [rbx + rcx] */
	};
	struct world *world = malloc(sizeof(*world));
	struct cpu *cpu;

	(void)state;
	open_world(world, RIG_LONG);
	cpu = world->rig.cpu;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cpu->gpr[RSI] = RIG_DATA;
		cpu->gpr_tag[RBX] = rows[i].a;
		cpu->gpr_tag[RCX] = rows[i].b;
		memset(world->shadow + RIG_DATA, rows[i].b, 8);
		rig_code(&world->rig, rows[i].code, 4);
		rig_run(&world->rig, 1);
		assert_int_equal(cpu->gpr_tag[RBX], rows[i].result);
	}
	close_world(world);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_stack_differences)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
