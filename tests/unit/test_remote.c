/* Isolated sessions: messages, and a caller that believes nothing a worker sends (session/message.h, session/remote.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "session/message.h"
#include "session/remote.h"
#include "session/worker_process.h"

/* -- a worker whose answers are written before they are asked for -- */

struct worker {
	int socket; /* its end */
	int other;  /* the caller's */
	int cancel[2];
	struct message message;
	const struct backend *backend; /* the caller's session */
	void *self;
};

static ssize_t write_socket(void *opaque, const void *from, size_t size)
{
	return send(((struct worker *)opaque)->socket, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say(struct worker *worker)
{
	const struct channel channel = {.write = write_socket, .opaque = worker};

	assert_true(channel_send(&channel, &worker->message));
}

static void begin_worker(struct worker *worker)
{
	int ends[2];

	*worker = (struct worker){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, worker->cancel), 0);
	worker->other = ends[0];
	worker->socket = ends[1];
}

static void say_hello(struct worker *worker, uint64_t protocol, const char *version)
{
	message_begin(&worker->message, MESSAGE_HELLO);
	message_put_number(&worker->message, protocol);
	message_put_text(&worker->message, version);
	say(worker);
}

static void say_empty(struct worker *worker, enum message_type type)
{
	message_begin(&worker->message, type);
	say(worker);
}

static const struct xray86_open_options usual = {.size = sizeof(usual)};

/* The caller sees the end of the connection behind what was said. */
static struct error *open_session(struct worker *worker, const struct xray86_open_options *options)
{
	shutdown(worker->socket, SHUT_WR);
	return remote_open_connected(worker->other, worker->cancel[0], "snapshot", options ? options : &usual, &worker->backend,
				     &worker->self);
}

static void end_worker(struct worker *worker)
{
	if (worker->self)
		worker->backend->close(worker->self);
	close(worker->socket);
	close(worker->cancel[1]);
	message_deinit(&worker->message);
}

/* A session whose worker says what follows in answer to the next question. */
static void begin_answers(struct worker *worker)
{
	begin_worker(worker);
	say_hello(worker, MESSAGE_PROTOCOL, XRAY86_VERSION);
	say_empty(worker, MESSAGE_DONE);
}

static void expect(struct error *err, enum error_code code, const char *text)
{
	assert_non_null(err);
	assert_int_equal(err->code, code);
	if (!strstr(err->message, text))
		fail_msg("%s", err->message);
	error_destroy(err);
}

/* -- messages -- */

static void fields(void **state)
{
	static const char *const list[] = {"a", "", "b c", NULL};
	struct message message = {0};
	const char **got;
	size_t size;

	(void)state;
	message_begin(&message, MESSAGE_RUN);
	message_put_number(&message, UINT64_MAX - 1);
	message_put_text(&message, NULL);
	message_put_text(&message, "");
	message_put_list(&message, list);
	message_put_list(&message, NULL);
	message_put_bytes(&message, "\0x", 2);
	message_put_bytes(&message, NULL, 0);
	assert_int_equal(message_take_number(&message), UINT64_MAX - 1);
	assert_null(message_take_text(&message));
	assert_string_equal(message_take_text(&message), "");
	got = message_take_list(&message);
	assert_string_equal(got[0], "a");
	assert_string_equal(got[1], "");
	assert_string_equal(got[2], "b c");
	assert_null(got[3]);
	free(got);
	assert_null(message_take_list(&message));
	assert_memory_equal(message_take_bytes(&message, 2, &size), "\0x", 2);
	assert_int_equal(size, 2);
	assert_false(message_is_good(&message)); /* a field is left */
	message_take_bytes(&message, 0, &size);
	assert_true(message_is_good(&message));
	message_take_number(&message);
	assert_false(message_is_good(&message));
	message_deinit(&message);
}

/* Fields of a message that has just these bytes. */
static struct message made_of(const void *bytes, size_t size)
{
	struct message message = {.bytes = malloc(size ? size : 1), .size = size, .capacity = size};

	if (size)
		memcpy(message.bytes, bytes, size);
	return message;
}

static void bad_fields(void **state)
{
	static const uint64_t none = 0, short_text[] = {9, 0x4141414141414141}, open_text[] = {8, 0x4141414141414141},
			      two_texts[] = {8, 0x0041004100410041}, huge[] = {UINT64_MAX - 8, 0}, many[] = {UINT64_MAX - 1, 0},
			      words[] = {MESSAGE_WORDS, UINT64_MAX};
	static const struct {
		const void *bytes;
		size_t size;
	} rows[] = {{&none, 8}, {short_text, 16}, {short_text, 8}, {open_text, 16}, {two_texts, 16},
		    {huge, 16}, {many, 16},       {words, 16},     {&none, 7},      {NULL, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message text = made_of(rows[i].bytes, rows[i].size), list = made_of(rows[i].bytes, rows[i].size);

		assert_null(message_take_text(&text));
		assert_false(message_is_good(&text));
		if (i) { /* an empty list is one */
			assert_null(message_take_list(&list));
			assert_false(message_is_good(&list));
		}
		message_deinit(&text);
		message_deinit(&list);
	}
}

static void too_large(void **state)
{
	struct message message = {0};
	uint8_t *bytes = calloc(1, MESSAGE_MAX);
	size_t size;

	(void)state;
	message_begin(&message, MESSAGE_DONE);
	message_put_bytes(&message, bytes, MESSAGE_MAX - 8);
	assert_false(message.bad);
	assert_null(message_take_bytes(&message, MESSAGE_DATA, &size));
	assert_int_equal(size, 0);
	message_begin(&message, MESSAGE_DONE);
	message_put_bytes(&message, bytes, MESSAGE_MAX);
	assert_true(message.bad);
	message_deinit(&message);
	free(bytes);
}

/* -- opening -- */

static void versions(void **state)
{
	struct worker worker;

	(void)state;
	begin_worker(&worker);
	say_hello(&worker, MESSAGE_PROTOCOL + 1, XRAY86_VERSION);
	expect(open_session(&worker, NULL), ERROR_WORKER, "another version");
	end_worker(&worker);
	begin_worker(&worker);
	say_hello(&worker, MESSAGE_PROTOCOL, "0.0");
	expect(open_session(&worker, NULL), ERROR_WORKER, "another version");
	end_worker(&worker);
	begin_worker(&worker);
	say_empty(&worker, MESSAGE_DONE);
	expect(open_session(&worker, NULL), ERROR_WORKER, "no answer");
	end_worker(&worker);
	begin_worker(&worker);
	assert_int_equal(write(worker.socket, "cat: --worker: no such option\n", 30), 30);
	expect(open_session(&worker, NULL), ERROR_WORKER, "closed");
	end_worker(&worker);
	begin_worker(&worker);
	expect(open_session(&worker, NULL), ERROR_WORKER, "closed");
	end_worker(&worker);
}

static void errors(void **state)
{
	struct worker worker;

	(void)state;
	begin_worker(&worker);
	say_hello(&worker, MESSAGE_PROTOCOL, XRAY86_VERSION);
	message_begin(&worker.message, MESSAGE_ERROR);
	message_put_number(&worker.message, ERROR_NO_KERNEL);
	message_put_text(&worker.message, "an \033[31mevil\n line\302\233");
	say(&worker);
	expect(open_session(&worker, NULL), ERROR_NO_KERNEL, "an ?[31mevil? line\302?");
	end_worker(&worker);
	begin_worker(&worker);
	say_hello(&worker, MESSAGE_PROTOCOL, XRAY86_VERSION);
	message_begin(&worker.message, MESSAGE_ERROR);
	message_put_number(&worker.message, 1 << 20);
	message_put_text(&worker.message, "of no code");
	say(&worker);
	expect(open_session(&worker, NULL), ERROR_WORKER, "no answer");
	end_worker(&worker);
}

/* -- memory, facts -- */

static void memory(void **state)
{
	struct worker worker;
	uint8_t to[16] = {0};

	(void)state;
	begin_answers(&worker);
	message_begin(&worker.message, MESSAGE_DONE);
	message_put_bytes(&worker.message, "0123456789abcdef", 16);
	say(&worker);
	say(&worker); /* to the next question, which asks for less */
	assert_null(open_session(&worker, NULL));
	assert_null(worker.backend->read(worker.self, MEMORY_PHYSICAL, 0, 0x1000, to, sizeof(to)));
	assert_memory_equal(to, "0123456789abcdef", 16);
	to[15] = 'x';
	expect(worker.backend->read(worker.self, MEMORY_PHYSICAL, 0, 0x1000, to, 15), ERROR_WORKER, "no answer");
	assert_memory_equal(to, "0123456789abcdex", 16);
	expect(worker.backend->read(worker.self, MEMORY_PHYSICAL, 0, 0x1000, to, 15), ERROR_WORKER, "no answer"); /* it stays so */
	end_worker(&worker);
	begin_answers(&worker);
	message_begin(&worker.message, MESSAGE_DONE);
	message_put_bytes(&worker.message, "0123", 4);
	say(&worker);
	assert_null(open_session(&worker, NULL));
	expect(worker.backend->read(worker.self, MEMORY_KERNEL, 0, 0, to, 16), ERROR_WORKER, "no answer");
	end_worker(&worker);
}

static void put_facts(struct worker *worker, const char *format, uint64_t cpus)
{
	message_begin(&worker->message, MESSAGE_DONE);
	message_put_text(&worker->message, format);
	message_put_text(&worker->message, "x86_64");
	message_put_text(&worker->message, NULL);
	message_put_text(&worker->message, "Linux\033");
	message_put_number(&worker->message, 1 << 20);
	message_put_number(&worker->message, UINT64_MAX);
	message_put_number(&worker->message, 5);
	message_put_number(&worker->message, cpus);
	say(worker);
}

static void facts(void **state)
{
	struct worker worker;
	struct xray86_facts facts;

	(void)state;
	begin_answers(&worker);
	put_facts(&worker, "ELF core", 3);
	assert_null(open_session(&worker, NULL));
	for (int i = 0; i < 2; i++) { /* asked for once */
		assert_null(worker.backend->facts(worker.self, &facts));
		assert_string_equal(facts.format, "ELF core");
		assert_null(facts.release);
		assert_string_equal(facts.banner, "Linux?");
		assert_int_equal(facts.kernel_base, UINT64_MAX);
		assert_int_equal(facts.cpus, 3);
	}
	end_worker(&worker);
	for (int i = 0; i < 2; i++) {
		begin_answers(&worker);
		put_facts(&worker, i ? NULL : "ELF core", i ? 1 : 1ull << 32);
		assert_null(open_session(&worker, NULL));
		expect(worker.backend->facts(worker.self, &facts), ERROR_WORKER, "no answer");
		end_worker(&worker);
	}
}

static void info(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{"{\"a\": 1}", true}, {"{\n\"a\": 1\n}", true}, {"{\t}", false}, {"{", false}, {"{} {}", false}, {"[]", false}, {"", false},
		{NULL, false}};
	struct worker worker;
	char *json;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin_answers(&worker);
		message_begin(&worker.message, MESSAGE_DONE);
		message_put_text(&worker.message, rows[i].text);
		say(&worker);
		assert_null(open_session(&worker, NULL));
		if (rows[i].good) {
			assert_null(worker.backend->info(worker.self, &json));
			assert_string_equal(json, rows[i].text);
			free(json);
		} else {
			expect(worker.backend->info(worker.self, &json), ERROR_WORKER, "no answer");
		}
		end_worker(&worker);
	}
}

