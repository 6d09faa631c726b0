/* Processes of isolated sessions: worker_process.h. */
#include "session/worker_process.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/quote.h"
#include "util/spawn.h"

#ifndef BINDIR
#define BINDIR "/usr/local/bin"
#endif

enum {
	SAID = 4096,      /* bytes that a worker can say */
	FIRST_FREE = 5,   /* the lowest descriptor for our ends: the worker's own ones are below */
	DYING_MS = 1000,  /* for a worker that has closed its channel to end */
	DYING_STEP_MS = 5 /* how often it is asked */
};

const struct worker_process no_worker_process = {.channel = -1, .cancel = -1, .said = -1};

/* -- descriptors -- */

static void close_descriptor(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The same open file at a number that is free for it; -1: there is none. */
static int move_up(int fd)
{
	int moved;

	if (fd < 0 || fd >= FIRST_FREE)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
	close(fd);
	return moved;
}

/* ends[0] is the caller's, and does not block. */
static bool make_sockets(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	ends[0] = move_up(ends[0]);
	ends[1] = move_up(ends[1]);
	return ends[0] >= 0 && ends[1] >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/* It cannot grow: a worker fills neither memory nor a pipe that nobody reads. */
static int make_said(void)
{
	int fd = move_up(memfd_create("xray86-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING));

	if (fd >= 0 && (ftruncate(fd, SAID) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* -- starting -- */

/*
 * A program of somebody who could run what he likes here anyway: of root, this user, or whoever made the library. For a folder near the
 * library may be one that everybody can write to, such as /tmp.
 */
static bool is_program(const char *path, const char *library)
{
	struct stat status, ours;

	if (stat(path, &status) < 0 || !S_ISREG(status.st_mode) || status.st_mode & S_IWOTH || access(path, X_OK) < 0)
		return false;
	return !status.st_uid || status.st_uid == geteuid() || (stat(library, &ours) == 0 && status.st_uid == ours.st_uid);
}

/* Relative to the folder of the library, or of the program that it is linked into. */
static char *path_beside(void)
{
	static const char *const places[] = {
		"",           /* the same folder */
		"../",        /* where the library was built */
		"../bin/",    /* PREFIX/lib */
		"../../bin/", /* PREFIX/lib/x86_64-linux-gnu */
	};
	Dl_info info;
	const char *slash = dladdr((const void *)(uintptr_t)worker_process_start, &info) ? strrchr(info.dli_fname, '/') : NULL;

	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		char *path;

		if (asprintf(&path, "%.*s/%sxray86", (int)(slash - info.dli_fname), info.dli_fname, places[i]) < 0)
			return NULL;
		if (is_program(path, info.dli_fname))
			return path;
		free(path);
	}
	return NULL;
}

static char *find_program(const char *program)
{
	char *beside = program ? NULL : path_beside();

	return beside ? beside : strdup(program ? program : BINDIR "/xray86");
}

struct ends {
	int channel, cancel, said; /* the worker's */
};

static int add_actions(void *opaque, posix_spawn_file_actions_t *actions)
{
	const struct ends *ends = opaque;
	int failure = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (!failure)
		failure = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!failure)
		failure = posix_spawn_file_actions_adddup2(actions, ends->said, STDERR_FILENO);
	if (!failure)
		failure = posix_spawn_file_actions_adddup2(actions, ends->channel, WORKER_CHANNEL);
	if (!failure)
		failure = posix_spawn_file_actions_adddup2(actions, ends->cancel, WORKER_CANCEL);
	return failure ? failure : posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FREE);
}

/* The worker has all signals' defaults and none blocked, whatever the caller has made of them. */
static int spawn(const char *program, struct ends *ends, pid_t *ret_pid)
{
	char *argument[] = {"xray86", "--worker", "3", "4", NULL}; /* WORKER_CHANNEL, WORKER_CANCEL */
	struct spawn how = {.program = program, .arguments = argument, .add_actions = add_actions, .opaque = ends};

	sigfillset(&how.defaults);
	sigemptyset(&how.blocked);
	return spawn_process(&how, ret_pid);
}

static struct error *start(char *path, struct worker_process *process)
{
	char quoted[QUOTE_NAME];
	int channel[2] = {-1, -1}, cancel[2] = {-1, -1}, failure;

	process->said = make_said();
	failure = process->said >= 0 && make_sockets(channel) && make_sockets(cancel) ? 0 : errno;
	if (!failure)
		failure = spawn(path, &(struct ends){channel[1], cancel[1], process->said}, &process->pid);
	process->channel = channel[0];
	process->cancel = cancel[0];
	close_descriptor(channel[1]);
	close_descriptor(cancel[1]);
	if (!failure)
		return NULL;
	return error_create_code(ERROR_WORKER,
				 "an isolated session cannot be opened, because its worker %s cannot be started: %s. Install the program,"
				 " name it in the options, or open the session without isolation",
				 quote_string(quoted, sizeof(quoted), path), strerror(failure));
}

struct error *worker_process_start(const char *program, struct worker_process *ret)
{
	char *path = find_program(program);
	struct error *err;

	*ret = no_worker_process;
	err = path ? start(path, ret) : error_create("out of memory");
	if (err)
		worker_process_close(ret);
	free(path);
	return err;
}

/* -- ending -- */

/* Whether the process has ended. ECHILD: the caller waits for all children, or lets the kernel forget them; *ret_status is -1 then. */
static bool has_ended(pid_t pid, int *ret_status)
{
	pid_t seen = waitpid(pid, ret_status, WNOHANG);

	if (seen < 0)
		*ret_status = -1;
	return seen != 0;
}

static bool ends_soon(pid_t pid, int *ret_status)
{
	const struct timespec step = {.tv_nsec = DYING_STEP_MS * 1000000l};

	for (int i = 0; i < DYING_MS / DYING_STEP_MS; i++) {
		if (has_ended(pid, ret_status))
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}

/* As long as it has not been waited for, the number is this process's. */
static void kill_process(pid_t pid)
{
	int status;

	if (has_ended(pid, &status))
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* What it said last may be the snapshot's word. */
static char *describe(int status, int said)
{
	char text[SAID + 1] = {0}, quoted[QUOTE_LINE], number[32] = "its status is not known", *how;
	ssize_t size = pread(said, text, SAID, 0);

	text[size > 0 ? strcspn(text, "\n") : 0] = '\0';
	if (status != -1)
		snprintf(number, sizeof(number), "%s %d", WIFSIGNALED(status) ? "signal" : "status",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	quote_string(quoted, sizeof(quoted), text);
	return asprintf(&how, "%s%s%s", number, *text ? ", its last words: " : "", *text ? quoted : "") < 0 ? NULL : how;
}

void worker_process_end(struct worker_process *process, char **ret_how)
{
	int status;
	bool ended = false;

	if (ret_how)
		*ret_how = NULL;
	if (process->pid && ret_how) {
		ended = ends_soon(process->pid, &status);
		*ret_how = ended ? describe(status, process->said) : NULL;
	}
	if (process->pid && !ended)
		kill_process(process->pid);
	process->pid = 0;
}

void worker_process_close(struct worker_process *process)
{
	worker_process_end(process, NULL);
	close_descriptor(process->channel);
	close_descriptor(process->cancel);
	close_descriptor(process->said);
	*process = no_worker_process;
}
