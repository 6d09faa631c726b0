/* Reports of a finished run, on stderr: crash report, digest, statistics. */
#ifndef XRAY86_CLI_REPORT_H
#define XRAY86_CLI_REPORT_H

#include "emu/machine.h"

/* The state of the CPU, and the instructions before, for triple faults. */
void report_crash(const struct machine *machine);
/* "last POST code XXh", if there was one. (It tells how far a test ROM came.) */
void report_post_code(const struct machine *machine);
/* "instructions N, digest H" */
void report_digest(struct machine *machine);
void report_stats(const struct machine *machine);

#endif
