/*
 * Fuzzes what an isolated session's worker may send: the caller's end (session/remote.h) neither breaks nor hangs, whatever it is told.
 * `make fuzz` builds and runs it.
 *
 * Input: what the worker sends after it has opened the snapshot. The caller asks for everything, in a fixed order, until the worker is
 * lost.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/message.h"
#include "session/remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4096 /* with headers, fits into a socket */, RAW = 255 };

struct worker {
	int socket;
};

static ssize_t write_socket(void *opaque, const void *from, size_t size)
{
	return send(((struct worker *)opaque)->socket, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* What the caller has answered is read by nobody else, and would fill the socket. */
static void drain(struct worker *worker)
{
	char bytes[4096];

	while (recv(worker->socket, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static long give_input(void *opaque, void *to, size_t size, int idle)
{
	drain(opaque);
	memset(to, idle, size);
	return size % 3 ? (long)size : -1;
}

static int take_output(void *opaque, enum xray86_stream stream, const void *bytes, size_t size)
{
	volatile const uint8_t *at = bytes;

	drain(opaque);
	for (size_t i = 0; i < size; i++)
		(void)at[i];
	return stream == XRAY86_STDERR;
}

static void take_text(void *opaque, const char *text)
{
	(void)opaque;
	if (strlen(text) > MOST)
		abort();
}

static void take_progress(void *opaque, const char *what, uint64_t instructions)
{
	(void)opaque, (void)instructions;
	if (what && strchr(what, '\033'))
		abort();
}

static void say_input(struct worker *worker, const uint8_t *data, size_t size)
{
	while (size >= 2) {
		const uint32_t header[2] = {data[0], data[1]};
		size_t fields = data[1] < size - 2 ? data[1] : size - 2;

		if (data[0] != RAW && write_socket(worker, header, sizeof(header)) != sizeof(header))
			abort();
		if (fields && write_socket(worker, data + 2, fields) != (ssize_t)fields)
			abort();
		data += 2 + fields;
		size -= 2 + fields;
	}
}

static void say(struct worker *worker, const uint8_t *data, size_t size)
{
	const struct channel channel = {.write = write_socket, .opaque = worker};
	struct message message = {0};

	message_begin(&message, MESSAGE_HELLO);
	message_put_number(&message, MESSAGE_PROTOCOL);
	message_put_text(&message, XRAY86_VERSION);
	if (!channel_send(&channel, &message))
		abort();
	message_begin(&message, MESSAGE_DONE);
	if (!channel_send(&channel, &message))
		abort();
	message_deinit(&message);
	say_input(worker, data, size);
	shutdown(worker->socket, SHUT_WR);
}

static void ask(struct worker *worker, const struct backend *backend, void *self)
{
	static const char *const words[] = {"ps", NULL};
	struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options);
	struct xray86_facts facts = XRAY86_INIT(struct xray86_facts);
	struct outcome outcome;
	struct error *err;
	uint8_t bytes[64];
	char *json;

	options.environment = words;
	options.input = give_input;
	options.output = take_output;
	options.trace = take_text;
	options.opaque = worker;
	for (int i = 0; i < 2; i++) {
		err = backend->run(self, words, &options, &outcome);
		if (!err) {
			free(outcome.losses);
			free(outcome.stats);
		}
		error_destroy(err);
		err = backend->info(self, &json);
		if (!err)
			free(json);
		error_destroy(err);
		error_destroy(backend->facts(self, &facts));
		error_destroy(backend->read(self, MEMORY_KERNEL, 0, 0, bytes, sizeof(bytes)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	const struct backend *backend;
	struct worker worker;
	int ends[2], cancel[2];
	void *self;

	if (size > MOST)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, cancel) ||
	    fcntl(ends[0], F_SETFL, O_NONBLOCK))
		abort();
	worker.socket = ends[1];
	options.note = take_text;
	options.progress = take_progress;
	options.opaque = &worker;
	say(&worker, data, size);
	if (remote_open_connected(ends[0], cancel[0], "snapshot", &options, &backend, &self))
		abort();
	ask(&worker, backend, self);
	backend->close(self);
	close(ends[1]);
	close(cancel[1]);
	return 0;
}
