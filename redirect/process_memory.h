/* Reads the memory of the snapshot's processes with the kernel's own access_process_vm(), as /proc/PID/mem does. */
#ifndef XRAY86_REDIRECT_PROCESS_MEMORY_H
#define XRAY86_REDIRECT_PROCESS_MEMORY_H

#include "redirect/host_task.h"

struct process_memory {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;

	/* -- its state -- */
	uint64_t buffer; /* in the product, where the kernel copies to; 0: not made yet */
};

/*
 * To be called between calls, when there is a host task. pid is in the initial namespace. Errors are ERROR_NO_PROCESS, and ERROR_NOT_THERE,
 * which names the first missing address.
 */
struct error *process_memory_read(struct process_memory *memory, uint64_t pid, uint64_t address, void *to, size_t size);

#endif
