/*
 * Where the product's kernel has loaded a module. Its memory tells (module_locate() of loader/module.h). If that contradicts itself, since
 * somebody has changed the module, the kernel is asked: /sys/module/NAME/sections has the addresses, and each is checked.
 */
#ifndef XRAY86_REDIRECT_MODULE_ADDRESSES_H
#define XRAY86_REDIRECT_MODULE_ADDRESSES_H

#include "redirect/modules.h"
#include "redirect/product_files.h"

struct module_addresses {
	/* -- filled in by the owner -- */
	struct worlds *worlds;
	const struct modules *modules;
	struct product_files files;

	/* -- its state -- */
	bool asking;        /* files of the product's kernel are being read */
	struct error *lack; /* why they cannot be read */
};

/* Fills in the addresses of the file's sections. Between calls, when there is a host task. module_addresses_end() follows some time. */
struct error *module_addresses_find(struct module_addresses *addresses, const char *name, struct module *module);
void module_addresses_end(struct module_addresses *addresses);

#endif
