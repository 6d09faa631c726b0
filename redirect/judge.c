/* Deciding a system call by its row of the policy: judge.h. Translates product descriptors among the arguments. */
#include "redirect/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "emu/peek.h"
#include "redirect/descriptor_path.h"
#include "redirect/embedded.h"

#define AT_FDCWD_VALUE ((uint32_t)-100)

/* -- descriptors -- */

/* Whether argument n is a product descriptor; then the product sees its own number. */
static bool translate(struct judge *judge, unsigned n)
{
	struct call *call = &judge->calls->now;
	struct descriptor descriptor;

	if (!placeholder_find(judge->placeholders, 0, call->argument[n], &descriptor))
		return false;
	call->translated[n] = descriptor.number;
	call->own |= descriptor.own;
	return true;
}

/* -- paths -- */

/* Which argument is the call's path, of a call that has one. */
static bool has_path(const struct call *call, unsigned *ret)
{
	*ret = call->row->argument[call->row->rule == POLICY_AT];
	return call->row->rule == POLICY_PATH || call->row->rule == POLICY_AT;
}

/*
 * Whether the path names a descriptor of a tool's that stands for a file of the product. The trusted kernel would answer for the
 * placeholder. So the product is asked for the same link of the host's process, which has the tool's descriptors meanwhile. `address` is
 * where the tool has the path.
 */
static bool names_placeholder(struct judge *judge, uint64_t address, const char *path)
{
	struct call *call = &judge->calls->now;
	struct descriptor_path named;
	struct descriptor descriptor;
	uint64_t task = 0;
	char simple[TOOL_PATH], text[64];

	path_simplify(path, simple);
	if ((!descriptor_path_parse(path, &named) && !descriptor_path_parse(simple, &named)) ||
	    (named.pid && !(task = tool_task(judge->tools, named.pid))) ||
	    !placeholder_find(judge->placeholders, task, named.fd, &descriptor))
		return false;
	snprintf(text, sizeof(text), "/proc/self/%s/%u", named.info ? "fdinfo" : "fd", descriptor.number);
	call->own = true;
	call->opens_own |= named.info; /* it is looked up when it is read */
	if (!call_put_path(judge->calls, address, text, named.rest))
		call_record_loss(judge->calls, LOSS_LIMIT);
	return true;
}

static enum verdict judge_path(struct judge *judge, unsigned n)
{
	uint64_t address = judge->calls->now.argument[n];
	char path[TOOL_PATH];

	if (!tool_read_path(judge->tools, address, path) || names_placeholder(judge, address, path))
		return VERDICT_PRODUCT;
	if (path_is_trusted(judge->paths, path))
		return VERDICT_TRUSTED;
	path_translate_tool_directory(judge->paths, address, path);
	return VERDICT_PRODUCT;
}

/* A path relative to a trusted directory, which may be /proc/self/fd. */
static enum verdict judge_below(struct judge *judge, uint32_t fd, uint64_t address, const char *path)
{
	char whole[TOOL_FILE + TOOL_PATH];
	size_t length;

	if (!tool_open_file(judge->tools, fd, whole))
		return VERDICT_TRUSTED;
	length = strlen(whole);
	if (length + 1 + strlen(path) >= TOOL_PATH)
		return VERDICT_TRUSTED;
	whole[length] = '/';
	strcpy(whole + length + 1, path);
	return names_placeholder(judge, address, whole) ? VERDICT_PRODUCT : VERDICT_TRUSTED;
}

static enum verdict judge_at(struct judge *judge, unsigned dir, unsigned n)
{
	uint32_t fd = judge->calls->now.argument[dir];
	uint64_t address = judge->calls->now.argument[n];
	char path[TOOL_PATH] = "";
	bool readable = address && tool_read_path(judge->tools, address, path);

	if (fd == AT_FDCWD_VALUE || path[0] == '/')
		return judge_path(judge, n);
	if (translate(judge, dir))
		return VERDICT_PRODUCT;
	return readable && path[0] ? judge_below(judge, fd, address, path) : VERDICT_TRUSTED;
}

/* -- programs -- */

/*
 * Whether the call is one with which shells, which(1) and execvp() look for a program: they follow links. lstat() and calls that change a
 * file always go to the snapshot.
 */
static bool looks_for_file(const struct call *call)
{
	uint32_t flags = call->row->flags;

	return flags & POLICY_SEARCHES && !(flags & POLICY_FOLLOWS_2 && call->argument[2] & AT_SYMLINK_NOFOLLOW) &&
	       !(flags & POLICY_FOLLOWS_3 && call->argument[3] & AT_SYMLINK_NOFOLLOW);
}

bool judge_looked_for_program(struct judge *judge, char path[TOOL_PATH])
{
	const struct call *call = &judge->calls->now;
	unsigned path_at;

	return has_path(call, &path_at) && looks_for_file(call) && tool_read_path(judge->tools, call->argument[path_at], path) &&
	       delivery_offers_program(judge->deliveries, path);
}

