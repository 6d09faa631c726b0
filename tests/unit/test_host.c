/*
 * The differential harness and processors that are not here: what is compared with an imagined one, what is excused, what is not made. The
 * emulator must be what the tables say of it.
 */
#include "rig.h"

#include "emu/isa/isa.h"

#include "tests/differential/compare.h"
#include "tests/differential/emulate.h"
#include "tests/differential/generate.h"
#include "tests/differential/measure.h"
#include "tests/differential/native.h"
#include "tests/differential/prepare.h"
#include "tests/differential/undefined.h"

static uint8_t zeros[IMAGE_SIZE];

static struct emulator *make_emulator(void)
{
	uint64_t ldt[SEGMENT_ROWS];
	struct emulator *emulator;

	segment_descriptors(ldt);
	assert_null(emulator_create(false, 0, true, ldt, &emulator));
	emulator_load(emulator, zeros);
	return emulator;
}

static void show_found(const struct probe *probe, const struct outcome *outcome)
{
	struct finding found = probe_found(probe, outcome);

	print_error("%s:", traits[probe->trait].name);
	for (unsigned i = 0; i < probe->length; i++)
		print_error(" %02x", (uint8_t)probe->code[i]);
	print_error(": vector %d, %#lx; by the table %d, %#lx\n", found.vector, found.value, probe->emulated.vector, probe->emulated.value);
}

/* Every probe ends as `emulated` says: else a host that does as the emulator would be taken as one that does not, and be excused. */
static void test_probes(void **state)
{
	struct emulator *emulator = make_emulator();
	unsigned wrong = 0;

	(void)state;
	for (unsigned i = 0; i < probe_count; i++) {
		struct outcome outcome;
		struct test_case test;

		probe_prepare(&probes[i], true, &test);
		emulator_run(emulator, &test, &outcome);
		if (probe_judge(&probes[i], &outcome) == EMULATED)
			continue;
		show_found(&probes[i], &outcome);
		wrong++;
	}
	emulator_destroy(emulator);
	assert_int_equal(wrong, 0);
}

static void test_rules(void **state)
{
	struct emulator *emulator = make_emulator();
	unsigned wrong = 0;

	(void)state;
	for (unsigned i = 0; i < flag_probe_count * FLAG_VECTORS; i++) {
		const struct flag_probe *probe = &flag_probes[i / FLAG_VECTORS];
		struct outcome outcome;
		struct test_case test;
		uint64_t expected;

		flag_probe_prepare(probe, i % FLAG_VECTORS, true, &test);
		emulator_run(emulator, &test, &outcome);
		expected = flag_probe_expected(probe, &test);
		if (outcome.kind == OUTCOME_END && !((outcome.after.rflags ^ expected) & probe->undefined))
			continue;
		print_error("%s %02x %02x, size %u: kind %u, of %#lx, %#lx, %#lx with %#lx: %#lx, by the rule %#lx\n",
			    flag_groups[probe->group].name, test.code[0], test.code[1], probe->size, outcome.kind, test.before.gpr[RAX],
			    test.before.gpr[RCX], test.before.gpr[RDX], test.before.rflags, outcome.after.rflags & probe->undefined,
			    expected & probe->undefined);
		wrong++;
	}
	emulator_destroy(emulator);
	assert_int_equal(wrong, 0);
}

/* -- imagined hosts -- */

static struct host imagine(const char *name)
{
	struct host host = {0};

	memset(host.answer, EMULATED, sizeof(host.answer));
	for (unsigned i = 0; i < FLAG_GROUPS; i++)
		host.flags[i].emulated = FLAGS_ARITHMETIC;
	assert_true(host_pretend(&host, name));
	return host;
}

/* A case of one instruction, decoded, and what the emulator makes of it. */
struct trial {
	struct isa *isa;
	struct emulator *emulator;
	struct test_case test;
	struct decoded decoded;
	struct outcome native, emulated;
};

