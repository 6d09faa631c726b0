/*
 * Where we and Capstone 4.0.2 rightly differ: who is right, and where it says so. SDM = Intel 64 and IA-32 Architectures Software
 * Developer's Manual. An entry covers a difference if its kind is among the entry's and every condition given holds. The first one
 * that covers it counts.
 */
#include "tests/decoder/compare.h"

#include <stdio.h>
#include <string.h>

typedef bool predicate(const struct sample *sample, const struct difference *difference);

/* -- conditions that take more than a comparison -- */

/* Decodes the bytes without certain prefixes, those of drop. */
static bool valid_without(const struct sample *sample, const char *drop, struct decoded *ret)
{
	uint8_t bytes[INSN_MAX_LENGTH + 1];
	unsigned count = 0;

	for (unsigned i = 0; i < sample->available; i++)
		if (i >= sample->anatomy.prefixes || !strchr(drop, sample->bytes[i]))
			bytes[count++] = sample->bytes[i];
	return decode(sample->isa, sample->code_size, bytes, count, ret) == DECODE_OK;
}

static bool stray_mandatory_prefix(const struct sample *sample, const struct difference *difference)
{
	static const char *const drops[] = {"\xf2\xf3", "\xf2\xf3\x66"};
	struct decoded decoded;

	(void)difference;
	for (unsigned i = 0; i < 2; i++)
		if (valid_without(sample, drops[i], &decoded) && decoded.row->prefix != P_ANY && same_mnemonic(sample, &decoded))
			return sample->anatomy.map != MAP_1;
	return false;
}

static bool stray_lock(const struct sample *sample, const struct difference *difference)
{
	struct decoded decoded;

	(void)difference;
	return sample->anatomy.lock && (valid_without(sample, "\xf0", &decoded) || valid_without(sample, "\xf0\xf2\xf3\x66", &decoded)) &&
	       (!(decoded.row->attributes & A_LOCK) || !decoded.has_modrm || decoded.mod == 3);
}

/* MOV to or from a control, debug or segment register. */
static bool special_register(const struct sample *sample, const struct difference *difference)
{
	const struct anatomy *anatomy = &sample->anatomy;

	(void)difference;
	return anatomy->map == MAP_0F ? (anatomy->opcode & 0xfc) == 0x20 : anatomy->map == MAP_1 && (anatomy->opcode & 0xfd) == 0x8c;
}

/* An instruction that this processor does not offer, by Capstone's group. */
static bool not_offered(const struct sample *sample, const struct difference *difference)
{
	static const uint8_t groups[] = {X86_GRP_VM,   X86_GRP_3DNOW, X86_GRP_AES, X86_GRP_ADX,	 X86_GRP_AVX,  X86_GRP_AVX2, X86_GRP_AVX512,
					 X86_GRP_BMI,  X86_GRP_BMI2,  X86_GRP_F16C, X86_GRP_FMA, X86_GRP_FMA4, X86_GRP_RTM,  X86_GRP_HLE,
					 X86_GRP_SHA,  X86_GRP_SSE4A, X86_GRP_PCLMUL, X86_GRP_XOP, X86_GRP_TBM, X86_GRP_SGX, X86_GRP_DQI,
					 X86_GRP_BWI,  X86_GRP_VLX,   X86_GRP_CDI, X86_GRP_ERI,	 X86_GRP_PFI};

	(void)difference;
	for (unsigned i = 0; i < sample->insn->detail->groups_count; i++)
		if (memchr(groups, sample->insn->detail->groups[i], sizeof groups))
			return true;
	return false;
}

static bool prefix_66(const struct sample *sample, const struct difference *difference)
{
	(void)difference;
	return sample->anatomy.prefix_66;
}

static bool prefix_66_and_rex_w(const struct sample *sample, const struct difference *difference)
{
	(void)difference;
	return sample->anatomy.prefix_66 && sample->anatomy.rex & 8;
}

static bool prefix_66_branch(const struct sample *sample, const struct difference *difference)
{
	(void)difference;
	return sample->anatomy.prefix_66 && sample->status == DECODE_OK && sample->decoded.row->attributes & A_BRANCH;
}

static bool vex(const struct sample *sample, const struct difference *difference)
{
	const struct anatomy *anatomy = &sample->anatomy;

	(void)difference;
	return anatomy->map == MAP_1 && anatomy->opcode && strchr("\xc4\xc5\x62\x8f", anatomy->opcode);
}

static bool not_rex_w(const struct sample *sample, const struct difference *difference)
{
	(void)difference;
	return !(sample->anatomy.rex & 8);
}

