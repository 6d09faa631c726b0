/* Package managers: package_manager.h. */
#include "cli/package_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/interrupt.h"
#include "util/spawn.h"

enum { ARGUMENTS = 8 };

/*
 * Of a family, the first whose program is there. In arguments %n, %v and %a are a package's name, version and architecture, and %d is the
 * folder. All run in that folder.
 */
static const struct package_manager {
	enum package_family family;
	const char *program, *files; /* what packages are called */
	const char *argument[ARGUMENTS];
	const char *advice;
	const char *reason; /* why the arguments are as they are */
} managers[] = {
	{
		PACKAGES_APT,
		"apt-get",
		"*.deb",
		{"-q", "download", "%n:%a=%v"},
		"apt-get update renews its lists; dpkg --add-architecture makes it know packages of other architectures",
		"into the current folder; needs no root",
	},
	{
		PACKAGES_RPM,
		"dnf",
		"*.rpm",
		{"download", "--destdir", "%d", "%n-%v.%a"},
		"dnf before version 5 needs dnf-plugins-core for this",
		"needs no root; without -y, which would take any key of a repository",
	},
	{
		PACKAGES_RPM,
		"zypper",
		"*.rpm",
		{"--non-interactive", "--pkg-cache-dir", "%d", "download", "%n.%a=%v"},
		"zypper refresh renews its lists",
		"into a folder for each repository; needs no root",
	},
	{
		PACKAGES_RPM,
		"yumdownloader",
		"*.rpm",
		{"--destdir", "%d", "%n-%v.%a"},
		"it is in yum-utils",
		"before there was dnf",
	},
	{
		PACKAGES_PACMAN,
		"pacman",
		"*.pkg.tar.*[!g]", /* no .sig */
		{"-Sw", "--noconfirm", "-dd", "--cachedir", "%d", "%n=%v"},
		"pacman needs root, and a cache directory that its DownloadUser may enter; mirrors have the newest version only",
		"-dd: without what the package depends on",
	},
	{
		PACKAGES_APK,
		"apk",
		"*.apk",
		{"fetch", "--output", "%d", "%n=%v"},
		"apk update renews its lists, and mirrors have the newest version only",
		"needs no root",
	},
};
enum { MANAGERS = sizeof(managers) / sizeof(managers[0]) };

/* -- which there are -- */

static bool is_in(const char *folder, size_t length, const char *program)
{
	char *path;
	bool is = asprintf(&path, "%.*s/%s", (int)length, folder, program) >= 0;

	if (!is)
		return false;
	is = access(path, X_OK) == 0;
	free(path);
	return is;
}

static bool is_here(const char *program)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t length = strcspn(path, ":");

		if (length && is_in(path, length, program))
			return true;
		path += length + (path[length] == ':');
	}
	return false;
}

const struct package_manager *package_manager_find(enum package_family family)
{
	for (unsigned i = 0; i < MANAGERS; i++) {
		if (managers[i].family == family && is_here(managers[i].program))
			return &managers[i];
	}
	return NULL;
}

const char *package_manager_program(const struct package_manager *manager)
{
	return manager->program;
}

const char *package_manager_advice(const struct package_manager *manager)
{
	return manager->advice;
}

bool package_manager_makes(const struct package_manager *manager, const char *name)
{
	return fnmatch(manager->files, name, 0) == 0;
}

char *package_manager_names(enum package_family family)
{
	char *names = NULL;

	for (unsigned i = 0; i < MANAGERS; i++) {
		char *longer;

		if (managers[i].family != family)
			continue;
		if (asprintf(&longer, "%s%s%s", names ? names : "", names ? " or " : "", managers[i].program) < 0)
			longer = NULL;
		free(names);
		names = longer;
		if (!names)
			return NULL;
	}
	return names;
}

/* -- downloading -- */

/* Returns false without memory. */
static bool expand(const char *form, const struct kernel_package *package, const char *architecture, const char *folder, char **ret)
{
	size_t size;
	FILE *stream = open_memstream(ret, &size);

	if (!stream)
		return false;
	for (; *form; form++) {
		if (*form != '%') {
			fputc(*form, stream);
			continue;
		}
		form++;
		fputs(*form == 'n' ? package->name : *form == 'v' ? package->version : *form == 'a' ? architecture : folder, stream);
	}
	return fclose(stream) == 0;
}

/* Descriptors that are open elsewhere in this program are all closed on exec. */
static int add_actions(void *opaque, posix_spawn_file_actions_t *actions)
{
	int failure = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (!failure)
		failure = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
	return failure ? failure : posix_spawn_file_actions_addchdir_np(actions, opaque);
}

/* Signals are as they were, and that which this process always ignores is not ignored. */
static int spawn(const char *program, char *const *arguments, const char *folder, const sigset_t *blocked, pid_t *ret_pid)
{
	struct spawn how = {
		.program = program,
		.search = true,
		.arguments = arguments,
		.blocked = *blocked,
		.add_actions = add_actions,
		.opaque = (void *)(uintptr_t)folder, /* not written to */
	};

	sigemptyset(&how.defaults);
	sigaddset(&how.defaults, SIGXFSZ);
	return spawn_process(&how, ret_pid);
}

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Some managers catch Ctrl-C and end with a status of their own. */
static struct error *run(const struct package_manager *manager, char *const *arguments, const char *folder, bool *ret_got)
{
	struct interrupt interrupt;
	bool interrupted;
	int failure, status;
	pid_t pid;

	interrupt_hold(&interrupt);
	failure = spawn(manager->program, arguments, folder, &interrupt.before, &pid);
	status = failure ? 0 : wait_for(pid);
	interrupted = interrupt_release(&interrupt);
	if (failure)
		return error_create("%s cannot be started: %s", manager->program, strerror(failure));
	if (interrupted)
		return error_create("%s was interrupted", manager->program);
	if (WIFSIGNALED(status))
		return error_create("%s was ended by signal %d", manager->program, WTERMSIG(status));
	*ret_got = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return NULL;
}

struct error *package_manager_download(const struct package_manager *manager, const struct kernel_package *package,
				       const char *architecture, const char *folder, bool *ret_got)
{
	char *arguments[ARGUMENTS + 2] = {(char *)(uintptr_t)manager->program};
	unsigned count = 0;
	bool good = true;
	struct error *err;

	*ret_got = false;
	for (; good && count < ARGUMENTS && manager->argument[count]; count++)
		good = expand(manager->argument[count], package, architecture, folder, &arguments[count + 1]);
	err = good ? run(manager, arguments, folder, ret_got) : error_create("out of memory");
	for (unsigned i = 1; i <= count; i++)
		free(arguments[i]);
	return err;
}
