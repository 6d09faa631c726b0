/* What a finished run has to tell: crash report, digest, statistics. All goes to stderr. */
#ifndef XRAY86_CLI_REPORT_H
#define XRAY86_CLI_REPORT_H

#include "emu/machine.h"

/* Everything about the CPU, and the way it came: for triple faults. */
void report_crash(const struct machine *machine);
/* "last POST code XXh", if there was one (test ROMs tell by it how far they came). */
void report_post_code(const struct machine *machine);
/* "instructions N, digest H" */
void report_digest(struct machine *machine);
void report_stats(const struct machine *machine);

#endif