/* -- rules -- */

static enum verdict both(enum verdict a, enum verdict b, int error, int *ret_errno)
{
	*ret_errno = error;
	return a == b ? a : VERDICT_REFUSED;
}

static enum verdict by_fd(struct judge *judge, unsigned n)
{
	if ((uint32_t)judge->calls->now.argument[n] == AT_FDCWD_VALUE) /* of a call that takes it for a descriptor: open_by_handle_at() */
		return VERDICT_PRODUCT;
	if (!translate(judge, n))
		return VERDICT_TRUSTED;
	embedded_translate(judge->placeholders);
	return VERDICT_PRODUCT;
}

/* Negative ones are process groups, for kill(). */
static enum verdict by_process(struct judge *judge, int32_t pid)
{
	return pid == 0 || tool_task(judge->tools, pid < 0 ? -(uint32_t)pid : (uint32_t)pid) ? VERDICT_TRUSTED : VERDICT_PRODUCT;
}

/*
 * Clocks of processes and threads: negative ones are of the process ~(clock >> 3), or of a descriptor (include/linux/posix-timers.h).
 */
static enum verdict by_clock(struct judge *judge, int32_t clock)
{
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		return VERDICT_TRUSTED;
	if (clock < 0)
		return (clock & 7) == 3 /* CLOCKFD */ ? VERDICT_TRUSTED : by_process(judge, ~(clock >> 3));
	return VERDICT_PRODUCT;
}

/* clock_nanosleep(). The product's clock stands still. So a wait until a time of it is over at once, whatever time the snapshot shows. */
static enum verdict by_sleep(struct judge *judge, int *ret_errno)
{
	*ret_errno = 0;
	return judge->calls->now.argument[1] & TIMER_ABSTIME && by_clock(judge, judge->calls->now.argument[0]) == VERDICT_PRODUCT
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

static enum verdict by_ioctl(struct judge *judge, int *ret_errno)
{
	uint32_t request = judge->calls->now.argument[1];

	judge->calls->now.opens = opens_by_ioctl(request);
	if (request == 0x40049409 /* FICLONE: of another descriptor's file (include/uapi/linux/fs.h) */)
		return both(by_fd(judge, 0), by_fd(judge, 2), EXDEV, ret_errno);
	return by_fd(judge, 0);
}

/* A program that is not there yet may be one of the host's. */
static enum verdict by_program(struct judge *judge, unsigned n)
{
	char path[TOOL_PATH];

	if (tool_read_path(judge->tools, judge->calls->now.argument[n], path) && delivery_offers_program(judge->deliveries, path))
		delivery_order(judge->deliveries, DELIVERY_PROGRAM, path);
	return VERDICT_TRUSTED;
}

static enum verdict by_fcntl(struct judge *judge)
{
	switch ((uint32_t)judge->calls->now.argument[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
	case F_GETFD:
	case F_SETFD:
	case 1027 /* F_DUPFD_QUERY, 6.10: whether two descriptors are of one open file */:
		return VERDICT_TRUSTED;
	default:
		return by_fd(judge, 0);
	}
}

/* A child with namespaces of its own would have the trusted VM's. fork() and then unshare() work (include/uapi/linux/sched.h). */
static enum verdict by_clone(uint64_t flags, int *ret_errno)
{
	static const uint64_t new_namespaces = 0x00000080 /* CLONE_NEWTIME, in clone3() */ | 0x00020000 /* CLONE_NEWNS */ |
					       0x02000000 /* NEWCGROUP */ | 0x04000000 /* NEWUTS */ | 0x08000000 /* NEWIPC */ |
					       0x10000000 /* NEWUSER */ | 0x20000000 /* NEWPID */ | 0x40000000 /* NEWNET */;

	*ret_errno = EPERM;
	return flags & new_namespaces ? VERDICT_REFUSED : VERDICT_TRUSTED;
}

/* clone3() has its flags in memory. */
static enum verdict by_clone3(struct judge *judge, uint64_t arguments, int *ret_errno)
{
	uint64_t flags;

	return cpu_peek_word(judge->worlds->cpu, arguments, 8, &flags) ? by_clone(flags, ret_errno) : VERDICT_TRUSTED;
}

/* i386's one call for all of System V IPC (include/uapi/linux/ipc.h). The rows of the single calls say the same. */
static enum verdict by_ipc(const struct judge *judge, int *ret_errno)
{
	enum { SHMAT = 21, SHMDT = 22 };
	uint32_t which = judge->calls->now.argument[0] & 0xffff;

