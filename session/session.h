/*
 * A session: an open snapshot, and the trusted VM in which commands (command.h) run.
 *
 * Opening has three steps, so that the caller can give up privileges between them: the cache is written to; the snapshot comes from
 * strangers; after booting, nothing is written any more.
 */
#ifndef XRAY86_SESSION_SESSION_H
#define XRAY86_SESSION_SESSION_H

#include "redirect/redirect.h"
#include "session/module_store.h"
#include "session/trusted_vm.h"
#include "util/cancel.h"
#include "util/note.h"

/* For an owner that gives up privileges as soon as they are not needed. Each may be NULL. */
struct session_stages {
	/* The snapshot is about to be opened. folder: where a checkpoint may be made; -1: only memory is written. */
	void (*opening)(void *opaque, int folder);
	/* The trusted VM is booted: nothing is written any more. */
	void (*booted)(void *opaque);
	void *opaque;
};

/* All strings must outlive the session. */
struct session_config {
	const char *snapshot;
	struct kernel_sources sources; /* of the kernel's image */
	uint64_t memory;               /* of the trusted VM, bytes; 0: as the kernel needs */
	const char *cache;             /* folder of checkpoints; NULL: the user's own */
	bool no_cache;
	bool once; /* there will be one command, so nothing has to be kept for more */
	struct cancel cancel;
	struct notes notes;
	struct progress_watcher progress;
	struct session_stages stages;
};

struct session {
	struct session_config config;
	struct cache cache;
	struct target target;
	struct trusted_vm vm;
	struct module_store module_store;
	struct module_supplier modules;
	bool booted, failed;  /* the trusted VM is booted; booting has failed, and the target must not be used for another one */
	struct overlay *kept; /* the changes of commands that keep theirs; NULL: none */
};

/* Call session_close() in any case. */
void session_init(struct session *session, const struct session_config *config);
/*
 * Opens the cache's folder and returns it, or -1 if nothing will be written anywhere. Without a folder each session boots its trusted
 * kernel, which is slow but right, so a note tells of it. config.stages is told, too.
 */
int session_open_cache(struct session *session);
/* Opens the snapshot's file. */
struct error *session_open_snapshot(struct session *session);
/*
 * Finds the snapshot's kernel and boots its trusted twin, or another kernel as `choice` allows, if that has not been done yet. In any case
 * it calls `identified` as soon as the kernel is known; an error ends it.
 */
struct error *session_boot(struct session *session, enum trusted_choice choice,
			   struct error *(*identified)(void *opaque, const struct product *product), void *opaque);
/*
 * The configuration of introspection, as far as the session and a machine of its booted trusted VM tell it. The rest is zero.
 */
void session_describe(const struct session *session, struct machine *machine, struct redirect_config *ret);
/* The snapshot as the commands that keep their changes have left it. */
struct page_source session_kept(const struct session *session);
/* Another such command has ended: keeps its changes, too. */
struct error *session_keep(struct session *session, const struct redirect *redirect);
void session_close(struct session *session);

#endif
