/*
 * Brings files of this machine into the trusted VM while the command runs: programs that it starts, and modules of interpreters
 * (redirect/delivery.h).
 */
#ifndef XRAY86_SESSION_SUPPLY_H
#define XRAY86_SESSION_SUPPLY_H

#include "session/program.h"
#include "redirect/redirect.h"

struct supply {
	struct program *program;
	const char *root;        /* as program_collect() takes it */
	const char *search_path; /* likewise */
	enum kernel_arch arch;
	struct notes notes; /* get what could not be delivered */
	char **brought;     /* folders of modules, and files that are in none */
	size_t count;
};

/* The interface for redirect/. The supply is filled in, apart from what has been brought, and must outlive the supplier. */
struct supplier supply_supplier(struct supply *supply);
void supply_deinit(struct supply *supply);

#endif
