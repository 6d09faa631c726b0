/* Runs the groups of checks: linux-check [--machine] [--module FILE] [GROUP...] (see struct check). Status 0 if all passed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { GROUP_SECONDS = 120 };

static const struct group groups[] = {
	{"processes", check_processes}, {"pipes", check_pipes},   {"signals", check_signals}, {"faults", check_faults},
	{"memory", check_memory},       {"code", check_code},     {"threads", check_threads}, {"futexes", check_futexes},
	{"timers", check_timers},       {"float", check_float},   {"files", check_files},     {"proc", check_proc},
	{"network", check_network},     {"events", check_events}, {"ipc", check_ipc},         {"ptrace", check_ptrace},
	{"isolation", check_isolation}, {"module", check_module},
};

/* The child's end, waited for at most GROUP_SECONDS; null if it exited with 0, else what happened. */
static const char *group_end(pid_t child)
{
	long long end = clock_ms(CLOCK_MONOTONIC) + GROUP_SECONDS * 1000LL;
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (clock_ms(CLOCK_MONOTONIC) > end) {
			kill(-child, SIGKILL);
			waitpid(child, &status, 0);
			return "does not end";
		}
		sleep_ms(5);
	}
	kill(-child, SIGKILL); /* what it left behind */
	if (WIFSIGNALED(status))
		return strsignal(WTERMSIG(status));
	return WEXITSTATUS(status) == 0 ? NULL : "exits early";
}

static void run_group(const struct group *group, struct check *check)
{
	struct check before = *check;
	const char *end;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		group->run(check);
		exit(0);
	}
	setpgid(child, child);
	end = child < 0 ? "cannot be started" : group_end(child);
	if (!end && check->passed == before.passed && check->failed == before.failed)
		end = "checks nothing";
	if (end) {
		printf("FAIL group %s: %s\n", group->name, end);
		check->failed++;
	}
	printf("%s: %u checks, %u failed\n", group->name, check->passed + check->failed - before.passed - before.failed,
	       check->failed - before.failed);
	fflush(stdout);
}

static bool selected(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct check *check = shared_memory(sizeof *check);

	if (argc > 1 && !strncmp(argv[1], "again-", 6))
		return process_again(argc, argv);
	check->program = "/proc/self/exe";
	argv++;
	if (*argv && !strcmp(*argv, "--machine")) {
		check->machine = true;
		argv++;
	}
	if (*argv && !strcmp(*argv, "--module") && argv[1]) {
		check->module = argv[1];
		argv += 2;
	}
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		if (!selected(groups[i].name, argv))
			continue;
		if (groups[i].run == check_module && !check->module)
			printf("module: skipped, there is no --module\n");
		else
			run_group(&groups[i], check);
	}
	printf("linux-check: %u checks, %u failed\n", check->passed + check->failed, check->failed);
	return check->failed != 0;
}
