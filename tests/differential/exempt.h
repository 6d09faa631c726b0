/* Which rows and encodings are not compared with the host, and why. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_EXEMPT_H
#define XRAY86_TESTS_DIFFERENTIAL_EXEMPT_H

#include "tests/differential/case.h"

enum exemption {
	EXEMPT_NOT,
	EXEMPT_NEVER_RUN, /* not run on the host at all */
	EXEMPT_FAULTS,    /* privileged: run, but all there is to see is the fault */
};

struct exempt_row {
	uint16_t op;
	uint8_t kind; /* enum exemption */
	const char *reason;
	const char *tested; /* the unit test that stands in */
};

/* Ended by reason == NULL. */
extern const struct exempt_row exempt_rows[];
const struct exempt_row *exempt_find(const struct isa_row *row); /* NULL: none */

struct host {
	bool amd;
	bool abm;  /* LZCNT */
	bool bmi1; /* TZCNT */
	bool sse3, ssse3, sse41, sse42, popcnt, movbe, cx16;
};

void host_detect(struct host *ret);
/* What this host lacks of what rows want, for people; writes at most size bytes. */
void host_describe(const struct host *host, char *to, unsigned size);
/* Whether this very encoding means something else on the host, by its own extensions or where vendors differ. */
bool host_differs(const struct host *host, unsigned code_size, const struct decoded *decoded, const uint8_t *bytes);
/*
 * FXSAVE, MASKMOVDQU and the like: which of their parts faults first, and what alignment they want under EFLAGS.AC, is each
 * processor's own.
 */
bool is_accessed_in_parts(const struct isa_row *row);
/* Whether the host lacks the row. */
bool host_lacks(const struct host *host, const struct isa_row *row);

#endif
