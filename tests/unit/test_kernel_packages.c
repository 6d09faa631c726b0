/* Packages of kernels, by banners that such kernels have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/kernel_packages.h"

#define GCC " (gcc (GCC) 14.0.1, GNU ld version 2.41-34) #1 SMP PREEMPT_DYNAMIC Thu Apr 11 20:40:18 UTC 2024"
#define DEBIAN "(debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) "
#define UBUNTU(number)                                                                                                                     \
	"(buildd@lcy02-amd64-045) (gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0, GNU ld (GNU Binutils for Ubuntu) 2.38) #" number             \
	"-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023"

static const struct {
	const char *banner, *distribution, *image, *version, *modules;
} cases[] = {
	{"6.1.0-56-cloud-amd64 " DEBIAN "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", "Debian",
	 "linux-image-6.1.0-56-cloud-amd64", "6.1.192-2", NULL},
	{"6.12.9+bpo-amd64 " DEBIAN "#1 SMP PREEMPT_DYNAMIC Debian 6.12.9-1~bpo12+1 (2025-01-19)", "Debian", "linux-image-6.12.9+bpo-amd64",
	 "6.12.9-1~bpo12+1", NULL},
	{"7.2.13+deb14-cloud-amd64 " DEBIAN "#1 SMP PREEMPT_DYNAMIC Debian 7.2.13-1 (2026-11-16)", "Debian",
	 "linux-binary-7.2.13+deb14-cloud-amd64", "7.2.13-1", "linux-modules-7.2.13+deb14-cloud-amd64"},
	{"6.19.3+deb14-amd64 " DEBIAN "#1 SMP Debian 6.19.3-1 (2026-03-01)", "Debian", "linux-binary-6.19.3+deb14-amd64", "6.19.3-1",
	 "linux-modules-6.19.3+deb14-amd64"},
	{"6.2.0-1-amd64 " DEBIAN "#1 SMP Debian 6.2.1-1 (2023-03-01)", "Debian", "linux-image-6.2.0-1-amd64", "6.2.1-1", NULL},
	{"2.6.32-5-amd64 (Debian 2.6.32-48squeeze6) (jmm@debian.org) (gcc version 4.3.5 (Debian 4.3.5-4) ) #1 SMP Tue May 13 16:34:35 UTC "
	 "2014",
	 "Debian", "linux-image-2.6.32-5-amd64", "2.6.32-48squeeze6", NULL},
	{"3.2.0-4-amd64 (debian-kernel@lists.debian.org) (gcc version 4.6.3 (Debian 4.6.3-14) ) #1 SMP Debian 3.2.65-1+deb7u2", "Debian",
	 "linux-image-3.2.0-4-amd64", "3.2.65-1+deb7u2", NULL},
	{"5.15.0-91-generic " UBUNTU("101") " (Ubuntu 5.15.0-91.101-generic 5.15.131)", "Ubuntu", "linux-image-5.15.0-91-generic",
	 "5.15.0-91.101", "linux-modules-5.15.0-91-generic"},
	{"6.5.0-14-generic " UBUNTU("14~22.04.1"), "Ubuntu", "linux-image-6.5.0-14-generic", "6.5.0-14.14~22.04.1",
	 "linux-modules-6.5.0-14-generic"},
	{"5.15.0-1051-aws " UBUNTU("56~20.04.1"), "Ubuntu", "linux-image-5.15.0-1051-aws", "5.15.0-1051.56~20.04.1",
	 "linux-modules-5.15.0-1051-aws"},
	{"4.4.0-21-generic (buildd@lgw01-21) (gcc version 5.3.1 20160413 (Ubuntu 5.3.1-14ubuntu2) ) #37-Ubuntu SMP Mon Apr 18 18:33:37 UTC "
	 "2016",
	 "Ubuntu", "linux-image-4.4.0-21-generic", "4.4.0-21.37", "linux-modules-4.4.0-21-generic"},
	{"6.8.5-301.fc40.x86_64 (mockbuild@0fd6eafb7d7a4a6aa3bbd5b0c0b4ba41)" GCC, "Fedora", "kernel-core", "6.8.5-301.fc40",
	 "kernel-modules"},
	{"6.8.5-301.fc40.x86_64+debug (mockbuild@0fd6eafb7d7a4a6aa3bbd5b0c0b4ba41)" GCC, "Fedora", "kernel-debug-core", "6.8.5-301.fc40",
	 "kernel-debug-modules"},
	{"5.14.0-362.8.1.el9_3.x86_64 (mockbuild@x86-vm-09.build.eng.bos.redhat.com)" GCC, "RHEL", "kernel-core", "5.14.0-362.8.1.el9_3",
	 "kernel-modules"},
	{"5.14.0-362.8.1.el9_3.x86_64 (mockbuild@iad1-prod-build001.bld.equ.rockylinux.org)" GCC, "Rocky Linux", "kernel-core",
	 "5.14.0-362.8.1.el9_3", "kernel-modules"},
	{"4.18.0-513.5.1.el8_9.x86_64 (mockbuild@x64-builder02.almalinux.org)" GCC, "AlmaLinux", "kernel-core", "4.18.0-513.5.1.el8_9",
	 "kernel-modules"},
	{"5.14.0-427.el9.x86_64+rt (mockbuild@x86-05.stream.rdu2.redhat.com)" GCC, "CentOS Stream", "kernel-rt-core", "5.14.0-427.el9",
	 "kernel-rt-modules"},
	{"3.10.0-1160.el7.x86_64 (mockbuild@kbuilder.bsys.centos.org)" GCC, "CentOS", "kernel", "3.10.0-1160.el7", NULL},
	{"2.6.32-754.el6.x86_64 (mockbuild@x86-033.build.eng.bos.redhat.com)" GCC, "RHEL", "kernel", "2.6.32-754.el6", NULL},
	{"5.15.0-200.131.27.el9uek.x86_64 (mockbuild@host-100-100-224-6)" GCC, "Oracle Linux", "kernel-uek-core",
	 "5.15.0-200.131.27.el9uek", NULL},
	{"6.1.91-99.172.amzn2023.x86_64 (mockbuild@ip-10-0-36-171)" GCC, "Amazon Linux", "kernel", "6.1.91-99.172.amzn2023", NULL},
	{"6.9.1-arch1-1 (linux@archlinux)" GCC, "Arch Linux", "linux", "6.9.1.arch1-1", NULL},
	{"6.9.0-arch1-1 (linux@archlinux)" GCC, "Arch Linux", "linux", "6.9.arch1-1", NULL},
	{"6.9.1-zen1-2-zen (linux-zen@archlinux)" GCC, "Arch Linux", "linux-zen", "6.9.1.zen1-2", NULL},
	{"6.6.31-1-lts (linux-lts@archlinux)" GCC, "Arch Linux", "linux-lts", "6.6.31-1", NULL},
	{"5.0.7-arch1-1-ARCH (builduser@heftig-18961)" GCC, "Arch Linux", "linux", "5.0.7.arch1-1", NULL},
	{"5.14.21-150500.55.39-default (geeko@buildhost)" GCC, "SUSE", "kernel-default", "5.14.21-150500.55.39.1", NULL},
	{"6.9.1-1-default (geeko@buildhost)" GCC, "SUSE", "kernel-default", "6.9.1-1.1", NULL},
	{"5.14.21-150500.33.20-azure (geeko@buildhost)" GCC, "SUSE", "kernel-azure", "5.14.21-150500.33.20.1", NULL},
	{"6.6.31-0-lts (buildozer@build-3-20-x86_64) (gcc (Alpine 13.2.1_git20240309) 13.2.1) #1-Alpine SMP PREEMPT_DYNAMIC 2024-05-17",
	 "Alpine", "linux-lts", "6.6.31-r0", NULL},
	{"6.1.80-1-virt (buildozer@build-3-17-x86_64) (gcc (Alpine 12.2.1) 12.2.1) #2-Alpine SMP 2024-03-01", "Alpine", "linux-virt",
	 "6.1.80-r1", NULL},
};

static bool packages_of(const char *rest, bool x86_64, struct kernel_packages *ret)
{
	char text[BANNER_MAX];
	struct banner banner;

	snprintf(text, sizeof(text), "Linux version %s\n", rest);
	if (!banner_parse(text, strlen(text), &banner))
		fail_msg("no banner: %s", text);
	return kernel_packages_of(&banner, x86_64, ret);
}

static void names_packages_of_each_distribution(void **state)
{
	struct kernel_packages packages;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *modules = NULL;

		if (!packages_of(cases[i].banner, true, &packages))
			fail_msg("of no distribution: %s", cases[i].banner);
		assert_string_equal(packages.distribution, cases[i].distribution);
		assert_string_equal(packages.package[0].name, cases[i].image);
		assert_string_equal(packages.package[0].version, cases[i].version);
		assert_int_equal(packages.package[0].role, PACKAGE_IMAGE);
		for (unsigned at = packages.count; at-- > 0;) {
			if (packages.package[at].role == PACKAGE_MODULES)
				modules = packages.package[at].name;
		}
		assert_int_equal(modules != NULL, cases[i].modules != NULL);
		if (modules)
			assert_string_equal(modules, cases[i].modules);
		assert_memory_equal(packages.archive, "https://", 8);
	}
}

static void names_architectures_and_archives(void **state)
{
	struct kernel_packages packages;

	(void)state;
	assert_true(packages_of("6.1.0-56-686-pae " DEBIAN "#1 SMP Debian 6.1.192-2 (2026-11-16)", false, &packages));
	assert_string_equal(packages.architecture, "i386");
	assert_string_equal(packages.archive, "https://snapshot.debian.org/binary/linux-image-6.1.0-56-686-pae/");
	assert_true(packages_of(cases[11].banner, true, &packages));
	assert_string_equal(packages.architecture, "x86_64");
	assert_string_equal(packages.archive, "https://kojipkgs.fedoraproject.org/packages/kernel/6.8.5/301.fc40/x86_64/");
}

/* What would be more than a name for a package manager. */
static void refuses_hostile_and_unknown_banners(void **state)
{
	static const char *const texts[] = {
		"6.1.0 (me@home) (gcc) #12 SMP Tue Nov 24 2026",
		"6.1.0 (me@home) (gcc) #12 SMP Debian 1;reboot (2026-11-24)",
		"6.1.0 (me@home) (gcc) #12 SMP Debian --option (2026-11-24)",
		"6.1.0 (me@home) (gcc) #12 SMP Debian ../../x (2026-11-24)",
		"6.1.0 (me@home) (gcc) #12 SMP Debian 1-1/../x (2026-11-24)",
		"6.1.0 (me@home) (gcc) #12 SMP Debian $(reboot) (2026-11-24)",
		"6.9.1-arch1-1 (-U@archlinux) (gcc) #1 SMP",
		"6.9.1-arch1-1 (linux;x@archlinux) (gcc) #1 SMP",
	};
	struct kernel_packages packages;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(packages_of(texts[i], true, &packages));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_packages_of_each_distribution),
		cmocka_unit_test(names_architectures_and_archives),
		cmocka_unit_test(refuses_hostile_and_unknown_banners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
