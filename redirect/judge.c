/* Deciding a system call by its row of the policy: policy.h. Translates product descriptors among the arguments. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emu/peek.h"
#include "redirect/session.h"

#define AT_FDCWD_VALUE ((uint32_t)-100)

/* -- descriptors -- */

/* Whether argument n is a product descriptor; then the product sees its own number. */
static bool translate(struct redirect *redirect, unsigned n)
{
	uint32_t number;

	if (!product_descriptor(redirect, redirect->call.argument[n], &number))
		return false;
	redirect->call.translated[n] = number;
	return true;
}

/* -- paths -- */

/* The descriptor that the path of a link in /proc/self/fd names, by whatever name. */
static bool names_descriptor(const char *path, uint32_t *ret)
{
	static const char *const folders[] = {"/proc/self/fd/", "/dev/fd/"}, *const streams[] = {"/dev/stdin", "/dev/stdout",
												 "/dev/stderr"};
	char *end;

	for (unsigned i = 0; i < 2; i++) {
		size_t length = strlen(folders[i]);

		if (strncmp(path, folders[i], length) != 0 || !path[length])
			continue;
		*ret = strtoul(path + length, &end, 10);
		return !*end;
	}
	for (*ret = 0; *ret < 3; ++*ret) {
		if (strcmp(path, streams[*ret]) == 0)
			return true;
	}
	return false;
}

/*
 * open() or openat() of such a link: the trusted kernel would open the placeholder's /dev/null anew, and the tool find nothing in it. It
 * gets a duplicate: another descriptor of the same file, if not an open file of its own.
 */
static bool reopens(struct redirect *redirect, int64_t *ret_fd)
{
	const struct call *call = &redirect->call;
	unsigned path_at = call->row->rule == POLICY_AT;
	char path[PATH_MAX_BYTES], simple[PATH_MAX_BYTES];
	uint32_t fd, number;

	if ((strcmp(call->row->name, "open") != 0 && strcmp(call->row->name, "openat") != 0) ||
	    !read_path(redirect, call->argument[path_at], path))
		return false;
	simplify_path(path, simple); /* as is_trusted_path() took it */
	if (!names_descriptor(simple, &fd) || !product_descriptor(redirect, fd, &number))
		return false;
	*ret_fd = duplicate_placeholder(redirect, fd, call->argument[path_at + 1] & O_CLOEXEC);
	return true;
}

static void look_at_fdinfo(struct redirect *redirect, const char *path)
{
	static const char folder[] = "/fdinfo/";
	const char *found = strstr(path, folder);

	if (found)
		show_position(redirect, strtoul(found + sizeof(folder) - 1, NULL, 10));
}

static enum verdict judge_path(struct redirect *redirect, unsigned n)
{
	char path[PATH_MAX_BYTES];

	if (!read_path(redirect, redirect->call.argument[n], path))
		return VERDICT_PRODUCT;
	if (!is_trusted_path(redirect, path)) {
		translate_tool_directory(redirect, redirect->call.argument[n], path);
		return VERDICT_PRODUCT;
	}
	look_at_fdinfo(redirect, path);
	return VERDICT_TRUSTED;
}

static enum verdict judge_at(struct redirect *redirect, unsigned dir, unsigned n)
{
	uint32_t fd = redirect->call.argument[dir];
	char path[PATH_MAX_BYTES];
	bool absolute = redirect->call.argument[n] && read_path(redirect, redirect->call.argument[n], path) && path[0] == '/';

	if (absolute || fd == AT_FDCWD_VALUE)
		return judge_path(redirect, n);
	return translate(redirect, dir) ? VERDICT_PRODUCT : VERDICT_TRUSTED;
}

/* -- programs -- */

/*
 * Whether the call is one by which shells, which(1) and execvp() look for a program: they follow links. lstat() and all that is done to a
 * file are about the snapshot's.
 */
static bool looks_for_file(const struct call *call)
{
	enum { NONE = ARGUMENTS };
	static const struct {
		const char *name;
		unsigned flags; /* its argument with AT_SYMLINK_NOFOLLOW */
	} calls[] = {{"stat", NONE},    {"stat64", NONE},  {"oldstat", NONE}, {"access", NONE}, {"faccessat", NONE},
		     {"faccessat2", 3}, {"newfstatat", 3}, {"fstatat64", 3},  {"statx", 2}};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(call->row->name, calls[i].name) == 0)
			return calls[i].flags == NONE || !(call->argument[calls[i].flags] & AT_SYMLINK_NOFOLLOW);
	}
	return false;
}

bool looked_for_program(struct redirect *redirect, char path[PATH_MAX_BYTES])
{
	const struct policy_row *row = redirect->call.row;

	if ((row->rule != POLICY_PATH && row->rule != POLICY_AT) || !looks_for_file(&redirect->call))
		return false;
	return read_path(redirect, redirect->call.argument[row->argument[row->rule == POLICY_AT]], path) && offers_program(redirect, path);
}

