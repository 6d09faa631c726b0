/*
 * Calls that would sleep: waits.h.
 *
 * The kernel tells what for by the task's state (include/linux/sched.h). Whoever waits for others, a reader of an empty pipe say, sleeps so
 * that a signal wakes it: in the machine it would sleep, too, for as long as nothing happens, and at the moment of the snapshot nothing
 * does. Whoever sleeps uninterruptibly waits for what the machine would have done by itself: a disk, a lock's holder, a kernel thread. So
 * does one in a call that waits for nobody (stat() of a file that a server has).
 */
#include "redirect/waits.h"

#include <string.h>

#include "emu/peek.h"

enum { INTERRUPTIBLE = 1 };

/*
 * System calls that may wait for what others do: data, an event, a child, time; closing of a socket, too. Reading and writing at a position
 * is not among them: pipes, sockets and terminals have none, so only a server or a device can keep such a call waiting.
 */
static const char *const waiting[] = {
	"read",
	"readv",
	"write",
	"writev",
	"splice",
	"tee",
	"vmsplice",
	"sendfile",
	"sendfile64",
	"copy_file_range",
	"poll",
	"ppoll",
	"ppoll_time64",
	"select",
	"_newselect",
	"pselect6",
	"pselect6_time64",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"recvfrom",
	"recvmsg",
	"recvmmsg",
	"recvmmsg_time64",
	"sendto",
	"sendmsg",
	"sendmmsg",
	"accept",
	"accept4",
	"connect",
	"shutdown",
	"socketcall",
	"ipc",
	"msgrcv",
	"msgsnd",
	"semop",
	"semtimedop",
	"semtimedop_time64",
	"mq_timedreceive",
	"mq_timedreceive_time64",
	"mq_timedsend",
	"mq_timedsend_time64",
	"wait4",
	"waitid",
	"waitpid",
	"futex",
	"futex_time64",
	"flock",
	"fcntl",
	"fcntl64",
	"ioctl",
	"close",
	"nanosleep",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"pause",
	"rt_sigtimedwait",
	"rt_sigtimedwait_time64",
	"io_getevents",
	"io_pgetevents",
	"io_pgetevents_time64",
	"syslog",
	"getrandom",
};

/* These wait for others when they open a FIFO or a device; who opens a file waits for its server, or for a lease to be given back. */
static const char *const opening[] = {"open", "openat", "openat2", "creat"};

static const char *const openers[] = {"fifo_open", "chrdev_open"};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof(names[0]))

/* Whether one of the return addresses on the body's stack is in an opener. */
static bool is_within_opener(struct worlds *worlds)
{
	uint64_t rsp = worlds->cpu->gpr[RSP], end = (rsp | (worlds->context.stack_size - 1)) + 1, address;
	unsigned word = worlds->context.word;
	struct symbol symbol;

	for (; rsp < end; rsp += word) {
		if ((worlds->context.way == REDIRECT_TAGS ? cpu_peek_word(worlds->cpu, rsp, word, &address)
							  : product_memory_read_word(&worlds->memory, rsp, word, &address)) &&
		    symbols_nearest(worlds->product->symbols, address, &symbol) && IS_ONE_OF(symbol.name, openers))
			return true;
	}
	return false;
}

static bool waits_for_others(struct worlds *worlds, const struct policy_row *row)
{
	return row && (IS_ONE_OF(row->name, waiting) || (IS_ONE_OF(row->name, opening) && is_within_opener(worlds)));
}

enum loss_cause wait_cause(struct worlds *worlds, const struct call *call, const struct host_task *host)
{
	unsigned member = worlds->product->layout.state;
	uint64_t state = INTERRUPTIBLE; /* where it cannot be told, the call decides */

	if (call->asked_disk)
		return LOSS_NOT_IN_MEMORY;
	if (member)
		product_memory_read_word(&worlds->memory, host->now + member, 4, &state);
	return state & INTERRUPTIBLE && waits_for_others(worlds, call->row) ? LOSS_WAIT : LOSS_LOCK;
}
