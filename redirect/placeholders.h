/*
 * Placeholders in the trusted kernel. Calls of its own functions make, recognise and release them (fget(), get_unused_fd_flags(),
 * filp_open(), fd_install(): fs/file.c, fs/open.c). descriptors.h says what they are.
 */
#ifndef XRAY86_REDIRECT_PLACEHOLDERS_H
#define XRAY86_REDIRECT_PLACEHOLDERS_H

#include "redirect/descriptors.h"
#include "redirect/host_task.h"

struct placeholders {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	struct calls *calls;
	struct host_task *host;

	/* -- its state -- */
	struct descriptors descriptors;
};

/* The product descriptor that the tool's descriptor stands for. Returns false for a trusted descriptor. */
bool placeholder_find(struct placeholders *placeholders, uint32_t fd, uint32_t *ret_number);
/* Gives the tool a descriptor for the product's, and returns it; or a negative errno. */
int64_t placeholder_install(struct placeholders *placeholders, uint32_t number);
/*
 * Gives the tool another descriptor for the product's file, opened anew with open()'s flags, and returns it; or a negative errno. A file
 * that no path leads to (a pipe, a deleted one) is not opened anew: the descriptor is then one for the same open file.
 */
int64_t placeholder_reopen(struct placeholders *placeholders, uint32_t fd, uint64_t flags);
/* Before the tool reads the fdinfo of its descriptor: gives a placeholder the position of the product's file (on i386 if it fits 32 bits).
 */
void placeholder_show_position(struct placeholders *placeholders, uint32_t fd);
/* Marks the function that drops a placeholder's last reference: the product's descriptor is closed then. */
struct error *placeholder_mark(struct placeholders *placeholders);
void placeholder_deinit(struct placeholders *placeholders);

#endif
