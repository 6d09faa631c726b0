/* xray86 run: a command of this machine, run as if its process were in the snapshot. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "cli/closing.h"
#include "cli/commands.h"
#include "cli/deadline.h"
#include "cli/run_options.h"
#include "cli/run_streams.h"
#include "cli/sandbox.h"
#include "cli/trace.h"
#include "session/command.h"
#include "session/report.h"

struct run {
	const struct run_options *options;
	struct session session;
	struct command_options command_options;
	struct command *command;
	char **environment; /* the command's */
	struct run_streams streams;
	struct trace trace;
	struct deadline deadline;
};

static void describe(struct run *run)
{
	const struct run_options *options = run->options;
	const struct session_config config = {
		.snapshot = options->snapshot,
		.sources = options->sources,
		.memory = options->memory,
		.no_cache = options->no_cache,
		.once = true,
		.cancel = deadline_cancel(&run->deadline),
		.notes = run_streams_notes(),
		.progress = run_streams_progress(&run->streams),
	};

	session_init(&run->session, &config);
	run->command_options = (struct command_options){
		.words = options->command,
		.root = options->root,
		.policy = options->policy,
		.host_pid = options->host_pid,
		.way = options->way,
		.no_redirect = options->no_redirect,
		.code = options->code,
		.trusted = options->trusted,
		.trust_modules = options->trust_modules,
		.budget = options->budget,
		.streams = run_streams_command(&run->streams),
		.trace = options->tracing ? trace_call : NULL,
		.trace_opaque = &run->trace,
	};
	run_streams_open(&run->streams, &run->deadline, options->raw);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The snapshot's kernel is known and a trusted VM waits: what is left is the command. */
static struct error *run_in_vm(struct run *run, int *ret_status)
{
	struct error *err = command_run(run->command);

	if (!err)
		err = run_streams_finish(&run->streams);
	*ret_status = exit_status(command_status(run->command));
	if (run->options->stats && command_stats(run->command))
		trace_stats(command_stats(run->command), command_losses(run->command), command_instructions(run->command),
			    run->options->json);
	return err;
}

static struct error *take_steps(struct run *run, int *ret_status)
{
	extern char **environ;
	const struct run_options *options = run->options;
	struct error *err = deadline_start(&run->deadline, options->timeout);
	bool told = false;
	int folder;

	if (!err)
		err = trace_open(&run->trace, options->tracing, options->trace, options->json);
	if (!err)
		err = environment_build(environ, &options->env, &run->environment);
	run->command_options.environment = run->environment;
	if (!err)
		err = command_create(&run->session, &run->command_options, &run->command);
	if (err)
		return err;
	folder = session_open_cache(&run->session);
	/* What is to be written is open. From here on, what is looked at may be hostile. */
	sandbox_enter_unless(options->no_sandbox, folder < 0 ? SANDBOX_READING : SANDBOX_SAVING, folder, &told);
	err = session_open_snapshot(&run->session);
	if (!err)
		err = command_prepare(run->command);
	if (err)
		return err;
	if (folder >= 0)
		sandbox_enter_unless(options->no_sandbox, SANDBOX_READING, -1, &told);
	return run_in_vm(run, ret_status);
}

static void tell_json(const struct run *run, FILE *to)
{
	char *text = command_is_unproven(run->command) ? report_unproven_json(command_trusted_release(run->command)) : NULL;

	if (text)
		fprintf(to, "%s\n", text);
	free(text);
	closing_tell_json(command_losses(run->command), to);
}

/* After all else but the error that the run may end with. */
static void tell_losses(const struct run *run, int *ret_status)
{
	const struct run_options *options = run->options;
	const struct losses *losses = command_losses(run->command);
	const struct closing_options closing = {options->code, options->tracing, options->strict};

	if (options->json && run->trace.to)
		tell_json(run, run->trace.to);
	if (options->json && options->stats && run->trace.to != stderr)
		tell_json(run, stderr);
	closing_tell(losses, &closing, stderr);
	if (options->strict && losses_any(losses))
		*ret_status = EXIT_XRAY86;
}

/* Takes both. */
static struct error *first(struct error *a, struct error *b)
{
	if (!a)
		return b;
	error_destroy(b);
	return a;
}

static struct error *run_whole(struct run *run, int *ret_status)
{
	struct error *err;

	describe(run);
	err = take_steps(run, ret_status);
	if (run->command)
		tell_losses(run, ret_status);
	err = first(err, trace_close(&run->trace));
	if (deadline_passed(&run->deadline)) {
		error_destroy(err);
		err = NULL;
		deadline_tell(&run->deadline);
		*ret_status = EXIT_XRAY86;
	}
	command_destroy(run->command);
	session_close(&run->session);
	environment_free(run->environment);
	deadline_stop(&run->deadline);
	return err;
}

struct error *run_command(int argc, char **argv, int *ret_status)
{
	struct run_options options;
	struct run run = {.options = &options};
	struct error *err;
	bool help;

	err = run_parse_arguments(argc, argv, &options, &help);
	if (!err && help)
		run_print_help();
	if (!err && !help)
		err = run_whole(&run, ret_status);
	run_options_deinit(&options);
	return err;
}
