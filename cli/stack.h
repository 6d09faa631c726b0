/* A stack that is large enough, whatever the user's limit (RLIMIT_STACK, `ulimit -s`) is. */
#ifndef XRAY86_CLI_STACK_H
#define XRAY86_CLI_STACK_H

#include <stdbool.h>

/* Calls fn, on the process's stack if its limit is 1 MiB or more, or else on a new one. Returns false, without the call, if it has no
 * memory. */
bool stack_call(void (*fn)(void *opaque), void *opaque);

#endif
