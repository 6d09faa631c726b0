/*
 * Working directories, roots and umasks of the tools' processes in the product: a product fs_struct (include/linux/fs_struct.h) for each
 * trusted one that a tool has. So what shares them, and what fork() copies, is as the trusted kernel has it: `cd` in a subshell is the
 * subshell's. The tools begin where the host task is, which stays there.
 */
#ifndef XRAY86_REDIRECT_DIRECTORIES_H
#define XRAY86_REDIRECT_DIRECTORIES_H

#include "redirect/host_task.h"

struct directories {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;

	/* -- its state -- */
	uint64_t first; /* product fs_struct that tools begin with */
	struct directory *directory;
	size_t count, room;
};

/* When there is a host task: gives it a fs_struct of its own. */
bool directory_make(struct directories *directories);
/* Before a call on the product: the host task gets the current tool's directory. */
void directory_enter(struct directories *directories);
/* After a call that may have given the host task another fs_struct: it is the current tool's. */
void directory_keep(struct directories *directories);
/* A new task, trusted, is where its parent is, or shares what that has. */
void directory_inherit(struct directories *directories, uint64_t parent, uint64_t child);
void directory_deinit(struct directories *directories);

#endif