/* -- commands -- */

struct taken {
	char text[256];
	unsigned asked;
};

static int take_output(void *opaque, enum xray86_stream stream, const void *bytes, size_t size)
{
	char *text = ((struct taken *)opaque)->text;

	sprintf(text + strlen(text), "%u:%.*s;", stream, (int)size, (const char *)bytes);
	return 0;
}

static long give_input(void *opaque, void *to, size_t size, int idle)
{
	struct taken *taken = opaque;

	assert_true(size <= 65536 && idle);
	memset(to, 'i', size);
	taken->asked++;
	return 10; /* more would fill the socket, which nobody reads */
}

static void take_trace(void *opaque, const char *json)
{
	strcat(((struct taken *)opaque)->text, json);
}

static void take_note(void *opaque, const char *text)
{
	strcat(((struct taken *)opaque)->text, text);
}

static void put_output(struct worker *worker, uint64_t stream, const char *text)
{
	message_begin(&worker->message, MESSAGE_OUTPUT);
	message_put_number(&worker->message, stream);
	message_put_bytes(&worker->message, text, strlen(text));
	say(worker);
}

static void put_text(struct worker *worker, enum message_type type, const char *text)
{
	message_begin(&worker->message, type);
	message_put_text(&worker->message, text);
	say(worker);
}

