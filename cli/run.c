/* xray86 run: a command of this machine, run as if its process were in the snapshot. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/courier.h"
#include "cli/options.h"
#include "cli/trace.h"
#include "cli/trusted_vm.h"
#include "redirect/redirect.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
	CALL_BUDGET = 400000000,
	TIMEOUT = 60,
	MAX_TIMEOUT = 1000000,
	FIRST_PID = 30000,
	FIRST_PID_64 = 4100000
};

struct run_options {
	const char *snapshot, *root, *trace;
	char *const *command;
	struct kernel_sources sources;
	enum redirect_way way;
	unsigned host_pid;
	uint64_t memory;
	unsigned timeout; /* seconds of the trusted VM's CPU */
	bool no_redirect, tracing, stats, json, no_cache, product_code;
};

/* -- options -- */

static struct error *set_kernel(void *into, const char *value)
{
	((struct run_options *)into)->sources.file = value;
	return NULL;
}

static struct error *set_kernel_path(void *into, const char *value)
{
	((struct run_options *)into)->sources.path = value;
	return NULL;
}

static struct error *set_root(void *into, const char *value)
{
	((struct run_options *)into)->root = value;
	return NULL;
}

static struct error *set_as(void *into, const char *value)
{
	unsigned long long number;
	struct error *err = parse_number("as", value, &number);

	if (!err && (!number || number > 1 << 22))
		err = error_create("--as %s: must be the number of a process in the snapshot", value);
	if (!err)
		((struct run_options *)into)->host_pid = number;
	return err;
}

static struct error *set_redirect(void *into, const char *value)
{
	bool tags = strcmp(value, "tags") == 0;

	bool none = strcmp(value, "none") == 0;

	if (!tags && !none && strcmp(value, "context") != 0)
		return error_create("--redirect %s: must be context, tags or none", value);
	((struct run_options *)into)->no_redirect = none;
	((struct run_options *)into)->way = tags ? REDIRECT_TAGS : REDIRECT_CONTEXT;
	return NULL;
}

static struct error *set_code(void *into, const char *value)
{
	bool product = strcmp(value, "product") == 0;

	if (!product && strcmp(value, "trusted") != 0)
		return error_create("--code %s: must be trusted or product", value);
	((struct run_options *)into)->product_code = product;
	return NULL;
}

static struct error *set_memory(void *into, const char *value)
{
	unsigned long long size;
	struct error *err = parse_size("memory", value, &size);

	if (!err && (size < 64ull << 20 || size > MACHINE_MAX_MEMORY || size % PAGE_SIZE))
		err = error_create("--memory %s: must be 64 MiB to 64 GiB, in whole 4 KiB pages", value);
	if (!err)
		((struct run_options *)into)->memory = size;
	return err;
}

static struct error *set_timeout(void *into, const char *value)
{
	unsigned long long seconds;
	struct error *err = parse_number("timeout", value, &seconds);

	if (!err && (!seconds || seconds > MAX_TIMEOUT))
		err = error_create("--timeout %s: must be 1 to %d seconds", value, MAX_TIMEOUT);
	if (!err)
		((struct run_options *)into)->timeout = seconds;
	return err;
}

static struct error *set_trace(void *into, const char *value)
{
	((struct run_options *)into)->tracing = true;
	((struct run_options *)into)->trace = value;
	return NULL;
}

static struct error *set_no_cache(void *into, const char *value)
{
	(void)value;
	((struct run_options *)into)->no_cache = true;
	return NULL;
}

static struct error *set_stats(void *into, const char *value)
{
	(void)value;
	((struct run_options *)into)->stats = true;
	return NULL;
}

static struct error *set_json(void *into, const char *value)
{
	(void)value;
	((struct run_options *)into)->json = true;
	return NULL;
}

static const struct option_spec option_specs[] = {
	{"as", "PID", "see what this process of the snapshot sees (its root, namespaces, rights); 1 unless told", set_as},
	{"kernel", "FILE", "the image of the snapshot's kernel: a vmlinuz of the very build", set_kernel},
	{"kernel-path", "DIR[:DIR...]", "where to look for it, before /boot and xray86/kernels in the user's cache directory",
	 set_kernel_path},
	{"root", "DIR", "take COMMAND from the file system unpacked there (needed for 32-bit kernels)", set_root},
	{"redirect", "context|tags|none",
	 "how data accesses find the snapshot: context (unless told) and tags print the same;\n"
	 "none: they do not, and COMMAND looks at the trusted VM itself, for comparison",
	 set_redirect},
	{"code", "trusted|product",
	 "code that the trusted kernel lacks (modules): give the call up, unless told, or run the snapshot's own", set_code},
	{"memory", "SIZE", "RAM of the trusted VM, in MiB or with a suffix K, M, G", set_memory},
	{"timeout", "SECONDS", "of the trusted VM's CPU (1000000000 instructions each) until COMMAND is stopped; 60 unless told",
	 set_timeout},
	{"no-cache", NULL, "boot the trusted kernel anew, and keep nothing", set_no_cache},
	{"trace", "[=FILE]", "a line for each system call that went to the snapshot, to FILE or stderr", set_trace},
	{"stats", NULL, "at the end, print counters to stderr", set_stats},
	{"json", NULL, "both as JSON, an object a line", set_json},
	{0},
};

