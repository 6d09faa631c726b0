/*
 * Cases of one instruction, and sequences of 8 to 32: generate.h.
 *
 * What an encoding is, the decoder says: a row is asked for, and what comes out of it may well be another (a random prefix can make one);
 * the
 * case then counts as the row decoded. Sequences keep a few registers as pointers into the data, branch forward only, and call functions
 * within themselves, so that most run to their end.
 */
#include "tests/differential/generate.h"

#include <stdlib.h>
#include <string.h>

#include "emu/cpu.h"
#include "tests/differential/encode.h"
#include "tests/differential/prepare.h"
#include "tests/differential/segments.h"
#include "tests/differential/undefined.h"
#include "util/error.h"

enum { ATTEMPTS = 200, MIN_SEQUENCE = 8 };

static bool is_eligible(const struct generator *generator, const struct isa_row *row, bool wide)
{
	const struct exempt_row *exempt = exempt_find(row);

	if (!wide && !host_does(&generator->host, TRAIT_CODE32) && !host_does(&generator->host, TRAIT_SEGMENTS))
		return false;
	if (row->attributes & (wide ? A_NO64 : A_ONLY64))
		return false;
	if (!wide && row->attributes & A_O64)
		return false;
	if (exempt && exempt->kind == EXEMPT_NEVER_RUN)
		return false;
	if (generator->name && strcmp(generator->name, isa_op_names[row->op]) != 0)
		return false;
	return !host_lacks(&generator->host, row);
}

struct error *generator_init(struct generator *generator)
{
	if (!host_does(&generator->host, TRAIT_CODE32) && generator->mode == 32)
		return error_create("this host's kernel gives programs no 32-bit code segment");
	if (generator->mode == 16 && !host_does(&generator->host, TRAIT_SEGMENTS))
		return error_create("this host's kernel gives programs no 16-bit code segment");
	for (unsigned wide = 0; wide < 2; wide++) {
		generator->eligible[wide] = calloc(isa_row_count, sizeof(uint16_t));
		if (!generator->eligible[wide])
			return error_create("out of memory");
		for (size_t i = 0; i < isa_row_count; i++) {
			if (is_eligible(generator, &isa_rows[i], wide))
				generator->eligible[wide][generator->eligible_count[wide]++] = i;
		}
	}
	if (generator->eligible_count[0] + generator->eligible_count[1] == 0)
		return error_create("no row can be run: %s", generator->name ? generator->name : "the table is empty");
	return NULL;
}

void generator_deinit(struct generator *generator)
{
	free(generator->eligible[0]);
	free(generator->eligible[1]);
}

void generate_image(const struct generator *generator, uint64_t batch, uint8_t *image)
{
	struct random random;

	random_init(&random, generator->seed, ~batch);
	prepare_image(&random, image);
}

static void choose_mode(const struct generator *generator, struct random *random, struct test_case *test)
{
	bool wide = generator->mode == 64 || (generator->mode == 0 && random_percent(random, 60));
	bool segmented = generator->mode == 16; /* by itself until it has run on processors: docs/differential.md */

	wide = (wide && !segmented) || !(segmented || host_does(&generator->host, TRAIT_CODE32));
	if (generator->eligible_count[wide] == 0)
		wide = !wide;
	test->segmented = !wide && segmented;
	test->code_size = wide ? 8 : segmented && random_percent(random, 70) ? 2 : 4;
}

static const struct isa_row *choose_row(const struct generator *generator, struct random *random, unsigned code_size)
{
	bool wide = code_size == 8;

	return &isa_rows[generator->eligible[wide][random_below(random, generator->eligible_count[wide])]];
}

/* A valid encoding (or, with a forbidden LOCK, an invalid one) that the host understands as we do. */
static bool try_encoding(const struct generator *generator, struct random *random, const struct isa_row *row,
			 const struct encode_options *options, struct encoding *encoding, struct decoded *decoded)
{
	const struct exempt_row *exempt;
	enum decode_status status;

	encode_random(random, row, options, encoding);
	memset(decoded, 0, sizeof(*decoded));
	status = decode(generator->isa, options->code_size, encoding->bytes, sizeof(encoding->bytes), decoded);
	if (status != DECODE_OK)
		return false;
	if (generator->name && strcmp(generator->name, isa_op_names[decoded->row->op]) != 0)
		return false;
	exempt = exempt_find(decoded->row);
	return !(exempt && exempt->kind == EXEMPT_NEVER_RUN) && !host_lacks(&generator->host, decoded->row) &&
	       !host_differs(&generator->host, options->code_size, decoded, encoding->bytes);
}

