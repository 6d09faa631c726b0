/*
 * xray86 --worker: a session of somebody else's, looked into here, with the privileges that cli/sandbox.h leaves. worker.h.
 *
 * One question after another comes as a message (session/message.h), and is answered when it has been dealt with; what the session says
 * meanwhile goes to the caller as messages, too. A cancellation is a byte on another socket, which a signal tells of. When the caller is
 * gone, so is this process.
 */
#include "cli/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sandbox.h"
#include "session/backend.h"
#include "session/message.h"
#include "session/session.h"
#include "util/note.h"

struct worker {
	int fd; /* of the channel */
	struct channel channel;
	struct message message; /* the question, then what is answered */
	struct message call;    /* a call back, and its answer */
	struct message opened;  /* the question that opened the session: it has the texts of the next two */
	const char *snapshot;
	struct xray86_open_options options;
	const struct backend *backend;
	void *self; /* NULL: nothing is open */
	bool told;  /* which privileges could not be given up */
};

/* -- the connection -- */

static ssize_t read_channel(void *opaque, void *to, size_t size)
{
	ssize_t got;

	do {
		got = read(((const struct worker *)opaque)->fd, to, size);
	} while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t write_channel(void *opaque, const void *from, size_t size)
{
	ssize_t written;

	do {
		written = write(((const struct worker *)opaque)->fd, from, size);
	} while (written < 0 && errno == EINTR);
	return written;
}

/* Nobody is left to work for, or to tell of it. */
static void send_message(struct worker *worker, struct message *message)
{
	if (!channel_send(&worker->channel, message))
		_exit(EXIT_XRAY86);
}

/* -- cancellation -- */

/* For the signal handler, which is given nothing. */
static struct {
	int fd;
	volatile sig_atomic_t wanted; /* before there was a session */
	const struct backend *volatile backend;
	void *volatile self;
} cancellation;

static void cancel(void)
{
	if (cancellation.self)
		cancellation.backend->cancel(cancellation.self);
	else
		cancellation.wanted = 1;
}

static void on_cancel(int number)
{
	int saved = errno;
	char bytes[64];
	ssize_t got;

	(void)number;
	while ((got = read(cancellation.fd, bytes, sizeof(bytes))) > 0)
		cancel();
	if (got == 0)
		_exit(0); /* the caller is gone */
	errno = saved;
}

/* The terminal's keys are for the caller, who decides what they end. */
static struct error *catch_signals(int fd)
{
	struct sigaction action = {.sa_handler = on_cancel, .sa_flags = SA_RESTART};

	cancellation.fd = fd;
	sigemptyset(&action.sa_mask);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGIO, &action, NULL);
	if (fcntl(fd, F_SETOWN, getpid()) < 0 || fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK) < 0)
		return error_create("--worker: %d is no socket: %s", fd, strerror(errno));
	raise(SIGIO); /* for what came before */
	return NULL;
}

/* A session is open: what was wanted before is its, too. */
static void offer_cancellation(struct worker *worker)
{
	cancellation.backend = worker->backend;
	cancellation.self = worker->self;
	if (cancellation.wanted)
		cancel();
}

/* -- calls back -- */

static void call_note(void *opaque, const char *text)
{
	struct worker *worker = opaque;

	message_begin(&worker->call, MESSAGE_NOTE);
	message_put_text(&worker->call, text);
	send_message(worker, &worker->call);
}

static void call_progress(void *opaque, const char *what, uint64_t instructions)
{
	struct worker *worker = opaque;

	message_begin(&worker->call, MESSAGE_PROGRESS);
	message_put_text(&worker->call, what);
	message_put_number(&worker->call, instructions);
	send_message(worker, &worker->call);
}

static void call_trace(void *opaque, const char *json)
{
	struct worker *worker = opaque;

	message_begin(&worker->call, MESSAGE_TRACE);
	message_put_text(&worker->call, json);
	send_message(worker, &worker->call);
}

/* Sends the call; what the function returned. The bytes are the message's. */
static int64_t call(struct worker *worker, size_t limit, const uint8_t **ret_bytes, size_t *ret_size)
{
	struct message *message = &worker->call;
	int64_t value;

	send_message(worker, message);
	if (!channel_receive(&worker->channel, message) || message->type != MESSAGE_ANSWER)
		_exit(EXIT_XRAY86);
	value = message_take_number(message);
	*ret_bytes = message_take_bytes(message, limit, ret_size);
	if (!message_is_good(message))
		_exit(EXIT_XRAY86);
	return value;
}