/* -- rules -- */

static enum verdict both(enum verdict a, enum verdict b, int error, int *ret_errno)
{
	*ret_errno = error;
	return a == b ? a : VERDICT_REFUSED;
}

static enum verdict by_fd(struct redirect *redirect, unsigned n)
{
	if ((uint32_t)redirect->call.argument[n] == AT_FDCWD_VALUE) /* of a call that takes it for a descriptor: open_by_handle_at() */
		return VERDICT_PRODUCT;
	if (!translate(redirect, n))
		return VERDICT_TRUSTED;
	translate_embedded(redirect);
	return VERDICT_PRODUCT;
}

/* Negative ones are process groups, for kill(). */
static enum verdict by_process(struct redirect *redirect, int32_t pid)
{
	return pid == 0 || is_tool(redirect, pid < 0 ? -(uint32_t)pid : (uint32_t)pid) ? VERDICT_TRUSTED : VERDICT_PRODUCT;
}

/*
 * Clocks of processes and threads: negative ones are of the process ~(clock >> 3), or of a descriptor (include/linux/posix-timers.h).
 */
static enum verdict by_clock(struct redirect *redirect, int32_t clock)
{
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		return VERDICT_TRUSTED;
	if (clock < 0)
		return (clock & 7) == 3 /* CLOCKFD */ ? VERDICT_TRUSTED : by_process(redirect, ~(clock >> 3));
	return VERDICT_PRODUCT;
}

/*
 * clock_nanosleep(). The product's clock stands: who waits until a time of it has waited, whatever the snapshot says that the time is.
 */
static enum verdict by_sleep(struct redirect *redirect, int *ret_errno)
{
	*ret_errno = 0;
	return redirect->call.argument[1] & TIMER_ABSTIME && by_clock(redirect, redirect->call.argument[0]) == VERDICT_PRODUCT
		       ? VERDICT_REFUSED
		       : VERDICT_TRUSTED;
}

/* Requests whose result is a new descriptor (include/uapi/linux/nsfs.h, sockios.h, pidfd.h, asm-generic/ioctls.h). */
static bool opens_by_ioctl(uint32_t request)
{
	static const uint32_t opening[] = {0xb701 /* NS_GET_USERNS */,       0xb702 /* NS_GET_PARENT */, 0x8010b70b /* NS_MNT_GET_NEXT */,
					   0x8010b70c /* NS_MNT_GET_PREV */, 0x894c /* SIOCGSKNS */,     0x5441 /* TIOCGPTPEER */};

	for (unsigned i = 0; i < sizeof(opening) / sizeof(opening[0]); i++) {
		if (request == opening[i])
			return true;
	}
	return request >= 0xff01 /* PIDFD_GET_CGROUP_NAMESPACE */ && request <= 0xff0a /* PIDFD_GET_UTS_NAMESPACE */;
}

static enum verdict by_ioctl(struct redirect *redirect, int *ret_errno)
{
	uint32_t request = redirect->call.argument[1];

	redirect->call.opens = opens_by_ioctl(request);
	if (request == 0x40049409 /* FICLONE: of another descriptor's file (include/uapi/linux/fs.h) */)
		return both(by_fd(redirect, 0), by_fd(redirect, 2), EXDEV, ret_errno);
	return by_fd(redirect, 0);
}

/* A program that is not there yet may be one of the host's. */
static enum verdict by_program(struct redirect *redirect, unsigned n)
{
	char path[PATH_MAX_BYTES];

	if (read_path(redirect, redirect->call.argument[n], path) && offers_program(redirect, path))
		order_delivery(redirect, DELIVERY_PROGRAM, path);
	return VERDICT_TRUSTED;
}

static enum verdict by_fcntl(struct redirect *redirect)
{
	switch ((uint32_t)redirect->call.argument[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
	case F_GETFD:
	case F_SETFD:
	case 1027 /* F_DUPFD_QUERY, 6.10: whether two descriptors are of one open file */:
		return VERDICT_TRUSTED;
	default:
		return by_fd(redirect, 0);
	}
}

/* A child with namespaces of its own would have the trusted VM's: fork() and then unshare() are the way (include/uapi/linux/sched.h). */
static enum verdict by_clone(uint64_t flags, int *ret_errno)
{
	static const uint64_t new_namespaces = 0x00000080 /* CLONE_NEWTIME, in clone3() */ | 0x00020000 /* CLONE_NEWNS */ |
					       0x02000000 /* NEWCGROUP */ | 0x04000000 /* NEWUTS */ | 0x08000000 /* NEWIPC */ |
					       0x10000000 /* NEWUSER */ | 0x20000000 /* NEWPID */ | 0x40000000 /* NEWNET */;

	*ret_errno = EPERM;
	return flags & new_namespaces ? VERDICT_REFUSED : VERDICT_TRUSTED;
}

/* clone3() has its flags in memory. */
static enum verdict by_clone3(struct redirect *redirect, uint64_t arguments, int *ret_errno)
{
	uint64_t flags;

