/*
 * Chooses the host task of the snapshot: the one that the user names, or else PID 1. If PID 1 is damaged, another one, since a torn image
 * may lack any page.
 */
#ifndef XRAY86_REDIRECT_HOST_CHOICE_H
#define XRAY86_REDIRECT_HOST_CHOICE_H

#include "redirect/directories.h"
#include "redirect/host_task.h"
#include "util/cancel.h"
#include "util/note.h"

struct host_choice {
	struct host_task *host;
	struct directories *directories;
	uint64_t pid; /* the process that the user names; 0: none */
	const struct notes *notes;
	const struct cancel *cancel;
};

/* Makes the host task, with a directory of its own. */
struct error *host_choose(const struct host_choice *choice);

#endif
