/* Starts another program: posix_spawn(3) with the order of steps that it wants, and their ends. */
#ifndef XRAY86_UTIL_SPAWN_H
#define XRAY86_UTIL_SPAWN_H

#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/types.h>

struct spawn {
	const char *program;
	bool search; /* it is searched in PATH */
	char *const *arguments;
	sigset_t defaults, blocked; /* signals that it does not ignore whatever this process does, and those that are blocked in it */
	int (*add_actions)(void *opaque, posix_spawn_file_actions_t *actions); /* what happens to its descriptors; 0, or an errno */
	void *opaque;
};

/* The program has this process's environment. Returns 0, or an errno. */
int spawn_process(const struct spawn *how, pid_t *ret_pid);

#endif
