/* The host's processor, as it was measured or is imagined: what of the emulator's ways can be compared with it. */
#ifndef XRAY86_TESTS_DIFFERENTIAL_HOST_H
#define XRAY86_TESTS_DIFFERENTIAL_HOST_H

#include "tests/differential/case.h"
#include "tests/differential/flag_rule.h"
#include "tests/differential/trait.h"

struct host {
	uint8_t answer[TRAITS]; /* enum answer */
	struct {
		uint16_t emulated; /* flags that follow the group's rule ... */
		uint16_t kept;     /* ... and that stay as they were before */
	} flags[FLAG_GROUPS];
};

/* Whether it was measured to do as the emulator does. */
static inline bool host_does(const struct host *host, enum trait trait)
{
	return host->answer[trait] == EMULATED;
}

/*
 * Takes it as another one, by name: `none` (nothing is known of it: what the SDM leaves undefined is not compared), or a processor as it is
 * known or imagined (zen3, zen4, zen5, intel): what that does not do as the emulator is added to what this one does not. Extensions and the
 * kernel's part stay as measured. False: there is none such.
 */
bool host_pretend(struct host *host, const char *name);
/* What was measured, for people, in a line; writes at most size bytes. */
void host_describe(const struct host *host, char *to, unsigned size);
/* Whether this very encoding means something else on the host. */
bool host_differs(const struct host *host, unsigned code_size, const struct decoded *decoded, const uint8_t *bytes);
/*
 * FXSAVE, MASKMOVDQU and the like: which of their parts faults first, and what alignment they want under EFLAGS.AC, is each
 * processor's own.
 */
bool is_accessed_in_parts(const struct isa_row *row);
/* Whether EFLAGS.AC is of defined effect on the row: if not, only on hosts that do as the emulator (TRAIT_ALIGNMENT). */
bool host_checks_alignment(const struct host *host, const struct isa_row *row);
/* Whether the host lacks the row. */
bool host_lacks(const struct host *host, const struct isa_row *row);

#endif
