/*
 * Placeholders in the trusted kernel: made, recognised and released by calls of its own functions (fget(), get_unused_fd_flags(),
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

/* Which product descriptor the tool's descriptor stands for; false: none, it is a trusted one. */
bool placeholder_find(struct placeholders *placeholders, uint32_t fd, uint32_t *ret_number);
/* Gives the tool a descriptor for the product's; or a negative errno. */
int64_t placeholder_install(struct placeholders *placeholders, uint32_t number);
/* Gives the tool another descriptor for what this one of its own is open for; or a negative errno. */
int64_t placeholder_duplicate(struct placeholders *placeholders, uint32_t fd, bool close_on_exec);
/* The tool looks at the fdinfo of its descriptor: a placeholder's tells the position of the product's file, if it fits 32 bits on i386. */
void placeholder_show_position(struct placeholders *placeholders, uint32_t fd);
/* When a placeholder's last reference goes, the product's descriptor is closed. */
struct error *placeholder_mark(struct placeholders *placeholders);
void placeholder_deinit(struct placeholders *placeholders);

#endif
