/*
 * Comparing one instruction with Capstone's answer: validity, length, mnemonic, operands.
 */
#include "tests/decoder/compare.h"

#include <ctype.h>
#include <string.h>

#include "tests/decoder/operand.h"

/* Operations that Capstone calls otherwise than by their name up to the first underscore, in lower case. */
enum choice { EITHER, BY_CONDITION, BY_SIZE /* of operands: 2, 4, 8 */, BY_SIZE_FROM_1, BY_ADDRESS_SIZE };

static const struct {
	enum op op;
	enum choice choice; /* which of the names it must be */
	const char *names;  /* separated by spaces */
} names[] = {
	{OP_MOV, EITHER, "mov movabs"},
	{OP_MOV_IMM64, EITHER, "mov movabs"},
	{OP_MOV_MOFFS, EITHER, "mov movabs"},
	{OP_JMP_FAR, EITHER, "ljmp"},
	{OP_JMP_FAR_INDIRECT, EITHER, "ljmp"},
	{OP_CALL_FAR, EITHER, "lcall"},
	{OP_CALL_FAR_INDIRECT, EITHER, "lcall"},
	{OP_RET_FAR, BY_SIZE, "retf retf retfq"},
	{OP_RET_FAR_N, BY_SIZE, "retf retf retfq"},
	{OP_IRET, BY_SIZE, "iret iretd iretq"},
	{OP_CMOVcc, BY_CONDITION,
	 "cmovo cmovno cmovb cmovae cmove cmovne cmovbe cmova cmovs cmovns cmovp cmovnp cmovl cmovge cmovle cmovg"},
	{OP_SETcc, BY_CONDITION, "seto setno setb setae sete setne setbe seta sets setns setp setnp setl setge setle setg"},
	{OP_Jcc, BY_CONDITION, "jo jno jb jae je jne jbe ja js jns jp jnp jl jge jle jg"},
	{OP_JrCXZ, BY_ADDRESS_SIZE, "jcxz jecxz jrcxz"},
	{OP_PUSHA, BY_SIZE, "pushaw pushal"},
	{OP_POPA, BY_SIZE, "popaw popal"},
	{OP_PUSHF, BY_SIZE, "pushf pushfd pushfq"},
	{OP_POPF, BY_SIZE, "popf popfd popfq"},
	{OP_IMUL2, EITHER, "imul"},
	{OP_IMUL3, EITHER, "imul"},
	{OP_CBW, BY_SIZE, "cbw cwde cdqe"},
	{OP_CWD, BY_SIZE, "cwd cdq cqo"},
	{OP_MOVS, BY_SIZE_FROM_1, "movsb movsw movsd movsq"},
	{OP_CMPS, BY_SIZE_FROM_1, "cmpsb cmpsw cmpsd cmpsq"},
	{OP_STOS, BY_SIZE_FROM_1, "stosb stosw stosd stosq"},
	{OP_LODS, BY_SIZE_FROM_1, "lodsb lodsw lodsd lodsq"},
	{OP_SCAS, BY_SIZE_FROM_1, "scasb scasw scasd scasq"},
	{OP_INS, BY_SIZE_FROM_1, "insb insw insd"},
	{OP_OUTS, BY_SIZE_FROM_1, "outsb outsw outsd"},
	{OP_SHL, EITHER, "shl sal"},
	{OP_XLAT, EITHER, "xlatb"},
	{OP_FENCE, EITHER, "lfence mfence sfence"},
	{OP_PREFETCH, EITHER, "prefetch prefetchw prefetchnta prefetcht0 prefetcht1 prefetcht2"},
	{OP_SYSRET, EITHER, "sysret sysretq"},
	{OP_SYSEXIT, EITHER, "sysexit sysexitq"},
	{OP_MOVQ_TO_MMX, EITHER, "movq movd"},
	{OP_MOVQ_FROM_MMX, EITHER, "movq movd"},
	{OP_MOVD_TO_XMM, EITHER, "movd movq"},
	{OP_MOVD_FROM_XMM, EITHER, "movd movq"},
	{OP_UD1, EITHER, "ud1 ud2b"},
	{OP_FSTP, EITHER, "fstp fstpnce"},
	{OP_FNENI, EITHER, "feni8087_nop"},
	{OP_FNDISI, EITHER, "fdisi8087_nop"},
	{OP_FNSETPM, EITHER, "fsetpm"},
	{OP_PCMPESTRI64, EITHER, "pcmpestri"},
	{OP_PCMPESTRM64, EITHER, "pcmpestrm"},
	{OP_CVTSI2SS64, EITHER, "cvtsi2ss"},
	{OP_CVTSI2SD64, EITHER, "cvtsi2sd"},
};

/* Which of an operation's names applies; EITHER has no answer. */
static unsigned choose(enum choice choice, const struct decoded *decoded)
{
	switch (choice) {
	case BY_CONDITION:
		return decoded->opcode & 0xf;
	case BY_SIZE:
		return (unsigned)__builtin_ctz(decoded->operand_size) - 1;
	case BY_SIZE_FROM_1:
		return (unsigned)__builtin_ctz(decoded->operand_size);
	default:
		return (unsigned)__builtin_ctz(decoded->address_size) - 1;
	}
}

static bool word_in(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at++)
		if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