static void choose_offset(struct random *random, struct test_case *test, unsigned length)
{
	unsigned kind = random_below(random, 100);

	if (kind < 5) /* across the page boundary */
		test->offset = 0x1000 - 1 - random_below(random, length);
	else if (kind < 6 && test->count == 1) /* the last bytes of the code pages, and beyond */
		test->offset = CODE_SIZE - 1 - random_below(random, length);
	else
		test->offset = 0x100 + random_below(random, CODE_SIZE - 0x200 - MAX_CODE);
}

/* The jump to the exit: far with segments of the LDT, whose code cannot reach it otherwise. */
static void add_exit(struct test_case *test)
{
	static const uint8_t far[] = {0x66, 0xea, EXIT64 & 0xff, EXIT64 >> 8 & 0xff, EXIT64 >> 16 & 0xff, EXIT64 >> 24, SELECTOR_CODE64, 0};
	unsigned prefix = test->code_size == 2 ? 0 : 1;
	int32_t distance;

	if (test->segmented) {
		memcpy(test->code + test->length, far + prefix, sizeof(far) - prefix);
		test->length += sizeof(far) - prefix;
		return;
	}
	test->code[test->length++] = 0xe9;
	distance = exit_address(test) - (CODE_BASE + test->offset + test->length + 4);
	memcpy(test->code + test->length, &distance, 4);
	test->length += 4;
}

void generate_assemble(struct test_case *test)
{
	uint16_t start[MAX_INSTRUCTIONS + 1];

	test->length = 0;
	for (unsigned i = 0; i < test->count; i++) {
		start[i] = test->length;
		memcpy(test->code + test->length, test->instruction[i].bytes, test->instruction[i].length);
		test->length += test->instruction[i].length;
	}
	start[test->count] = test->length;
	for (unsigned i = 0; i < test->count; i++) {
		const struct instruction *insn = &test->instruction[i];
		int32_t distance = start[insn->target] - start[i + 1];

		if (insn->relative)
			memcpy(test->code + start[i + 1] - insn->relative, &distance, insn->relative);
	}
	add_exit(test);
	if (test->offset + test->length > CODE_SIZE)
		test->length = CODE_SIZE - test->offset;
}

static void set_instruction(struct instruction *insn, const struct encoding *encoding, const struct decoded *decoded)
{
	memset(insn, 0, sizeof(*insn));
	memcpy(insn->bytes, encoding->bytes, decoded->length);
	insn->length = decoded->length;
	insn->row = decoded->row - isa_rows;
	insn->operand_size = decoded->operand_size;
}

/* How many bytes of displacement a direct branch ends with; 0: it is none. */
static unsigned branch_bytes(const struct decoded *decoded)
{
	if (!(decoded->row->attributes & A_BRANCH))
		return 0;
	if (isa_operands[decoded->row->operand[0]].type == TYPE_b)
		return 1;
	return decoded->operand_size == 2 ? 2 : 4;
}

/*
 * Zen 5 copies wrongly with REP MOVS and 16-bit addresses where source and destination overlap by less than a vector and the upper halves
 * of ESI and EDI are not 0: it copies what it has overwritten before. An instruction or a few would not show that it does not.
 */
static bool is_miscopied(const struct decoded *decoded)
{
	return decoded->row->op == OP_MOVS && decoded->address_size == 2;
}

/* Without FSGSBASE only null selectors come with bases, and those are of use in 64-bit code alone. */
static void limit_bases(const struct generator *generator, struct test_case *test)
{
	struct state *state = &test->before;

	if (host_does(&generator->host, TRAIT_FSGSBASE) || test->segmented)
		return;
	if (test->code_size == 8)
		state->selector[SEG_FS] = state->selector[SEG_GS] = 0;
	else
		state->fs_base = state->gs_base = 0;
}

/* -- one instruction -- */

