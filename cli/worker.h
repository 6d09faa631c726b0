/* xray86 --worker: the process of an isolated session (session/remote.h), which the library starts. Not for people. */
#ifndef XRAY86_CLI_WORKER_H
#define XRAY86_CLI_WORKER_H

#include "util/error.h"

/* argument: --worker CHANNEL CANCEL, the numbers of two sockets. Ends when the caller closes the channel. */
struct error *worker_command(int argc, char **argv, int *ret_status);

#endif