static void put_input(struct worker *worker, uint64_t size)
{
	message_begin(&worker->message, MESSAGE_INPUT);
	message_put_number(&worker->message, size);
	message_put_number(&worker->message, 1);
	say(worker);
}

static void put_result(struct worker *worker, const char *losses, const char *stats)
{
	message_begin(&worker->message, MESSAGE_DONE);
	message_put_number(&worker->message, 0x100);
	message_put_number(&worker->message, 1);
	message_put_text(&worker->message, losses);
	message_put_text(&worker->message, stats);
	say(worker);
}

static struct error *run(struct worker *worker, struct taken *taken, bool tracing, struct outcome *ret)
{
	static const char *const command[] = {"ps", "aux", NULL};
	struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options);

	options.input = give_input;
	options.output = take_output;
	options.trace = tracing ? take_trace : NULL;
	options.opaque = taken;
	return worker->backend->run(worker->self, command, &options, ret);
}

static void command(void **state)
{
	struct xray86_open_options options = XRAY86_INIT(struct xray86_open_options);
	struct taken taken = {0};
	struct outcome result;
	struct worker worker;

	(void)state;
	options.note = take_note;
	options.opaque = &taken;
	begin_answers(&worker);
	put_text(&worker, MESSAGE_NOTE, "note\r;");
	put_output(&worker, XRAY86_STDOUT, "out");
	put_input(&worker, UINT64_MAX);
	put_text(&worker, MESSAGE_TRACE, "{}");
	put_output(&worker, XRAY86_STDERR, "err");
	put_result(&worker, NULL, "{\"instructions\": 7}");
	assert_null(open_session(&worker, &options));
	assert_null(run(&worker, &taken, true, &result));
	assert_string_equal(taken.text, "note?;1:out;{}2:err;");
	assert_int_equal(taken.asked, 1);
	assert_int_equal(result.status, 0x100);
	assert_true(result.unproven);
	assert_null(result.losses);
	assert_string_equal(result.stats, "{\"instructions\": 7}");
	free(result.stats);
	end_worker(&worker);
}

