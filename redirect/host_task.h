/*
 * The task that calls on the product run as: a copy of the host task's task_struct, in the product's overlay, with a table of descriptors
 * of its own, which is empty. So the process itself stays as it was: its files, its stack and its flags may be what a tool looks at.
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
	uint64_t first;    /* the copy of the host task that tools begin with */
	uint64_t now;      /* what the present call runs as: that one, or one of namespaces.c */
	uint64_t files;    /* its files_struct */
	bool work_put_off; /* it has task work, such as the last half of a close */
};

/* The task of process `pid`. ERROR_NO_PROCESS: there is none. */
struct error *host_task_find(struct host_task *host, uint64_t init_task, uint64_t pid, uint64_t *ret);
/* Makes a copy of the task, with no descriptors, and has calls run as it from now on. */
struct error *host_task_make(struct host_task *host, uint64_t init_task, uint64_t original);
/* Its flags are as at the start of a system call. */
void host_task_reset(struct host_task *host);
/* Another copy of such a task; false: there is no memory for it. */
bool host_task_duplicate(struct host_task *host, uint64_t original, uint64_t *ret);
/* Calls on the product run as this task from now on. */
bool host_task_set(struct host_task *host, uint64_t task);
/*
 * Before a call on the product: one of a 32-bit tool on a 64-bit kernel is one for the product, too, and the task's stack is the one that
 * the call runs on.
 */
void host_task_prepare(struct host_task *host);

/* Runs what it has put off until its return to user mode (task work): the last half of closing a file, mostly. */
void host_task_finish_work(struct host_task *host);
struct error *host_task_mark(struct host_task *host);

#endif
