/* Processes that look at files of strangers: confined.h. Memory that is shared with the process brings back what it found. */
#include "cli/confined.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/interrupt.h"

enum { MESSAGE = 8192 };

struct shared {
	unsigned done, failed, told, code; /* what the process wrote may be anything: numbers, not truth values */
	char message[MESSAGE];
	_Alignas(64) unsigned char ret[];
};

_Noreturn static void work(const struct confined *how, struct error *(*fn)(void *opaque, void *ret), void *opaque, struct shared *shared)
{
	bool told = *how->told;
	struct error *err;

	sandbox_enter_unless(how->off, how->stage, how->folder, &told);
	shared->told = told;
	err = fn(opaque, shared->ret);
	if (err) {
		shared->failed = true;
		shared->code = err->code;
		snprintf(shared->message, MESSAGE, "%s", err->message);
	}
	shared->done = true;
	fflush(stderr);
	_exit(0);
}

/* One line, whoever wrote it. */
static struct error *take_error(struct shared *shared)
{
	char *end = memchr(shared->message, '\0', MESSAGE);

	if (!end)
		end = &shared->message[MESSAGE - 1];
	*end = '\0';
	for (char *at = shared->message; at < end; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	return error_create_code(shared->code <= ERROR_WORKER ? shared->code : ERROR_FAILED, "%s", shared->message);
}

static struct error *finish(pid_t child, struct shared *shared, void *ret, size_t size)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return error_create("waiting for a process: %s", strerror(errno));
	}
	if (WIFSIGNALED(status))
		return error_create("the process that looks at it was ended by signal %d", WTERMSIG(status));
	if (!shared->done)
		return error_create("the process that looks at it ended with status %d", WEXITSTATUS(status));
	memcpy(ret, shared->ret, size);
	return shared->failed ? take_error(shared) : NULL;
}

struct error *confined_call(const struct confined *how, struct error *(*fn)(void *opaque, void *ret), void *opaque, void *ret, size_t size)
{
	size_t whole = sizeof(struct shared) + size;
	struct shared *shared = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct interrupt interrupt;
	struct error *err;
	pid_t child;

	if (shared == MAP_FAILED)
		return error_create("out of memory");
	fflush(NULL);
	interrupt_hold(&interrupt);
	child = fork();
	if (!child) {
		sigprocmask(SIG_SETMASK, &interrupt.before, NULL);
		work(how, fn, opaque, shared);
	}
	err = child < 0 ? error_create("no process can be made: %s", strerror(errno)) : finish(child, shared, ret, size);
	if (interrupt_release(&interrupt)) {
		error_destroy(err);
		err = error_create("interrupted");
	}
	*how->told |= shared->told != 0;
	munmap(shared, whole);
	return err;
}