static int call_output(void *opaque, enum xray86_stream stream, const void *bytes, size_t size)
{
	struct worker *worker = opaque;
	const uint8_t *none;
	size_t done = 0, nothing;
	int failure = 0;

	while (!failure && done < size) {
		size_t piece = size - done < MESSAGE_DATA ? size - done : MESSAGE_DATA;

		message_begin(&worker->call, MESSAGE_OUTPUT);
		message_put_number(&worker->call, stream);
		message_put_bytes(&worker->call, (const uint8_t *)bytes + done, piece);
		failure = call(worker, 0, &none, &nothing);
		done += piece;
	}
	return failure;
}

static long call_input(void *opaque, void *to, size_t size, int idle)
{
	struct worker *worker = opaque;
	const uint8_t *bytes;
	size_t got;
	int64_t value;

	message_begin(&worker->call, MESSAGE_INPUT);
	message_put_number(&worker->call, size);
	message_put_number(&worker->call, idle);
	value = call(worker, size, &bytes, &got);
	if (value > 0 && (size_t)value != got)
		_exit(EXIT_XRAY86);
	memcpy(to, bytes, got);
	return value;
}

/* -- privileges -- */

static void give_up(struct worker *worker, enum sandbox_stage stage, int folder)
{
	const struct notes notes = {call_note, worker};
	struct error *err = sandbox_enter(stage, folder);

	if (err && !worker->told)
		note(&notes, "the isolated worker runs with more privileges than it needs, because this system does not take them away: %s",
		     err->message);
	worker->told |= err != NULL;
	error_destroy(err);
}

static void on_opening(void *opaque, int folder)
{
	give_up(opaque, folder < 0 ? SANDBOX_HOLDING : SANDBOX_SAVING, folder);
}

static void on_booted(void *opaque)
{
	give_up(opaque, SANDBOX_READING, -1);
}

/* -- questions: each takes its fields, and leaves its answer in their place -- */

static struct error *bad_question(void)
{
	return error_create_code(ERROR_WORKER, "the worker was asked what it does not understand");
}

static struct error *answer_open(struct worker *worker)
{
	const struct session_stages stages = {on_opening, on_booted, worker};
	struct message *message = &worker->opened;
	struct xray86_open_options *options = &worker->options;
	bool progress;

	if (worker->self)
		return bad_question();
	*message = worker->message;
	worker->message = (struct message){0};
	worker->snapshot = message_take_text(message);
	options->size = sizeof(*options);
	options->flags = message_take_number(message);
	options->kernel = message_take_text(message);
	options->kernel_path = message_take_list(message);
	options->memory = message_take_number(message);
	options->cache = message_take_text(message);
	progress = message_take_number(message);
	options->note = call_note;
	options->progress = progress ? call_progress : NULL;
	options->opaque = worker;
	if (!message_is_good(message) || !worker->snapshot)
		return bad_question();
	return local_open(worker->snapshot, options, &stages, &worker->backend, &worker->self);
}

static struct error *answer_facts(struct worker *worker)
{
	struct message *message = &worker->message;
	struct xray86_facts facts = {.size = sizeof(facts)};
	struct error *err = worker->backend->facts(worker->self, &facts);

	if (err)
		return err;
	message_begin(message, MESSAGE_DONE);
	message_put_text(message, facts.format);
	message_put_text(message, facts.architecture);
	message_put_text(message, facts.release);
	message_put_text(message, facts.banner);
	message_put_number(message, facts.memory);
	message_put_number(message, facts.kernel_base);
	message_put_number(message, facts.uptime_ms);
	message_put_number(message, facts.cpus);
	return NULL;
}

static struct error *answer_info(struct worker *worker)
{
	char *json = NULL;
	struct error *err = worker->backend->info(worker->self, &json);

	if (err)
		return err;
	message_begin(&worker->message, MESSAGE_DONE);
	message_put_text(&worker->message, json);
	free(json);
	return NULL;
}

static struct error *answer_read(struct worker *worker)
{
	struct message *message = &worker->message;
	uint64_t kind = message_take_number(message), pid = message_take_number(message);
	uint64_t address = message_take_number(message), size = message_take_number(message);
	struct error *err;
	void *bytes;

