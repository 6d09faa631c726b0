/*
 * The host's processor: host.h.
 *
 * `amd`, `zen5` and the features are what it is; `class` is what is known of its ways with what the SDM leaves undefined, and can be
 * chosen.
 */
#include "tests/differential/host.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "emu/cpu.h"
#include "tests/differential/native.h"

static const struct {
	const char *name, *meaning;
} classes[HOST_CLASSES] = {
	[HOST_ZEN5] = {"zen5", "AMD Zen 5; undefined flags compared"},
	[HOST_ZEN3] = {"zen3",
		       "AMD up to Zen 4, of which Zen 3 was measured; undefined flags compared, those of BSF and BSR by their own rule"},
	[HOST_OTHER] = {"other", "any processor; only what the SDM defines is compared"},
};

enum { FAMILY_ZEN5 = 0x1a };

static unsigned family(unsigned signature)
{
	unsigned base = signature >> 8 & 0xf;

	return base == 0xf ? base + (signature >> 20 & 0xff) : base;
}

/* Kernels without 32-bit programs, and some hypervisors, have no such segment. */
static bool has_segment(uint32_t selector)
{
	uint32_t rights;
	bool valid;

	__asm__("lar %2, %0" : "=&r"(rights), "=@ccz"(valid) : "r"(selector));
	return valid;
}

void host_detect(struct host *ret)
{
	unsigned a, b, c, d;

	memset(ret, 0, sizeof(*ret));
	__cpuid(0, a, b, c, d);
	ret->amd = b == signature_AMD_ebx || b == 0x6f677948 /* Hygon */;
	__cpuid(1, a, b, c, d);
	ret->zen5 = ret->amd && family(a) >= FAMILY_ZEN5;
	ret->class = ret->zen5 ? HOST_ZEN5 : ret->amd ? HOST_ZEN3 : HOST_OTHER;
	ret->sse3 = c & bit_SSE3;
	ret->ssse3 = c & bit_SSSE3;
	ret->sse41 = c & bit_SSE4_1;
	ret->sse42 = c & bit_SSE4_2;
	ret->popcnt = c & bit_POPCNT;
	ret->movbe = c & bit_MOVBE;
	ret->cx16 = c & bit_CMPXCHG16B;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
		ret->bmi1 = b & bit_BMI;
		ret->invpcid = b & 1 << 10;
	}
	ret->code32 = has_segment(SELECTOR_CODE32);
	ret->fsgsbase = native_has_fsgsbase();
	if (__get_cpuid(0x80000001, &a, &b, &c, &d))
		ret->abm = c & bit_LZCNT;
}

bool host_pretend(struct host *host, const char *name)
{
	for (unsigned i = 0; i < HOST_CLASSES; i++) {
		if (strcmp(name, classes[i].name) == 0) {
			host->class = i;
			return true;
		}
	}
	return false;
}

void host_describe(const struct host *host, char *to, unsigned size)
{
	const struct {
		bool has;
		const char *name;
	} features[] = {
		{host->sse3, "SSE3"},         {host->ssse3, "SSSE3"},        {host->sse41, "SSE4.1"},    {host->sse42, "SSE4.2"},
		{host->popcnt, "POPCNT"},     {host->movbe, "MOVBE"},        {host->cx16, "CMPXCHG16B"}, {host->invpcid, "INVPCID"},
		{host->fsgsbase, "FSGSBASE"}, {host->code32, "32-bit code"},
	};
	struct host real;
	unsigned length;
	bool lacks = false;

	host_detect(&real);
	length = snprintf(to, size, "%s%s (%s); lacks:", real.class != host->class ? "taken as " : "", classes[host->class].name,
			  classes[host->class].meaning);
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]) && length < size; i++) {
		if (!features[i].has)
			length += snprintf(to + length, size - length, " %s", features[i].name);
		lacks |= !features[i].has;
	}
	if (!lacks && length < size)
		snprintf(to + length, size - length, " nothing");
}

static bool has_prefix(const struct decoded *decoded, const uint8_t *bytes, uint8_t prefix)
{
	/* Prefixes and REX before the opcode; a false hit in the opcode only costs a case. */
	for (unsigned i = 0; i < decoded->length && i < 8; i++) {
		if (bytes[i] == prefix)
			return true;
		if (bytes[i] == 0x0f)
			break;
	}
	return false;
}

bool host_differs(const struct host *host, unsigned code_size, const struct decoded *decoded, const uint8_t *bytes)
{
	const struct isa_row *row = decoded->row;
	bool near_branch = row->attributes & A_F64 && (row->attributes & A_BRANCH || row->op == OP_JMP_INDIRECT ||
						       row->op == OP_CALL_INDIRECT || row->op == OP_RET || row->op == OP_RET_N);

	if (row->op == OP_BSF && host->bmi1 && has_prefix(decoded, bytes, 0xf3)) /* TZCNT */
		return true;
	if (row->op == OP_BSR && host->abm && has_prefix(decoded, bytes, 0xf3)) /* LZCNT */
		return true;
	if (!host->amd)
		return row->op == OP_CVTPI2PS && decoded->mod != 3; /* ours leaves the x87 state alone, as AMD's; the SDM says otherwise */
	if (near_branch && code_size == 8 && has_prefix(decoded, bytes, 0x66)) /* AMD's are 16 bits wide then; ours are Intel's */
		return true;
	if ((row->op == OP_LOOPE || row->op == OP_LOOPNE) && (has_prefix(decoded, bytes, 0xf3) || has_prefix(decoded, bytes, 0xf2)))
		return true; /* on AMD's, F3 makes either LOOPE, F2 LOOPNE */
	if ((row->op == OP_LSS || row->op == OP_LFS || row->op == OP_LGS) && decoded->operand_size == 8) /* AMD's have no m16:64 */
		return true;
	if (row->op == OP_MOVSXD && decoded->operand_size == 2) /* AMD's read a doubleword for it, Intel's a word */
		return true;
	return row->op == OP_SYSRET && code_size == 4; /* AMD's has it in legacy code too: #GP in place of #UD */
}

bool host_copies_wrongly(const struct host *host, const struct decoded *decoded)
{
	return host->zen5 && decoded->row->op == OP_MOVS && decoded->address_size == 2;
}

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

bool host_lacks(const struct host *host, const struct isa_row *row)
{
	bool sse = row->attributes & (A_SSE | A_MMX);

	if (row->op == OP_NOP && row->opcode == 0x0d)
		return host->amd; /* #UD there */
	if (row->op == OP_POPCNT)
		return !host->popcnt;
	if (row->op == OP_MOVBE)
		return !host->movbe;
	if (row->op == OP_CMPXCHG16B)
		return !host->cx16;
	if (row->op == OP_INVPCID)
		return !host->invpcid; /* #UD in place of #GP */
	if (row->attributes & A_NO64 && !host->code32)
		return true;
	if (row->op == OP_RDFSBASE || row->op == OP_RDGSBASE || row->op == OP_WRFSBASE || row->op == OP_WRGSBASE)
		return !host->fsgsbase;
	if (row->op == OP_CRC32)
		return !host->sse42;
	if (sse && row->map == MAP_0F38)
		return row->opcode <= 0x0b || (row->opcode >= 0x1c && row->opcode <= 0x1e) ? !host->ssse3 : !(host->sse41 && host->sse42);
	if (sse && row->map == MAP_0F3A)
		return row->opcode == 0x0f ? !host->ssse3 : !(host->sse41 && host->sse42);
	return false;
}
