/* xray86: the command line. Finds the command, and is the one place where errors end: one line on stderr, and an exit status. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/bus_error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/stack.h"
#include "util/quote.h"

static const struct command {
	const char *name;
	const char *summary;
	struct error *(*run)(int argc, char **argv, int *ret_status);
} commands[] = {
	{"boot", "run a kernel or BIOS in an emulated PC, its console on stdin and stdout", boot_command},
	{"run", "run a command of this machine as if it were in a snapshot", run_command},
	{"cache", "list or delete the booted kernels that are kept for later runs", cache_command},
	{"info", "tell what a snapshot of a machine's memory is, and which kernel is in it", info_command},
	{"symbols", "print a Linux kernel's symbols, or find some by name or address", symbols_command},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(void)
{
	puts("xray86: an exact, deterministic x86 PC emulator\n"
	     "\n"
	     "usage: xray86 COMMAND [OPTION...] ...\n");
	for (unsigned i = 0; i < COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	puts("\n"
	     "xray86 COMMAND --help tells more; xray86 --version tells the version.\n"
	     "Exit status: the guest's own, or 125 if xray86 failed.");
}

static struct error *run(int argc, char **argv, int *ret_status)
{
	char quoted[QUOTE_NAME];

	*ret_status = 0;
	if (argc < 2)
		return error_create("no command given: see xray86 --help");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help();
		return NULL;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("xray86 " XRAY86_VERSION);
		return NULL;
	}
	for (unsigned i = 0; i < COMMANDS; i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1, ret_status);
	}
	return error_create("unknown command %s: see xray86 --help", quote_string(quoted, sizeof(quoted), argv[1]));
}

/* As env(1): what is wrong with the command that was to be run has statuses of its own. */
static int status_of(const struct error *err)
{
	return err->code == ERROR_NOT_FOUND ? EXIT_NOT_FOUND : err->code == ERROR_CANNOT_EXECUTE ? EXIT_CANNOT_RUN : EXIT_XRAY86;
}

/* Takes err. */
static int tell(struct error *err)
{
	int status = status_of(err);

	fprintf(stderr, "xray86: %s\n", err->message);
	error_destroy(err);
	return status;
}

struct call {
	int argc;
	char **argv;
	int status;
};

static void call_run(void *opaque)
{
	struct call *call = opaque;
	struct error *err = run(call->argc, call->argv, &call->status);

	if (err)
		call->status = tell(err);
}

int main(int argc, char **argv)
{
	struct call call = {.argc = argc, .argv = argv};
	struct streams streams;
	int failure;

	streams_complete();
	bus_error_catch();
	signal(SIGXFSZ, SIG_IGN); /* write() says EFBIG then, which is told */
	streams_open(&streams);
	if (!stack_call(call_run, &call))
		call.status = tell(error_create("no memory for a stack"));
	failure = streams_finish(&streams);
	if (failure)
		call.status = tell(error_create("standard output: %s", strerror(failure)));
	return streams.err.error ? EXIT_XRAY86 : call.status;
}
