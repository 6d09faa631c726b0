/*
 * Kernel banners: linux_banner of init/version.c, which tells one build of a kernel from another.
 *
 *	Linux version RELEASE (USER@HOST) (COMPILER, LINKER) #NUMBER FLAGS DATE\n
 *
 * The part behind the compiler is "the version" (utsname's word, UTS_VERSION in the sources). Debian's ends in "Debian PACKAGE-VERSION
 * (DATE)". The setup header of a bzImage has the same text without the compiler.
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

/* Parses the banner at the beginning of text[0..size), which may be anything. Returns false if it does not begin with a banner. */
bool banner_parse(const char *text, size_t size, struct banner *ret);

/*
 * Whether a banner that somebody else filled in is one that banner_parse() makes: names of files and packages are made of its parts.
 */
bool banner_is_sound(const struct banner *banner);

/* Searches data for a banner. NULL if there is none. */
const uint8_t *banner_search(const uint8_t *data, size_t size, struct banner *ret);

/* Whether both name the same build. */
bool banner_same(const struct banner *a, const struct banner *b);

/* Reads "RELEASE (USER@HOST) VERSION" from a bzImage's setup header; ret has room for BANNER_MAX bytes. Returns false if it has none. */
bool banner_of_bzimage(const uint8_t *data, size_t size, char *ret);
/*
 * Whether a bzImage with that text is of the build. The banner may say more than the text: Ubuntu's ends in " (SIGNATURE)", and that of
 * Debian before 7 has the package's version behind the release.
 */
bool banner_fits_bzimage(const struct banner *banner, const char *text);

/* Whether the kernel is built for several CPUs (CONFIG_SMP): the word SMP is among the flags (scripts/mkcompile_h, init/Makefile). */
bool banner_is_smp(const struct banner *banner);

/* RELEASE-HASH: a name for files of this very build. */
enum { BANNER_NAME_MAX = UTS_MAX + 17 };
void banner_name(const struct banner *banner, char ret[BANNER_NAME_MAX]);

#endif