/* The n-th word of words equals word. */
static bool word_is(const char *words, unsigned n, const char *word)
{
	size_t length = strlen(word);

	while (n--)
		words = strchr(words, ' ') + 1;
	return !strncmp(words, word, length) && (words[length] == ' ' || !words[length]);
}

/* CMPPS and its like are shown with their predicate in the name, and without the immediate then. */
static const char *comparison_suffix(enum op op)
{
	return op == OP_CMPPS ? "ps" : op == OP_CMPPD ? "pd" : op == OP_CMPSS ? "ss" : op == OP_CMPSD ? "sd" : NULL;
}

static bool is_comparison(const char *name, unsigned predicate, const char *suffix)
{
	static const char *const predicates[] = {"eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"};
	size_t length = strlen(predicates[predicate]);

	return !strncmp(name, "cmp", 3) && !strncmp(name + 3, predicates[predicate], length) && !strcmp(name + 3 + length, suffix);
}

const char *capstone_name(const struct sample *sample)
{
	return sample->insn ? cs_insn_name(sample->handle, sample->insn->id) : "";
}

bool same_mnemonic(const struct sample *sample, const struct decoded *decoded)
{
	const char *theirs = capstone_name(sample);
	enum op op = decoded->row->op;
	const char *ours = isa_op_names[op];
	size_t length = strcspn(ours, "_");

	if (comparison_suffix(op) && decoded->immediate < 8)
		return is_comparison(theirs, (unsigned)decoded->immediate, comparison_suffix(op));

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i].op != op)
			continue;
		if (names[i].choice == EITHER)
			return word_in(names[i].names, theirs);
		return word_is(names[i].names, choose(names[i].choice, decoded), theirs);
	}
	if (strlen(theirs) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (tolower((unsigned char)ours[i]) != theirs[i])
			return false;
	return true;
}

static void note_prefix(struct anatomy *to, uint8_t byte, bool code64)
{
	switch (byte) {
	case 0x66:
		to->prefix_66 = true;
		break;
	case 0x67:
		to->prefix_67 = true;
		break;
	case 0xf0:
		to->lock = true;
		break;
	case 0xf2:
	case 0xf3:
		to->repeat = byte;
		break;
	default:
		if (!code64 || byte >= 0x64)
			to->segment = byte;
		break;
	}
}

void dissect(struct sample *sample)
{
	static const uint8_t legacy[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
	const uint8_t *bytes = sample->bytes;
	struct anatomy *to = &sample->anatomy;
	unsigned at = 0, last = sample->available - 1;
	bool code64 = sample->code_size == 8;

	*to = (struct anatomy){0};
	for (; at < last; at++) {
		if (memchr(legacy, bytes[at], sizeof legacy)) {
			note_prefix(to, bytes[at], code64);
			to->rex = 0;
		} else if (code64 && (bytes[at] & 0xf0) == 0x40) {
			to->rex = bytes[at];
		} else {
			break;
		}
	}
	to->prefixes = at;
	if (at < last && bytes[at] == 0x0f) {
		to->map = MAP_0F;
		at++;
		if (at < last && (bytes[at] == 0x38 || bytes[at] == 0x3a))
			to->map = bytes[at++] == 0x38 ? MAP_0F38 : MAP_0F3A;
	}
	to->opcode = bytes[at];
	to->modrm = at < last ? bytes[at + 1] : 0;
}

/* The last operand is an immediate that Capstone does not show: the predicate of CMPPS, the base ten of AAM and AAD. */
static bool implied_immediate(const struct decoded *decoded)
{
	enum op op = decoded->row->op;

	return (comparison_suffix(op) && decoded->immediate < 8) || ((op == OP_AAM || op == OP_AAD) && decoded->immediate == 10);
}

/* Drops all operands but memory ones; returns how many are left. */
static unsigned only_memory(struct operand *operands, unsigned count)
{
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++)
		if (operands[i].class == OPERAND_MEMORY)
			operands[left++] = operands[i];
	return left;
}

static struct difference compare_operands(const struct sample *sample)
{
	struct operand ours[OPERANDS_MAX], theirs[OPERANDS_MAX];
	unsigned count = operands_of_decoded(&sample->decoded, sample->code_size, sample->address, ours);
	unsigned their_count = operands_of_capstone(sample->handle, sample->insn, sample->code_size, theirs);

	if (sample->decoded.row->attributes & A_X87) { /* which stack registers Capstone shows follows no rule */
		count = only_memory(ours, count);
		their_count = only_memory(theirs, their_count);
	}
	if (implied_immediate(&sample->decoded))
		count--;
	if (count != their_count)
		return (struct difference){.kind = OPERAND_COUNT};
	for (unsigned i = 0; i < count; i++) {
		const char *detail = operand_difference(&ours[i], &theirs[i]);

		if (detail)
			return (struct difference){.kind = OPERAND, .operand = i, .detail = detail};
	}
	return (struct difference){.kind = SAME};
}

struct difference compare(const struct sample *sample)
{
	if (sample->status != DECODE_OK || !sample->insn) {
		if ((sample->status == DECODE_OK) == (sample->insn != NULL))
			return (struct difference){.kind = SAME};
		return (struct difference){.kind = sample->insn ? ONLY_CAPSTONE : ONLY_OURS};
	}
	if (sample->decoded.length != sample->insn->size)
		return (struct difference){.kind = LENGTH};
	if (!same_mnemonic(sample, &sample->decoded))
		return (struct difference){.kind = MNEMONIC};
	return compare_operands(sample);
}
