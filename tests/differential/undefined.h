/* What the manuals leave undefined, and what processors make of it. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_UNDEFINED_H
#define XRAY86_TESTS_DIFFERENTIAL_UNDEFINED_H

#include "tests/differential/case.h"
#include "tests/differential/exempt.h"

/* RFLAGS bits that are not to be compared after this instruction. */
uint64_t undefined_flags(const struct host *host, const struct instruction *insn);
/* Whether the registers it writes are undefined here (BSF of zero and the like). */
bool undefined_result(const struct host *host, const struct test_case *test, const struct instruction *insn);

#endif