static void try(struct trial *t, const struct probe *probe)
{
	struct instruction *insn = &t->test.instruction[0];

	if (!t->isa) {
		t->isa = isa_create();
		t->emulator = make_emulator();
	}
	probe_prepare(probe, true, &t->test);
	memset(&t->decoded, 0, sizeof(t->decoded));
	assert_int_equal(decode(t->isa, t->test.code_size, insn->bytes, sizeof(insn->bytes), &t->decoded), DECODE_OK);
	insn->row = (uint16_t)(t->decoded.row - isa_rows);
	insn->operand_size = t->decoded.operand_size;
	t->test.operand = t->decoded.has_modrm && t->decoded.mod != 3 ? prepare_operand(&t->test, &t->decoded) : 0;
	emulator_run(t->emulator, &t->test, &t->emulated);
	t->native = t->emulated;
}

static void end(struct trial *t)
{
	emulator_destroy(t->emulator);
	isa_destroy(t->isa);
}

/* What differs when that host's outcome is t->native. */
static uint64_t differs(const struct trial *t, const char *name)
{
	struct host host = imagine(name);

	return compare_outcomes(&host, &t->test, zeros, &t->native, &t->emulated);
}

#define CODE(bytes) .length = sizeof(bytes) - 1, .code = (bytes)

/* BSF: Zen 4 follows Zen 5's rule; Zen 3 must have kept its flags; of an unknown host nothing is expected. */
static void test_bit_scan(void **state)
{
	static const struct probe bsf = {CODE("\x0f\xbc\xc1"), .rcx = 8, .rflags = FLAG_CF | FLAG_SF};
	struct trial t = {0};

	(void)state;
	try(&t, &bsf);
	assert_int_equal(differs(&t, "zen4"), 0);
	assert_int_equal(differs(&t, "zen3"), DIFFERS_RFLAGS);
	assert_int_equal(differs(&t, "intel"), 0);
	t.native.after.rflags = t.test.before.rflags;
	assert_int_equal(differs(&t, "zen4"), DIFFERS_RFLAGS);
	assert_int_equal(differs(&t, "zen3"), 0);
	assert_int_equal(differs(&t, "none"), 0);
	t.native.after.rflags ^= FLAG_ZF; /* which is defined */
	assert_int_equal(differs(&t, "none"), DIFFERS_RFLAGS);
	end(&t);
}

static void test_cmps(void **state)
{
	static const struct probe cmps = {CODE("\xa6"), .rsi = DATA_BASE - 0x800, .rdi = STACK_BASE - 0x800};
	struct trial t = {0};

	(void)state;
	try(&t, &cmps);
	assert_int_equal(t.emulated.cr2, cmps.rsi);
	t.native.cr2 = cmps.rdi;
	assert_int_equal(differs(&t, "zen5"), DIFFERS_CR2);
	assert_int_equal(differs(&t, "zen4"), 0);
	assert_int_equal(differs(&t, "intel"), 0);
	t.native.cr2 = cmps.rdi + 0x1000; /* no operand of its */
	assert_int_equal(differs(&t, "zen4"), DIFFERS_CR2);
	end(&t);
}

static void test_flags(void **state)
{
	static const struct probe mul = {CODE("\xf7\xe1"), .rax = 3, .rcx = 5}, and = {CODE("\x21\xc8"), .rax = 3, .rcx = 5};
	struct trial t = {0};

	(void)state;
	try(&t, &mul);
	t.native.after.rflags ^= FLAG_SF;
	assert_int_equal(differs(&t, "zen5"), DIFFERS_RFLAGS);
	assert_int_equal(differs(&t, "intel"), 0);
	t.native.after.rflags ^= FLAG_CF;
	assert_int_equal(differs(&t, "intel"), DIFFERS_RFLAGS);
	try(&t, &and);
	t.native.after.rflags ^= FLAG_AF;
	assert_int_equal(differs(&t, "intel"), DIFFERS_RFLAGS); /* flags are known one by one */
	assert_int_equal(differs(&t, "none"), 0);
	end(&t);
}

