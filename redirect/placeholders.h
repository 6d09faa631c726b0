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
/* Gives the tool another descriptor for the same open file, and returns it; or a negative errno. */
int64_t placeholder_duplicate(struct placeholders *placeholders, uint32_t fd, bool close_on_exec);
/* Before the tool reads the fdinfo of its descriptor: gives a placeholder the position of the product's file (on i386 if it fits 32 bits).
 */
void placeholder_show_position(struct placeholders *placeholders, uint32_t fd);
/* Marks the function that drops a placeholder's last reference: the product's descriptor is closed then. */
struct error *placeholder_mark(struct placeholders *placeholders);
void placeholder_deinit(struct placeholders *placeholders);

#endif
