/* Packages of kernels: see kernel_packages.h. */
#include "loader/kernel_packages.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

enum { GROUPS = 10 };

/*
 * A row is a way in which a distribution builds kernels. `pattern` is an extended regular expression for the banner; in the other columns
 * \N is what its group N matched, and &N the same with - for each +. The first row that matches counts.
 */
struct row {
	const char *distribution, *pattern;
	enum package_family family;
	struct {
		const char *name;
		enum package_role role;
		const char *version; /* NULL: the row's */
	} package[KERNEL_PACKAGES_MAX];
	const char *version, *archive;
	const char *reason; /* why the row is as it is */
};

#define START "^Linux version "
#define DEBIAN_VERSION "([0-9][0-9A-Za-z.+~:-]*)"
#define RPM_ARCHITECTURE "\\.(x86_64|i[3-6]86)"
#define RPM_VARIANT "(\\+[A-Za-z0-9-]+)?"
#define ARCH_VERSION "([0-9]+\\.[0-9]+(\\.[1-9][0-9]*)?)(\\.0)?"

#define KERNEL_CORE                                                                                                                        \
	{                                                                                                                                  \
		{"kernel&4-core", PACKAGE_IMAGE, NULL}, {"kernel&4-modules-core", PACKAGE_MAYBE, NULL},                                    \
			{"kernel&4-modules", PACKAGE_MODULES, NULL}, {"kernel&4-modules-extra", PACKAGE_MAYBE, NULL},                      \
	}

