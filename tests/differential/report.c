/* Mismatches for people: the code as bytes and disassembly, the state before, both states after with the differing fields marked. */
#include "tests/differential/report.h"

#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "emu/cpu.h"
#include "tests/differential/segments.h"
#include "tests/differential/compare.h"
#include "tests/differential/undefined.h"

static const char *const gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					  "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void show_code(const struct test_case *test)
{
	cs_insn *insn = NULL;
	csh handle;
	uint64_t at = CODE_BASE + test->offset;

	cs_mode mode = test->code_size == 8 ? CS_MODE_64 : test->code_size == 4 ? CS_MODE_32 : CS_MODE_16;

	if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK)
		return;
	for (unsigned i = 0, offset = 0; i < test->count; i++) {
		const struct instruction *one = &test->instruction[i];
		unsigned length = one->length;
		size_t count = cs_disasm(handle, test->code + offset, length, at + offset, 1, &insn);

		printf("  %8" PRIx64 "  ", at + offset);
		for (unsigned n = 0; n < length; n++)
			printf("%02x ", test->code[offset + n]);
		printf("%*s%s %s   [%s]\n", 3 * (15 - (int)length), "", count ? insn->mnemonic : "?", count ? insn->op_str : "",
		       isa_op_names[isa_rows[one->row].op]);
		if (count)
			cs_free(insn, count);
		offset += length;
	}
	cs_close(&handle);
}

static void show_outcome(const char *name, const struct outcome *outcome)
{
	static const char *const kinds[] = {"not run", "ran to its end", "fault", "runaway", "died"};

	printf("  %-8s %s", name, kinds[outcome->kind]);
	if (outcome->kind == OUTCOME_FAULT)
		printf(", vector %u, error code %#x, cr2 %#" PRIx64, outcome->vector, outcome->error_code, outcome->cr2);
	printf("\n");
}

static void show_field(const char *name, bool differs, uint64_t before, uint64_t a, uint64_t b)
{
	if (differs || before != a)
		printf("  %c %-7s %16" PRIx64 "   %16" PRIx64 "   %16" PRIx64 "\n", differs ? '*' : ' ', name, before, a, b);
}

static uint64_t fx_field(const struct state *state, unsigned at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, state->fx + at, size);
	return value;
}

static void show_fx(const char *name, bool differs, const struct state *const s[3], unsigned at, unsigned size)
{
	show_field(name, differs, fx_field(s[0], at, size), fx_field(s[1], at, size), fx_field(s[2], at, size));
}

/* A register of 10 or 16 bytes. */
static void show_long(const char *kind, unsigned n, bool differs, const struct state *const s[3], unsigned at, unsigned high)
{
	if (!differs && memcmp(s[0]->fx + at, s[1]->fx + at, 8 + high) == 0)
		return;
	printf("  %c %s%-4u", differs ? '*' : ' ', kind, n);
	for (unsigned i = 0; i < 3; i++)
		printf("  %0*" PRIx64 ":%016" PRIx64, 2 * (int)high, fx_field(s[i], at + 8, high), fx_field(s[i], at, 8));
	printf("\n");
}

static void show_states(const struct state *const s[3], uint64_t differs)
{
	for (unsigned i = 0; i < 16; i++)
		show_field(gpr_names[i], differs & DIFFERS_GPR(i), s[0]->gpr[i], s[1]->gpr[i], s[2]->gpr[i]);
	show_field("rip", differs & DIFFERS_RIP, s[0]->rip, s[1]->rip, s[2]->rip);
	show_field("rflags", differs & DIFFERS_RFLAGS, s[0]->rflags, s[1]->rflags, s[2]->rflags);
	for (unsigned i = 0; i < 6; i++) {
		static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs"};

		show_field(names[i], s[1]->selector[i] != s[2]->selector[i], s[0]->selector[i], s[1]->selector[i], s[2]->selector[i]);
	}
	show_field("fs base", differs & DIFFERS_FS_BASE, s[0]->fs_base, s[1]->fs_base, s[2]->fs_base);
	show_field("gs base", differs & DIFFERS_GS_BASE, s[0]->gs_base, s[1]->gs_base, s[2]->gs_base);
	show_fx("fcw", differs & DIFFERS_FCW, s, FX_FCW, 2);
	show_fx("fsw", differs & DIFFERS_FSW, s, FX_FSW, 2);
	show_fx("ftw", differs & DIFFERS_FTW, s, FX_FTW, 1);
	show_fx("fop", differs & DIFFERS_FOP, s, FX_FOP, 2);
	show_fx("fip", differs & DIFFERS_FIP, s, FX_FIP, 8);
	show_fx("fdp", differs & DIFFERS_FDP, s, FX_FDP, 8);
	show_fx("mxcsr", differs & DIFFERS_MXCSR, s, FX_MXCSR, 4);
	for (unsigned i = 0; i < 8; i++)
		show_long("st", i, differs & DIFFERS_ST(i), s, FX_ST + 16 * i, 2);
	for (unsigned i = 0; i < 16; i++)
		show_long("xmm", i, differs & DIFFERS_XMM(i), s, FX_XMM + 16 * i, 8);
}

