/*
 * Namespaces that a process of the command moves to: setns() and unshare() are about the process that calls, its later children, and nobody
 * else. So such a process calls on the product as a task of its own: another copy of the task it was before, as fork() makes one, with a
 * struct pid of its own. /proc/self leads there, and with it /proc/net, /proc/mounts and whatever else the kernel tells of "self".
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
/* Before a call on the product: it is to run as the current tool's task. */
struct error *namespace_enter(struct namespaces *namespaces);
/* Before a call that changes the current tool's namespaces, which are its own from now on. False: that cannot be done. */
bool namespace_separate(struct namespaces *namespaces);
/* A new task, trusted, is where its parent is. False: out of memory. */
bool namespace_inherit(struct namespaces *namespaces, uint64_t parent, uint64_t child);
/* Whether a tool's task, trusted, is in the same namespaces as the current one. */
bool namespace_is_shared(struct namespaces *namespaces, uint64_t task);
void namespace_deinit(struct namespaces *namespaces);

#endif
