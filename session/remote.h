/*
 * An isolated session, the caller's end: what include/xray86.h offers, asked of a worker process that has few privileges (cli/worker.c), by
 * messages (session/message.h).
 *
 * The worker looks at what a hostile snapshot says, and may be taken over by it. So nothing that it sends is believed: sizes are bounded,
 * texts lose what could steer a terminal, JSON is parsed before it is handed on. A worker that dies, sends what is no message, or does not
 * end when it is told to, is ended, and every call from then on fails with ERROR_WORKER.
 */
#ifndef XRAY86_SESSION_REMOTE_H
#define XRAY86_SESSION_REMOTE_H

#include "session/backend.h"

/* Opens a snapshot in a worker that is started for it. */
struct error *remote_open(const char *snapshot, const struct xray86_open_options *options, const struct backend **ret, void **ret_self);
/* The same with one that is connected already: for tests. The sockets are the session's, but for an error, too; channel does not block. */
struct error *remote_open_connected(int channel, int cancel, const char *snapshot, const struct xray86_open_options *options,
				    const struct backend **ret, void **ret_self);

#endif
