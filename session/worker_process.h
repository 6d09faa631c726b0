/*
 * The process of an isolated session: `xray86 --worker`, started with nothing of the caller's but its environment and folder, and ended.
 *
 * For a library in other people's programs: no signal handler is needed, and whatever the caller does with SIGCHLD is fine. Descriptors 0
 * to 2 are not used even if they are closed, and what is made here is closed on exec.
 */
#ifndef XRAY86_SESSION_WORKER_PROCESS_H
#define XRAY86_SESSION_WORKER_PROCESS_H

#include <sys/types.h>

#include "util/error.h"

/* What the worker has. Its standard input and output are /dev/null. */
enum { WORKER_CHANNEL = 3, WORKER_CANCEL = 4 };

struct worker_process {
	pid_t pid;
	int channel; /* socket for messages; does not block */
	int cancel;  /* socket: a byte cancels */
	int said;    /* file of a few KiB: the worker's standard error */
};

extern const struct worker_process no_worker_process;

/*
 * program: its path; NULL: the one that lies near the library, else the one that was installed with it. An error leaves no_worker_process
 * in *ret.
 */
struct error *worker_process_start(const char *program, struct worker_process *ret);
/*
 * Ends the process, whatever it does, and waits for its end; the descriptors stay, since xray86_cancel() may be using one. ret_how: not
 * NULL if the process seems to end by itself. Then *ret_how says how it did, for a message, or is NULL if it did not, or memory is short;
 * the caller frees it.
 */
void worker_process_end(struct worker_process *process, char **ret_how);
/* The process, if it has not ended, and the descriptors. */
void worker_process_close(struct worker_process *process);

#endif