	return cpu_peek_word(redirect->cpu, arguments, 8, &flags) ? by_clone(flags, ret_errno) : VERDICT_TRUSTED;
}

/* i386's one call for all of System V IPC (include/uapi/linux/ipc.h): what its own calls have in their rows. */
static enum verdict by_ipc(const struct redirect *redirect, int *ret_errno)
{
	enum { SHMAT = 21, SHMDT = 22 };
	uint32_t which = redirect->call.argument[0] & 0xffff;

	*ret_errno = EACCES;
	return which == SHMAT ? VERDICT_REFUSED : which == SHMDT ? VERDICT_TRUSTED : VERDICT_PRODUCT;
}

/* What is told of a process is of the machine that it runs on: for the tool's own it is told of the host task. */
static enum verdict by_host(struct redirect *redirect, unsigned n)
{
	if (is_tool(redirect, redirect->call.argument[n]))
		redirect->call.translated[n] = 0;
	return VERDICT_PRODUCT;
}

/* capget() and capset(): the process is in the header that the argument points to (include/uapi/linux/capability.h). */
static enum verdict by_header(struct redirect *redirect, uint64_t header)
{
	uint64_t pid;

	return cpu_peek_word(redirect->cpu, header + 4, 4, &pid) ? by_process(redirect, pid) : VERDICT_TRUSTED;
}

/* A watch on what will not change is refused as one too many is: then tools look now and again. */
static enum verdict by_watch(struct redirect *redirect, unsigned path, int *ret_errno)
{
	*ret_errno = ENOSPC;
	return judge_path(redirect, path) == VERDICT_PRODUCT ? VERDICT_REFUSED : VERDICT_TRUSTED;
}

static enum verdict by_row(struct redirect *redirect, int *ret_errno)
{
	struct call *call = &redirect->call;
	const uint8_t *a = call->row->argument;

	call->opens = call->row->flags & POLICY_OPENS;
	*ret_errno = a[0];
	switch ((enum policy_rule)call->row->rule) {
	case POLICY_TRUSTED:
		return VERDICT_TRUSTED;
	case POLICY_PRODUCT:
		return VERDICT_PRODUCT;
	case POLICY_BPF:
		return judge_bpf(redirect, ret_errno);
	case POLICY_HEADER:
		return by_header(redirect, call->argument[a[0]]);
	case POLICY_SOCKETCALL:
		return judge_socketcall(redirect);
	case POLICY_IPC:
		return by_ipc(redirect, ret_errno);
	case POLICY_HOST:
		return by_host(redirect, a[0]);
	case POLICY_REFUSED:
		return VERDICT_REFUSED;
	case POLICY_FD:
		return by_fd(redirect, a[0]);
	case POLICY_FD2:
		return both(by_fd(redirect, a[0]), by_fd(redirect, a[1]), EINVAL, ret_errno);
	case POLICY_PATH:
		return judge_path(redirect, a[0]);
	case POLICY_INOTIFY:
		return by_watch(redirect, 1, ret_errno);
	case POLICY_PATH2:
		return both(judge_path(redirect, a[0]), judge_path(redirect, a[1]), EXDEV, ret_errno);
	case POLICY_AT:
		return judge_at(redirect, a[0], a[1]);
	case POLICY_AT2:
		return both(judge_at(redirect, a[0], a[1]), judge_at(redirect, a[2], a[3]), EXDEV, ret_errno);
	case POLICY_PID:
		return by_process(redirect, call->argument[a[0]]);
	case POLICY_CLOCK:
		return by_clock(redirect, call->argument[a[0]]);
	case POLICY_SLEEP:
		return by_sleep(redirect, ret_errno);
	case POLICY_EXEC:
		return by_program(redirect, a[0]);
	case POLICY_IOCTL:
		return by_ioctl(redirect, ret_errno);
	case POLICY_FCNTL:
		return by_fcntl(redirect);
	case POLICY_CLONE:
		return by_clone(call->argument[a[0]], ret_errno);
	case POLICY_CLONE3:
		return by_clone3(redirect, call->argument[a[0]], ret_errno);
	}
	return VERDICT_TRUSTED;
}

enum verdict judge(struct redirect *redirect, int *ret_errno)
{
	enum verdict verdict;
	int64_t fd;

	forget_orders(redirect);
	verdict = by_row(redirect, ret_errno);
	if (verdict == VERDICT_TRUSTED && redirect->call.opens && reopens(redirect, &fd)) {
		*ret_errno = -fd;
		return VERDICT_REFUSED;
	}
	if ((verdict == VERDICT_PRODUCT && redirect->call.row->flags & POLICY_REFUSES) ||
	    (verdict == VERDICT_TRUSTED && redirect->call.row->flags & POLICY_ONLY)) {
		*ret_errno = verdict == VERDICT_PRODUCT ? EINVAL : EXDEV;
		return VERDICT_REFUSED;
	}
	return verdict;
}
