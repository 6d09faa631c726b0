/*
 * Where we and Capstone 4.0.2 rightly differ: who is right, and where it says so. SDM = Intel 64 and IA-32 Architectures Software Developer's
 * Manual. An entry covers a difference if its kind is among the entry's and every condition given holds. The first one that covers it counts.
 */
#include "tests/decoder/compare.h"

#include <stdio.h>
#include <string.h>

#define KIND(kind) (1u << (kind))
#define ANY (~0u)
#define ANY_OPERAND (KIND(OPERAND) | KIND(OPERAND_COUNT))

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

static bool size(const struct sample *sample, const struct difference *difference)
{
	(void)sample;
	return !strcmp(difference->detail, "size");
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

static bool rex_r(const struct sample *sample, const struct difference *difference)
{
	(void)difference;
	return sample->anatomy.rex & 4;
}

/* -- the table -- */

static const struct exception {
	unsigned kinds;
	unsigned modes;	   /* code sizes in bytes or-ed; 0: any */
	enum op op;	   /* ours; OP_none: any */
	const char *names; /* Capstone's, between spaces; NULL: any */
	predicate *holds;  /* NULL: always */
	const char *reason;
} exceptions[] = {
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, stray_mandatory_prefix,
	 "66, F2 or F3 where the opcode has no meaning with it is #UD (SDM vol. 2A 3.1.1.1, NP)"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, stray_lock, "LOCK without a memory destination or on other instructions is #UD (SDM vol. 2A, LOCK)"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, vex, "VEX, EVEX, XOP: not offered by CPUID here"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, NULL, not_offered, "not offered by CPUID here"},
	{KIND(ONLY_CAPSTONE), 0, OP_none,
	 " femms rsm getsec vmread vmwrite rdrand rdseed sha1msg1 sha1msg2 sha1nexte sha1rnds4 sha256msg1 sha256msg2 sha256rnds2 "
	 " xsave xsave64 xsaveopt xsaveopt64 xsavec xsavec64 xsaves xsaves64 xrstor xrstor64 xrstors xrstors64 clwb clflushopt pcommit "
	 " montmul xsha1 xsha256 xstore xcryptecb xcryptcbc xcryptctr xcryptcfb xcryptofb enclu encls xtest xend xbegin xabort ", NULL,
	 "not offered by CPUID here"},
	{KIND(ONLY_CAPSTONE), 0, OP_none, " mov ", NULL, "no such control, debug or segment register, or CS loaded (SDM vol. 2B, MOV)"},
	{KIND(OPERAND), 8, OP_MOVSXD, " movsxd ", NULL, "63 without REX.W does not write 64 bits (SDM vol. 2B, MOVSXD)"},
	{KIND(LENGTH), 0, OP_UD1, NULL, NULL, "0F B9 has a ModRM byte (SDM vol. 2B, UD)"},
	{KIND(LENGTH) | KIND(ONLY_OURS), 0, OP_UD0, NULL, NULL, "0F FF has a ModRM byte (SDM vol. 2B, UD)"},
	{KIND(ONLY_OURS), 0, OP_PREFETCH, NULL, NULL, "0F 0D is NOP or a prefetch with any digit (SDM vol. 2D table A-3)"},
	{KIND(ONLY_OURS), 0, OP_NOP, NULL, NULL, "0F 0D and 0F 18-1F are NOP in all forms (SDM vol. 2B, NOP; vol. 2D table A-3)"},
	{ANY_OPERAND, 0, OP_NOP, NULL, NULL, "NOP's operand is of operand size (SDM vol. 2B, NOP)"},
	{KIND(LENGTH) | KIND(OPERAND), 8, OP_none, NULL, prefix_66_branch, "near branches in 64-bit code: Intel ignores 66, AMD does not (SDM vol. 2A, Jcc; we follow Intel)"},
	{KIND(ONLY_OURS), 8, OP_MOV_FROM_SREG, NULL, rex_r, "REX.R does not reach segment registers (SDM vol. 2A 2.2.1.2)"},
	{KIND(ONLY_OURS), 8, OP_MOV_TO_SREG, NULL, rex_r, "REX.R does not reach segment registers (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 0, OP_LAR, NULL, NULL, "only 16 bits of the selector are read (SDM vol. 2A, LAR)"},
	{KIND(OPERAND), 0, OP_LSL, NULL, NULL, "only 16 bits of the selector are read (SDM vol. 2A, LSL)"},
	{KIND(OPERAND), 0, OP_MOV_TO_SREG, NULL, NULL, "only 16 bits of the selector are read (SDM vol. 2B, MOV)"},
	{KIND(OPERAND), 0, OP_PUNPCKLBW_MMX, NULL, NULL, "memory operand is m32 (SDM vol. 2B, PUNPCKLBW)"},
	{KIND(OPERAND), 0, OP_PUNPCKLWD_MMX, NULL, NULL, "memory operand is m32 (SDM vol. 2B, PUNPCKLBW)"},
	{KIND(OPERAND), 0, OP_PUNPCKLDQ_MMX, NULL, NULL, "memory operand is m32 (SDM vol. 2B, PUNPCKLBW)"},
	{KIND(OPERAND), 0, OP_COMISS, NULL, size, "memory operand is m32 (SDM vol. 2A, COMISS)"},
	{KIND(OPERAND), 0, OP_COMISD, NULL, size, "memory operand is m64 (SDM vol. 2A, COMISD)"},
	{KIND(OPERAND), 0, OP_FNSTSW, NULL, size, "memory operand is m16 (SDM vol. 2A, FSTSW)"},
	{KIND(MNEMONIC), 0, OP_BSR, " lzcnt ", NULL, "F3 is ignored where LZCNT is not offered (SDM vol. 2A, LZCNT)"},
	{KIND(MNEMONIC), 0, OP_BSF, " tzcnt ", NULL, "F3 is ignored where BMI1 is not offered (SDM vol. 2B, TZCNT)"},
	{KIND(ONLY_OURS), 0, OP_FENCE, NULL, NULL, "the fences ignore ModRM.rm (SDM vol. 2A, LFENCE)"},
	{KIND(OPERAND), 0, OP_XCHG, NULL, prefix_66, "66 90+r exchanges AX (SDM vol. 2D, XCHG)"},
	{KIND(MNEMONIC), 0, OP_PAUSE, " xchg nop ", NULL, "66 and REX.W do not hide the F3 of PAUSE (SDM vol. 2A 2.1.1)"},
	{KIND(MNEMONIC), 8, OP_MOVQ, " movd ", NULL, "F3 0F 7E is MOVQ xmm, xmm/m64 with REX.W too (SDM vol. 2B, MOVQ)"},
	{KIND(ONLY_OURS), 8, OP_PCMPESTRI64, NULL, NULL, "REX.W makes it read RAX and RDX (SDM vol. 2B, PCMPESTRI)"},
	{KIND(ONLY_OURS), 8, OP_PCMPESTRM64, NULL, NULL, "REX.W makes it read RAX and RDX (SDM vol. 2B, PCMPESTRM)"},
	{KIND(LENGTH), 8, OP_RET_N, NULL, NULL, "the immediate is 16 bits whatever the operand size (SDM vol. 2B, RET)"},
	{KIND(OPERAND), 8, OP_PUSH, NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_POP, NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_IN, NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_OUT, NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_INS, NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
	{KIND(OPERAND), 8, OP_OUTS, NULL, prefix_66_and_rex_w, "66 is ignored beside REX.W (SDM vol. 2A 2.2.1.2)"},
};

static bool covers(const struct exception *exception, const struct sample *sample, const struct difference *difference)
{
	char name[64];

	if (!(exception->kinds & KIND(difference->kind)) || (exception->modes && !(exception->modes & sample->code_size)))
		return false;
	if (exception->op != OP_none && (sample->status != DECODE_OK || sample->decoded.row->op != exception->op))
		return false;
	if (exception->names) {
		snprintf(name, sizeof name, " %s ", capstone_name(sample));
		if (!strstr(exception->names, name))
			return false;
	}
	return !exception->holds || exception->holds(sample, difference);
}

static const char *listed(const struct sample *sample, const struct difference *difference)
{
	for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
		if (covers(&exceptions[i], sample, difference))
			return exceptions[i].reason;
	return NULL;
}

/* -- prefixes that Capstone mistakes -- */

/*
 * Capstone wants a mandatory prefix right before the opcode or REX, takes REX bytes anywhere, shows only the last segment override even
 * where that has no effect, lets F2 and F3 hide 66, takes 67 beside REX.W for 66, lets 67 cut branch targets, and knows no mandatory
 * prefixes in 16-bit code. What we make of the bytes as they are is therefore compared with what Capstone makes of the prefixes that count, each
 * once, in the order that it wants; with F2 and F3 left out where they mean nothing; with 67 left out, if it changes no more than the address
 * size for us; and for 16-bit code with 66 and 67 inverted, as 32-bit code.
 */
enum tidying { TIDY, TIDY_WITHOUT_REPEAT, TIDY_WITHOUT_67, TIDY_AS_32 };

static const char *const tidying_reasons[] = {
	[TIDY] = "prefixes may repeat and stand in any order, the last of a group counts (SDM vol. 2A 2.1.1); in 64-bit code ES, CS, SS, DS "
		 "overrides do nothing (vol. 1 3.3.7.1) and REX counts directly before the opcode only (vol. 2A 2.2.1)",
	[TIDY_WITHOUT_REPEAT] = "F2 and F3 that mean nothing do not hide 66 (SDM vol. 2A 2.1.1)",
	[TIDY_WITHOUT_67] = "67 beside REX.W or on a branch changes the address size only (SDM vol. 2A 2.1.1)",
	[TIDY_AS_32] = "16-bit code is 32-bit code with 66 and 67 inverted (SDM vol. 1 3.6)",
};

/* 16-bit code seen as 32-bit: is the meaning of 66 (67) inverted? Not that of a mandatory 66, and nobody minds 67 on a branch but Capstone. */
static bool inverts_66(const struct sample *sample)
{
	const struct isa_row *row = sample->decoded.row;

	return !(row->attributes & (A_SSE | A_MMX)) && row->op != OP_INVPCID;
}

static bool inverts_67(const struct sample *sample)
{
	const struct isa_row *row = sample->decoded.row;

	return !(row->attributes & A_BRANCH) || row->op == OP_JrCXZ;
}

static unsigned tidy_bytes(const struct sample *sample, enum tidying tidying, uint8_t bytes[INSN_MAX_LENGTH + 3])
{
	const struct anatomy *anatomy = &sample->anatomy;
	bool prefix_67 = tidying == TIDY_AS_32 ? inverts_67(sample) && !anatomy->prefix_67
					       : tidying != TIDY_WITHOUT_67 && anatomy->prefix_67;
	bool prefix_66 = anatomy->prefix_66 != (tidying == TIDY_AS_32 && inverts_66(sample));
	const uint8_t prefixes[] = {anatomy->lock ? 0xf0 : 0,
				    anatomy->segment,
				    prefix_67 ? 0x67 : 0,
				    prefix_66 ? 0x66 : 0,
				    tidying != TIDY_WITHOUT_REPEAT ? anatomy->repeat : 0,
				    anatomy->rex};
	unsigned count = 0;

	for (unsigned i = 0; i < sizeof prefixes; i++)
		if (prefixes[i])
			bytes[count++] = prefixes[i];
	memcpy(bytes + count, sample->bytes + anatomy->prefixes, sample->available - anatomy->prefixes);
	return count + sample->available - anatomy->prefixes;
}

/* Is tidy, decoded anew, the original but for the address size? */
static bool only_address_size(const struct sample *original, struct sample *tidy)
{
	struct decoded decoded = original->decoded;

	if (decode(tidy->isa, tidy->code_size, tidy->bytes, tidy->available, &tidy->decoded) != original->status)
		return false;
	decoded.length = tidy->decoded.length;
	decoded.address_size = tidy->decoded.address_size;
	return original->status != DECODE_OK || !memcmp(&decoded, &tidy->decoded, sizeof decoded);
}

static const char *excuse_tidied(const struct sample *sample, enum tidying tidying)
{
	uint8_t bytes[INSN_MAX_LENGTH + 3]; /* inverting may add two */
	struct sample tidy = *sample;
	struct difference difference;
	const uint8_t *code = bytes;
	const char *reason;
	uint64_t address;
	unsigned removed;
	size_t left;

	tidy.available = tidy_bytes(sample, tidying, bytes);
	tidy.bytes = bytes;
	removed = sample->available - tidy.available;
	tidy.decoded.length -= removed;
	tidy.address += removed; /* so that it ends where it did */
	if (tidying == TIDY_AS_32) {
		tidy.handle = sample->handle32;
		tidy.code_size = 4;
	}
	address = tidy.address;
	left = tidy.available;
	tidy.insn = cs_disasm_iter(tidy.handle, &code, &left, &address, sample->spare) ? sample->spare : NULL;
	dissect(&tidy);
	if (tidying == TIDY_WITHOUT_67 && !only_address_size(sample, &tidy))
		return NULL;
	difference = compare(&tidy);
	reason = difference.kind == SAME ? tidying_reasons[tidying] : listed(&tidy, &difference);
	return reason;
}

const char *excuse(const struct sample *sample, const struct difference *difference)
{
	const struct anatomy *anatomy = &sample->anatomy;
	const char *reason = listed(sample, difference);

	if (!reason)
		reason = excuse_tidied(sample, TIDY);
	if (!reason && anatomy->repeat && sample->status == DECODE_OK && sample->decoded.row->prefix == P_ANY)
		reason = excuse_tidied(sample, TIDY_WITHOUT_REPEAT);
	if (!reason && anatomy->prefix_67 && (anatomy->rex & 8 || (sample->status == DECODE_OK && sample->decoded.row->attributes & A_BRANCH)))
		reason = excuse_tidied(sample, TIDY_WITHOUT_67);
	if (!reason && sample->code_size == 2 && sample->status == DECODE_OK)
		reason = excuse_tidied(sample, TIDY_AS_32);
	return reason;
}