/* What a worker may not say while a command runs. */
static void nonsense(void **state)
{
	struct outcome result;
	struct worker worker;

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct taken taken = {0};

		begin_answers(&worker);
		switch (i) {
		case 0:
			put_output(&worker, 3, "x");
			break;
		case 1:
			put_text(&worker, MESSAGE_TRACE, "{}"); /* it was not asked for */
			break;
		case 2:
			put_input(&worker, 0);
			break;
		case 3:
			put_result(&worker, NULL, "no JSON");
			break;
		case 4:
			put_result(&worker, "losses", NULL);
			break;
		case 5:
			say_empty(&worker, MESSAGE_NOTE);
			break;
		case 6:
			say_empty(&worker, MESSAGE_RUN);
			break;
		case 7:
			message_begin(&worker.message, MESSAGE_DONE);
			message_put_number(&worker.message, 0);
			say(&worker);
			break;
		case 8:
			say_empty(&worker, 0);
			break;
		}
		assert_null(open_session(&worker, NULL));
		expect(run(&worker, &taken, false, &result), ERROR_WORKER, "no answer");
		assert_string_equal(taken.text, "");
		end_worker(&worker);
	}
}

/* Sizes in headers: larger than any message, and larger than what comes. */
static void sizes(void **state)
{
	static const uint32_t rows[] = {UINT32_MAX, MESSAGE_MAX + 1, MESSAGE_MAX};
	struct outcome result;
	struct worker worker;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint32_t header[2] = {MESSAGE_DONE, rows[i]};
		struct taken taken = {0};

		begin_answers(&worker);
		assert_int_equal(write(worker.socket, header, sizeof(header)), sizeof(header));
		assert_null(open_session(&worker, NULL));
		expect(run(&worker, &taken, false, &result), ERROR_WORKER, "closed");
		end_worker(&worker);
	}
}