/* Intel's newer ones write a word. */
static void test_push_segment(void **state)
{
	static const struct probe push = {CODE("\x0f\xa0")};
	struct trial t = {0};

	(void)state;
	try(&t, &push);
	assert_int_equal(t.emulated.changes, 1);
	t.native.change[0].value |= 0x1234567800000000;
	assert_int_equal(differs(&t, "zen5"), DIFFERS_MEMORY);
	assert_int_equal(differs(&t, "intel"), 0);
	t.native.change[0].value ^= 1;
	assert_int_equal(differs(&t, "intel"), DIFFERS_MEMORY);
	end(&t);
}

/* FOP, FIP and FDP: Zen's are there for a pending exception only, the imagined Intel's FIP always and its FOP for an exception. */
static void test_pointers(void **state)
{
	static const struct probe idle = {CODE("\xd9\xe8")}, pending = {CODE("\x90"), .fcw = 0x37e, .fsw = 0x8081};
	struct trial t = {0};

	(void)state;
	try(&t, &idle);
	t.native.after.fx[FX_FIP] ^= 1;
	assert_int_equal(differs(&t, "zen5"), 0);
	assert_int_equal(differs(&t, "intel"), DIFFERS_FIP);
	assert_int_equal(differs(&t, "none"), 0);
	try(&t, &pending);
	t.native.after.fx[FX_FOP] ^= 1;
	t.native.after.fx[FX_FDP] ^= 1;
	assert_int_equal(differs(&t, "zen5"), DIFFERS_FOP | DIFFERS_FDP);
	assert_int_equal(differs(&t, "intel"), DIFFERS_FOP);
	end(&t);
}

static void test_condition(void **state)
{
	static const struct probe fadd = {CODE("\xd8\xc1"), .ftw = 0xff}, fcom = {CODE("\xd8\xd1"), .ftw = 0xff};
	struct trial t = {0};

	(void)state;
	try(&t, &fadd);
	t.native.after.fx[FX_FSW + 1] ^= 1; /* C0 */
	assert_int_equal(differs(&t, "zen5"), DIFFERS_FSW);
	assert_int_equal(differs(&t, "none"), 0);
	t.native.after.fx[FX_FSW + 1] ^= 2; /* C1 */
	assert_int_equal(differs(&t, "none"), DIFFERS_FSW);
	try(&t, &fcom);
	t.native.after.fx[FX_FSW + 1] ^= 1;
	assert_int_equal(differs(&t, "none"), DIFFERS_FSW);
	end(&t);
}

/* Kernels with 5-level paging, and those with LASS. */
static void test_addresses(void **state)
{
	static const struct probe between = {CODE("\x48\x8b\x06"), .rsi = 1ull << 50},
				  upper = {CODE("\x48\x8b\x06"), .rsi = 0xffff900000000000};
	struct trial t = {0};

	(void)state;
	try(&t, &between);
	assert_int_equal(t.emulated.vector, VECTOR_GP);
	t.native.vector = VECTOR_PF;
	t.native.cr2 = between.rsi;
	t.native.error_code = 4;
	assert_int_equal(differs(&t, "zen5"), DIFFERS_OUTCOME);
	assert_int_equal(differs(&t, "none"), 0);
	t.native.cr2 = DATA_BASE;
	assert_int_equal(differs(&t, "none"), DIFFERS_OUTCOME);
	try(&t, &upper);
	assert_int_equal(t.emulated.vector, VECTOR_PF);
	t.native.vector = VECTOR_GP;
	assert_int_equal(differs(&t, "zen5"), DIFFERS_OUTCOME);
	assert_int_equal(differs(&t, "none"), 0);
	end(&t);
}

