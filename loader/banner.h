/*
 * Kernel banners: linux_banner of init/version.c, by which a build of a kernel is known.
 *
 *	Linux version RELEASE (USER@HOST) (COMPILER, LINKER) #NUMBER FLAGS DATE\n
 *
 * What follows the compiler is "the version" (utsname's word, UTS_VERSION in the sources); Debian's ends in "Debian PACKAGE-VERSION
 *(DATE)". A bzImage has the same but for the compiler in its setup header.
 */
#ifndef XRAY86_LOADER_BANNER_H
#define XRAY86_LOADER_BANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BANNER_MAX = 512, UTS_MAX = 65 /* as in struct new_utsname */ };

#define BANNER_START "Linux version "

struct banner {
	char text[BANNER_MAX]; /* the whole, without the newline; printable ASCII */
	char release[UTS_MAX]; /* fit for the name of a file or package */
	char builder[BANNER_MAX];
	char version[BANNER_MAX];
};

/* text[0..size) need not end where the banner does, and may be anything. false: it does not begin with a banner. */
bool banner_parse(const char *text, size_t size, struct banner *ret);

/* Looks for a banner in data; NULL if there is none. */
const uint8_t *banner_search(const uint8_t *data, size_t size, struct banner *ret);

/* Whether both name the same build. */
bool banner_same(const struct banner *a, const struct banner *b);

/* "RELEASE (USER@HOST) VERSION": as a bzImage says it. ret has room for BANNER_MAX bytes. */
void banner_short(const struct banner *banner, char *ret);
/* The same out of a bzImage's setup header. false: it has none. */
bool banner_of_bzimage(const uint8_t *data, size_t size, char *ret);

/* Debian's package that has this kernel's image: its name and version. false: it is not Debian's. Each has room for BANNER_MAX bytes. */
bool banner_debian_package(const struct banner *banner, char *ret_name, char *ret_version);

#endif
