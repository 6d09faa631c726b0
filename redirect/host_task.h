/*
 * Product calls run as this task: a copy of the host task's task_struct in the product's overlay, with an empty table of descriptors of its
 * own. So the process itself stays as it was; a tool may look at its files, its stack and its flags.
 */
#ifndef XRAY86_REDIRECT_HOST_TASK_H
#define XRAY86_REDIRECT_HOST_TASK_H

#include "redirect/call.h"

/* All addresses are the product's. */
struct host_task {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;

	/* -- its state -- */
	uint64_t original; /* the host task */
	uint64_t first;    /* the copy of it with which tools begin */
	uint64_t now;      /* the task of the present call: `first`, or one of namespaces.c */
	uint64_t files;    /* its files_struct */
	uint64_t hidden;   /* the original's, while that one shows the copy's */
	bool work_put_off; /* it has task work, such as the last half of a close */
};

/* Finds the task of process `pid`. ERROR_NO_PROCESS if there is none. */
struct error *host_task_find(struct host_task *host, uint64_t init_task, uint64_t pid, uint64_t *ret);
/* Makes a copy of the task, without descriptors. From now on calls run as the copy. */
struct error *host_task_make(struct host_task *host, uint64_t init_task, uint64_t original);
/* Makes its flags as at the start of a system call. */
void host_task_reset(struct host_task *host);
/* Makes another copy of such a task. Returns false if there is no memory for it. */
bool host_task_duplicate(struct host_task *host, uint64_t original, uint64_t *ret);
/* Calls on the product run as this task from now on. */
bool host_task_set(struct host_task *host, uint64_t task);
/*
 * Before a call on the product: tells the product's kernel if the call is one of a 32-bit tool, and makes the stack that the call runs on
 * the task's.
 */
void host_task_prepare(struct host_task *host);

/*
 * Within a call: lets the host's process have the descriptors of the copy, so that /proc/self/fd of the product shows them; and gives it
 * back its own. If the call is taken back, so is the first. A task of namespaces.c is a process of its own, which has them anyway.
 */
void host_task_show_files(struct host_task *host);
void host_task_hide_files(struct host_task *host);

/* Runs the work that it has put off until its return to user mode (task work), mostly the last half of closing a file. */
void host_task_finish_work(struct host_task *host);
struct error *host_task_mark(struct host_task *host);

#endif
