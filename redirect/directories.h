/*
 * Working directories, roots and umasks of the tools' processes in the product. For each trusted fs_struct (include/linux/fs_struct.h) that
 * a tool has, there is one of the product's. So sharing them, and copying them in fork(), is as in the trusted kernel: `cd` in a subshell
 * moves the subshell alone. The tools begin where the host task is; the host task itself stays there.
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

/* Gives the host task a fs_struct of its own. */
bool directory_make(struct directories *directories);
/* Before a call on the product: gives the host task the current tool's directory. */
void directory_enter(struct directories *directories);
/* After a call that may have given the host task another fs_struct: that becomes the current tool's. */
void directory_keep(struct directories *directories);
/* Puts a new (trusted) task where its parent is, or lets it share what the parent has. */
void directory_inherit(struct directories *directories, uint64_t parent, uint64_t child);
void directory_deinit(struct directories *directories);

#endif