static bool second_operand(const struct sample *sample, const struct difference *difference)
{
	(void)sample;
	return difference->operand == 1;
}

static bool rex_r(const struct sample *sample, const struct difference *difference)
{
	(void)difference;
	return sample->anatomy.rex & 4;
}

/* -- the table -- */

#define KIND(kind) (1u << (kind))

static const struct exception {
	unsigned kinds;
	unsigned mode;	     /* code size in bytes; 0: any */
	enum op op;	     /* ours; OP_none: any */
	const char *detail;  /* of operand differences; NULL: any */
	const char *names;   /* Capstone's, between spaces; NULL: any */
	predicate *holds;    /* NULL: always */
	const char *reason;
} exceptions[] = {
	/* Capstone accepts what is undefined, or not offered by our CPUID. */
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, NULL, stray_mandatory_prefix,
	 "66, F2 or F3 where the opcode has no meaning with it is #UD (SDM vol. 2A 3.1.1.1, NP)"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, NULL, stray_lock,
	 "LOCK without a memory destination or on other instructions is #UD (SDM vol. 2A, LOCK)"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, NULL, vex, "VEX, EVEX, XOP: not offered by CPUID here"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, NULL, not_offered, "not offered by CPUID here"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL,
	 " femms rsm getsec vmread vmwrite sha1msg1 sha1msg2 sha1nexte sha1rnds4 sha256msg1 sha256msg2 sha256rnds2 "
	 " xsave xsave64 xsaveopt xsaveopt64 xsavec xsavec64 xsaves xsaves64 xrstor xrstor64 xrstors xrstors64 clwb clflushopt pcommit "
	 " montmul xsha1 xsha256 xstore xcryptecb xcryptcbc xcryptctr xcryptcfb xcryptofb enclu encls xtest xend xbegin xabort ",
	 NULL, "not offered by CPUID here"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, " mov ", special_register,
	 "no such control, debug or segment register, or CS loaded (SDM vol. 2B, MOV)"},
	{KIND(ONLY_CAPSTONE), 2, OP_none, NULL, " swapgs ", NULL, "64-bit code only (SDM vol. 2B, SWAPGS)"},
	{KIND(ONLY_CAPSTONE), 4, OP_none, NULL, " swapgs ", NULL, "64-bit code only (SDM vol. 2B, SWAPGS)"},

	/* Capstone does not know, or gives another length. */
	{KIND(LENGTH), 0, OP_UD1, NULL, NULL, NULL, "0F B9 has a ModRM byte (SDM vol. 2B, UD)"},
	{KIND(LENGTH) | KIND(ONLY_OURS), 0, OP_UD0, NULL, NULL, NULL, "0F FF has a ModRM byte (SDM vol. 2B, UD)"},
	{KIND(ONLY_OURS), 0, OP_PREFETCH, NULL, NULL, NULL, "0F 0D is NOP or a prefetch with any digit (SDM vol. 2D table A-3)"},
	{KIND(ONLY_OURS), 0, OP_NOP, NULL, NULL, NULL, "0F 0D and 0F 18-1F are NOP in all forms (SDM vol. 2B, NOP; vol. 2D table A-3)"},
	{KIND(ONLY_OURS), 8, OP_MOV_FROM_SREG, NULL, NULL, rex_r, "REX.R does not reach segment registers (SDM vol. 2A 2.2.1.2)"},
	{KIND(ONLY_OURS), 8, OP_MOV_TO_SREG, NULL, NULL, rex_r, "REX.R does not reach segment registers (SDM vol. 2A 2.2.1.2)"},
	{KIND(ONLY_OURS), 0, OP_FENCE, NULL, NULL, NULL, "the fences ignore ModRM.rm (SDM vol. 2A, LFENCE)"},
	{KIND(ONLY_OURS), 8, OP_PCMPESTRI64, NULL, NULL, NULL, "REX.W makes it read RAX and RDX (SDM vol. 2B, PCMPESTRI)"},
	{KIND(ONLY_OURS), 8, OP_PCMPESTRM64, NULL, NULL, NULL, "REX.W makes it read RAX and RDX (SDM vol. 2B, PCMPESTRM)"},
	{KIND(LENGTH) | KIND(OPERAND), 8, OP_none, NULL, NULL, prefix_66_branch,
	 "near branches in 64-bit code: Intel ignores 66, AMD does not (SDM vol. 2A, Jcc; we follow Intel)"},
	{KIND(LENGTH), 8, OP_RET_N, NULL, NULL, prefix_66_and_rex_w, "the immediate is 16 bits whatever the operand size (SDM vol. 2B, RET)"},

	/* Capstone takes it for another instruction. */
	{KIND(MNEMONIC), 0, OP_BSR, NULL, " lzcnt ", NULL, "F3 is ignored where LZCNT is not offered (SDM vol. 2A, LZCNT)"},
	{KIND(MNEMONIC), 0, OP_BSF, NULL, " tzcnt ", NULL, "F3 is ignored where BMI1 is not offered (SDM vol. 2B, TZCNT)"},
	{KIND(MNEMONIC), 0, OP_PAUSE, NULL, " xchg nop ", NULL, "66 and REX.W do not hide the F3 of PAUSE (SDM vol. 2A 2.1.1)"},
	{KIND(MNEMONIC), 8, OP_MOVQ, NULL, " movd ", NULL, "F3 0F 7E is MOVQ xmm, xmm/m64 with REX.W too (SDM vol. 2B, MOVQ)"},
	{KIND(MNEMONIC), 8, OP_none, NULL, " insw outsw pushf popf ", prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},

	/* Capstone says the wrong operand or size. */
	{KIND(OPERAND), 8, OP_MOVSXD, "register", NULL, not_rex_w, "63 without REX.W does not write 64 bits (SDM vol. 2B, MOVSXD)"},
	{KIND(OPERAND), 0, OP_NOP, "size", NULL, NULL, "NOP's operand is of operand size (SDM vol. 2B, NOP)"},
	{KIND(OPERAND_COUNT), 0, OP_NOP, NULL, NULL, NULL, "NOP has one operand (SDM vol. 2B, NOP)"},
	{KIND(OPERAND), 0, OP_LAR, "size", NULL, NULL, "only 16 bits of the selector are read (SDM vol. 2A, LAR)"},
	{KIND(OPERAND), 0, OP_LSL, "size", NULL, NULL, "only 16 bits of the selector are read (SDM vol. 2A, LSL)"},
	{KIND(OPERAND), 0, OP_LAR, "register", NULL, second_operand, "only 16 bits of the selector are read (SDM vol. 2A, LAR)"},
	{KIND(OPERAND), 0, OP_LSL, "register", NULL, second_operand, "only 16 bits of the selector are read (SDM vol. 2A, LSL)"},
	{KIND(OPERAND), 0, OP_MOV_TO_SREG, "register", NULL, second_operand, "only 16 bits of the selector are read (SDM vol. 2B, MOV)"},
	{KIND(OPERAND), 0, OP_PUNPCKLBW_MMX, "size", NULL, NULL, "memory operand is m32 (SDM vol. 2B, PUNPCKLBW)"},
	{KIND(OPERAND), 0, OP_PUNPCKLWD_MMX, "size", NULL, NULL, "memory operand is m32 (SDM vol. 2B, PUNPCKLBW)"},
	{KIND(OPERAND), 0, OP_PUNPCKLDQ_MMX, "size", NULL, NULL, "memory operand is m32 (SDM vol. 2B, PUNPCKLBW)"},
	{KIND(OPERAND), 0, OP_COMISS, "size", NULL, NULL, "memory operand is m32 (SDM vol. 2A, COMISS)"},
	{KIND(OPERAND), 0, OP_COMISD, "size", NULL, NULL, "memory operand is m64 (SDM vol. 2A, COMISD)"},
	{KIND(OPERAND), 0, OP_FNSTSW, "size", NULL, NULL, "memory operand is m16 (SDM vol. 2A, FSTSW)"},
	{KIND(OPERAND), 0, OP_XCHG, "register", NULL, prefix_66, "66 90+r exchanges AX (SDM vol. 2D, XCHG)"},
	{KIND(OPERAND), 8, OP_PUSH, "size", NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_POP, "size", NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_IN, "register", NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_OUT, "register", NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
};

static bool covers(const struct exception *exception, const struct sample *sample, const struct difference *difference)
{
	char name[64];

	if (!(exception->kinds & KIND(difference->kind)) || (exception->mode && exception->mode != sample->code_size))
		return false;
	if (exception->op != OP_none && (sample->status != DECODE_OK || sample->decoded.row->op != exception->op))
		return false;
	if (exception->detail && strcmp(exception->detail, difference->detail) != 0)
		return false;
	if (exception->names) {
		snprintf(name, sizeof name, " %s ", capstone_name(sample));
		if (!strstr(exception->names, name))
			return false;
	}
	return !exception->holds || exception->holds(sample, difference);
}

const char *listed_excuse(const struct sample *sample, const struct difference *difference)
{
	for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
		if (covers(&exceptions[i], sample, difference))
			return exceptions[i].reason;
	return NULL;
}