	if (!message_is_good(message) || kind > MEMORY_PROCESS || !size || size > MESSAGE_DATA)
		return bad_question();
	bytes = malloc(size);
	if (!bytes)
		return error_create("out of memory");
	err = worker->backend->read(worker->self, kind, pid, address, bytes, size);
	if (!err) {
		message_begin(message, MESSAGE_DONE);
		message_put_bytes(message, bytes, size);
	}
	free(bytes);
	return err;
}

static void put_outcome(struct message *message, struct outcome *outcome)
{
	message_begin(message, MESSAGE_DONE);
	message_put_number(message, outcome->status);
	message_put_number(message, outcome->unproven);
	message_put_text(message, outcome->losses);
	message_put_text(message, outcome->stats);
	free(outcome->losses);
	free(outcome->stats);
}

static struct error *answer_run(struct worker *worker)
{
	struct message *message = &worker->message;
	struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options);
	const char **command = message_take_list(message);
	struct outcome outcome = {0};
	struct error *err;

	options.flags = message_take_number(message);
	options.environment = message_take_list(message);
	options.root = message_take_text(message);
	options.policy = message_take_text(message);
	options.as = message_take_number(message);
	options.way = message_take_number(message);
	options.code = message_take_number(message);
	options.trust_modules = message_take_list(message);
	options.budget = message_take_number(message);
	options.timeout = message_take_number(message);
	options.trace = message_take_number(message) ? call_trace : NULL;
	options.input = call_input;
	options.output = call_output;
	options.opaque = worker;
	if (message_is_good(message) && command && command[0] && options.environment)
		err = worker->backend->run(worker->self, command, &options, &outcome);
	else
		err = bad_question();
	if (!err)
		put_outcome(message, &outcome);
	free(command);
	free((void *)options.environment);
	free((void *)options.trust_modules);
	return err;
}

static struct error *answer(struct worker *worker)
{
	enum message_type type = worker->message.type;

	if (type == MESSAGE_OPEN) {
		struct error *err = answer_open(worker);

		message_begin(&worker->message, MESSAGE_DONE);
		if (!err)
			offer_cancellation(worker);
		return err;
	}
	if (!worker->self)
		return bad_question();
	switch (type) {
	case MESSAGE_FACTS:
		return answer_facts(worker);
	case MESSAGE_INFO:
		return answer_info(worker);
	case MESSAGE_READ:
		return answer_read(worker);
	case MESSAGE_RUN:
		return answer_run(worker);
	default:
		return bad_question();
	}
}

/* Takes the error. */
static void put_error(struct message *message, struct error *err)
{
	message_begin(message, MESSAGE_ERROR);
	message_put_number(message, err->code);
	message_put_text(message, err->message);
	error_destroy(err);
}

/* -- the whole -- */

static void greet(struct worker *worker)
{
	message_begin(&worker->message, MESSAGE_HELLO);
	message_put_number(&worker->message, MESSAGE_PROTOCOL);
	message_put_text(&worker->message, XRAY86_VERSION);
	send_message(worker, &worker->message);
}

/* A question that cannot be answered in one message is an error, too. */
static void serve(struct worker *worker)
{
	greet(worker);
	while (channel_receive(&worker->channel, &worker->message)) {
		struct error *err = answer(worker);

		if (!err && worker->message.bad)
			err = error_create("the answer is too long");
		if (err)
			put_error(&worker->message, err);
		send_message(worker, &worker->message);
	}
}

struct error *worker_command(int argc, char **argv, int *ret_status)
{
	unsigned long long channel, cancel;
	struct worker *worker;
	struct error *err;

	*ret_status = 0;
	if (argc != 3)
		return error_create("--worker is for the library of xray86: see xray86 --help");
	err = parse_number("worker", argv[1], &channel);
	if (!err)
		err = parse_number("worker", argv[2], &cancel);
	if (!err)
		err = catch_signals(cancel);
	if (err)
		return err;
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return error_create("out of memory");
	worker->fd = channel;
	worker->channel = (struct channel){read_channel, write_channel, worker};
	serve(worker);
	if (worker->self)
		worker->backend->close(worker->self);
	return NULL; /* what is left goes with the process */
}
