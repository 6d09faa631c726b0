/* The public API: commands and their results. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "session/api.h"
#include "session/environment.h"

struct buffer {
	char *bytes;
	size_t size, room;
};

struct xray86_result {
	struct outcome outcome;
	struct buffer out, err;
};

/* -- options -- */

enum { MAX_PID = 1 << 22 };

static struct error *check_options(const struct xray86_run_options *options)
{
	const char *text = NULL;

	if (options->flags & ~(XRAY86_KEEP | XRAY86_NO_REDIRECT))
		text = "options.flags has one that is not known";
	else if (options->as > MAX_PID)
		text = "options.as must be the number of a process in the snapshot";
	else if ((unsigned)options->way > XRAY86_WAY_TAGS)
		text = "options.way is none that is known";
	else if ((unsigned)options->code > XRAY86_CODE_VERIFIED)
		text = "options.code is none that is known";
	else if (options->budget > INT64_MAX)
		text = "options.budget is too large";
	else if ((options->root && !*options->root) || (options->policy && !*options->policy))
		text = "a path in options is empty";
	for (size_t i = 0; !text && options->environment && options->environment[i]; i++) {
		if (!strchr(options->environment[i], '=') || options->environment[i][0] == '=')
			text = "options.environment must have NAME=VALUE";
	}
	for (size_t i = 0; !text && options->trust_modules && options->trust_modules[i]; i++) {
		if (!*options->trust_modules[i])
			text = "a name in options.trust_modules is empty";
	}
	return text ? error_create_code(ERROR_INVALID, "%s", text) : NULL;
}

/* -- output that is kept -- */

enum { KEPT_MIB = 256 }; /* of a stream: an isolated worker that was taken over does not fill the caller's memory */

static int append(struct buffer *buffer, const void *bytes, size_t size)
{
	size_t room = buffer->room ? buffer->room : 4096;
	char *larger;

	if (size > ((size_t)KEPT_MIB << 20) - buffer->size)
		return EFBIG;
	while (room - buffer->size <= size) /* with the NUL behind it */
		room *= 2;
	if (room != buffer->room) {
		larger = realloc(buffer->bytes, room);
		if (!larger)
			return ENOMEM;
		buffer->bytes = larger;
		buffer->room = room;
	}
	memcpy(buffer->bytes + buffer->size, bytes, size);
	buffer->size += size;
	buffer->bytes[buffer->size] = '\0';
	return 0;
}

/* -- running -- */

/* The caller's input and trace, with an output of ours: they share one opaque pointer. */
struct keeper {
	const struct xray86_run_options *theirs;
	xray86_result *result;
	bool full; /* no more is kept */
};

static long give_input(void *opaque, void *to, size_t size, int idle)
{
	const struct keeper *keeper = opaque;

	return keeper->theirs->input ? keeper->theirs->input(keeper->theirs->opaque, to, size, idle) : 0;
}

static int take_output(void *opaque, enum xray86_stream stream, const void *bytes, size_t size)
{
	struct keeper *keeper = opaque;
	int failure;

	if (keeper->theirs->output)
		return keeper->theirs->output(keeper->theirs->opaque, stream, bytes, size);
	failure = append(stream == XRAY86_STDERR ? &keeper->result->err : &keeper->result->out, bytes, size);
	keeper->full |= failure == EFBIG;
	return failure;
}

static void take_trace(void *opaque, const char *json)
{
	const struct keeper *keeper = opaque;

	keeper->theirs->trace(keeper->theirs->opaque, json);
}

static struct error *run(xray86_session *session, const char *const *command, const struct xray86_run_options *theirs,
			 xray86_result *result)
{
	static const char *const usual[] = {"PATH=" DEFAULT_PATH, NULL};
	struct xray86_run_options options;
	struct error *err = api_take(&options, sizeof(options), theirs, "xray86_run_options");
	struct xray86_run_options taken = options;
	struct keeper keeper = {.theirs = &taken, .result = result};

	if (!err && (!command || !command[0] || !*command[0]))
		err = error_create_code(ERROR_INVALID, "there is no command");
	if (!err)
		err = check_options(&options);
	if (err)
		return err;
	options.input = give_input;
	options.output = take_output;
	options.trace = options.trace ? take_trace : NULL;
	options.opaque = &keeper;
	if (!options.environment)
		options.environment = usual;
	err = session->backend->run(session->self, command, &options, &result->outcome);
	if (!err || !keeper.full)
		return err;
	error_destroy(err);
	return error_create("the command was ended, because it wrote more than %d MiB: take its output in pieces (options.output)",
			    KEPT_MIB);
}

xray86_error *xray86_run(xray86_session *session, const char *const *command, const struct xray86_run_options *options, xray86_result **ret)
{
	xray86_error *busy;
	xray86_result *result;
	struct error *err;

	if (!ret)
		return api_invalid("there is no place for the result");
	*ret = NULL;
	busy = api_enter(session);
	if (busy)
		return busy;
	result = calloc(1, sizeof(*result));
	err = result ? run(session, command, options, result) : error_create("out of memory");
	if (err)
		xray86_result_destroy(result);
	else
		*ret = result;
	return api_leave(session, err);
}

/* -- results -- */

int xray86_result_status(const xray86_result *result)
{
	return result->outcome.status;
}

const char *xray86_result_output(const xray86_result *result, enum xray86_stream stream, size_t *ret_size)
{
	const struct buffer *buffer = stream == XRAY86_STDERR ? &result->err : &result->out;

	if (ret_size)
		*ret_size = buffer->size;
	return buffer->bytes ? buffer->bytes : "";
}

int xray86_result_unproven(const xray86_result *result)
{
	return result->outcome.unproven;
}

const char *xray86_result_losses(const xray86_result *result)
{
	return result->outcome.losses;
}

const char *xray86_result_stats(const xray86_result *result)
{
	return result->outcome.stats;
}

void xray86_result_destroy(xray86_result *result)
{
	if (!result)
		return;
	free(result->outcome.losses);
	free(result->outcome.stats);
	free(result->out.bytes);
	free(result->err.bytes);
	free(result);
}
