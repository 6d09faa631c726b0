/* Package managers of this machine, as far as they download packages without installing them. */
#ifndef XRAY86_CLI_PACKAGE_MANAGER_H
#define XRAY86_CLI_PACKAGE_MANAGER_H

#include <stdbool.h>

#include "loader/kernel_packages.h"
#include "util/error.h"

struct package_manager;

/* The one of this family that is here. NULL: there is none. */
const struct package_manager *package_manager_find(enum package_family family);

const char *package_manager_program(const struct package_manager *manager);
/* What to do if it does not find what it should. */
const char *package_manager_advice(const struct package_manager *manager);
/* The programs of the family, as "dnf or zypper". The caller frees it. NULL: without memory. */
char *package_manager_names(enum package_family family);

/* Whether a file of that name is a package of the family. */
bool package_manager_makes(const struct package_manager *manager, const char *name);

/*
 * Has it download a package into a folder (an absolute path), and waits for it; what it prints goes to standard error. The manager uses its
 * own configuration, lists and keys, as always. Ctrl-C ends the manager, and then this returns an error. *ret_got: the manager says that
 * all went well, which some do of packages that they do not find, too.
 */
struct error *package_manager_download(const struct package_manager *manager, const struct kernel_package *package,
				       const char *architecture, const char *folder, bool *ret_got);

#endif