static void print_help(void)
{
	puts("usage: xray86 run SNAPSHOT [OPTION...] -- COMMAND [ARGUMENT...]\n"
	     "\n"
	     "Runs COMMAND, a program of this machine, as if its process were in the virtual machine whose memory SNAPSHOT\n"
	     "holds, at that moment: ps shows its processes, ss its sockets, ls and cat its /proc and files in memory.\n"
	     "A kernel of the same build as the snapshot's is booted in an emulator for it. The snapshot is never written.\n");
	options_help(option_specs);
	puts("\n"
	     "Exit status:\n"
	     "  that of COMMAND (128 + N if signal N ended it)\n"
	     "  125  xray86 failed\n"
	     "  126  COMMAND cannot be run\n"
	     "  127  COMMAND is not found\n"
	     "\n"
	     "Example: xray86 run machine.elf -- ps aux");
}

static struct error *parse_arguments(int argc, char **argv, struct run_options *options, bool *ret_help)
{
	struct error *err;
	int others, help, dashes = 1;

	*options = (struct run_options){.root = "", .timeout = TIMEOUT};
	while (dashes < argc && strcmp(argv[dashes], "--") != 0)
		dashes++;
	err = options_parse(option_specs, options, dashes, argv, &others, &help);
	*ret_help = help;
	if (err || help)
		return err;
	if (others != 1)
		return error_create("run needs one SNAPSHOT before --: see xray86 run --help");
	if (dashes + 1 >= argc)
		return error_create("run needs -- and a COMMAND after the snapshot: see xray86 run --help");
	options->snapshot = argv[1];
	options->command = argv + dashes + 1;
	return NULL;
}

/* -- introspection -- */

struct session {
	const struct run_options *options;
	struct target target;
	struct program program;
	struct courier courier;
	struct trusted_vm vm;
	struct redirect *redirect;
	struct trace trace;
	uint64_t booted; /* instructions until then */
};

static bool is_64bit(const struct session *session)
{
	return session->target.product.x86_64;
}

static uint32_t first_pid(const struct session *session)
{
	return is_64bit(session) ? FIRST_PID_64 : FIRST_PID;
}

static const uint8_t *page(void *opaque, uint64_t paddr)
{
	return snapshot_page(opaque, paddr);
}

static bool is_delivered(void *opaque, const char *path)
{
	return program_has(&((const struct session *)opaque)->program, path);
}

static const char *search_path(const struct session *session)
{
	const char *path = getenv("PATH");

	return path && !*session->options->root ? path : DEFAULT_PATH;
}

static enum kernel_arch arch_of(const struct session *session)
{
	return is_64bit(session) ? KERNEL_X86_64 : KERNEL_I386;
}

static bool is_in_search_path(const char *search, const char *path)
{
	size_t length = strrchr(path, '/') - path;

	for (const char *at = search; *at; at += strcspn(at, ":"), at += *at == ':') {
		if (strcspn(at, ":") == length && strncmp(at, path, length) == 0)
			return true;
	}
	return false;
}

/* A command that a tool runs, of a shell's pipeline say: delivered when it is looked for. */
static bool is_wanted(void *opaque, struct redirect *redirect, const char *path)
{
	struct session *session = opaque;
	struct program *program = &session->program;
	size_t before = program->files;
	struct error *err;

	if (!is_in_search_path(search_path(session), path) || program_has(program, path) || !program_exists(session->options->root, path))
		return false;
	if (!redirect)
		return true;
	err = program_add_command(program, session->options->root, path, search_path(session), arch_of(session));
	for (size_t i = before; !err && i < program->files; i++) {
		struct file file = {0};

		err = file_open(program->file[i].source, &file);
		if (!err && !redirect_deliver(redirect, program->file[i].path, program->file[i].mode, file.data, file.size))
			err = error_create("%s could not be delivered", program->file[i].path);
		file_close(&file);
	}
	if (err)
		fprintf(stderr, "xray86: note: %s: %s\n", path, err->message);
	error_destroy(err);
	return true;
}

static struct error *make_redirect(struct session *session)
{
	const struct product *product = &session->target.product;
	const struct redirect_config config = {
		.machine = session->vm.machine,
		.symbols = &session->vm.symbols,
		.x86_64 = is_64bit(session),
		.way = session->options->way,
		.host_pid = session->options->host_pid,
		.budget = CALL_BUDGET,
		.agent = true,
		.first_pid = first_pid(session),
		.delivered = is_delivered,
		.wanted = is_wanted,
		.delivered_opaque = session,
		.product_code = session->options->product_code,
		.report = stderr,
		.trace = session->trace.to ? trace_call : NULL,
		.trace_opaque = &session->trace,
		.product =
			{
				.memory = {session->target.snapshot, page},
				.paging = product->paging,
				.kernel_start = is_64bit(session) ? 1ull << 63 : 0xc0000000,
				.percpu = product->per_cpu_base[0],
			},
	};

