/*
 * A part of a command that looks at files of strangers, while the rest of it starts programs and writes files: it is a process of its own,
 * with the privileges of a stage of the sandbox (cli/sandbox.h).
 */
#ifndef XRAY86_CLI_CONFINED_H
#define XRAY86_CLI_CONFINED_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/sandbox.h"

struct confined {
	bool off; /* --no-sandbox: with all privileges */
	enum sandbox_stage stage;
	int folder; /* as for sandbox_enter() */
	bool *told; /* as for sandbox_enter_unless() */
};

/*
 * Calls fn in such a process. What it leaves in the `size` bytes of its `ret`, zeros at first, is copied to the caller's; nothing else of
 * what it does is seen here. Who takes the process over decides what they are: check them. The error is fn's, or says how the process
 * ended. Ctrl-C ends that process, and is an error here.
 */
struct error *confined_call(const struct confined *how, struct error *(*fn)(void *opaque, void *ret), void *opaque, void *ret, size_t size);

#endif
