/* Least privilege: sandbox.h. */
#include "cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/sandbox_filter.h"
#include "redirect/policy.h"

/*
 * Sanitizers work at the process's end by means that are just what is taken away: leaks are looked for by a cloned process that traces this
 * one, reports are made by a symbolizer that is another program.
 */
#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer) || HAS_FEATURE(memory_sanitizer) ||    \
	HAS_FEATURE(thread_sanitizer)
enum { WITH_SANITIZERS = 1 };
#else
enum { WITH_SANITIZERS = 0 };
#endif

/* -- Landlock -- */

/* linux/landlock.h of Linux 6.12, whose header on the machine that builds may be older. Each version of the ABI adds to the one before. */
struct ruleset_attributes {
	uint64_t filesystem, network, scoped;
};
enum {
	RIGHTS_1 = (1 << 13) - 1, /* execute, write, read a file and a folder, remove, make: bits 0 to 12 */
	RIGHT_REFER = 1 << 13,    /* 2 */
	RIGHT_TRUNCATE = 1 << 14, /* 3 */
	RIGHT_IOCTL = 1 << 15,    /* 5 */
	NETWORK_TCP = 3,          /* 4: bind and connect */
	SCOPED = 3,               /* 6: abstract UNIX sockets and signals go to no process outside */
	RIGHTS_READING = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	RIGHTS_SAVING = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | RIGHT_TRUNCATE,
	RIGHTS_UNPACKING = RIGHTS_SAVING | LANDLOCK_ACCESS_FS_MAKE_DIR,
};

/* In the folder. */
static uint64_t rights_of(enum sandbox_stage stage)
{
	return stage == SANDBOX_UNPACKING ? RIGHTS_UNPACKING : stage == SANDBOX_SAVING ? RIGHTS_SAVING : 0;
}

static struct ruleset_attributes attributes_of(long abi)
{
	return (struct ruleset_attributes){
		.filesystem = RIGHTS_1 | (abi >= 2 ? RIGHT_REFER : 0) | (abi >= 3 ? RIGHT_TRUNCATE : 0) | (abi >= 5 ? RIGHT_IOCTL : 0),
		.network = abi >= 4 ? NETWORK_TCP : 0,
		.scoped = abi >= 6 ? SCOPED : 0,
	};
}

static size_t attributes_size(long abi)
{
	return abi >= 6 ? sizeof(struct ruleset_attributes) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static bool allow(int ruleset, int folder, uint64_t rights)
{
	const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = folder};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* Everything may be read, and the folder written. False, errno: this kernel has Landlock, but does not do it. */
static bool restrict_files(enum sandbox_stage stage, int folder)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attributes attributes = attributes_of(abi);
	int ruleset, root;
	bool good;

	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM; /* a kernel, or a container, without */
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ruleset = syscall(SYS_landlock_create_ruleset, &attributes, attributes_size(abi), 0);
	good = root >= 0 && ruleset >= 0 && allow(ruleset, root, RIGHTS_READING) &&
	       (folder < 0 || !rights_of(stage) || allow(ruleset, folder, rights_of(stage) & attributes.filesystem)) &&
	       syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	if (root >= 0)
		close(root);
	if (ruleset >= 0)
		close(ruleset);
	return good;
}

/* -- system calls -- */

/* Async-signal-safe. The call has not happened, and the disposition is the default again: there is no second message. */
static void on_bad_call(int number, siginfo_t *info, void *context)
{
	size_t known;
	const struct policy_row *table = policy_table(POLICY_X86_64, &known);
	bool named = info->si_arch == AUDIT_ARCH_X86_64 && (size_t)info->si_syscall < known && table[info->si_syscall].name;
	char message[512], *end;
	ssize_t written;

	(void)number;
	(void)context;
	end = stpcpy(message, "xray86: stopped, because it was about to do what it has no need to: the system call ");
	end = stpcpy(end, named ? table[info->si_syscall].name : "of another kind");
	end = stpcpy(end, ". Either the input is hostile, or this is a fault of xray86: --no-sandbox lets the call through\n");
	written = write(STDERR_FILENO, message, end - message);
	(void)written; /* there is nobody else to tell */
	_exit(EXIT_XRAY86);
}

static void catch_bad_calls(void)
{
	struct sigaction action = {.sa_sigaction = on_bad_call, .sa_flags = SA_SIGINFO | SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGSYS, &action, NULL);
}

/* Without the flag, kernels before 5.16 slow all code down against speculation; kernels before 4.17 do not know it. */
static bool restrict_calls(enum sandbox_stage stage)
{
	struct sandbox_filter filter;
	struct sock_fprog program = {.filter = filter.code};

	sandbox_filter_build(stage, &filter);
	program.len = filter.count;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0 ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* -- the whole -- */

static struct error *lacks(const char *what)
{
	return error_create("%s: %s", what, strerror(errno));
}

struct error *sandbox_enter(enum sandbox_stage stage, int folder)
{
	const struct rlimit none = {0};
	struct error *err = NULL;

	if (WITH_SANITIZERS)
		return NULL;
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	catch_bad_calls();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return lacks("no_new_privs");
	if (!restrict_files(stage, folder))
		err = lacks("Landlock");
	if (!restrict_calls(stage) && !err)
		err = lacks("seccomp");
	return err;
}

void sandbox_enter_unless(bool off, enum sandbox_stage stage, int folder, bool *told)
{
	struct error *err = off ? NULL : sandbox_enter(stage, folder);

	if (err && !(told && *told))
		fprintf(stderr,
			"xray86: note: xray86 keeps privileges that it does not need, since this system does not take them away: %s\n",
			err->message);
	if (told)
		*told |= err != NULL;
	error_destroy(err);
}
