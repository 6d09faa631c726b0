/*
 * Calls that would sleep. Nobody wakes them, so they are given up; but what that means depends on what they wait for.
 *
 * The kernel tells it by the task's state (include/linux/sched.h). Whoever waits for others, a reader of an empty pipe say, sleeps so that
 * a signal wakes it: in the machine it would sleep, too, for as long as nothing happens, and at the moment of the snapshot nothing does.
 * Whoever sleeps uninterruptibly waits for what the machine would have done by itself: a disk, a lock's holder, a kernel thread. So does
 * one in a call that waits for nobody (stat() of a file that a server has).
 */
#include <string.h>

#include "emu/decode.h"
#include "emu/peek.h"
#include "redirect/session.h"

enum { INTERRUPTIBLE = 1, UNINTERRUPTIBLE = 2, CODE_SEARCH = 64 };

/* System calls that may wait for what others do: data, an event, a child, time; opening of a FIFO, too, and closing of a socket. */
static const char *const waiting[] = {
	"read",
	"readv",
	"pread64",
	"preadv",
	"preadv2",
	"write",
	"writev",
	"pwrite64",
	"pwritev",
	"pwritev2",
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
	"open",
	"openat",
	"openat2",
	"creat",
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

static bool waits_for_others(const struct call *call)
{
	for (unsigned i = 0; call->row && i < sizeof(waiting) / sizeof(waiting[0]); i++) {
		if (strcmp(call->row->name, waiting[i]) == 0)
			return true;
	}
	return false;
}

/* Where task_struct has the state, of which the lowest 32 bits matter: schedule_timeout_uninterruptible() stores it first of all. */
static bool find_state(struct redirect *redirect, int64_t *ret)
{
	uint64_t function = find_symbol(redirect, "schedule_timeout_uninterruptible");
	uint8_t code[CODE_SEARCH];
	size_t size = function ? cpu_peek(redirect->cpu, function, code, sizeof(code)) : 0;
	struct decoded insn;

	for (size_t at = 0; at < size; at += insn.length) {
		if (decode(redirect->cpu->isa, redirect->context.word, code + at, size - at, &insn) != DECODE_OK)
			break;
		if (insn.row->op != OP_MOV || !insn.has_modrm || insn.mod == 3 || insn.base >= 16 || insn.base == RSP ||
		    insn.immediate != UNINTERRUPTIBLE)
			continue;
		*ret = insn.displacement;
		return true;
	}
	return false;
}

enum loss_cause cause_of_wait(struct redirect *redirect)
{
	int64_t member;
	uint64_t state = INTERRUPTIBLE; /* where it cannot be told, the call decides */

	if (redirect->call.asked_disk)
		return LOSS_NOT_IN_MEMORY;
	if (find_state(redirect, &member))
		product_memory_read_word(&redirect->memory, redirect->host_task + member, 4, &state);
	return state & INTERRUPTIBLE && waits_for_others(&redirect->call) ? LOSS_WAIT : LOSS_LOCK;
}