/* Too much is said before anything is sent, and the session lives on. */
static void long_command(void **state)
{
	struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options);
	char *word = malloc(MESSAGE_MAX);
	const char *words[] = {word, NULL};
	struct outcome result;
	struct worker worker;
	struct taken taken = {0};

	(void)state;
	memset(word, 'x', MESSAGE_MAX - 1);
	word[MESSAGE_MAX - 1] = '\0';
	options.output = take_output;
	options.opaque = &taken;
	begin_answers(&worker);
	put_result(&worker, "some", "{}");
	assert_null(open_session(&worker, NULL));
	expect(worker.backend->run(worker.self, words, &options, &result), ERROR_INVALID, "16 MiB");
	assert_null(run(&worker, &taken, false, &result));
	assert_string_equal(result.losses, "some");
	free(result.losses);
	free(result.stats);
	free(word);
	end_worker(&worker);
}

static void cancel(void **state)
{
	struct worker worker;
	char byte;

	(void)state;
	begin_answers(&worker);
	assert_null(open_session(&worker, NULL));
	assert_int_equal(read(worker.cancel[1], &byte, 1), -1);
	worker.backend->cancel(worker.self);
	assert_int_equal(read(worker.cancel[1], &byte, 1), 1);
	shutdown(worker.cancel[1], SHUT_RDWR);
	worker.backend->cancel(worker.self); /* no SIGPIPE */
	end_worker(&worker);
}

/* -- which program is started -- */

enum { OTHER_USER = 65534 };

/* In a process of its own, which passes for a program in a certain folder. Returns the worker's status, or 0 if another one was started. */
static int start_beside(void)
{
	struct worker_process process;
	struct error *err = worker_process_start(NULL, &process);
	char *how = NULL;
	bool seven;

	if (!err)
		worker_process_end(&process, &how);
	seven = how && strcmp(how, "status 7") == 0;
	error_destroy(err);
	free(how);
	worker_process_close(&process);
	return seven ? 7 : 0;
}

static int status_of_child(const char *name)
{
	char *const argument[] = {(char *)name, "--beside", NULL};
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		execv("/proc/self/exe", argument);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

/* The program near the library counts only if no stranger has put it there. */
static void strangers_program(void **state)
{
	char folder[] = "/tmp/xray86-test-XXXXXX", name[64], program[64];
	static const char script[] = "#!/bin/sh\nexit 7\n";
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/test", folder);
	snprintf(program, sizeof(program), "%s/xray86", folder);
	file = fopen(program, "we");
	assert_non_null(file);
	fputs(script, file);
	fclose(file);
	chmod(program, 0755);
	assert_int_equal(status_of_child(name), 7);
	chmod(program, 0757);
	assert_int_equal(status_of_child(name), 0);
	chmod(program, 0755);
	if (chown(program, OTHER_USER, OTHER_USER) == 0) /* else we are not root */
		assert_int_equal(status_of_child(name), 0);
	unlink(program);
	rmdir(folder);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),    cmocka_unit_test(bad_fields),
		cmocka_unit_test(too_large), cmocka_unit_test(versions),
		cmocka_unit_test(errors),    cmocka_unit_test(memory),
		cmocka_unit_test(facts),     cmocka_unit_test(info),
		cmocka_unit_test(command),   cmocka_unit_test(nonsense),
		cmocka_unit_test(sizes),     cmocka_unit_test(long_command),
		cmocka_unit_test(cancel),    cmocka_unit_test(strangers_program),
	};

	if (argc == 2 && strcmp(argv[1], "--beside") == 0)
		return start_beside();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