/* clang-format off */
static const struct row rows[] = {
	{
		"Debian", START "((6\\.(19|[2-9][0-9])|([7-9]|[1-9][0-9])\\.[0-9]+)[^ ]*) .* Debian " DEBIAN_VERSION "( \\(|$)",
		PACKAGES_APT, {{"linux-binary-\\1", PACKAGE_IMAGE, NULL}, {"linux-modules-\\1", PACKAGE_MODULES, NULL}, {"linux-base-\\1", PACKAGE_MAYBE, NULL}},
		"\\5", "https://snapshot.debian.org/binary/linux-binary-\\1/",
		"from 6.19 on linux-image-* are empty and depend on these",
	},
	{
		"Debian", START "([^ ]+) .* Debian " DEBIAN_VERSION "( \\(|$)",
		PACKAGES_APT, {{"linux-image-\\1", PACKAGE_IMAGE, NULL}},
		"\\2", "https://snapshot.debian.org/binary/linux-image-\\1/",
		"the package's version ends the banner, before the date",
	},
	{
		"Debian", START "([^ ]+) \\(Debian " DEBIAN_VERSION "\\)",
		PACKAGES_APT, {{"linux-image-\\1", PACKAGE_IMAGE, NULL}},
		"\\2", "https://snapshot.debian.org/binary/linux-image-\\1/",
		"until Debian 6 the version stood behind the release",
	},
	{
		"Ubuntu", START "(([0-9.]+-[0-9]+)-[^ ]+) .*\\) #([0-9]+(~[0-9.]+)?([+][0-9.]+)?)-Ubuntu ",
		PACKAGES_APT, {{"linux-image-\\1", PACKAGE_IMAGE, NULL}, {"linux-image-unsigned-\\1", PACKAGE_IMAGE, NULL},
			       {"linux-modules-\\1", PACKAGE_MODULES, NULL}, {"linux-modules-extra-\\1", PACKAGE_MAYBE, NULL}},
		"\\2.\\3", "https://launchpad.net/ubuntu/+search?text=linux-image-\\1",
		"the number of the build is the last part of the version; signed packages may have other versions, or none",
	},
	{
		"Oracle Linux", START "([0-9.]+)-([^ ]*\\.el[0-9]+uek)" RPM_ARCHITECTURE " ",
		PACKAGES_RPM, {{"kernel-uek-core", PACKAGE_IMAGE, NULL}, {"kernel-uek", PACKAGE_IMAGE, NULL},
			       {"kernel-uek-modules-core", PACKAGE_MAYBE, NULL}, {"kernel-uek-modules", PACKAGE_MAYBE, NULL}, {"kernel-uek-modules-extra", PACKAGE_MAYBE, NULL}},
		"\\1-\\2", "https://yum.oracle.com/",
		"in one package until version 7",
	},
	{
		"Fedora", START "([0-9.]+)-([^ ]*\\.fc[0-9]+)" RPM_ARCHITECTURE RPM_VARIANT " ",
		PACKAGES_RPM, {{"kernel&4-core", PACKAGE_IMAGE, NULL}, {"kernel&4", PACKAGE_IMAGE, NULL}, {"kernel&4-modules-core", PACKAGE_MAYBE, NULL},
			       {"kernel&4-modules", PACKAGE_MODULES, NULL}, {"kernel&4-modules-extra", PACKAGE_MAYBE, NULL}},
		"\\1-\\2", "https://kojipkgs.fedoraproject.org/packages/kernel/\\1/\\2/\\3/",
		"until Fedora 20 the image is in kernel",
	},
	{
		"Amazon Linux", START "([0-9.]+)-([^ ]*\\.amzn[0-9]+)" RPM_ARCHITECTURE " ",
		PACKAGES_RPM, {{"kernel", PACKAGE_IMAGE, NULL}, {"kernel-modules-extra", PACKAGE_MAYBE, NULL}},
		"\\1-\\2", "https://docs.aws.amazon.com/linux/",
		"image and modules are in one package",
	},
	{
		"CentOS", START "([0-9.]+)-([^ ]*\\.el[67][^ ]*)" RPM_ARCHITECTURE " \\([^ ]*centos",
		PACKAGES_RPM, {{"kernel", PACKAGE_IMAGE, NULL}},
		"\\1-\\2", "https://vault.centos.org/",
		"until version 7 image and modules are in one package",
	},
	{
		"RHEL", START "([0-9.]+)-([^ ]*\\.el[67][^ ]*)" RPM_ARCHITECTURE " ",
		PACKAGES_RPM, {{"kernel", PACKAGE_IMAGE, NULL}},
		"\\1-\\2", "https://access.redhat.com/downloads/",
		"until version 7 image and modules are in one package",
	},
	{
		"Rocky Linux", START "([0-9.]+)-([^ ]*\\.el[0-9][^ ]*)" RPM_ARCHITECTURE RPM_VARIANT " \\([^ ]*rockylinux",
		PACKAGES_RPM, KERNEL_CORE,
		"\\1-\\2", "https://dl.rockylinux.org/vault/rocky/",
		"told from RHEL by the machine that built it",
	},
	{
		"AlmaLinux", START "([0-9.]+)-([^ ]*\\.el[0-9][^ ]*)" RPM_ARCHITECTURE RPM_VARIANT " \\([^ ]*almalinux",
		PACKAGES_RPM, KERNEL_CORE,
		"\\1-\\2", "https://vault.almalinux.org/",
		"told from RHEL by the machine that built it",
	},
	{
		"CentOS Stream", START "([0-9.]+)-([^ ]*\\.el[0-9][^ ]*)" RPM_ARCHITECTURE RPM_VARIANT " \\([^ ]*(stream|centos)",
		PACKAGES_RPM, KERNEL_CORE,
		"\\1-\\2", "https://kojihub.stream.centos.org/kojifiles/packages/kernel/\\1/\\2/\\3/",
		"told from RHEL by the machine that built it",
	},
	{
		"RHEL", START "([0-9.]+)-([^ ]*\\.el[0-9][^ ]*)" RPM_ARCHITECTURE RPM_VARIANT " ",
		PACKAGES_RPM, KERNEL_CORE,
		"\\1-\\2", "https://access.redhat.com/downloads/",
		"from version 8 on image and modules are apart",
	},
	{
		"Arch Linux", START ARCH_VERSION "-([a-z]+[0-9]+)-([0-9.]+)(-[A-Za-z-]+)? \\((linux[a-z-]*)@archlinux\\)",
		PACKAGES_PACMAN, {{"\\7", PACKAGE_IMAGE, NULL}},
		"\\1.\\4-\\5", "https://archive.archlinux.org/packages/l/\\7/",
		"the builder is the package; the version says nothing of a last number 0",
	},
	{
		"Arch Linux", START ARCH_VERSION "-([0-9.]+)(-[A-Za-z-]+)? \\((linux[a-z-]*)@archlinux\\)",
		PACKAGES_PACMAN, {{"\\6", PACKAGE_IMAGE, NULL}},
		"\\1-\\4", "https://archive.archlinux.org/packages/l/\\6/",
		"linux-lts, without patches that would be part of the version",
	},
	{
		"Arch Linux", START ARCH_VERSION "-([a-z]+[0-9]+)-([0-9.]+)-ARCH \\(builduser@",
		PACKAGES_PACMAN, {{"linux", PACKAGE_IMAGE, NULL}},
		"\\1.\\4-\\5", "https://archive.archlinux.org/packages/l/linux/",
		"until 2019 the builder was no package",
	},
	{
		"SUSE", START "([0-9][^ ]*)-([a-z0-9_]+) \\(.*(geeko@|SUSE Linux)",
		PACKAGES_RPM, {{"kernel-\\2", PACKAGE_IMAGE, "\\1.1"}, {"kernel-\\2", PACKAGE_IMAGE, "\\1.2"},
			       {"kernel-\\2-extra", PACKAGE_MAYBE, "\\1.1"}, {"kernel-\\2-optional", PACKAGE_MAYBE, "\\1.1"}},
		"\\1", "https://download.opensuse.org/history/",
		"the last part of the version counts rebuilds and is not in the banner; it is hardly ever above 2",
	},
	{
		"Alpine", START "([0-9.]+)-([0-9]+)-([a-z]+) \\(.*(buildozer@|-Alpine )",
		PACKAGES_APK, {{"linux-\\3", PACKAGE_IMAGE, NULL}},
		"\\1-r\\2", "https://dl-cdn.alpinelinux.org/alpine/ (only in images of releases)",
		"the number behind the version is the package's release",
	},
};
/* clang-format on */

