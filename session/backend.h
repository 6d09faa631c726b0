/*
 * What is behind an xray86_session: one table of functions for each place where the work is done, this process (local.c) or a worker. The
 * functions of include/xray86.h check what they are given, keep callbacks from calling their own session, and turn errors into theirs.
 *
 * Options are complete structs of this version of the library. Strings of a session's options stay until close(); those of a run only
 * until it returns. After an error what *ret holds is undefined.
 */
#ifndef XRAY86_SESSION_BACKEND_H
#define XRAY86_SESSION_BACKEND_H

#include "include/xray86.h"
#include "util/error.h"

enum memory_kind { MEMORY_PHYSICAL, MEMORY_KERNEL, MEMORY_PROCESS };

/* What a command leaves. All but the output is allocated by the backend, and freed by the caller. */
struct outcome {
	int status;
	char *losses; /* NULL: nothing was lost */
	char *stats;
};

struct backend {
	void (*close)(void *self);
	/* Async-signal-safe. */
	void (*cancel)(void *self);
	/* The texts are the backend's, until close(). */
	struct error *(*facts)(void *self, struct xray86_facts *ret);
	/* To be freed by the caller. */
	struct error *(*info)(void *self, char **ret_json);
	/* pid: of MEMORY_PROCESS. */
	struct error *(*read)(void *self, enum memory_kind kind, unsigned pid, uint64_t address, void *to, size_t size);
	/* options->output is set; environment, too. */
	struct error *(*run)(void *self, const char *const *command, const struct xray86_run_options *options, struct outcome *ret);
};

/* Opens a snapshot in this process. */
struct error *local_open(const char *snapshot, const struct xray86_open_options *options, const struct backend **ret, void **ret_self);

#endif
