/* xray86: the command line. Finds the command, and is the one place where errors end: one line on stderr, and an exit status. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/bus_error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/stack.h"
#include "cli/worker.h"
#include "util/quote.h"

static const struct command {
	const char *name;
	const char *summary;
	struct error *(*run)(int argc, char **argv, int *ret_status);
} commands[] = {
	{"run", "run a command of this machine as if it were in a snapshot", run_command},
	{"info", "tell what a snapshot is, and which kernel is in it", info_command},
	{"kernel", "name the packages that have a snapshot's kernel, and get them", kernel_command},
	{"cache", "list or delete the booted and unpacked kernels that are kept", cache_command},
	{"symbols", "print a Linux kernel's symbols, or find some by name or address", symbols_command},
	{"boot", "run a kernel or BIOS in an emulated PC, its console on stdin and stdout", boot_command},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(void)
{
	puts("xray86 looks inside a frozen virtual machine with the tools of the system that ran in it: it runs a command of\n"
	     "this machine on the memory image of that one, and prints what the command would have printed there.\n"
	     "\n"
	     "usage: xray86 COMMAND [ARGUMENT...]\n"
	     "\n"
	     "Start here:\n"
	     "  virsh dump --memory-only VM memory.elf           make a snapshot (QEMU: dump-guest-memory)\n"
	     "  xray86 info memory.elf                           which kernel runs in it\n"
	     "  xray86 kernel memory.elf --get                   get the image of that kernel from its distribution\n"
	     "  xray86 run memory.elf ps aux                     the processes of the virtual machine\n"
	     "  xray86 run memory.elf ss -tanp                   its sockets\n"
	     "\n"
	     "Commands:");
	for (unsigned i = 0; i < COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	puts("\n"
	     "xray86 COMMAND --help tells more; xray86 --version tells the version.\n"
	     "Exit status: that of the command or guest that ran, or 125 if xray86 failed.");
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
	if (!strcmp(argv[1], "--worker"))
		return worker_command(argc - 1, argv + 1, ret_status);
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
