/* Signals: handlers and their contexts, masks, alternative stacks, queues, interrupted system calls, job control. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* What handlers leave for the checks; handlers have no other way. */
static volatile sig_atomic_t calls, inner_calls, depth, deepest;
static volatile uintptr_t handler_stack;
static siginfo_t last;
static int order[8];

static void install(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
	calls = inner_calls = depth = deepest = 0;
}

static void note(int signal, siginfo_t *info, void *context)
{
	char here;

	(void)signal;
	(void)context;
	last = *info;
	handler_stack = (uintptr_t)&here;
	if (calls < 8)
		order[calls] = info->si_value.sival_int;
	calls++;
}

static void nest(int signal, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	depth++;
	calls++;
	if (depth > deepest)
		deepest = depth;
	if (calls < 10)
		raise(signal);
	depth--;
}

static void raise_other(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	calls++;
	raise(SIGUSR2);
	deepest = inner_calls; /* the inner handler has run before raise() returned */
}

static void note_inner(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	inner_calls++;
}

static void check_handlers(struct check *check)
{
	struct sigaction action;

	install(SIGUSR1, note, 0);
	raise(SIGUSR1);
	CHECK(check, calls == 1 && last.si_signo == SIGUSR1 && last.si_code == SI_TKILL && last.si_pid == getpid());
	kill(getpid(), SIGUSR1);
	CHECK(check, calls == 2 && last.si_code == SI_USER && last.si_uid == getuid());

	install(SIGUSR1, nest, 0); /* blocked while it runs: one after the other */
	raise(SIGUSR1);
	CHECK(check, calls == 10 && deepest == 1);
	install(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	CHECK(check, calls == 10 && deepest == 10);

	install(SIGUSR2, note_inner, 0);
	install(SIGUSR1, raise_other, 0);
	raise(SIGUSR1);
	CHECK(check, calls == 1 && inner_calls == 1 && deepest == 1);

	install(SIGUSR1, note, SA_RESETHAND);
	raise(SIGUSR1);
	CHECK(check, calls == 1 && sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
}

static void check_masks(struct check *check)
{
	sigset_t set, old, pending;
	struct timespec limit = {.tv_nsec = 1000000};
	union sigval value;
	siginfo_t info;
	bool rising = true;

	install(SIGRTMIN, note, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	CHECK(check, sigprocmask(SIG_BLOCK, &set, &old) == 0);
	for (int i = 0; i < 5; i++) {
		value.sival_int = i;
		sigqueue(getpid(), SIGRTMIN, value);
	}
	CHECK(check, calls == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGRTMIN));
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK(check, calls == 5 && last.si_code == SI_QUEUE);
	for (int i = 0; i < 5; i++) /* every later one is delivered on top of the earlier: the first ones' handlers start last or first */
		rising = rising && (order[i] == i || order[i] == 4 - i);
	CHECK(check, rising);

	sigprocmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	CHECK(check, sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == getpid());
	CHECK(check, sigtimedwait(&set, &info, &limit) < 0 && errno == EAGAIN);

	value.sival_int = 77;
	sigqueue(getpid(), SIGRTMIN, value);
	{
		int fd = signalfd(-1, &set, SFD_CLOEXEC);
		struct signalfd_siginfo record;

		CHECK(check, read(fd, &record, sizeof record) == sizeof record && record.ssi_int == 77);
		close(fd);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void tick(int signal, siginfo_t *info, void *context)
{
	struct itimerval off = {0};

	(void)signal;
	(void)info;
	(void)context;
	calls++;
	if (calls >= 3)
		setitimer(ITIMER_REAL, &off, NULL);
}

/* System calls that signals interrupt: EINTR, or again with SA_RESTART. */
static void check_interrupted(struct check *check)
{
	struct itimerval soon = {.it_interval = {.tv_usec = 5000}, .it_value = {.tv_usec = 5000}};
	sigset_t none;
	int ends[2];
	char byte;
	pid_t child;

	pipe(ends);
	install(SIGALRM, tick, 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	CHECK(check, read(ends[0], &byte, 1) < 0 && errno == EINTR && calls >= 1);
	sigemptyset(&none);
	while (calls < 3)
		sigsuspend(&none);
	CHECK(check, errno == EINTR);

	install(SIGALRM, tick, SA_RESTART);
	child = fork();
	if (child == 0) {
		sleep_ms(100);
		_exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
	}
	setitimer(ITIMER_REAL, &soon, NULL);
	CHECK(check, read(ends[0], &byte, 1) == 1 && calls == 3);
	CHECK(check, exited(child, 0));
	close(ends[0]);
	close(ends[1]);
}

static void check_children(struct check *check)
{
	int status;
	pid_t child;

	install(SIGCHLD, note, SA_RESTART);
	child = fork();
	if (child == 0)
		_exit(5);
	CHECK(check, waitpid(child, &status, 0) == child);
	CHECK(check, calls == 1 && last.si_pid == child && last.si_code == CLD_EXITED && last.si_status == 5);

	child = fork();
	if (child == 0)
		for (;;)
			pause();
	kill(child, SIGSTOP);
	CHECK(check, waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(check, last.si_code == CLD_STOPPED);
	kill(child, SIGCONT);
	CHECK(check, waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	kill(child, SIGKILL);
	CHECK(check, waitpid(child, &status, 0) == child && WIFSIGNALED(status) && last.si_code == CLD_KILLED);
	signal(SIGCHLD, SIG_DFL);
}

/* -- the stack -- */

static sigjmp_buf out;

static void leave(int signal, siginfo_t *info, void *context)
{
	note(signal, info, context);
	siglongjmp(out, 1);
}

/* Until the stack is used up, which is sooner. */
__attribute__((noinline)) static int recurse(volatile char *above, int depth)
{
	volatile char frame[4096];

	frame[0] = above[0];
	return depth == 0 ? 0 : recurse(frame, depth - 1) + frame[0];
}

static void check_stacks(struct check *check)
{
	stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536}, old;
	char first = 0;

	CHECK(check, sigaltstack(&stack, NULL) == 0);
	install(SIGUSR1, note, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(check, handler_stack - (uintptr_t)stack.ss_sp < stack.ss_size);
	install(SIGUSR1, note, 0);
	raise(SIGUSR1);
	CHECK(check, handler_stack - (uintptr_t)stack.ss_sp >= stack.ss_size);

	install(SIGSEGV, leave, SA_ONSTACK); /* the ordinary stack is used up: only the other one is left to say so */
	if (sigsetjmp(out, 1) == 0)
		recurse(&first, 1 << 20);
	CHECK(check, calls == 1 && last.si_signo == SIGSEGV && handler_stack - (uintptr_t)stack.ss_sp < stack.ss_size);
	CHECK(check, sigaltstack(NULL, &old) == 0 && !(old.ss_flags & SS_ONSTACK));
	signal(SIGSEGV, SIG_DFL);
}

/* Handlers may use all registers, and come at any instruction: nothing of the interrupted code may change. */
static volatile double burnt;

static void burn(int signal, siginfo_t *info, void *context)
{
	double value = 1;

	(void)signal;
	(void)info;
	(void)context;
	for (int i = 1; i < 50; i++)
		value = value * 1.25 + i / 3.0;
	burnt = value;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; fninit; fldpi; fldpi" ::: "xmm0", "xmm7", "memory");
	calls++;
}

static void check_transparent(struct check *check)
{
	struct itimerval often = {.it_interval = {.tv_usec = 700}, .it_value = {.tv_usec = 700}}, off = {0};
	uint64_t hash = 1469598103934665603u, expected = 0;
	volatile double total = 0, expected_total = 0; /* rounded to double by being stored, in x87 code too */
	bool same = true;

	install(SIGALRM, burn, SA_RESTART);
	for (int round = 0; round < 400 && (round < 10 || calls < 40); round++) {
		double sum = 0;

		hash = 1469598103934665603u;
		for (uint32_t i = 1; i < 20000; i++) {
			hash = (hash ^ (i & 0xff)) * 1099511628211u;
			sum += (double)(hash >> 40) / i;
		}
		total = sum;
		if (round == 0) {
			expected = hash;
			expected_total = total;
			setitimer(ITIMER_REAL, &often, NULL);
		}
		same = same && hash == expected && total == expected_total;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	CHECK(check, same);
	CHECK(check, calls > 2);
}

void check_signals(struct check *check)
{
	check_handlers(check);
	check_masks(check);
	check_interrupted(check);
	check_children(check);
	check_stacks(check);
	check_transparent(check);
}
