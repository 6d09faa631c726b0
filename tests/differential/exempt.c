/*
 * The exemptions: exempt.h. A row that appears here is either never run natively (its effect is on the operating system, or its result is
 * the emulated machine's own), or run for its fault only (privileged). Each names the unit test that covers what we cannot see here.
 */
#include "tests/differential/exempt.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "emu/cpu.h"

#define SYSTEM_TEST "test_system"
#define FAR_TEST "test_far"
#define INTERRUPT_TEST "test_interrupt"
#define MSR_TEST "test_msr"

const struct exempt_row exempt_rows[] = {
	{OP_SYSCALL, EXEMPT_NEVER_RUN, "enters the host's kernel", FAR_TEST},
	{OP_SYSENTER, EXEMPT_NEVER_RUN, "enters the host's kernel", FAR_TEST},
	{OP_INT, EXEMPT_NEVER_RUN, "INT 80h enters the host's kernel", INTERRUPT_TEST},
	{OP_CALL_FAR, EXEMPT_NEVER_RUN, "leaves the code segment of the case", FAR_TEST},
	{OP_CALL_FAR_INDIRECT, EXEMPT_NEVER_RUN, "leaves the code segment of the case", FAR_TEST},
	{OP_JMP_FAR, EXEMPT_NEVER_RUN, "leaves the code segment of the case", FAR_TEST},
	{OP_JMP_FAR_INDIRECT, EXEMPT_NEVER_RUN, "leaves the code segment of the case", FAR_TEST},
	{OP_RET_FAR, EXEMPT_NEVER_RUN, "leaves the code segment of the case", FAR_TEST},
	{OP_RET_FAR_N, EXEMPT_NEVER_RUN, "leaves the code segment of the case", FAR_TEST},
	{OP_IRET, EXEMPT_NEVER_RUN, "leaves the code segment of the case", FAR_TEST},
	{OP_CPUID, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", SYSTEM_TEST},
	{OP_RDTSC, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", MSR_TEST},
	{OP_RDTSCP, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", MSR_TEST},
	{OP_RDPMC, EXEMPT_NEVER_RUN, "the host's kernel decides by CR4.PCE", SYSTEM_TEST},
	{OP_XGETBV, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", SYSTEM_TEST},
	{OP_SGDT, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", SYSTEM_TEST},
	{OP_SIDT, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", SYSTEM_TEST},
	{OP_SLDT, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", SYSTEM_TEST},
	{OP_STR, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", SYSTEM_TEST},
	{OP_SMSW, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", SYSTEM_TEST},
	{OP_XSETBV, EXEMPT_NEVER_RUN, "#UD or #GP as CPUID's OSXSAVE says, which is ours", SYSTEM_TEST},
	{OP_INT1, EXEMPT_NEVER_RUN, "hypervisors give it a RIP of their own", INTERRUPT_TEST},
	{OP_SYSRET, EXEMPT_FAULTS, "privileged", FAR_TEST},
	{OP_SYSEXIT, EXEMPT_FAULTS, "privileged", FAR_TEST},
	{OP_SWAPGS, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MOV_FROM_CR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MOV_FROM_DR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MOV_TO_CR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MOV_TO_DR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_CLTS, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_LMSW, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_LLDT, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_LTR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_LGDT, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_LIDT, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_INVD, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_WBINVD, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_INVLPG, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_INVPCID, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_WRMSR, EXEMPT_FAULTS, "privileged", MSR_TEST},
	{OP_RDMSR, EXEMPT_FAULTS, "privileged", MSR_TEST},
	{OP_CLI, EXEMPT_FAULTS, "privileged by IOPL", SYSTEM_TEST},
	{OP_STI, EXEMPT_FAULTS, "privileged by IOPL", SYSTEM_TEST},
	{OP_CLAC, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_STAC, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_HLT, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MONITOR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MWAIT, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_IN, EXEMPT_FAULTS, "I/O", SYSTEM_TEST},
	{OP_OUT, EXEMPT_FAULTS, "I/O", SYSTEM_TEST},
	{OP_INS, EXEMPT_FAULTS, "I/O", SYSTEM_TEST},
	{OP_OUTS, EXEMPT_FAULTS, "I/O", SYSTEM_TEST},
	{0, 0, NULL, NULL},
};

const struct exempt_row *exempt_find(const struct isa_row *row)
{
	for (const struct exempt_row *exempt = exempt_rows; exempt->reason; exempt++) {
		if (exempt->op == row->op)
			return exempt;
	}
	return NULL;
}

void host_detect(struct host *ret)
{
	unsigned a, b, c, d;

	memset(ret, 0, sizeof(*ret));
	__cpuid(0, a, b, c, d);
	ret->amd = b == signature_AMD_ebx || b == 0x6f677948 /* Hygon */;
	__cpuid(1, a, b, c, d);
	ret->sse3 = c & bit_SSE3;
	ret->ssse3 = c & bit_SSSE3;
	ret->sse41 = c & bit_SSE4_1;
	ret->sse42 = c & bit_SSE4_2;
	ret->popcnt = c & bit_POPCNT;
	ret->movbe = c & bit_MOVBE;
	ret->cx16 = c & bit_CMPXCHG16B;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		ret->bmi1 = b & bit_BMI;
	if (__get_cpuid(0x80000001, &a, &b, &c, &d))
		ret->abm = c & bit_LZCNT;
}

void host_describe(const struct host *host, char *to, unsigned size)
{
	snprintf(to, size, "%s%s%s%s%s%s%s%s", host->sse3 ? "" : " SSE3", host->ssse3 ? "" : " SSSE3", host->sse41 ? "" : " SSE4.1",
		 host->sse42 ? "" : " SSE4.2", host->popcnt ? "" : " POPCNT", host->movbe ? "" : " MOVBE", host->cx16 ? "" : " CMPXCHG16B",
		 host->sse3 && host->ssse3 && host->sse41 && host->sse42 && host->popcnt && host->movbe && host->cx16 ? " nothing" : "");
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
	if (near_branch && host->amd && code_size == 8 &&
	    has_prefix(decoded, bytes, 0x66)) /* AMD's are 16 bits wide then; ours are Intel's */
		return true;
	if (!host->amd)
		return false;
	if ((row->op == OP_LOOPE || row->op == OP_LOOPNE) && (has_prefix(decoded, bytes, 0xf3) || has_prefix(decoded, bytes, 0xf2)))
		return true; /* on AMD's, F3 makes either LOOPE, F2 LOOPNE */
	if ((row->op == OP_LSS || row->op == OP_LFS || row->op == OP_LGS) && decoded->operand_size == 8) /* AMD's have no m16:64 */
		return true;
	if (row->op == OP_MOVSXD && decoded->operand_size == 2) /* AMD's read a doubleword for it, Intel's a word */
		return true;
	return row->op == OP_SYSRET && code_size == 4; /* AMD's has it in legacy code too: #GP in place of #UD */
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
	if (row->op == OP_CRC32)
		return !host->sse42;
	if (sse && row->map == MAP_0F38)
		return row->opcode <= 0x0b || (row->opcode >= 0x1c && row->opcode <= 0x1e) ? !host->ssse3 : !(host->sse41 && host->sse42);
	if (sse && row->map == MAP_0F3A)
		return row->opcode == 0x0f ? !host->ssse3 : !(host->sse41 && host->sse42);
	return false;
}
