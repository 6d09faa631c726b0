/*
 * The files of a kernel's modules on this machine, wherever they may be (kernel_module_folders() of loader/kernel_find.h). The build ID
 * decides whether a file is the right one (redirect/proof.h).
 */
#ifndef XRAY86_SESSION_MODULE_STORE_H
#define XRAY86_SESSION_MODULE_STORE_H

#include "loader/kernel_find.h"
#include "loader/module_files.h"
#include "redirect/proof.h"

/* Zeroed, but for the first part. */
struct module_store {
	/* -- filled in by the owner -- */
	const struct kernel_sources *sources;
	const struct banner *banner;

	/* -- its state -- */
	bool searched, walked; /* for folders; through them */
	struct module_files files;
	struct module_store_folder {
		uint64_t device, inode;
		char *path;
	} * folder;
	size_t folders, room;
};

/* Both must outlive the supplier. A module's file is the one that its folder's list has, if that fits. */
struct module_supplier module_store_supplier(struct module_store *store);
/* A zeroed one is allowed. */
void module_store_deinit(struct module_store *store);

#endif