	*ret_errno = EACCES;
	return which == SHMAT ? VERDICT_REFUSED : which == SHMDT ? VERDICT_TRUSTED : VERDICT_PRODUCT;
}

/* Facts about a process are facts about its machine: for the tool's own process they are those of the host task. */
static enum verdict by_host(struct judge *judge, unsigned n)
{
	if (tool_task(judge->tools, judge->calls->now.argument[n]))
		judge->calls->now.translated[n] = 0;
	return VERDICT_PRODUCT;
}

/* capget() and capset(): the process is in the header that the argument points to (include/uapi/linux/capability.h). */
static enum verdict by_header(struct judge *judge, uint64_t header)
{
	uint64_t pid;

	return cpu_peek_word(judge->worlds->cpu, header + 4, 4, &pid) ? by_process(judge, pid) : VERDICT_TRUSTED;
}

/* Watches fail with ENOSPC because nothing will change; tools then poll. */
static enum verdict by_watch(struct judge *judge, unsigned path, int *ret_errno)
{
	*ret_errno = ENOSPC;
	return judge_path(judge, path) == VERDICT_PRODUCT ? VERDICT_REFUSED : VERDICT_TRUSTED;
}

static enum verdict by_row(struct judge *judge, int *ret_errno)
{
	struct call *call = &judge->calls->now;
	const uint8_t *a = call->row->argument;

	call->opens = call->row->flags & POLICY_OPENS;
	*ret_errno = a[0];
	switch ((enum policy_rule)call->row->rule) {
	case POLICY_TRUSTED:
		return VERDICT_TRUSTED;
	case POLICY_PRODUCT:
		if (call->row->flags & POLICY_NAMES)
			judge_path(judge, 0);
		return VERDICT_PRODUCT;
	case POLICY_BPF:
		return embedded_judge_bpf(judge->placeholders, ret_errno);
	case POLICY_HEADER:
		return by_header(judge, call->argument[a[0]]);
	case POLICY_POLL:
	case POLICY_PPOLL:
	case POLICY_SELECT:
		return poll_judge(judge->polls, ret_errno);
	case POLICY_MMAP: /* judge_call() */
		return VERDICT_TRUSTED;
	case POLICY_EPOLL:
		return poll_judge_epoll(judge->polls, ret_errno);
	case POLICY_SOCKETCALL:
		return embedded_judge_socketcall(judge->placeholders);
	case POLICY_IPC:
		return by_ipc(judge, ret_errno);
	case POLICY_HOST:
		return by_host(judge, a[0]);
	case POLICY_REFUSED:
		return VERDICT_REFUSED;
	case POLICY_FD:
		return by_fd(judge, a[0]);
	case POLICY_FD2:
		return both(by_fd(judge, a[0]), by_fd(judge, a[1]), EINVAL, ret_errno);
	case POLICY_PATH:
		return judge_path(judge, a[0]);
	case POLICY_INOTIFY:
		return by_watch(judge, 1, ret_errno);
	case POLICY_PATH2:
		return both(judge_path(judge, a[0]), judge_path(judge, a[1]), EXDEV, ret_errno);
	case POLICY_AT:
		return judge_at(judge, a[0], a[1]);
	case POLICY_AT2:
		return both(judge_at(judge, a[0], a[1]), judge_at(judge, a[2], a[3]), EXDEV, ret_errno);
	case POLICY_PID:
		return by_process(judge, call->argument[a[0]]);
	case POLICY_CLOCK:
		return by_clock(judge, call->argument[a[0]]);
	case POLICY_SLEEP:
		return by_sleep(judge, ret_errno);
	case POLICY_EXEC:
		return by_program(judge, a[0]);
	case POLICY_IOCTL:
		return by_ioctl(judge, ret_errno);
	case POLICY_FCNTL:
		return by_fcntl(judge);
	case POLICY_CLONE:
		return by_clone(call->argument[a[0]], ret_errno);
	case POLICY_CLONE3:
		return by_clone3(judge, call->argument[a[0]], ret_errno);
	}
	return VERDICT_TRUSTED;
}

static enum verdict by_mapping(struct judge *judge, int64_t *ret_result)
{
	return mapping_concerns(judge->mappings) && !path_call_is_loaders(judge->paths) ? mapping_judge(judge->mappings, ret_result)
											: VERDICT_TRUSTED;
}

enum verdict judge_call(struct judge *judge, int64_t *ret_result)
{
	const struct policy_row *row = judge->calls->now.row;
	enum verdict verdict;
	int error = 0;

	delivery_forget_orders(judge->deliveries);
	if (row->rule == POLICY_MMAP)
		return by_mapping(judge, ret_result);
	verdict = by_row(judge, &error);
	if ((verdict == VERDICT_PRODUCT && row->flags & POLICY_REFUSES) || (verdict == VERDICT_TRUSTED && row->flags & POLICY_ONLY)) {
		error = verdict == VERDICT_PRODUCT ? EINVAL : EXDEV;
		verdict = VERDICT_REFUSED;
	}
	*ret_result = -error;
	return verdict;
}
