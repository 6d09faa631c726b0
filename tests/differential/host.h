/* The host's processor: what it can do, and in what it differs from the emulated one. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_HOST_H
#define XRAY86_TESTS_DIFFERENTIAL_HOST_H

#include "tests/differential/case.h"

/* By what is known of their ways with what the SDM leaves undefined (undefined.c). */
enum host_class { HOST_ZEN5, HOST_ZEN3, HOST_OTHER, HOST_CLASSES };

struct host {
	enum host_class class;
	bool amd, zen5;
	bool abm;    /* LZCNT */
	bool bmi1;   /* TZCNT */
	bool code32; /* a segment of 32-bit code that programs may use: SELECTOR_CODE32 */
	bool sse3, ssse3, sse41, sse42, popcnt, movbe, cx16, invpcid, fsgsbase;
};

void host_detect(struct host *ret);
/* Takes it as one of another class, by name: false if there is none such. */
bool host_pretend(struct host *host, const char *name);
/* Its class, and what it lacks of what rows want, for people; writes at most size bytes. */
void host_describe(const struct host *host, char *to, unsigned size);
/* Whether this very encoding means something else on the host, by its own extensions or where vendors differ. */
bool host_differs(const struct host *host, unsigned code_size, const struct decoded *decoded, const uint8_t *bytes);
/*
 * FXSAVE, MASKMOVDQU and the like: which of their parts faults first, and what alignment they want under EFLAGS.AC, is each
 * processor's own.
 */
bool is_accessed_in_parts(const struct isa_row *row);
/*
 * Whether it is a copy that the host may get wrong: REP MOVS with 16-bit addresses on Zen 5, where source and destination overlap by less
 * than a vector and the upper halves of ESI and EDI are not 0. It then copies what it has overwritten before.
 */
bool host_copies_wrongly(const struct host *host, const struct decoded *decoded);
/* Whether the host lacks the row. */
bool host_lacks(const struct host *host, const struct isa_row *row);

#endif
