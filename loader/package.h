/*
 * Packages of distributions: .deb, .rpm, .pkg.tar.*, .apk. Of such a file only a kernel's image and modules are unpacked.
 *
 * The file may be anything. Only plain files and the folders that they are in are made, all below one folder, each under a name that has
 * been looked at: no links, nothing absolute, no "..".
 */
#ifndef XRAY86_LOADER_PACKAGE_H
#define XRAY86_LOADER_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

enum { PACKAGE_PLACE_MAX = 512 };

struct package_limits {
	uint64_t bytes; /* of all files in the package, also of those that are passed over */
	uint64_t files;
};

/* Ten times what a kernel's packages have. */
extern const struct package_limits package_limits;

/*
 * Unpacks boot/NAME and lib/modules/RELEASE/... (which may also be in usr/ there, and is not here) from the package into an open folder. Of
 * two files of a name the first is kept. *ret_files is how many were in the package, those not kept included. The error does not name the
 * package; files are left behind then.
 */
struct error *package_unpack(int package, const char *release, int folder, const struct package_limits *limits, uint64_t *ret_files);

/* Where a file of a package belongs; ret has room for PACKAGE_PLACE_MAX bytes. Returns false: nowhere. */
bool package_place(const char *name, const char *release, char *ret);

#endif
