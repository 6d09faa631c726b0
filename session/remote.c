/* Isolated sessions, the caller's end: remote.h. */
#include "session/remote.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "session/message.h"
#include "session/worker_process.h"

enum {
	INPUT = 65536, /* bytes of input in one answer */
	STEP_MS = 500, /* how often it is looked whether the caller has cancelled */
	TEXTS = 4,     /* among the facts */
	LAST_CODE = ERROR_WORKER,
};

/* Limits of the worker's time, in seconds. */
enum {
	START_S = 60,   /* to say what it is */
	ANSWER_S = 120, /* when nothing has to be looked for any more */
	GRACE_S = 10,   /* beyond its own limits, and after a cancellation */
	NO_LIMIT = 0,
};

struct remote {
	struct worker_process process;
	struct channel channel;
	struct message message; /* the one that is being sent, or was received */
	const struct xray86_open_options *options;
	const struct xray86_run_options *run; /* the command's that is running */
	_Atomic bool cancelled;
	bool answered;         /* something: it has found the kernel, which may take long */
	bool lost;             /* the worker: nothing more is asked */
	char *why;             /* it is; may be NULL even so */
	uint64_t limit_s;      /* of the question; NO_LIMIT */
	uint64_t began_ns;     /* the question, later by the time that callbacks have taken */
	uint64_t cancelled_ns; /* when it was seen that it is to end; 0: it is not */
	bool know_facts;
	struct xray86_facts facts;
	char *texts[TEXTS];
	uint8_t input[INPUT];
};

