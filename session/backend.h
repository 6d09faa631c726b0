/*
 * The inside of an xray86_session: a table of functions for each place where the work can be done, which is this process (local.c) or a
 * worker. The functions of include/xray86.h check their arguments, keep callbacks from calling their own session, and turn errors into
 * theirs.
 *
 * Options are complete structs of this version of the library. Strings of a session's options are valid until close(), those of a run until
 * it returns. After an error *ret is undefined.
 */
#ifndef XRAY86_SESSION_BACKEND_H
#define XRAY86_SESSION_BACKEND_H

#include <stdbool.h>

#include "include/xray86.h"
#include "util/error.h"

enum memory_kind { MEMORY_PHYSICAL, MEMORY_KERNEL, MEMORY_PROCESS };

/* The outcome of a command, without its output. The backend allocates the strings, and the caller frees them. */
struct outcome {
	int status;
	bool unproven; /* without the image of the snapshot's kernel, whose own code has answered */
	char *losses;  /* NULL: nothing was lost */
	char *stats;
};

struct backend {
	void (*close)(void *self);
	/* Async-signal-safe. */
	void (*cancel)(void *self);
	/* The texts belong to the backend, until close(). */
	struct error *(*facts)(void *self, struct xray86_facts *ret);
	/* The caller frees *ret_json. */
	struct error *(*info)(void *self, char **ret_json);
	/* pid is for MEMORY_PROCESS. */
	struct error *(*read)(void *self, enum memory_kind kind, unsigned pid, uint64_t address, void *to, size_t size);
	/* options->output and options->environment are set. */
	struct error *(*run)(void *self, const char *const *command, const struct xray86_run_options *options, struct outcome *ret);
};

/* Opens a snapshot in this process. stages: session/session.h; may be NULL. */
struct session_stages;
struct error *local_open(const char *snapshot, const struct xray86_open_options *options, const struct session_stages *stages,
			 const struct backend **ret, void **ret_self);

#endif
