/*
 * Placeholders in the trusted kernel. Calls of its own functions make, recognise and release them (fget(), get_unused_fd_flags(),
 * filp_open(), fd_install(): fs/file.c, fs/open.c). descriptors.h says what they are.
 */
#ifndef XRAY86_REDIRECT_PLACEHOLDERS_H
#define XRAY86_REDIRECT_PLACEHOLDERS_H

#include "redirect/descriptors.h"
#include "redirect/host_task.h"

/* The function by which the trusted kernel asks a placeholder what it is ready for. */
#define PLACEHOLDER_POLL "proc_sys_poll"

struct placeholders {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;

	/* -- its state -- */
	struct descriptors descriptors;
};

/*
 * The product descriptor that a tool's descriptor stands for. task: the tool's trusted task; 0: the current one. Returns false for a
 * trusted descriptor.
 */
bool placeholder_find(struct placeholders *placeholders, uint64_t task, uint32_t fd, struct descriptor *ret);
/*
 * Gives the tool a descriptor for the product's, and returns it; or a negative errno. own: its file tells of the tool's descriptors
 * (descriptors.h).
 */
int64_t placeholder_install(struct placeholders *placeholders, uint32_t number, bool own);
/* Marks the function that drops a placeholder's last reference: the product's descriptor is closed then. */
struct error *placeholder_mark(struct placeholders *placeholders);
void placeholder_deinit(struct placeholders *placeholders);

#endif
