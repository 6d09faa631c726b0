/* Standard streams of `xray86 run`: run_streams.h. */
#include "cli/run_streams.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10 };

/* -- input -- */

/* The command has an empty input then. EBADF: whoever started us has closed it, or opened it for writing alone as nohup(1) does. */
static void note_no_input(int error)
{
	if (error != EBADF)
		fprintf(stderr, "xray86: note: the command gets an empty standard input, since it cannot be read: %s\n", strerror(error));
}

/* A user at a terminal has all the time in the world. */
static bool wait_for_input(struct deadline *deadline, bool idle)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	bool counts = !idle || !isatty(STDIN_FILENO);
	int64_t before = counts ? 0 : deadline_now();
	bool found = poll(&input, 1, idle ? WAIT_MS : 0) > 0;

	if (!counts)
		deadline_add(deadline, deadline_now() - before);
	return found;
}

static ssize_t give_input(void *opaque, void *to, size_t size, bool idle)
{
	ssize_t n;

	if (!wait_for_input(((struct run_streams *)opaque)->deadline, idle))
		return -1;
	n = read(STDIN_FILENO, to, size);
	if (n >= 0)
		return n;
	if (errno == EINTR || errno == EAGAIN)
		return -1;
	note_no_input(errno);
	return 0;
}

/* -- output -- */

static int take_output(void *opaque, unsigned stream, const void *bytes, size_t size)
{
	struct run_streams *streams = opaque;
	struct output *output = stream == 2 ? &streams->err : &streams->out;

	return output_write(output, bytes, size) ? 0 : output->error;
}

struct error *run_streams_finish(struct run_streams *streams)
{
	struct output *output = output_end(&streams->out) ? &streams->err : &streams->out;

	return !output->error && output_end(output) ? NULL : error_create("writing the command's output: %s", strerror(output->error));
}

/* -- stderr -- */

static void take_note(void *opaque, const char *text)
{
	(void)opaque;
	fprintf(stderr, "xray86: note: %s\n", text);
}

static void show_progress(void *opaque, const char *what, uint64_t instructions)
{
	struct progress *progress = opaque;

	if (!what) {
		progress_clear(progress);
		return;
	}
	if (progress->what != what)
		progress_start(progress, NULL, what);
	progress_show(progress, instructions);
}

/* -- the whole -- */

void run_streams_open(struct run_streams *streams, struct deadline *deadline, bool raw)
{
	*streams = (struct run_streams){.deadline = deadline};
	output_open(&streams->out, STDOUT_FILENO, raw);
	output_open(&streams->err, STDERR_FILENO, raw);
	streams->out.cancel = streams->err.cancel = deadline_cancel(deadline);
}

struct courier_streams run_streams_command(struct run_streams *streams)
{
	return (struct courier_streams){give_input, take_output, streams};
}

struct progress_watcher run_streams_progress(struct run_streams *streams)
{
	return (struct progress_watcher){show_progress, &streams->progress};
}

struct notes run_streams_notes(void)
{
	return (struct notes){take_note, NULL};
}