	return redirect_create(&config, &session->redirect);
}

static struct error *obey(struct session *session, bool *ret_done)
{
	enum courier_wish wish = session->courier.wish;

	session->courier.wish = COURIER_NONE;
	*ret_done = wish == COURIER_EXIT;
	return wish == COURIER_BEGIN && !session->options->no_redirect ? redirect_begin(session->redirect) : NULL;
}

/* How the machine stopped that ought to have gone on. */
static struct error *describe_stop(const struct session *session, enum machine_stop stop)
{
	if (stop == MACHINE_STOP_RESET || stop == MACHINE_STOP_SHUTDOWN)
		return error_create("the trusted kernel panicked (try more --memory)");
	return error_create("the trusted VM stopped before the command was done (%d) at RIP %#" PRIx64, stop,
			    session->vm.machine->cpu->rip);
}

/* Of the trusted VM since it was ready, without what it idled away. */
static uint64_t instructions(const struct session *session)
{
	return cpu_instructions(session->vm.machine->cpu) - session->vm.machine->idle - session->booted;
}

static struct error *converse(struct session *session)
{
	uint64_t limit = session->options->timeout * 1000000000ull;
	struct error *err = NULL;
	bool done = false;

	while (!err && !done) {
		uint64_t used = instructions(session);
		enum machine_stop stop;

		if (used >= limit)
			return error_create("the command did not end within %u s of its machine's CPU: give it more with --timeout",
					    session->options->timeout);
		stop = redirect_run(session->redirect, cpu_instructions(session->vm.machine->cpu) + (limit - used));
		err = redirect_failure(session->redirect);
		if (!err && session->courier.failure) {
			err = session->courier.failure;
			session->courier.failure = NULL;
		} else if (!err && stop == MACHINE_STOP_CPU && session->courier.wish != COURIER_NONE) {
			err = obey(session, &done);
		} else if (!err && stop != MACHINE_STOP_LIMIT) {
			err = describe_stop(session, stop);
		}
	}
	return err;
}

/* -- the whole -- */

static struct error *open_trace(struct session *session)
{
	const struct run_options *options = session->options;

	session->trace.json = options->json;
	if (options->tracing)
		session->trace.to = options->trace ? fopen(options->trace, "we") : stderr;
	return options->tracing && !session->trace.to ? error_create("%s: %s", options->trace, strerror(errno)) : NULL;
}

static struct error *close_trace(struct session *session)
{
	const char *path = session->options->trace;

	if (!session->trace.to || session->trace.to == stderr)
		return NULL;
	return fclose(session->trace.to) ? error_create("%s: %s", path, strerror(errno)) : NULL;
}

static struct error *collect(struct session *session)
{
	return program_collect(session->options->root, session->options->command[0], search_path(session), arch_of(session),
			       &session->program);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The product is identified and a trusted VM waits: what is left is the command. */
static struct error *run_in_vm(struct session *session, int *ret_status)
{
	extern char **environ;
	struct error *err = collect(session);

	if (err && strstr(err->message, PROGRAM_NOT_FOUND)) {
		fprintf(stderr, "xray86: %s\n", err->message);
		error_destroy(err);
		*ret_status = EXIT_NOT_FOUND;
		return NULL;
	}
	if (!err)
		err = make_redirect(session);
	if (err)
		return err;
	session->courier.program = &session->program;
	session->courier.argument = session->options->command;
	session->courier.environment = environ;
	session->courier.directory = "/";
	session->courier.folders[0] = search_path(session);
	session->courier.folders[1] = program_library_path(arch_of(session));
	session->courier.first_pid = first_pid(session);
	if (session->options->product_code)
		fputs("xray86: note: code of modules is the snapshot's own, unverified (--code product)\n", stderr);
	session->booted = instructions(session);
	err = converse(session);
	*ret_status = exit_status(session->courier.status);
	if (session->options->stats)
		trace_stats(redirect_stats(session->redirect), instructions(session), session->options->json);
	return err;
}

static struct error *run(struct session *session, int *ret_status)
{
	const struct run_options *options = session->options;
	const struct trusted_vm_options vm_options = {.memory = options->memory, .use_cache = !options->no_cache};
	struct error *err = snapshot_open(options->snapshot, &session->target.snapshot);

	if (!err)
		err = open_trace(session);
	if (!err)
		err = trusted_vm_open(&session->target, options->snapshot, &options->sources, &vm_options, &session->courier, &session->vm);
	return err ? err : run_in_vm(session, ret_status);
}

struct error *run_command(int argc, char **argv, int *ret_status)
{
	struct run_options options;
	struct session session = {.options = &options};
	struct error *err, *close_error;
	bool help;

	err = parse_arguments(argc, argv, &options, &help);
	if (err)
		return err;
	if (help) {
		print_help();
		return NULL;
	}
	err = run(&session, ret_status);
	close_error = close_trace(&session);
	if (!err)
		err = close_error;
	else
		error_destroy(close_error);
	redirect_destroy(session.redirect);
	courier_deinit(&session.courier);
	trusted_vm_close(&session.vm);
	program_deinit(&session.program);
	target_close(&session.target);
	return err;
}
