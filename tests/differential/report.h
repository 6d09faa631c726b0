/* Shows a mismatch. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_REPORT_H
#define XRAY86_TESTS_DIFFERENTIAL_REPORT_H

#include "tests/differential/case.h"

/* names: of the two executors. differs: DIFFERS_*. */
void report_mismatch(uint64_t seed, const struct test_case *test, const uint8_t *image, const char *const names[2],
		     const struct outcome *const outcomes[2], uint64_t differs);

#endif