static uint64_t before_word(const struct test_case *test, const uint8_t *image, uint64_t address)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < DATA_REGIONS; i++) {
		uint64_t offset = address - data_regions[i].base;

		if (offset < data_regions[i].pages * 4096ull)
			memcpy(&word, image + offset, 8);
		image += data_regions[i].pages * 4096;
	}
	for (unsigned i = 0; i < test->patches; i++) {
		for (unsigned n = 0; n < test->patch[i].size; n++) {
			uint64_t byte = test->patch[i].address + n - address;

			if (byte < 8)
				((uint8_t *)&word)[byte] = test->patch[i].bytes[n];
		}
	}
	return word;
}

static void show_memory(const char *name, const struct test_case *test, const uint8_t *image, const struct outcome *outcome)
{
	printf("  memory after, %s (%u words):\n", name, outcome->changes);
	for (unsigned i = 0; i < outcome->changes && i < 20 && i < MAX_CHANGES; i++)
		printf("    %12" PRIx64 "  %016" PRIx64 " -> %016" PRIx64 "\n", outcome->change[i].address,
		       before_word(test, image, outcome->change[i].address), outcome->change[i].value);
}

static void show_segments(const struct test_case *test)
{
	static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs"};

	for (unsigned i = 0; test->segmented && i < 6; i++) {
		const struct segment_row *row = segment_find(test->before.selector[i]);

		printf("          %s=%x (%s)\n", names[i], test->before.selector[i], row ? row->name : "null");
	}
}

static void show_before(const struct test_case *test, const uint8_t *image)
{
	const struct state *state = &test->before;

	printf("  before:");
	for (unsigned i = 0; i < (test->code_size == 8 ? 16 : 8); i++)
		printf("%s %s=%" PRIx64, i == 8 ? "\n         " : "", gpr_names[i], state->gpr[i]);
	printf("\n          rflags=%" PRIx64 " fs=%" PRIx64 " gs=%" PRIx64 " fcw=%" PRIx64 " fsw=%" PRIx64 " ftw=%" PRIx64 " mxcsr=%" PRIx64
	       "\n",
	       state->rflags, state->fs_base, state->gs_base, fx_field(state, FX_FCW, 2), fx_field(state, FX_FSW, 2),
	       fx_field(state, FX_FTW, 1), fx_field(state, FX_MXCSR, 4));
	show_segments(test);
	if (test->operand)
		printf("          memory operand at %" PRIx64 ": %016" PRIx64 " %016" PRIx64 "\n", test->operand,
		       before_word(test, image, test->operand), before_word(test, image, test->operand + 8));
}

void report_mismatch(uint64_t seed, const struct test_case *test, const uint8_t *image, const char *const names[2],
		     const struct outcome *const outcomes[2], uint64_t differs)
{
	const struct state *states[3] = {&test->before, &outcomes[0]->after, &outcomes[1]->after};
	const char *told = undefined_told(isa_rows[test->instruction[test->count - 1].row].op);

	printf("mismatch %" PRIu64 ":%" PRIu64 " (%u-bit code, %s against %s)\n", seed, test->number, test->code_size * 8, names[0],
	       names[1]);
	show_code(test);
	show_before(test, image);
	show_outcome(names[0], outcomes[0]);
	show_outcome(names[1], outcomes[1]);
	printf("    %-7s %16s   %16s   %16s%s%s%s\n", "", "before", names[0], names[1], differs & DIFFERS_OUTCOME ? "   * outcome" : "",
	       differs & DIFFERS_ERROR_CODE ? "   * error code" : "", differs & DIFFERS_CR2 ? "   * cr2" : "");
	show_states(states, differs);
	if (differs & DIFFERS_RFLAGS && told)
		printf("  undefined flags in the emulator: %s\n", told);
	if (differs & DIFFERS_MEMORY) {
		show_memory(names[0], test, image, outcomes[0]);
		show_memory(names[1], test, image, outcomes[1]);
	}
	printf("\n");
	fflush(stdout);
}