/* Encodings that mean something else there are not made. */
static void test_encodings(void **state)
{
	static const struct {
		struct probe probe;
		bool zen, intel;
	} cases[] = {
		{{CODE("\x66\xeb\x00")}, true, false},     {{CODE("\xeb\x00")}, false, false},
		{{CODE("\x48\x0f\xb4\x06")}, true, false}, {{CODE("\x0f\xb4\x06")}, false, false},
		{{CODE("\x66\x63\x06")}, true, false},     {{CODE("\xf3\xe0\x00")}, true, false},
		{{CODE("\xf3\x0f\xbc\xc1")}, true, true},  {{CODE("\x0f\x2a\x06")}, false, true},
		{{CODE("\x0f\x2a\xc1")}, false, false},    {{.code32 = true, CODE("\x0f\x07")}, true, false},
	};
	struct host zen = imagine("zen4"), intel = imagine("intel"), none = imagine("none");
	struct trial t = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct test_case *test = &t.test;
		const uint8_t *bytes = t.test.instruction[0].bytes;

		try(&t, &cases[i].probe);
		assert_int_equal(host_differs(&zen, test->code_size, &t.decoded, bytes), cases[i].zen);
		assert_int_equal(host_differs(&intel, test->code_size, &t.decoded, bytes), cases[i].intel);
		assert_int_equal(host_differs(&none, test->code_size, &t.decoded, bytes), cases[i].zen || cases[i].intel);
	}
	try(&t, &(struct probe){CODE("\x0f\x0d\xc0")});
	assert_true(host_lacks(&zen, t.decoded.row));
	assert_false(host_lacks(&intel, t.decoded.row));
	try(&t, &(struct probe){CODE("\x0f\x10\x06")}); /* MOVUPS under EFLAGS.AC */
	assert_true(host_checks_alignment(&zen, t.decoded.row));
	assert_false(host_checks_alignment(&intel, t.decoded.row));
	end(&t);
}

/* What is not known does not spread: LAHF reads what MUL leaves undefined, CMC does not. */
static void test_sequences(void **state)
{
	static const struct probe mul = {CODE("\xf7\xe1")}, lahf = {CODE("\x9f")}, cmc = {CODE("\xf5")}, push = {CODE("\x0f\xa0")};
	struct host zen = imagine("zen5"), intel = imagine("intel");
	struct test_case sequence;
	struct trial t = {0};

	(void)state;
	try(&t, &mul);
	sequence = t.test;
	try(&t, &lahf);
	assert_true(undefined_fits(&zen, &sequence, &t.test.instruction[0]));
	assert_false(undefined_fits(&intel, &sequence, &t.test.instruction[0]));
	try(&t, &cmc);
	assert_true(undefined_fits(&intel, &sequence, &t.test.instruction[0]));
	try(&t, &push);
	assert_true(undefined_fits(&zen, &sequence, &t.test.instruction[0]));
	assert_false(undefined_fits(&intel, &sequence, &t.test.instruction[0]));
	end(&t);
}

/* -- measuring -- */

/* A processor that is the emulator but for CMPS's order, BSWAP of a word, LFS (not LGS), the flags of BSF and BSR, and MUL's SF. */
static struct error *run_strange(void *with, const struct test_case *test, struct outcome *ret)
{
	const uint8_t *code = test->code;

	emulator_run(with, test, ret);
	if (ret->kind == OUTCOME_FAULT && ret->cr2 == test->before.gpr[RSI] && (code[0] == 0xa6 || code[2] == 0xa7))
		ret->cr2 = test->before.gpr[RDI];
	if (code[0] == 0x66 && code[1] == 0x0f && (code[2] & 0xf8) == 0xc8)
		ret->after.gpr[RAX] = 0x12345;
	if (code[0] == 0x48 && code[1] == 0x0f && code[2] == 0xb4)
		ret->after.gpr[RAX] = (uint32_t)ret->after.gpr[RAX];
	for (unsigned i = 0; i < 2; i++) {
		if (code[i] == 0x0f && (code[i + 1] & 0xfe) == 0xbc)
			ret->after.rflags = (ret->after.rflags & FLAG_ZF) | (test->before.rflags & ~(uint64_t)FLAG_ZF);
	}
	if (code[0] == 0xf7 && code[1] == 0xe1)
		ret->after.rflags |= FLAG_SF;
	return NULL;
}

