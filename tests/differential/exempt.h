/* Which rows are not compared with the host, and why. */
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

#endif
