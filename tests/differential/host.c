/* What follows from the traits for single encodings, and the hosts known by name: host.h. */
#include "tests/differential/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "emu/cpu.h"

/* -- hosts by name -- */

/* Traits from here on are the processor's ways; those before are extensions, which no name changes. */
enum { FIRST_WAY = TRAIT_REP_BSF, NAMED_TRAITS = 24 };

/*
 * What is known of them, or imagined: in what they are not as the emulator. The sets are for trying what is made of such a host; a run
 * measures its own.
 */
static const struct {
	const char *name;
	struct {
		uint8_t trait, answer;
	} but[NAMED_TRAITS]; /* ended by TRAIT_SSSE3 (0) */
	struct {
		uint8_t group;
		uint16_t unlike, kept; /* flags that do not follow the rule; those of them that are kept */
	} flags[4];                    /* ended by unlike 0 */
} named[] = {
#define AMD                                                                                                                                \
	{TRAIT_REP_BSF, OTHER}, {TRAIT_REP_BSR, OTHER}, {TRAIT_BRANCH_66, OTHER}, {TRAIT_REP_LOOP, OTHER}, {TRAIT_FAR_64, OTHER},          \
		{TRAIT_MOVSXD_66, OTHER}, {TRAIT_NOP_0D, OTHER}, {TRAIT_SYSRET_32, OTHER}, {TRAIT_SYSEXIT, OTHER},                         \
		{TRAIT_IDLE_FOP, OTHER}, {TRAIT_IDLE_FIP, OTHER}, {TRAIT_IDLE_FDP, OTHER}, {TRAIT_POINTERS_64, OTHER},                     \
		{TRAIT_CALL_LIMIT, OTHER}, {TRAIT_CALL_ORDER, OTHER}, {TRAIT_CALL_STACK, UNKNOWN},                                         \
	{                                                                                                                                  \
		TRAIT_MMX_FAULT, OTHER                                                                                                     \
	}
	{"zen3", {AMD, {TRAIT_CMPS_ORDER, OTHER}}, {{GROUP_BIT_SCAN, FLAGS_ARITHMETIC & ~FLAG_ZF, FLAGS_ARITHMETIC & ~FLAG_ZF}}},
	{"zen4", {AMD, {TRAIT_CMPS_ORDER, OTHER}}, {{0}}},
	{"zen5", {AMD}, {{0}}},
	{"intel",
	 {{TRAIT_REP_BSF, OTHER},
	  {TRAIT_REP_BSR, OTHER},
	  {TRAIT_CVTPI2, OTHER},
	  {TRAIT_PUSH_SEGMENT, OTHER},
	  {TRAIT_POP_SEGMENT, OTHER},
	  {TRAIT_IDLE_FOP, OTHER},
	  {TRAIT_IDLE_FDP, OTHER},
	  {TRAIT_PENDING_FDP, UNKNOWN},
	  {TRAIT_ALIGNMENT, UNKNOWN},
	  {TRAIT_CMPS_ORDER, UNKNOWN},
	  {TRAIT_IMAGE_FAULT, UNKNOWN},
	  {TRAIT_ENTER_FAULT, UNKNOWN}},
	 {{GROUP_MULTIPLY, FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF, 0},
	  {GROUP_DIVIDE, FLAGS_ARITHMETIC, 0},
	  {GROUP_SHIFT, FLAG_AF | FLAG_OF, 0},
	  {GROUP_DOUBLE_SHIFT, FLAG_AF | FLAG_OF, 0}}},
#undef AMD
};

static void take_nothing(struct host *host)
{
	for (unsigned trait = FIRST_WAY; trait < TRAITS; trait++)
		host->answer[trait] = UNKNOWN;
	memset(host->flags, 0, sizeof(host->flags));
}

bool host_pretend(struct host *host, const char *name)
{
	if (strcmp(name, "none") == 0) {
		take_nothing(host);
		return true;
	}
	for (unsigned i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (strcmp(name, named[i].name) != 0)
			continue;
		for (unsigned n = 0; n < NAMED_TRAITS && named[i].but[n].trait; n++)
			host->answer[named[i].but[n].trait] = named[i].but[n].answer;
		for (unsigned n = 0; n < 4 && named[i].flags[n].unlike; n++) {
			host->flags[named[i].flags[n].group].emulated &= ~named[i].flags[n].unlike;
			host->flags[named[i].flags[n].group].kept = named[i].flags[n].kept;
		}
		return true;
	}
	return false;
}

/* -- for people -- */