/* -- templates -- */

struct match {
	const char *text;
	regmatch_t group[GROUPS];
};

/* Returns false if it does not fit. */
static bool expand(const struct match *match, const char *form, char *ret, size_t room)
{
	size_t at = 0;

	for (; *form; form++) {
		if ((*form == '\\' || *form == '&') && isdigit((unsigned char)form[1])) {
			const regmatch_t *group = &match->group[form[1] - '0'];

			for (regoff_t i = group->rm_so; i >= 0 && i < group->rm_eo && at < room; i++)
				ret[at++] = *form == '&' && match->text[i] == '+' ? '-' : match->text[i];
			form++;
		} else if (at < room) {
			ret[at++] = *form;
		}
	}
	if (at >= room)
		return false;
	ret[at] = '\0';
	return true;
}

/* A name or version that no package manager takes for anything else: an option, a file, a pattern, or several. */
static bool is_word(const char *word)
{
	return isalnum((unsigned char)word[0]) &&
	       !word[strspn(word, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-~:_")];
}

/* -- rows -- */

static bool matches(const struct row *row, const char *text, struct match *ret)
{
	regex_t pattern;
	bool good = regcomp(&pattern, row->pattern, REG_EXTENDED) == 0;

	if (!good)
		return false;
	ret->text = text;
	good = regexec(&pattern, text, GROUPS, ret->group, 0) == 0;
	regfree(&pattern);
	return good;
}

static const char *architecture(enum package_family family, bool x86_64)
{
	if (family == PACKAGES_APT)
		return x86_64 ? "amd64" : "i386";
	if (family == PACKAGES_APK)
		return x86_64 ? "x86_64" : "x86";
	return x86_64 ? "x86_64" : "i686";
}

static bool fill(const struct row *row, const struct match *match, bool x86_64, struct kernel_packages *ret)
{
	*ret = (struct kernel_packages){
		.distribution = row->distribution,
		.family = row->family,
		.architecture = architecture(row->family, x86_64),
	};
	for (; ret->count < KERNEL_PACKAGES_MAX && row->package[ret->count].name; ret->count++) {
		struct kernel_package *package = &ret->package[ret->count];
		const char *version = row->package[ret->count].version;

		package->role = row->package[ret->count].role;
		if (!expand(match, row->package[ret->count].name, package->name, sizeof(package->name)) ||
		    !expand(match, version ? version : row->version, package->version, sizeof(package->version)) ||
		    !is_word(package->name) || !is_word(package->version))
			return false;
	}
	return expand(match, row->archive, ret->archive, sizeof(ret->archive));
}

bool kernel_packages_of(const struct banner *banner, bool x86_64, struct kernel_packages *ret)
{
	struct match match;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (matches(&rows[i], banner->text, &match))
			return fill(&rows[i], &match, x86_64, ret);
	}
	return false;
}