/* -- the connection -- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static bool has_passed(uint64_t since_ns, uint64_t seconds)
{
	return now_ns() > since_ns + seconds * 1000000000;
}

static bool ignores_cancel(struct remote *remote)
{
	if (atomic_load(&remote->cancelled) && !remote->cancelled_ns)
		remote->cancelled_ns = now_ns();
	return remote->cancelled_ns && has_passed(remote->cancelled_ns, GRACE_S);
}

static bool is_late(struct remote *remote)
{
	return ignores_cancel(remote) || (remote->limit_s != NO_LIMIT && has_passed(remote->began_ns, remote->limit_s));
}

/* Until the worker can be read from, or written to. */
static bool wait_for(struct remote *remote, short what)
{
	struct pollfd channel = {.fd = remote->process.channel, .events = what};

	while (!is_late(remote)) {
		int ready = poll(&channel, 1, STEP_MS);

		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
	return false;
}

static bool is_transient(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static ssize_t read_channel(void *opaque, void *to, size_t size)
{
	struct remote *remote = opaque;

	while (wait_for(remote, POLLIN)) {
		ssize_t got = recv(remote->process.channel, to, size, MSG_DONTWAIT);

		if (got >= 0 || !is_transient())
			return got;
	}
	return -1;
}

static ssize_t write_channel(void *opaque, const void *from, size_t size)
{
	struct remote *remote = opaque;

	while (wait_for(remote, POLLOUT)) {
		ssize_t sent = send(remote->process.channel, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent >= 0 || !is_transient())
			return sent;
	}
	return -1;
}

/* -- a worker that is lost -- */

static struct error *describe_loss(const struct remote *remote)
{
	return error_create_code(ERROR_WORKER, "the session is over, because its worker process %s: open the snapshot again",
				 remote->why ? remote->why : "failed");
}

static struct error *lose(struct remote *remote, const char *why)
{
	worker_process_end(&remote->process, NULL);
	remote->lost = true;
	remote->why = strdup(why);
	return describe_loss(remote);
}

/* Its end of the connection is closed, or it does not use it. */
static struct error *lose_connection(struct remote *remote)
{
	char *how;

	if (ignores_cancel(remote))
		return lose(remote, "did not stop when it was told to");
	if (is_late(remote))
		return lose(remote, "did not answer in time");
	worker_process_end(&remote->process, &how);
	remote->lost = true;
	if (!how)
		remote->why = strdup("closed the connection");
	else if (asprintf(&remote->why, "ended (%s)", how) < 0)
		remote->why = NULL;
	free(how);
	return describe_loss(remote);
}

static struct error *lose_nonsense(struct remote *remote)
{
	return lose(remote, "sent what is no answer of xray86's");
}

/* -- what it sends -- */

/* Text that cannot steer a terminal: control characters become question marks. lines: but for newlines. */
static void clean(char *text, bool lines)
{
	for (char *at = text; *at; at++) {
		uint8_t byte = *at;
		bool c1 = byte >= 0x80 && byte < 0xa0 && at > text && (uint8_t)at[-1] == 0xc2;

		if ((byte < ' ' && !(lines && byte == '\n')) || byte == 0x7f || c1)
			*at = '?';
	}
}

/* NULL: it was, or is bad. The text is the message's, whose bytes are ours. */
static const char *take_clean_lines(struct message *message, bool lines)
{
	char *text = (char *)message_take_text(message);

	if (text)
		clean(text, lines);
	return text;
}

static const char *take_clean(struct message *message)
{
	return take_clean_lines(message, false);
}

static const char *take_json(struct message *message, bool lines)
{
	const char *text = take_clean_lines(message, lines);
	json_t *value = text ? json_loads(text, 0, NULL) : NULL;

	if (!json_is_object(value))
		message->bad = true;
	json_decref(value);
	return message->bad ? NULL : text;
}

/* *ret may be NULL. False: out of memory. */
static bool copy(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return *ret || !text;
}

static struct error *take_error(struct remote *remote)
{
	uint64_t code = message_take_number(&remote->message);
	const char *text = take_clean(&remote->message);

	if (!message_is_good(&remote->message) || !text || code > LAST_CODE)
		return lose_nonsense(remote);
	return error_create_code(code, "%s", text);
}

/* -- calls back: false if the worker may not make this one -- */

static bool answer(struct remote *remote, int64_t value, const void *bytes, size_t size)
{
	message_begin(&remote->message, MESSAGE_ANSWER);
	message_put_number(&remote->message, value);
	message_put_bytes(&remote->message, bytes, size);
	return channel_send(&remote->channel, &remote->message);
}

static bool call_note(struct remote *remote)
{
	const char *text = take_clean(&remote->message);

	if (!text || !message_is_good(&remote->message))
		return false;
	if (remote->options->note)
		remote->options->note(remote->options->opaque, text);
	return true;
}

static bool call_progress(struct remote *remote)
{
	const char *what = take_clean(&remote->message);
	uint64_t instructions = message_take_number(&remote->message);

	if (!message_is_good(&remote->message))
		return false;
	if (remote->options->progress)
		remote->options->progress(remote->options->opaque, what, instructions);
	return true;
}

static bool call_trace(struct remote *remote)
{
	const char *text = take_json(&remote->message, false);

	if (!text || !message_is_good(&remote->message) || !remote->run || !remote->run->trace)
		return false;
	remote->run->trace(remote->run->opaque, text);
	return true;
}

static bool call_output(struct remote *remote)
{
	uint64_t stream = message_take_number(&remote->message);
	size_t size;
	const uint8_t *bytes = message_take_bytes(&remote->message, MESSAGE_DATA, &size);

	if (!message_is_good(&remote->message) || !remote->run || (stream != XRAY86_STDOUT && stream != XRAY86_STDERR))
		return false;
	return answer(remote, remote->run->output(remote->run->opaque, stream, bytes, size), NULL, 0);
}

static bool call_input(struct remote *remote)
{
	uint64_t size = message_take_number(&remote->message), idle = message_take_number(&remote->message);
	long got;

	if (!message_is_good(&remote->message) || !size || !remote->run)
		return false;
	size = size < INPUT ? size : INPUT;
	got = remote->run->input(remote->run->opaque, remote->input, size, idle != 0);
	return answer(remote, got, remote->input, got > 0 && (size_t)got <= size ? got : 0);
}

static bool call(struct remote *remote)
{
	switch (remote->message.type) {
	case MESSAGE_NOTE:
		return call_note(remote);
	case MESSAGE_PROGRESS:
		return call_progress(remote);
	case MESSAGE_TRACE:
		return call_trace(remote);
	case MESSAGE_OUTPUT:
		return call_output(remote);
	case MESSAGE_INPUT:
		return call_input(remote);
	default:
		return false;
	}
}

/* What the caller's functions take is not the worker's time. */
static bool call_back(struct remote *remote)
{
	uint64_t start = now_ns(), took;
	bool good = call(remote);

	took = now_ns() - start;
	remote->began_ns += took;
	if (remote->cancelled_ns)
		remote->cancelled_ns += took;
	return good;
}

/* -- questions -- */

static struct error *begin(struct remote *remote, enum message_type type, uint64_t limit_s)
{
	if (remote->lost)
		return describe_loss(remote);
	remote->limit_s = limit_s;
	remote->began_ns = now_ns();
	remote->cancelled_ns = 0;
	message_begin(&remote->message, type);
	return NULL;
}

/* The limit of what needs no trusted VM, but maybe a search for the kernel in the whole snapshot. */
static uint64_t quick(const struct remote *remote)
{
	return remote->answered ? ANSWER_S : NO_LIMIT;
}

static struct error *converse(struct remote *remote)
{
	if (remote->message.bad)
		return error_create_code(ERROR_INVALID, "a command, its environment and its options must have less than %d MiB",
					 MESSAGE_MAX >> 20);
	if (!channel_send(&remote->channel, &remote->message))
		return lose_connection(remote);
	for (;;) {
		if (!channel_receive(&remote->channel, &remote->message))
			return lose_connection(remote);
		if (remote->message.type == MESSAGE_DONE)
			return NULL;
		if (remote->message.type == MESSAGE_ERROR)
			return take_error(remote);
		if (!call_back(remote))
			return lose_nonsense(remote);
	}
}

/* What was put into remote->message. On success the fields of the answer are in it. */
static struct error *ask(struct remote *remote)
{
	struct error *err = converse(remote);

	atomic_store(&remote->cancelled, false);
	return err;
}

/* All fields of the answer have been taken. */
static struct error *finish(struct remote *remote)
{
	if (!message_is_good(&remote->message))
		return lose_nonsense(remote);
	remote->answered = true;
	return NULL;
}

/* -- opening, closing -- */

static struct error *greet(struct remote *remote)
{
	struct error *err = begin(remote, MESSAGE_HELLO, START_S);
	uint64_t protocol;
	const char *version;

	if (err)
		return err;
	if (!channel_receive(&remote->channel, &remote->message))
		return lose_connection(remote);
	protocol = message_take_number(&remote->message);
	version = message_take_text(&remote->message);
	if (remote->message.type != MESSAGE_HELLO || !message_is_good(&remote->message) || !version)
		return lose_nonsense(remote);
	if (protocol != MESSAGE_PROTOCOL || strcmp(version, XRAY86_VERSION) != 0)
		return lose(remote, "is of another version than the library");
	return NULL;
}

static struct error *ask_to_open(struct remote *remote, const char *snapshot)
{
	const struct xray86_open_options *options = remote->options;
	struct error *err = begin(remote, MESSAGE_OPEN, NO_LIMIT);
	struct message *message = &remote->message;

	if (err)
		return err;
	message_put_text(message, snapshot);
	message_put_number(message, options->flags & ~XRAY86_ISOLATE);
	message_put_text(message, options->kernel);
	message_put_list(message, options->kernel_path);
	message_put_number(message, options->memory);
	message_put_text(message, options->cache);
	message_put_number(message, options->progress != NULL);
	err = ask(remote);
	return err || message_is_good(&remote->message) ? err : lose_nonsense(remote);
}

static void remote_close(void *self)
{
	struct remote *remote = self;

	worker_process_close(&remote->process);
	message_deinit(&remote->message);
	for (unsigned i = 0; i < TEXTS; i++)
		free(remote->texts[i]);
	free(remote->why);
	free(remote);
}

static void remote_cancel(void *self)
{
	struct remote *remote = self;
	int saved = errno;

	atomic_store(&remote->cancelled, true);
	send(remote->process.cancel, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	errno = saved;
}

/* -- facts -- */

static struct error *take_facts(struct remote *remote)
{
	struct xray86_facts *facts = &remote->facts;
	struct message *message = &remote->message;
	uint64_t cpus;

	for (unsigned i = 0; i < TEXTS; i++) {
		free(remote->texts[i]);
		if (!copy(take_clean(message), &remote->texts[i]))
			return error_create("out of memory");
	}
	facts->format = remote->texts[0];
	facts->architecture = remote->texts[1];
	facts->release = remote->texts[2];
	facts->banner = remote->texts[3];
	facts->memory = message_take_number(message);
	facts->kernel_base = message_take_number(message);
	facts->uptime_ms = message_take_number(message);
	cpus = message_take_number(message);
	facts->cpus = cpus;
	message->bad |= !facts->format || cpus > UINT_MAX;
	return finish(remote);
}

static struct error *remote_facts(void *self, struct xray86_facts *ret)
{
	struct remote *remote = self;
	struct error *err = begin(remote, MESSAGE_FACTS, quick(remote));

	if (err)
		return err;
	if (!remote->know_facts) {
		err = ask(remote);
		if (!err)
			err = take_facts(remote);
		remote->know_facts = !err;
	}
	if (!err)
		*ret = remote->facts;
	return err;
}

static struct error *remote_info(void *self, char **ret_json)
{
	struct remote *remote = self;
	struct error *err = begin(remote, MESSAGE_INFO, quick(remote));
	const char *json;

	if (!err)
		err = ask(remote);
	if (err)
		return err;
	json = take_json(&remote->message, true);
	err = finish(remote);
	if (err)
		return err;
	*ret_json = strdup(json);
	return *ret_json ? NULL : error_create("out of memory");
}

/* -- memory -- */

static struct error *read_piece(struct remote *remote, enum memory_kind kind, unsigned pid, uint64_t address, uint8_t *to, size_t size)
{
	struct error *err = begin(remote, MESSAGE_READ, kind == MEMORY_PROCESS ? NO_LIMIT : quick(remote));
	const uint8_t *bytes;
	size_t got;

	if (err)
		return err;
	message_put_number(&remote->message, kind);
	message_put_number(&remote->message, pid);
	message_put_number(&remote->message, address);
	message_put_number(&remote->message, size);
	err = ask(remote);
	if (err)
		return err;
	bytes = message_take_bytes(&remote->message, size, &got);
	remote->message.bad |= got != size;
	err = finish(remote);
	if (!err && size)
		memcpy(to, bytes, size);
	return err;
}

static struct error *remote_read(void *self, enum memory_kind kind, unsigned pid, uint64_t address, void *to, size_t size)
{
	struct remote *remote = self;
	size_t done = 0;
	struct error *err;

	do {
		size_t left = size - done, piece = left < MESSAGE_DATA ? left : MESSAGE_DATA;

		err = read_piece(remote, kind, pid, address + done, (uint8_t *)to + done, piece);
		done += piece;
	} while (!err && done < size);
	return err;
}

/* -- commands -- */

/* The worker's folder is the one that the caller had when the session was opened. */
static bool put_path(struct message *message, const char *path)
{
	char *folder, *whole = NULL;

	if (!path || *path == '/' || !*path) {
		message_put_text(message, path);
		return true;
	}
	folder = getcwd(NULL, 0);
	if (folder && asprintf(&whole, "%s/%s", folder, path) < 0)
		whole = NULL;
	free(folder);
	message_put_text(message, whole);
	free(whole);
	return whole;
}

static struct error *ask_to_run(struct remote *remote, const char *const *command, const struct xray86_run_options *options)
{
	struct message *message = &remote->message;

	message_put_list(message, command);
	message_put_number(message, options->flags);
	message_put_list(message, options->environment);
	if (!put_path(message, options->root) || !put_path(message, options->policy))
		return error_create("%s: %s", options->root && *options->root != '/' ? options->root : options->policy, strerror(errno));
	message_put_number(message, options->as);
	message_put_number(message, options->way);
	message_put_number(message, options->code);
	message_put_list(message, options->trust_modules);
	message_put_number(message, options->budget);
	message_put_number(message, options->timeout);
	message_put_number(message, options->trace != NULL);
	return ask(remote);
}

static struct error *take_result(struct remote *remote, struct outcome *ret)
{
	struct message *message = &remote->message;
	struct error *err = NULL;

	ret->status = (int)message_take_number(message);
	ret->unproven = message_take_number(message);
	if (!copy(take_clean(message), &ret->losses) || !copy(take_json(message, false), &ret->stats))
		err = error_create("out of memory");
	if (!err)
		err = finish(remote);
	if (err) {
		free(ret->losses);
		free(ret->stats);
		*ret = (struct outcome){0};
	}
	return err;
}

static struct error *remote_run(void *self, const char *const *command, const struct xray86_run_options *options, struct outcome *ret)
{
	struct remote *remote = self;
	struct error *err = begin(remote, MESSAGE_RUN, options->timeout ? (uint64_t)options->timeout + GRACE_S : NO_LIMIT);

	*ret = (struct outcome){0};
	if (err)
		return err;
	remote->run = options;
	err = ask_to_run(remote, command, options);
	remote->run = NULL;
	return err ? err : take_result(remote, ret);
}

/* -- the whole -- */

static const struct backend backend = {remote_close, remote_cancel, remote_facts, remote_info, remote_read, remote_run};

static struct error *set_up(struct remote *remote, const char *snapshot)
{
	struct error *err = greet(remote);

	return err ? err : ask_to_open(remote, snapshot);
}

/* Takes the process. */
static struct error *open_with(struct worker_process process, const char *snapshot, const struct xray86_open_options *options,
			       const struct backend **ret, void **ret_self)
{
	struct remote *remote = calloc(1, sizeof(*remote));
	struct error *err;

	if (!remote) {
		worker_process_close(&process);
		return error_create("out of memory");
	}
	remote->process = process;
	remote->channel = (struct channel){read_channel, write_channel, remote};
	remote->options = options;
	err = set_up(remote, snapshot);
	if (err) {
		remote_close(remote);
		return err;
	}
	*ret = &backend;
	*ret_self = remote;
	return NULL;
}

struct error *remote_open(const char *snapshot, const struct xray86_open_options *options, const struct backend **ret, void **ret_self)
{
	struct worker_process process;
	struct error *err = worker_process_start(options->worker, &process);

	return err ? err : open_with(process, snapshot, options, ret, ret_self);
}

struct error *remote_open_connected(int channel, int cancel, const char *snapshot, const struct xray86_open_options *options,
				    const struct backend **ret, void **ret_self)
{
	const struct worker_process process = {.channel = channel, .cancel = cancel, .said = -1};

	return open_with(process, snapshot, options, ret, ret_self);
}
