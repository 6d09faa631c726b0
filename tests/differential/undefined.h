/* What the manuals leave undefined, and what processors make of it. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_UNDEFINED_H
#define XRAY86_TESTS_DIFFERENTIAL_UNDEFINED_H

#include "tests/differential/case.h"
#include "tests/differential/exempt.h"

/* RFLAGS bits that are not to be compared after this instruction. */
uint64_t undefined_flags(const struct host *host, const struct instruction *insn);
/* Whether the operand that it writes is undefined. */
bool undefined_result(const struct host *host, const struct instruction *insn);
/*
 * What AMD's processors, and so the emulator, make of an operation's undefined flags; NULL if it has none, or it is told with a
 * like one.
 */
const char *undefined_on_amd(uint16_t op);

#endif
