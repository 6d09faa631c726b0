/* What the SDM leaves undefined, and what processors make of it. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_UNDEFINED_H
#define XRAY86_TESTS_DIFFERENTIAL_UNDEFINED_H

#include "tests/differential/case.h"
#include "tests/differential/host.h"

/* RFLAGS bits that the instruction may leave otherwise on the host than in the emulator. */
uint64_t undefined_flags(const struct host *host, const struct instruction *insn);
/* Those of them that the host was seen to leave as they were before. */
uint64_t undefined_flags_kept(const struct host *host, const struct instruction *insn);
/* Whether that may also be so of what it writes to its operand (outcome: after it). */
bool undefined_result(const struct host *host, const struct instruction *insn, const struct outcome *outcome);
/* Whether it may come next in a sequence: whatever the host makes of what is undefined, it must not spread. */
bool undefined_fits(const struct host *host, const struct test_case *sequence, const struct instruction *insn);
/* What the emulator makes of an operation's undefined flags, for people; NULL if it has none. */
const char *undefined_told(uint16_t op);

#endif
