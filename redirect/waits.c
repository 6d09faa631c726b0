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
static bool is_within_opener(struct redirect *redirect)
{
	uint64_t rsp = redirect->cpu->gpr[RSP], end = (rsp | (redirect->context.stack_size - 1)) + 1, address;
	unsigned word = redirect->context.word;
	struct symbol symbol;

	for (; rsp < end; rsp += word) {
		if ((redirect->context.way == REDIRECT_TAGS ? cpu_peek_word(redirect->cpu, rsp, word, &address)
							    : product_memory_read_word(&redirect->memory, rsp, word, &address)) &&
		    symbols_nearest(redirect->config.symbols, address, &symbol) && IS_ONE_OF(symbol.name, openers))
			return true;
	}
	return false;
}

static bool waits_for_others(struct redirect *redirect)
{
	const struct policy_row *row = redirect->call.row;

	return row && (IS_ONE_OF(row->name, waiting) || (IS_ONE_OF(row->name, opening) && is_within_opener(redirect)));
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
	return state & INTERRUPTIBLE && waits_for_others(redirect) ? LOSS_WAIT : LOSS_LOCK;
}
