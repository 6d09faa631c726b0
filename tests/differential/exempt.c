/*
 * The exemptions: exempt.h. A row that appears here is either never run natively (its effect is on the operating system, or its result is
 * the emulated machine's own), or run for its fault only (privileged). Each names the unit test that covers what we cannot see here.
 */
#include "tests/differential/exempt.h"

#include <stddef.h>

#define SYSTEM_TEST "test_system"
#define PRIVILEGED_TEST "test_privileged"
#define PORT_TEST "test_port"
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
	{OP_CPUID, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", PRIVILEGED_TEST},
	{OP_RDTSC, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", MSR_TEST},
	{OP_RDTSCP, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", MSR_TEST},
	{OP_RDRAND, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", MSR_TEST},
	{OP_RDSEED, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", MSR_TEST},
	{OP_RDPMC, EXEMPT_NEVER_RUN, "the host's kernel decides by CR4.PCE", PRIVILEGED_TEST},
	{OP_XGETBV, EXEMPT_NEVER_RUN, "the result is the emulated CPU's own", PRIVILEGED_TEST},
	{OP_SGDT, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", PRIVILEGED_TEST},
	{OP_SIDT, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", PRIVILEGED_TEST},
	{OP_SLDT, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", PRIVILEGED_TEST},
	{OP_STR, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", PRIVILEGED_TEST},
	{OP_SMSW, EXEMPT_NEVER_RUN, "the host's kernel emulates it under UMIP", PRIVILEGED_TEST},
	{OP_XSETBV, EXEMPT_NEVER_RUN, "#UD or #GP as CPUID's OSXSAVE says, which is ours", PRIVILEGED_TEST},
	{OP_INT1, EXEMPT_NEVER_RUN, "hypervisors give it a RIP of their own", INTERRUPT_TEST},
	{OP_SYSRET, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_SYSEXIT, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_SWAPGS, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_MOV_FROM_CR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MOV_FROM_DR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MOV_TO_CR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_MOV_TO_DR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_CLTS, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_LMSW, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_LLDT, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_LTR, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_LGDT, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_LIDT, EXEMPT_FAULTS, "privileged", SYSTEM_TEST},
	{OP_INVD, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_WBINVD, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_INVLPG, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_INVPCID, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_WRMSR, EXEMPT_FAULTS, "privileged", MSR_TEST},
	{OP_RDMSR, EXEMPT_FAULTS, "privileged", MSR_TEST},
	{OP_CLI, EXEMPT_FAULTS, "privileged by IOPL", PRIVILEGED_TEST},
	{OP_STI, EXEMPT_FAULTS, "privileged by IOPL", PRIVILEGED_TEST},
	{OP_CLAC, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_STAC, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_HLT, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_MONITOR, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_MWAIT, EXEMPT_FAULTS, "privileged", PRIVILEGED_TEST},
	{OP_IN, EXEMPT_FAULTS, "I/O", PORT_TEST},
	{OP_OUT, EXEMPT_FAULTS, "I/O", PORT_TEST},
	{OP_INS, EXEMPT_FAULTS, "I/O", PORT_TEST},
	{OP_OUTS, EXEMPT_FAULTS, "I/O", PORT_TEST},
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