/* A branch goes to the end or to INT3s around the code, seldom anywhere else; never into itself. */
static void aim_branch(struct random *random, const struct test_case *test, struct instruction *insn, unsigned size)
{
	bool at_edge = test->offset < 0x100 || test->offset > CODE_SIZE - 0x200;
	int64_t distance = 0;

	if (size == 0)
		return;
	if (!at_edge && random_percent(random, 60))
		distance = random_percent(random, 50) ? 8 + (int)random_below(random, 100) : -20 - (int)random_below(random, 100);
	if (distance && size > 1 && random_percent(random, 50))
		distance = (int64_t)random_below(random, test->offset - 32u) - test->offset;
	if (distance && size == 4 && random_percent(random, 5))
		distance = (int32_t)random_bits(random);
	memcpy(insn->bytes + insn->length - size, &distance, size);
}

static void generate_single(const struct generator *generator, struct random *random, struct test_case *test)
{
	struct encode_options options = {.code_size = test->code_size};
	struct preparation p = {.random = random, .test = test};
	struct instruction *insn = &test->instruction[0];
	struct encoding encoding;
	struct decoded decoded;
	unsigned attempts = 0;

	while (!try_encoding(generator, random, choose_row(generator, random, test->code_size), &options, &encoding, &decoded)) {
		if (++attempts == ATTEMPTS)
			return;
	}
	test->count = 1;
	set_instruction(insn, &encoding, &decoded);
	choose_offset(random, test, decoded.length);
	if (decoded.row->op == OP_UD0 || decoded.row->op == OP_UD1) /* not all processors fetch a ModRM byte for these */
		test->offset &= 0xeff;
	prepare_registers(random, test, false);
	limit_bases(generator, test);
	segment_fit_code(random, test, decoded.length);
	if (is_accessed_in_parts(decoded.row) || decoded.row->op == OP_BOUND || !host_checks_alignment(&generator->host, decoded.row))
		test->before.rflags &= ~(uint64_t)FLAG_AC;
	if ((decoded.row->op == OP_PUSH_SREG && !host_does(&generator->host, TRAIT_PUSH_SEGMENT)) ||
	    (decoded.row->op == OP_POP_SREG && !host_does(&generator->host, TRAIT_POP_SEGMENT)))
		test->before.gpr[RSP] &= ~7ull;
	test->before.rip = CODE_BASE + test->offset - segment_base(test, SEG_CS);
	p.decoded = &decoded;
	p.bytes = insn->bytes;
	prepare_memory(&p, &encoding, test->before.rip);
	prepare_operation(&p);
	if (is_miscopied(&decoded)) {
		test->before.gpr[RSI] &= 0xffff;
		test->before.gpr[RDI] &= 0xffff;
	}
	segment_fit_stack(test);
	aim_branch(random, test, insn, branch_bytes(&decoded));
	generate_assemble(test);
	decode(generator->isa, test->code_size, insn->bytes, insn->length, &decoded);
	test->operand = decoded.has_modrm && decoded.mod != 3 ? prepare_operand(test, &decoded) : 0;
	if (prepare_wraps(test, &decoded) || prepare_splits_lock(test, &decoded))
		test->count = 0;
}

/* -- sequences -- */

static bool fits_sequence(struct random *random, const struct isa_row *row)
{
	static const uint16_t unfit[] = {OP_ENTER, OP_BOUND, OP_CLFLUSH, OP_FLDCW, OP_CALL, OP_WRFSBASE, OP_WRGSBASE, OP_POPA};

	if (row->attributes & (A_END | A_CPL0) || exempt_find(row) || is_accessed_in_parts(row))
		return false;
	for (unsigned i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
		if (row->op == unfit[i])
			return false;
	}
	if ((row->op == OP_DIV || row->op == OP_IDIV || row->op == OP_LEAVE) && !random_percent(random, 20))
		return false;
	if (row->attributes & (A_X87 | A_MMX | A_SSE) &&
	    !random_percent(random, 30)) /* general instructions are what sequences are about */
		return false;
	return true;
}

/* SSE's 16-byte operands want alignment; the pointers have it. */
static void align_displacement(const struct decoded *decoded, struct encoding *encoding)
{
	if (decoded->row->attributes & A_SSE && encoding->displacement_size)
		encoding->bytes[encoding->displacement_at] &= 0xf0;
}

