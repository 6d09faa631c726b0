/* The memory of the snapshot's processes, read by the kernel's own access_process_vm(): what /proc/PID/mem has. */
#ifndef XRAY86_REDIRECT_PROCESS_MEMORY_H
#define XRAY86_REDIRECT_PROCESS_MEMORY_H

#include "redirect/host_task.h"

struct process_memory {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;

	/* -- its state -- */
	uint64_t buffer; /* the product's, where the kernel copies to; 0: not made yet */
};

/*
 * Between calls, when there is a host task. pid: in the initial namespace. ERROR_NO_PROCESS, or ERROR_NOT_THERE, which names the first
 * address that is missing.
 */
struct error *process_memory_read(struct process_memory *memory, uint64_t pid, uint64_t address, void *to, size_t size);

#endif
