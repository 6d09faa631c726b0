/* The packages of a distribution that hold a kernel: its image, and its modules. Told by the kernel's banner. */
#ifndef XRAY86_LOADER_KERNEL_PACKAGES_H
#define XRAY86_LOADER_KERNEL_PACKAGES_H

#include <stdbool.h>

#include "loader/banner.h"

enum { KERNEL_PACKAGES_MAX = 6, PACKAGE_WORD_MAX = 160 };

enum package_family { PACKAGES_APT, PACKAGES_RPM, PACKAGES_PACMAN, PACKAGES_APK };

enum package_role {
	PACKAGE_IMAGE,   /* has the image. Of several, one does: the first that is there */
	PACKAGE_MODULES, /* has modules */
	PACKAGE_MAYBE,   /* has more modules, in some releases of the distribution */
};

struct kernel_package {
	char name[PACKAGE_WORD_MAX], version[PACKAGE_WORD_MAX];
	enum package_role role;
};

struct kernel_packages {
	const char *distribution;
	enum package_family family;
	const char *architecture; /* as the distribution calls it */
	struct kernel_package package[KERNEL_PACKAGES_MAX];
	unsigned count;
	char archive[BANNER_MAX]; /* a web address that has versions which mirrors have no more */
};

/*
 * Names the packages. Returns false for kernels of no known distribution. Who made a snapshot writes its banner, and names and versions
 * become arguments of programs: they begin with a letter or digit, and have only characters of package names.
 */
bool kernel_packages_of(const struct banner *banner, bool x86_64, struct kernel_packages *ret);

#endif