static bool add_instruction(const struct generator *generator, struct random *random, struct test_case *test, uint64_t *at)
{
	struct encode_options options = {.code_size = test->code_size, .in_sequence = true};
	const struct isa_row *row = choose_row(generator, random, test->code_size);
	struct instruction *insn = &test->instruction[test->count];
	struct encoding encoding;
	struct decoded decoded;

	if (!fits_sequence(random, row) || !try_encoding(generator, random, row, &options, &encoding, &decoded) ||
	    !fits_sequence(random, decoded.row))
		return false;
	if (prepare_is_locked(&decoded) &&
	    (decoded.base < 16 || decoded.index < 16 || decoded.segment == SEG_FS || decoded.segment == SEG_GS))
		return false;
	align_displacement(&decoded, &encoding);
	prepare_displacement(random, test, &decoded, &encoding, encoding.bytes, *at);
	set_instruction(insn, &encoding, &decoded);
	if (!undefined_fits(&generator->host, test, insn) || is_miscopied(&decoded))
		return false;
	insn->relative = branch_bytes(&decoded);
	insn->target = test->count + 1 + random_below(random, 7);
	*at += insn->length;
	test->count++;
	return true;
}

static void add_fixed(const struct generator *generator, struct test_case *test, const char *bytes, unsigned length, unsigned relative,
		      unsigned target, uint64_t *at)
{
	struct encoding encoding = {0};
	struct decoded decoded;

	memcpy(encoding.bytes, bytes, length);
	if (test->count == MAX_INSTRUCTIONS ||
	    decode(generator->isa, test->code_size, encoding.bytes, sizeof(encoding.bytes), &decoded) != DECODE_OK)
		return;
	set_instruction(&test->instruction[test->count], &encoding, &decoded);
	test->instruction[test->count].relative = relative;
	test->instruction[test->count].target = target;
	test->count++;
	*at += length;
}

/* CALL f; JMP after; f: ...; RET; after: */
static void add_function(const struct generator *generator, struct random *random, struct test_case *test, uint64_t *at)
{
	unsigned call = test->count, body = 1 + random_below(random, 4), tries = 0, relative = test->code_size == 2 ? 2 : 4;

	add_fixed(generator, test, "\xe8\0\0\0", 1 + relative, relative, call + 2, at);
	add_fixed(generator, test, "\xeb", 2, 1, call + 3 + body, at);
	while (test->count < call + 2 + body && ++tries < ATTEMPTS)
		add_instruction(generator, random, test, at);
	add_fixed(generator, test, "\xc3", 1, 0, 0, at);
	test->instruction[call + 1].target = test->count;
}

static void generate_sequence(const struct generator *generator, struct random *random, struct test_case *test)
{
	unsigned wanted = MIN_SEQUENCE + random_below(random, MAX_INSTRUCTIONS - MIN_SEQUENCE + 1), attempts = 0;
	uint64_t at;

	test->count = 0;
	choose_offset(random, test, 100);
	at = CODE_BASE + test->offset;
	while (test->count < wanted && ++attempts < 50 * ATTEMPTS) {
		if (!generator->name && test->count + 8u < wanted && random_percent(random, 1))
			add_function(generator, random, test, &at);
		else
			add_instruction(generator, random, test, &at);
	}
	for (unsigned i = 0; i < test->count; i++) {
		if (test->instruction[i].target > test->count)
			test->instruction[i].target = test->count;
	}
	prepare_registers(random, test, true);
	limit_bases(generator, test);
	test->before.rip = CODE_BASE + test->offset - segment_base(test, SEG_CS);
	if (test->count)
		generate_assemble(test);
}

void generate_case(const struct generator *generator, uint64_t number, struct test_case *ret)
{
	struct random random;

	random_init(&random, generator->seed, number);
	ret->number = number;
	ret->count = 0;
	ret->patches = 0;
	ret->operand = 0;
	ret->skip = false;
	choose_mode(generator, &random, ret);
	if (random_percent(&random, generator->sequences))
		generate_sequence(generator, &random, ret);
	else
		generate_single(generator, &random, ret);
}
