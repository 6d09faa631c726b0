/*
 * The table of roles, and their start (scenario.h).
 *
 * usage: product-scenario [--roles | ROLE...]        (all but those on request, unless told; --roles prints their names)
 *
 * Prints a line NAME=PID for each role, for a shell to read: dashes become underscores. A role runs as a program of its own,
 * /usr/sbin/ROLE, a link to this file; descriptor READY_FD is its end of the pipe on which it reports.
 */
#include "scenario.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_FD = 3 };

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct role roles[] = {
	{ALWAYS, "web-server", run_web_server, WWW_DATA, "/srv/www", LIST("--port", "8080", "--root=/srv/www"),
	 LIST("SERVER_MODE=production", "LANG=C")},
	{ALWAYS, "web-client", run_web_client, ALICE, "/home/alice", LIST("http://127.0.0.1:8080/"),
	 LIST("HOME=/home/alice", "USER=alice")},
	{ALWAYS, "name-server", run_name_server, DAEMON, "/", NULL, NULL},
	{ALWAYS, "resolver", run_resolver, BOB, "/home/bob", LIST("product.example"), LIST("HOME=/home/bob", "USER=bob")},
	{ALWAYS, "unix-hub", run_unix_hub, ROOT, "/run", NULL, NULL},
	{ALWAYS, "raw-sockets", run_raw_sockets, ROOT, "/", NULL, NULL},
	{ALWAYS, "other-net", run_other_net, ROOT, "/", NULL, NULL},
	{ALWAYS, "file-holder", run_file_holder, ALICE, "/srv/files", LIST("notes.txt", "a name with spaces"),
	 LIST("HOME=/home/alice", "EDITOR=vi")},
	{ALWAYS, "lock-waiter", run_lock_waiter, BOB, "/srv/files", NULL, NULL},
	{ALWAYS, "event-holder", run_event_holder, ROOT, "/", NULL, NULL},
	{ALWAYS, "pipe-ends", run_pipe_ends, BOB, "/home/bob", NULL, NULL},
	{ALWAYS, "mapper", run_mapper, ALICE, "/srv/files", NULL, NULL},
	{ALWAYS, "ipc", run_ipc, ALICE, "/", NULL, NULL},
	{ALWAYS, "before-renaming", run_renamed, ROOT, "/", LIST("these", "arguments", "will", "be", "overwritten"), NULL},
	{ALWAYS, "zombie-parent", run_zombie_parent, ROOT, "/", NULL, NULL},
	{ALWAYS, "stopped", run_stopped, BOB, "/home/bob", NULL, NULL},
	{ALWAYS, "threads", run_threads, ROOT, "/", NULL, NULL},
	{ALWAYS, "real-time", run_real_time, ROOT, "/", NULL, NULL},
	{ALWAYS, "tracer", run_tracer, ROOT, "/", NULL, NULL},
	{ALWAYS, "container", run_container, ROOT, "/", NULL, NULL},
	{ALWAYS, "terminal", run_terminal, BOB, "/home/bob", NULL, LIST("TERM=vt100", "USER=bob")},
	{ALWAYS, "arguments", run_arguments, ALICE, "/home/alice",
	 LIST("two words", "", "quote'\"", "back\\slash", "tab\there", "caf\xc3\xa9"), LIST("EMPTY=", "EQUALS=a=b")},
	{ON_REQUEST, "busy-user", run_busy_user, ALICE, "/", NULL, NULL},
	{ON_REQUEST, "busy-kernel", run_busy_kernel, ALICE, "/", NULL, NULL},
};

enum { ROLES = sizeof roles / sizeof *roles };

long check_result(long result, const char *call, const char *file, int line)
{
	if (result == -1) {
		fprintf(stderr, "%s:%d: %s: %s\n", file, line, call, strerror(errno));
		exit(1);
	}
	return result;
}

void ready(void)
{
	check(write(READY_FD, "+", 1));
	leave_report();
}

void leave_report(void)
{
	check(close(READY_FD));
}

void rest(void)
{
	for (;;)
		pause();
}

static size_t length(const char *const *list)
{
	size_t count = 0;
	while (list && list[count])
		count++;
	return count;
}

/* In the child: becomes the role's program. */
static void become(const struct role *role, int report)
{
	int null = check(open("/dev/null", O_RDWR | O_CLOEXEC));
	check(dup2(null, STDIN_FILENO));
	check(dup2(null, STDOUT_FILENO));
	check(dup2(report, READY_FD));
	check(setgroups(0, NULL));
	check(setgid(role->user));
	check(setuid(role->user));
	check(chdir(role->directory));

	char path[64];
	snprintf(path, sizeof path, "/usr/sbin/%s", role->name);
	size_t count = length(role->arguments);
	const char *arguments[count + 2];
	arguments[0] = role->name;
	for (size_t i = 0; i <= count; i++)
		arguments[1 + i] = i < count ? role->arguments[i] : NULL;
	static const char *const empty[] = {NULL};
	check(execve(path, (char *const *)arguments, (char *const *)(role->environment ? role->environment : empty)));
}

/* Starts a role, waits until it is ready (or stopped, which is what "stopped" does when it is) and prints its PID. */
static void start(const struct role *role)
{
	int report[2];
	check(pipe2(report, O_CLOEXEC));
	pid_t pid = check(fork());
	if (pid == 0)
		become(role, report[1]);
	check(close(report[1]));
	char byte;
	if (read(report[0], &byte, 1) != 1) {
		fprintf(stderr, "product-scenario: %s ended before it was ready\n", role->name);
		exit(1);
	}
	check(close(report[0]));
	if (role->run == run_stopped)
		check(waitpid(pid, NULL, WUNTRACED));
	for (const char *c = role->name; *c; c++)
		putchar(*c == '-' ? '_' : *c);
	printf("=%d\n", pid);
	check(fflush(stdout));
}

static const struct role *find(const char *name)
{
	for (size_t i = 0; i < ROLES; i++) {
		if (strcmp(name, roles[i].name) == 0)
			return &roles[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const struct role *role = find(slash ? slash + 1 : argv[0]);
	if (role) {
		role->run();
		return 1; /* no role ends */
	}

	if (argc == 2 && strcmp(argv[1], "--roles") == 0) {
		for (size_t i = 0; i < ROLES; i++)
			puts(roles[i].name);
		return 0;
	}

	check(close_range(STDERR_FILENO + 1, ~0u, 0));
	for (int i = 1; i < argc; i++) {
		role = find(argv[i]);
		if (!role) {
			fprintf(stderr, "product-scenario: no role %s\n", argv[i]);
			return 1;
		}
		start(role);
	}
	for (size_t i = 0; argc == 1 && i < ROLES; i++) {
		if (roles[i].start == ALWAYS)
			start(&roles[i]);
	}
	return 0;
}