static void test_measure(void **state)
{
	struct emulator *emulator = make_emulator();
	struct host host;

	(void)state;
	assert_null(measure(run_strange, emulator, true, true, true, &host));
	for (unsigned i = 0; i < TRAITS; i++) {
		enum answer expected = i == TRAIT_CMPS_ORDER ? OTHER : i == TRAIT_BSWAP_16 || i == TRAIT_FAR_64 ? UNKNOWN : EMULATED;

		if (i != TRAIT_REP_BSF) /* it has a SETcc behind its BSF */
			assert_int_equal(host.answer[i], expected);
	}
	assert_int_equal(host.flags[GROUP_BIT_SCAN].emulated, FLAG_ZF);
	assert_int_equal(host.flags[GROUP_BIT_SCAN].kept & ~FLAG_ZF, FLAGS_ARITHMETIC & ~FLAG_ZF);
	assert_int_equal(host.flags[GROUP_MULTIPLY].emulated, FLAGS_ARITHMETIC & ~FLAG_SF);
	assert_int_equal(host.flags[GROUP_MULTIPLY].kept & FLAG_SF, 0);
	assert_int_equal(host.flags[GROUP_SHIFT].emulated, FLAGS_ARITHMETIC);
	emulator_destroy(emulator);
}

/* Without 32-bit code, an LDT and FSGSBASE what needs them is not known, or not used. */
static void test_measure_less(void **state)
{
	struct emulator *emulator = make_emulator();
	struct host host;

	(void)state;
	assert_null(measure(run_strange, emulator, false, false, false, &host));
	assert_int_equal(host.answer[TRAIT_CODE32], UNKNOWN);
	assert_int_equal(host.answer[TRAIT_SYSRET_32], UNKNOWN);
	assert_int_equal(host.answer[TRAIT_SEGMENTS], UNKNOWN);
	assert_int_equal(host.answer[TRAIT_CALL_LIMIT], UNKNOWN);
	assert_int_equal(host.answer[TRAIT_FSGSBASE], OTHER);
	assert_int_equal(host.answer[TRAIT_NULL_BASE], EMULATED);
	assert_int_equal(host.answer[TRAIT_PUSH_SEGMENT], EMULATED); /* by its probes of 64-bit code */
	assert_int_equal(host.flags[GROUP_AAA].emulated | host.flags[GROUP_AAA].kept, 0);
	emulator_destroy(emulator);
}

/* -- locked operands -- */

/* None crosses a cache line; in sequences none is addressed by registers, which may be anything by then. */
static void check_locks(const struct generator *generator, const struct test_case *test, unsigned *count)
{
	for (unsigned i = 0; i < test->count; i++) {
		struct decoded decoded = {0};

		decode(generator->isa, test->code_size, test->instruction[i].bytes, test->instruction[i].length, &decoded);
		if (!decoded.has_modrm || decoded.mod == 3 || !(decoded.lock || decoded.row->op == OP_XCHG))
			continue;
		*count += 1;
		if (test->count > 1)
			assert_true(decoded.base >= 16 && decoded.index >= 16);
		else
			assert_true(test->operand % 64 + decoded.operand_size <= 64);
	}
}

static void test_locks(void **state)
{
	struct generator generator = {.isa = isa_create(), .host = imagine("zen5"), .seed = 1, .sequences = 30};
	unsigned count = 0;

	(void)state;
	assert_null(generator_init(&generator));
	for (unsigned i = 0; i < 20000; i++) {
		struct test_case test;

		generate_case(&generator, i, &test);
		check_locks(&generator, &test, &count);
	}
	assert_true(count > 200);
	generator_deinit(&generator);
	isa_destroy((struct isa *)generator.isa);
}

/* -- segments -- */

/* A near CALL beyond the limit: AMD's have pushed by then, others must not have; or AMD's see the fault of the push. */
static void test_call_limit(void **state)
{
	static const struct probe call = {.segmented = STACK16, CODE("\xe8\x00\x10\x00\x00"), .rsp = 0x800};
	struct trial t = {0};

	(void)state;
	try(&t, &call);
	assert_int_equal(t.emulated.vector, VECTOR_GP);
	t.native.changes = 1;
	t.native.change[0] = (struct change){STACK_BASE + 0x7f8, 0x12345};
	assert_int_equal(differs(&t, "zen5"), 0);
	assert_int_equal(differs(&t, "intel"), DIFFERS_MEMORY);
	t.native.changes = 0;
	t.native.vector = VECTOR_SS;
	assert_int_equal(differs(&t, "zen5"), 0);
	assert_int_equal(differs(&t, "intel"), DIFFERS_OUTCOME);
	end(&t);
}