struct line {
	char *to;
	unsigned size, length;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line->to + line->length, line->size - line->length, format, arguments);
	va_end(arguments);
	line->length += length;
	if (line->length >= line->size)
		line->length = line->size - 1;
}

/* The traits of one answer, flags that are so among them. */
static void add_answers(struct line *line, const struct host *host, const char *title, enum answer answer)
{
	bool any = false;

	for (unsigned trait = 0; trait < TRAITS; trait++) {
		if (host->answer[trait] != answer)
			continue;
		add(line, "%s %s", any ? "" : title, traits[trait].name);
		any = true;
	}
	for (unsigned group = 0; group < FLAG_GROUPS; group++) {
		uint16_t unlike = FLAGS_ARITHMETIC & ~host->flags[group].emulated, kept = unlike & host->flags[group].kept;

		if (answer == OTHER ? !kept : !(unlike & ~kept))
			continue;
		add(line, "%s flags:%s", any ? "" : title, flag_groups[group].name);
		any = true;
	}
}

void host_describe(const struct host *host, char *to, unsigned size)
{
	struct line line = {to, size, 0};

	add(&line, "; as the emulator but for:");
	add_answers(&line, host, "", OTHER);
	add_answers(&line, host, "; not known, so as undefined:", UNKNOWN);
}

/* -- encodings -- */

struct seen {
	unsigned code_size;
	const struct decoded *decoded;
	const uint8_t *bytes;
};

static bool has_prefix(const struct seen *seen, uint8_t prefix)
{
	/* Prefixes and REX before the opcode; a false hit in the opcode only costs a case. */
	for (unsigned i = 0; i < seen->decoded->length && i < 8; i++) {
		if (seen->bytes[i] == prefix)
			return true;
		if (seen->bytes[i] == 0x0f)
			break;
	}
	return false;
}

static uint16_t op(const struct seen *seen)
{
	return seen->decoded->row->op;
}

static bool is_rep_bsf(const struct seen *seen)
{
	return op(seen) == OP_BSF && has_prefix(seen, 0xf3);
}

static bool is_rep_bsr(const struct seen *seen)
{
	return op(seen) == OP_BSR && has_prefix(seen, 0xf3);
}

static bool is_narrow_branch(const struct seen *seen)
{
	const struct isa_row *row = seen->decoded->row;
	bool near_branch = row->attributes & A_F64 && (row->attributes & A_BRANCH || row->op == OP_JMP_INDIRECT ||
						       row->op == OP_CALL_INDIRECT || row->op == OP_RET || row->op == OP_RET_N);

	return near_branch && seen->code_size == 8 && has_prefix(seen, 0x66);
}

static bool is_rep_loop(const struct seen *seen)
{
	return (op(seen) == OP_LOOPE || op(seen) == OP_LOOPNE) && (has_prefix(seen, 0xf3) || has_prefix(seen, 0xf2));
}

static bool is_far_64(const struct seen *seen)
{
	return (op(seen) == OP_LSS || op(seen) == OP_LFS || op(seen) == OP_LGS) && seen->decoded->operand_size == 8;
}

static bool is_movsxd_66(const struct seen *seen)
{
	return op(seen) == OP_MOVSXD && seen->decoded->operand_size == 2;
}

static bool is_sysret_32(const struct seen *seen)
{
	return op(seen) == OP_SYSRET && seen->code_size == 4;
}

static bool is_lahf_64(const struct seen *seen)
{
	return (op(seen) == OP_LAHF || op(seen) == OP_SAHF) && seen->code_size == 8;
}

static bool is_special_register(const struct seen *seen)
{
	return op(seen) == OP_MOV_FROM_CR || op(seen) == OP_MOV_TO_CR || op(seen) == OP_MOV_FROM_DR || op(seen) == OP_MOV_TO_DR;
}

static bool is_cvtpi2_memory(const struct seen *seen)
{
	return (op(seen) == OP_CVTPI2PS || op(seen) == OP_CVTPI2PD) && seen->decoded->mod != 3;
}

/* Which may load FS or GS with a null selector: of several such rows, the one that may also load others. */
static bool is_fs_or_gs_move(const struct seen *seen)
{
	unsigned reg = seen->decoded->reg & 7;

	return op(seen) == OP_MOV_TO_SREG && (reg == SEG_FS || reg == SEG_GS);
}

