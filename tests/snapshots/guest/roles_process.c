/*
 * Roles that are odd as processes: renamed, zombie, stopped, traced, of several threads, of another scheduling class, in namespaces of
 * their own, on a terminal, with odd arguments, and busy ones.
 */
#include "scenario.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

/* Its name (comm) by prctl, and its arguments overwritten in place, as daemons do. */
void run_renamed(void)
{
	check(prctl(PR_SET_NAME, "after-renaming"));
	char cmdline[256];
	int fd = check(open("/proc/self/cmdline", O_RDONLY));
	ssize_t length = check(read(fd, cmdline, sizeof cmdline));
	check(close(fd));
	memset(program_invocation_name, 0, length); /* the arguments follow one another from argv[0] on */
	strcpy(program_invocation_name, "renamed: [waiting for connections]");
	ready();
	rest();
}

void run_zombie_parent(void)
{
	pid_t child = check(fork());
	if (child == 0)
		_exit(3);
	siginfo_t info;
	check(waitid(P_PID, child, &info, WEXITED | WNOWAIT)); /* it has ended, and stays */
	ready();
	rest();
}

void run_stopped(void)
{
	ready();
	for (;;)
		raise(SIGSTOP);
}

static pthread_barrier_t barrier;

static void *thread(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_barrier_wait(&barrier);
	rest();
}

void run_threads(void)
{
	static char names[][16] = {"worker-one", "worker-two", "worker (three)"};
	enum { THREADS = sizeof names / sizeof *names };
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		pthread_t ignored;
		errno = pthread_create(&ignored, NULL, thread, names[i]);
		check(errno ? -1 : 0);
	}
	pthread_barrier_wait(&barrier);
	ready();
	rest();
}

/* FIFO scheduling, with a batch child at nice 7; limits of its own. */
void run_real_time(void)
{
	check(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 42}));
	if (check(fork()) == 0) {
		check(prctl(PR_SET_NAME, "batch-child"));
		check(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}));
		check(setpriority(PRIO_PROCESS, 0, 7));
		check(setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 200}));
		ready();
	} else {
		leave_report();
	}
	rest();
}

/* Traces a child, which is stopped by that. */
void run_tracer(void)
{
	check(prctl(PR_SET_NAME, "tracee"));
	pid_t child = check(fork());
	if (child == 0) {
		leave_report();
		rest();
	}
	check(prctl(PR_SET_NAME, "tracer"));
	check(ptrace(PTRACE_SEIZE, child, NULL, NULL));
	check(ptrace(PTRACE_INTERRUPT, child, NULL, NULL));
	check(waitpid(child, NULL, __WALL));
	ready();
	rest();
}

/* The first process of a PID namespace, with a host name and a mount namespace of its own too. */
void run_container(void)
{
	check(unshare(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC));
	check(sethostname("container", 9));
	if (check(fork()) == 0) {
		check(prctl(PR_SET_NAME, "container-init"));
		ready();
	} else {
		leave_report();
	}
	rest();
}

/* Leads a session on a pseudo-terminal, in whose foreground is its child; noted in utmp as a login. */
void run_terminal(void)
{
	int master = check(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
	check(grantpt(master));
	check(unlockpt(master));
	const char *path = ptsname(master);
	check(setsid());
	int terminal = check(open(path, O_RDWR)); /* becomes the controlling one */
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	check(ioctl(terminal, TIOCSWINSZ, &size));

	struct utmp login = {.ut_type = USER_PROCESS, .ut_pid = getpid(), .ut_user = "bob", .ut_id = "ts/0", .ut_host = "console.example"};
	strncpy(login.ut_line, path + strlen("/dev/"), sizeof login.ut_line - 1);
	struct timeval now;
	check(gettimeofday(&now, NULL));
	login.ut_tv.tv_sec = now.tv_sec;
	login.ut_tv.tv_usec = now.tv_usec;
	setutent();
	check(pututline(&login) ? 0 : -1);
	endutent();

	if (check(fork()) == 0) {
		check(prctl(PR_SET_NAME, "in-foreground"));
		check(setpgid(0, 0));
		signal(SIGTTOU, SIG_IGN); /* or it would be stopped by what comes next */
		check(tcsetpgrp(terminal, getpid()));
		signal(SIGTTOU, SIG_DFL);
		ready();
	} else {
		leave_report();
	}
	rest();
}

/* What there is to see are the arguments and the environment of the table (main.c). */
void run_arguments(void)
{
	ready();
	rest();
}

static void at_lowest_priority(void)
{
	check(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}));
}

/* A CPU with nothing better to do is in user mode; or, nearly always, within a system call. */
void run_busy_user(void)
{
	at_lowest_priority();
	ready();
	for (volatile unsigned long count = 0;; count++)
		;
}

void run_busy_kernel(void)
{
	at_lowest_priority();
	static char bytes[1 << 20];
	ready();
	for (;;)
		check(getrandom(bytes, sizeof bytes, 0));
}