/* PUSHA beyond the limit may have stored some; what else it leaves is compared. */
static void test_pusha_limit(void **state)
{
	static const struct probe pusha = {.segmented = STACK16_CUT, CODE("\x60"), .rsp = 0x10};
	struct trial t = {0};

	(void)state;
	try(&t, &pusha);
	assert_int_equal(t.emulated.vector, VECTOR_SS);
	t.native.changes = 1;
	t.native.change[0] = (struct change){STACK_BASE + 8, 0x12345};
	assert_int_equal(differs(&t, "zen5"), 0);
	t.native.after.gpr[RSP] -= 4;
	assert_int_equal(differs(&t, "zen5"), DIFFERS_GPR(RSP));
	end(&t);
}

static bool can_be_entered(uint64_t esp)
{
	static const uint16_t upper_halves[IRET_PAGES] = IRET_UPPER_HALVES;

	for (unsigned i = 0; i < IRET_PAGES; i++) {
		if (esp >> 16 == upper_halves[i])
			return true;
	}
	return false;
}

/* Cases of --mode 16 start where IRET can enter them, many run to their end, and all kinds of faults are met. */
static void test_segmented(void **state)
{
	struct generator generator = {.isa = isa_create(), .host = imagine("zen5"), .seed = 1, .sequences = 10, .mode = 16};
	struct emulator *emulator = make_emulator();
	unsigned sizes[9] = {0}, kinds[OUTCOME_DIED + 1] = {0}, vectors[32] = {0};

	(void)state;
	assert_null(generator_init(&generator));
	for (unsigned i = 0; i < 5000; i++) {
		struct outcome outcome;
		struct test_case test;

		generate_case(&generator, i, &test);
		if (!test.count)
			continue;
		assert_true(test.segmented);
		assert_true(test.before.rip <= 0xffff || test.code_size == 4);
		if (segment_stack16(&test))
			assert_true(can_be_entered(test.before.gpr[RSP]));
		emulator_run(emulator, &test, &outcome);
		sizes[test.code_size]++;
		kinds[outcome.kind]++;
		vectors[outcome.vector & 31]++;
	}
	assert_true(sizes[2] > 3000 && sizes[4] > 1000);
	assert_true(kinds[OUTCOME_END] > 2000 && kinds[OUTCOME_FAULT] > 500 && !kinds[OUTCOME_DIED]);
	assert_true(vectors[VECTOR_SS] > 50 && vectors[VECTOR_GP] > 500 && vectors[VECTOR_PF] > 100);
	emulator_destroy(emulator);
	generator_deinit(&generator);
	isa_destroy((struct isa *)generator.isa);
}

/* Its stack and libraries are the child's own. What cases are given is not: a page of it that the emulator lacks is a mismatch. */
static void test_own(void **state)
{
	struct native *native;
	int local = 0;

	(void)state;
	assert_null(native_create(&native));
	assert_true(native_has_own(native, (uintptr_t)&local));
	assert_true(native_has_own(native, (uintptr_t)memcpy));
	assert_false(native_has_own(native, 0));
	assert_false(native_has_own(native, CODE_BASE));
	assert_false(native_has_own(native, CODE_BASE + CODE_SIZE - 1));
	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		assert_false(native_has_own(native, data_regions[i].base));
		assert_false(native_has_own(native, data_regions[i].base + data_regions[i].pages * 4096 - 1));
	}
	native_destroy(native);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes),       cmocka_unit_test(test_rules),     cmocka_unit_test(test_bit_scan),
		cmocka_unit_test(test_cmps),         cmocka_unit_test(test_flags),     cmocka_unit_test(test_push_segment),
		cmocka_unit_test(test_pointers),     cmocka_unit_test(test_condition), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_encodings),    cmocka_unit_test(test_sequences), cmocka_unit_test(test_measure),
		cmocka_unit_test(test_measure_less), cmocka_unit_test(test_locks),     cmocka_unit_test(test_call_limit),
		cmocka_unit_test(test_pusha_limit),  cmocka_unit_test(test_segmented), cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
