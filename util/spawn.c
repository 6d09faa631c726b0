/* Starting programs: spawn.h. */
#include "util/spawn.h"

static int set_signals(const struct spawn *how, posix_spawnattr_t *attributes)
{
	posix_spawnattr_setsigdefault(attributes, &how->defaults);
	posix_spawnattr_setsigmask(attributes, &how->blocked);
	return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

static int start(const struct spawn *how, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, pid_t *ret_pid)
{
	extern char **environ;
	int failure = how->add_actions(how->opaque, actions);

	if (!failure)
		failure = set_signals(how, attributes);
	return failure ? failure
		       : (how->search ? posix_spawnp : posix_spawn)(ret_pid, how->program, actions, attributes, how->arguments, environ);
}

int spawn_process(const struct spawn *how, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int failure = posix_spawn_file_actions_init(&actions);

	if (failure)
		return failure;
	failure = posix_spawnattr_init(&attributes);
	if (!failure) {
		failure = start(how, &actions, &attributes, ret_pid);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return failure;
}
