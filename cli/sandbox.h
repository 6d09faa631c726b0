/*
 * Least privilege: what this process may ask of the host's kernel while it looks at files of strangers. A snapshot or an image that takes
 * the program over gets little: it can write no file, start no program, use no network, and make no new code. docs/security.md says the
 * rest.
 *
 * Each stage only takes privileges away, for good and for the whole process. So it is for the command line alone, never for the library.
 */
#ifndef XRAY86_CLI_SANDBOX_H
#define XRAY86_CLI_SANDBOX_H

#include <stdbool.h>

#include "util/error.h"

enum sandbox_stage {
	SANDBOX_UNPACKING, /* as the next, and new folders in that folder, for what is in a package */
	SANDBOX_SAVING,    /* as the next, and new files in one folder, for a checkpoint */
	SANDBOX_HOLDING,   /* as the next, and a file in memory, for a checkpoint that is not kept */
	SANDBOX_READING,   /* opening for reading, reading, writing to open files, and memory that is no code */
};

/*
 * Enters the stage, from no stage or the one before. `folder` is the open folder of SANDBOX_UNPACKING or SANDBOX_SAVING; -1: none. The
 * process also gains no privileges any more, dumps no core, and only the super-user can trace it. A forbidden system call ends the process
 * with a message that names the call, and with EXIT_XRAY86.
 *
 * The error says which part the host's kernel or the container does not allow. The rest is in force, and the program can go on.
 */
struct error *sandbox_enter(enum sandbox_stage stage, int folder);

/*
 * The same, unless the user has said --no-sandbox (`off`). An error becomes a note on stderr, unless *told says that an earlier stage has
 * told it already; it is set then. NULL: there is only one stage.
 */
void sandbox_enter_unless(bool off, enum sandbox_stage stage, int folder, bool *told);

#endif