bool host_differs(const struct host *host, unsigned code_size, const struct decoded *decoded, const uint8_t *bytes)
{
	static const struct {
		enum trait trait;
		bool (*concerns)(const struct seen *seen);
	} encodings[] = {
		{TRAIT_REP_BSF, is_rep_bsf},
		{TRAIT_REP_BSR, is_rep_bsr},
		{TRAIT_BRANCH_66, is_narrow_branch},
		{TRAIT_REP_LOOP, is_rep_loop},
		{TRAIT_FAR_64, is_far_64},
		{TRAIT_MOVSXD_66, is_movsxd_66},
		{TRAIT_SYSRET_32, is_sysret_32},
		{TRAIT_LAHF, is_lahf_64},
		{TRAIT_NO_REGISTER, is_special_register},
		{TRAIT_CVTPI2, is_cvtpi2_memory},
		{TRAIT_NULL_BASE, is_fs_or_gs_move},
	};
	struct seen seen = {code_size, decoded, bytes};

	for (unsigned i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		if (!host_does(host, encodings[i].trait) && encodings[i].concerns(&seen))
			return true;
	}
	return false;
}

/* -- rows -- */

bool is_accessed_in_parts(const struct isa_row *row)
{
	static const uint16_t ops[] = {OP_FNSTENV,  OP_FLDENV,  OP_FNSAVE,    OP_FRSTOR,   OP_FXSAVE,
				       OP_FXSAVE64, OP_FXRSTOR, OP_FXRSTOR64, OP_MASKMOVQ, OP_MASKMOVDQU};

	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (row->op == ops[i])
			return true;
	}
	return false;
}

/* SDM vol. 3A, 6.15, table 6-7 has integers; of other operands only some, and MMX's and SSE's are left to the model. */
bool host_checks_alignment(const struct host *host, const struct isa_row *row)
{
	static const uint16_t segment_ops[] = {OP_LSS, OP_LFS, OP_LGS, OP_LES, OP_LDS, OP_PUSH_SREG, OP_POP_SREG, OP_ENTER};

	if (host_does(host, TRAIT_ALIGNMENT))
		return true;
	for (unsigned i = 0; i < sizeof(segment_ops) / sizeof(segment_ops[0]); i++) {
		if (row->op == segment_ops[i])
			return false;
	}
	return !(row->attributes & (A_X87 | A_MMX | A_SSE));
}

/* The extension that a row of MMX or SSE belongs to; TRAITS: to none that a 64-bit processor may lack. */
static unsigned extension_of(const struct isa_row *row)
{
	bool ssse3 = row->map == MAP_0F38 ? row->opcode <= 0x0b || (row->opcode >= 0x1c && row->opcode <= 0x1e) : row->opcode == 0x0f;

	if (!(row->attributes & (A_SSE | A_MMX)) || (row->map != MAP_0F38 && row->map != MAP_0F3A))
		return TRAITS;
	return ssse3 ? TRAIT_SSSE3 : TRAIT_SSE41;
}

bool host_lacks(const struct host *host, const struct isa_row *row)
{
	static const struct {
		uint16_t op;
		uint8_t trait;
	} ops[] = {
		{OP_POPCNT, TRAIT_POPCNT},     {OP_MOVBE, TRAIT_MOVBE},       {OP_CMPXCHG16B, TRAIT_CX16},   {OP_INVPCID, TRAIT_INVPCID},
		{OP_CRC32, TRAIT_SSE42},       {OP_RDFSBASE, TRAIT_FSGSBASE}, {OP_RDGSBASE, TRAIT_FSGSBASE}, {OP_WRFSBASE, TRAIT_FSGSBASE},
		{OP_WRGSBASE, TRAIT_FSGSBASE}, {OP_SYSEXIT, TRAIT_SYSEXIT},   {OP_LFS, TRAIT_NULL_BASE},     {OP_LGS, TRAIT_NULL_BASE},
		{OP_INS, TRAIT_REP_IO},        {OP_OUTS, TRAIT_REP_IO},
	};
	unsigned extension = extension_of(row);

	if (row->attributes & A_NO64 && !host_does(host, TRAIT_CODE32) && !host_does(host, TRAIT_SEGMENTS))
		return true;
	if (row->op == OP_POP_SREG && row->map == MAP_0F && !host_does(host, TRAIT_NULL_BASE))
		return true;
	if (row->op == OP_NOP && row->opcode == 0x0d)
		return !host_does(host, TRAIT_NOP_0D);
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (row->op == ops[i].op)
			return !host_does(host, ops[i].trait);
	}
	return extension < TRAITS && !(host_does(host, extension) && (extension == TRAIT_SSSE3 || host_does(host, TRAIT_SSE42)));
}
