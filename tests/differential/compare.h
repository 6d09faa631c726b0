/* Compares what came of a case in two executors. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_COMPARE_H
#define XRAY86_TESTS_DIFFERENTIAL_COMPARE_H

#include "tests/differential/case.h"
#include "tests/differential/host.h"

/* Fields that differ. */
#define DIFFERS_GPR(n) (1ull << (n))
#define DIFFERS_GPR_ALL 0xffffull
#define DIFFERS_RIP (1ull << 16)
#define DIFFERS_RFLAGS (1ull << 17)
#define DIFFERS_SELECTORS (1ull << 18)
#define DIFFERS_FS_BASE (1ull << 19)
#define DIFFERS_GS_BASE (1ull << 20)
#define DIFFERS_FCW (1ull << 21)
#define DIFFERS_FSW (1ull << 22)
#define DIFFERS_FTW (1ull << 23)
#define DIFFERS_FOP (1ull << 24)
#define DIFFERS_FIP (1ull << 25)
#define DIFFERS_FDP (1ull << 26)
#define DIFFERS_MXCSR (1ull << 27)
#define DIFFERS_OUTCOME (1ull << 28) /* end, fault (of which vector), runaway */
#define DIFFERS_ERROR_CODE (1ull << 29)
#define DIFFERS_CR2 (1ull << 30)
#define DIFFERS_MEMORY (1ull << 31)
#define DIFFERS_ST(n) (1ull << (32 + (n)))
#define DIFFERS_ST_ALL (0xffull << 32)
#define DIFFERS_XMM(n) (1ull << (40 + (n)))
#define DIFFERS_XMM_ALL (0xffffull << 40)

/*
 * host: `native` is the host's outcome, and what may depend on the processor or its kernel is left out. NULL: both are the emulator's, and
 * everything must agree. Returns a set of DIFFERS_*.
 */
uint64_t compare_outcomes(const struct host *host, const struct test_case *test, const uint8_t *image, const struct outcome *native,
			  const struct outcome *emulated);
/* Whether the case touched addresses that only exist natively, the harness's own: then there is nothing to compare. */
bool compare_is_void(const struct outcome *emulated);

/* AddressSanitizer's shadow memory takes a large part of the address space, and must not be written. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define SHADOW_BASE 0x7fff8000ull
#define SHADOW_END 0x10007fff8000ull

#endif
