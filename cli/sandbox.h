/*
 * Least privilege: what this process may ask of the host's kernel while it looks at what strangers made. A snapshot or an image that takes
 * over the program gets little with it: no write to a file, no other program, no network, no new code. docs/security.md says the rest.
 *
 * Every step is for good, and each only takes away. Process-wide: for the command line alone, never for the library.
 */
#ifndef XRAY86_CLI_SANDBOX_H
#define XRAY86_CLI_SANDBOX_H

#include <stdbool.h>

#include "util/error.h"

enum sandbox_stage {
	SANDBOX_SAVING,  /* as the next, but new files in one folder, for a checkpoint */
	SANDBOX_READING, /* opening for reading, reading, writing to what is open, and memory that is no code */
};

/*
 * Enters the stage, from no stage or the one before. folder: that of SANDBOX_SAVING, open; -1: none. Besides: no privileges are gained any
 * more, no core is dumped, nobody but the super-user can trace the process. A call that is not allowed ends the process with a message that
 * names it, and with EXIT_XRAY86.
 *
 * The error says which of this the host's kernel or the container does not allow: the rest holds, and the program can go on.
 */
struct error *sandbox_enter(enum sandbox_stage stage, int folder);

/* The same, where the user has not said --no-sandbox; what is not to be had is a note on stderr. told: whether an earlier stage has said
 * so, which is set; NULL: there is but one stage. */
void sandbox_enter_unless(bool off, enum sandbox_stage stage, int folder, bool *told);

#endif
