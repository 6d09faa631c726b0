/*
 * Traits of the host's processor: where processors do one thing or another, and which of them this one does. Each is measured by itself, by
 * running an instruction or a few (measure.c); nothing is concluded from the processor's name.
 */
#ifndef XRAY86_TESTS_DIFFERENTIAL_TRAIT_H
#define XRAY86_TESTS_DIFFERENTIAL_TRAIT_H

#include "tests/differential/case.h"

enum trait {
	/* Extensions. */
	TRAIT_SSSE3,
	TRAIT_SSE41,
	TRAIT_SSE42,
	TRAIT_POPCNT,
	TRAIT_MOVBE,
	TRAIT_CX16,
	TRAIT_INVPCID,
	TRAIT_LAHF,
	TRAIT_FSGSBASE,
	TRAIT_CODE32,
	TRAIT_SEGMENTS,
	/* Encodings. */
	TRAIT_REP_BSF,
	TRAIT_REP_BSR,
	TRAIT_BRANCH_66,
	TRAIT_REP_LOOP,
	TRAIT_FAR_64,
	TRAIT_MOVSXD_66,
	TRAIT_NOP_0D,
	TRAIT_SYSRET_32,
	TRAIT_SYSEXIT,
	TRAIT_NO_REGISTER,
	TRAIT_REP_IO,
	/* Results. */
	TRAIT_CVTPI2,
	TRAIT_BIT_SCAN_0,
	TRAIT_SHLD_16,
	TRAIT_BSWAP_16,
	TRAIT_PUSH_SEGMENT,
	TRAIT_POP_SEGMENT,
	TRAIT_NULL_BASE,
	TRAIT_X87_CONDITION,
	TRAIT_IDLE_FOP, /* the six of FOP, FIP and FDP: in this order */
	TRAIT_IDLE_FIP,
	TRAIT_IDLE_FDP,
	TRAIT_PENDING_FOP,
	TRAIT_PENDING_FIP,
	TRAIT_PENDING_FDP,
	TRAIT_POINTERS_64,
	TRAIT_ENVIRONMENT,
	/* Faults. */
	TRAIT_CMPS_ORDER,
	TRAIT_PENDING_FIRST,
	TRAIT_MMX_FAULT,
	TRAIT_SIMD_FLAGS,
	TRAIT_ALIGNMENT,
	TRAIT_WRITE_FAULT,
	TRAIT_SPLIT_CR2,
	TRAIT_ENTER_FAULT,
	TRAIT_IMAGE_FAULT,
	TRAIT_CANONICAL_48,
	TRAIT_SUPERVISOR,
	TRAIT_CALL_LIMIT,
	TRAIT_CALL_ORDER,
	TRAIT_CALL_STACK,
	TRAITS
};

enum answer {
	UNKNOWN,  /* not measured, or neither: as undefined */
	EMULATED, /* as the emulator does it: compared */
	OTHER,    /* the other known way */
};

struct trait_info {
	const char *name;
	const char *emulated, *other; /* the two known ways */
	const char *unless;           /* what is not compared, or not made, unless it is as emulated */
};
extern const struct trait_info traits[TRAITS];

/* What of an outcome tells. */
enum watch {
	WATCH_NOTHING,
	WATCH_RAX,
	WATCH_CR2,
	WATCH_ERROR,
	WATCH_FS_BASE,
	WATCH_FTW,
	WATCH_FSW,
	WATCH_FOP,
	WATCH_FIP,
	WATCH_FDP,
	WATCH_MXCSR,
	WATCH_MEMORY /* the quadword at watch_at */,
	WATCH_CHANGES /* words of memory */
};

/* vector: of the fault, or ENDS. */
enum { ENDS = -1 };
struct finding {
	int vector;
	uint64_t value;
};

/*
 * One measurement. The trait is as emulated if all its probes end so, the other way if all end the other way. Zero fields have defaults:
 * RSI and RDI are in the data pages, RSP in the stack, x87 and SSE as after FNINIT, RAX..RDX are 0.
 */
struct probe {
	uint8_t trait;
	uint8_t code32;    /* 32-bit code */
	uint8_t segmented; /* 32-bit code in CODE32_CUT, with this entry of the LDT as its stack */
	uint8_t length;
	const char *code;
	struct finding emulated, other;
	uint8_t watch;
	uint64_t watch_at;
	uint64_t rax, rcx, rdx, rbp, rsi, rdi, rsp, rflags;
	uint64_t patch_at, patch; /* a quadword of memory */
	uint16_t fcw, fsw, fop;
	uint8_t ftw;
	uint32_t mxcsr;
	uint64_t fip, fdp, xmm[4]; /* of XMM0 and XMM1 */
};
extern const struct probe probes[];
extern const unsigned probe_count;

void probe_prepare(const struct probe *probe, bool fsgsbase, struct test_case *ret);
/* What a probe ended with, as far as it is watched. */
struct finding probe_found(const struct probe *probe, const struct outcome *outcome);
enum answer probe_judge(const struct probe *probe, const struct outcome *outcome);

#endif
