/*
 * Namespaces that a process of the command moves to. setns() and unshare() concern the process that calls, its later children, and nobody
 * else. So calls of such a process run as a task of its own: another copy of its task before, as fork() makes one, with a struct pid of its
 * own. /proc/self leads there, and with it /proc/net, /proc/mounts and all else that the kernel tells of "self".
 */
#ifndef XRAY86_REDIRECT_NAMESPACES_H
#define XRAY86_REDIRECT_NAMESPACES_H

#include "redirect/host_task.h"

struct namespaces {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct host_task *host;

	/* -- its state -- */
	bool known;                        /* the offsets: */
	unsigned thread_pid, for_children; /* of members of task_struct and of nsproxy */
	struct traveller *traveller;
	size_t travellers, room;
};

struct error *namespace_mark(struct namespaces *namespaces);
/* Before a call on the product: makes it run as the current tool's task. */
struct error *namespace_enter(struct namespaces *namespaces);
/* Before a call that changes the current tool's namespaces: gives the tool its own. Returns false if that cannot be done. */
bool namespace_separate(struct namespaces *namespaces);
/* Puts a new (trusted) task where its parent is. Returns false without memory. */
bool namespace_inherit(struct namespaces *namespaces, uint64_t parent, uint64_t child);
/* Whether a tool's (trusted) task is in the same namespaces as the current one. */
bool namespace_is_shared(struct namespaces *namespaces, uint64_t task);
void namespace_deinit(struct namespaces *namespaces);

#endif
