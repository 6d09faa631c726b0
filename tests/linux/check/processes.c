/* Processes: trees of forks, exec, exit statuses, orphans, sessions. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

extern char **environ;

/* Forks a tree of the depth, three children to each; the number of its processes, which children exit with. */
static int tree(int depth)
{
	int count = 1, status;

	for (int i = 0; depth > 0 && i < 3; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(tree(depth - 1));
	}
	while (wait(&status) > 0)
		count += WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	return count;
}

static void check_fork(struct check *check)
{
	int parent = getpid(), status;
	struct rusage usage;
	pid_t child = fork();

	if (child == 0)
		_exit(tree(4));
	CHECK(check, exited(child, 121));

	child = fork();
	if (child == 0)
		_exit(getppid() == parent && getpid() != parent ? 7 : 8);
	CHECK(check, wait4(child, &status, 0, &usage) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHECK(check, waitpid(child, &status, 0) < 0 && errno == ECHILD);

	child = fork();
	if (child == 0)
		for (;;)
			pause();
	CHECK(check, waitpid(child, &status, WNOHANG) == 0);
	kill(child, SIGTERM);
	CHECK(check, killed(child, SIGTERM));

	child = vfork();
	if (child == 0)
		_exit(9);
	CHECK(check, exited(child, 9));

	/* Many short ones, as a shell makes them. */
	status = 0;
	for (int i = 0; i < 100; i++) {
		child = fork();
		if (child == 0)
			_exit(i);
		status += exited(child, i);
	}
	CHECK(check, status == 100);
}

/* An orphan goes to the nearest subreaper. */
static void check_orphan(struct check *check)
{
	volatile pid_t *orphan = shared_memory(sizeof *orphan);
	int reaper = getpid();
	pid_t child;

	CHECK(check, prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	child = fork();
	if (child == 0) {
		child = fork();
		if (child == 0) {
			for (int i = 0; i < 1000 && getppid() != reaper; i++)
				sleep_ms(1);
			_exit(getppid() == reaper ? 3 : 4);
		}
		*orphan = child;
		_exit(0);
	}
	CHECK(check, exited(child, 0));
	CHECK(check, *orphan > 0 && exited(*orphan, 3));
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static void check_session(struct check *check)
{
	pid_t child = fork();

	if (child == 0) {
		pid_t session = setsid();

		_exit(session == getpid() && getsid(0) == session && getpgrp() == session && setsid() < 0 ? 0 : 1);
	}
	CHECK(check, exited(child, 0));
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		if (fork() == 0)
			for (;;)
				pause();
		kill(0, SIGKILL); /* the group: both */
	}
	CHECK(check, killed(child, SIGKILL));
}

/* -- exec -- */

enum { MANY_ARGUMENTS = 500 };

/* Executed anew: is everything as check_exec() made it? */
static int again_arguments(int argc, char **argv)
{
	const char *value = getenv("LINUX_CHECK");

	if (argc != MANY_ARGUMENTS || !value || strlen(value) != 5000 || strcmp(environ[0], value - strlen("LINUX_CHECK=")) || environ[1])
		return 1;
	for (int i = 2; i < argc; i++)
		if (atoi(argv[i]) != i * 1000)
			return 2;
	return fcntl(100, F_GETFD) < 0 && fcntl(101, F_GETFD) == 0 ? 42 : 3;
}

int process_again(int argc, char **argv)
{
	if (!strcmp(argv[1], "again-arguments"))
		return again_arguments(argc, argv);
	if (!strcmp(argv[1], "again-float"))
		return float_again();
	return 120;
}

static void exec_with_arguments(struct check *check)
{
	static char texts[MANY_ARGUMENTS][16], variable[5100] = "LINUX_CHECK=";
	char *arguments[MANY_ARGUMENTS + 1], *variables[] = {variable, NULL};

	for (int i = 0; i < MANY_ARGUMENTS; i++) {
		snprintf(texts[i], sizeof texts[i], "%d", i * 1000);
		arguments[i] = texts[i];
	}
	arguments[1] = "again-arguments";
	arguments[MANY_ARGUMENTS] = NULL;
	memset(variable + strlen(variable), 'v', 5000);
	dup3(0, 100, O_CLOEXEC);
	dup2(0, 101);
	execve(check->program, arguments, variables);
	_exit(99);
}

static void check_exec(struct check *check)
{
	char *arguments[] = {"linux-check", "again-nothing", NULL};
	char script[] = "/tmp/linux-check-XXXXXX", text[300], program[200];
	pid_t child = fork();
	ssize_t length;
	int fd;

	if (child == 0)
		exec_with_arguments(check);
	CHECK(check, exited(child, 42));

	CHECK(check, posix_spawn(&child, check->program, NULL, NULL, arguments, environ) == 0 && exited(child, 120));
	CHECK(check, execv("/no/such/program", arguments) < 0 && errno == ENOENT);
	CHECK(check, execv("/", arguments) < 0 && errno == EACCES);

	/* By a script's first line. */
	length = readlink("/proc/self/exe", program, sizeof program - 1);
	program[length > 0 ? length : 0] = 0;
	snprintf(text, sizeof text, "#!%s again-nothing\n", program);
	fd = mkstemp(script);
	CHECK(check, write_all(fd, text, strlen(text)) && fchmod(fd, 0700) == 0 && close(fd) == 0);
	child = fork();
	if (child == 0) {
		execv(script, arguments);
		_exit(99);
	}
	CHECK(check, exited(child, 120));
	fd = open(script, O_WRONLY | O_TRUNC);
	CHECK(check, write_all(fd, "\177ELF nonsense", 13) && close(fd) == 0);
	CHECK(check, execv(script, arguments) < 0 && errno == ENOEXEC);
	unlink(script);
}

/* Ones that only compute share the CPU: each gets its turn. */
static void check_preemption(struct check *check)
{
	volatile unsigned long *counts = shared_memory(4096);
	int priority = getpriority(PRIO_PROCESS, 0);
	pid_t children[4];
	bool all = true;

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0)
			for (;;)
				counts[i]++;
	}
	for (int tries = 0; tries < 2000; tries++) {
		sleep_ms(2);
		if (counts[0] && counts[1] && counts[2] && counts[3])
			break;
	}
	for (int i = 0; i < 4; i++) {
		all = all && counts[i];
		kill(children[i], SIGKILL);
		CHECK(check, killed(children[i], SIGKILL));
	}
	CHECK(check, all);
	CHECK(check, sched_yield() == 0);
	CHECK(check, nice(5) == priority + 5 && getpriority(PRIO_PROCESS, 0) == priority + 5);
}

void check_processes(struct check *check)
{
	check_fork(check);
	check_orphan(check);
	check_session(check);
	check_exec(check);
	check_preemption(check);
}
