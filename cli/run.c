/* xray86 run: a command of this machine, run as if its process were in the snapshot. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/closing.h"
#include "cli/commands.h"
#include "session/courier.h"
#include "cli/deadline.h"
#include "session/policy_file.h"
#include "cli/run_options.h"
#include "cli/sandbox.h"
#include "session/supply.h"
#include "cli/trace.h"
#include "session/trusted_vm.h"
#include "redirect/redirect.h"
#include "util/quote.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { CALL_BUDGET = 100000000, FIRST_PID = 30000, FIRST_PID_64 = 4100000 };

/* -- introspection -- */

struct session {
	const struct run_options *options;
	struct target target;
	struct cache cache;
	struct program program;
	struct supply supply;
	char **environment; /* the command's */
	struct courier courier;
	struct trusted_vm vm;
	struct supplier supplier;
	struct redirect *redirect;
	struct losses losses;
	struct trace trace;
	struct policy policy;
	struct deadline deadline;
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

static enum readers readers(void *opaque, const char *path)
{
	const struct session *session = opaque;
	enum program_file_kind kind;

	if (!program_has(&session->program, path, &kind))
		return READERS_NONE;
	return kind == PROGRAM_DATA ? READERS_ALL : READERS_LOADER;
}

static bool is_loader(void *opaque, uint64_t address, const uint8_t *code, size_t size)
{
	return program_is_loader(&((const struct session *)opaque)->program, address, code, size);
}

static uint64_t output(void *opaque)
{
	return ((const struct session *)opaque)->courier.output;
}

static const char *search_path(const struct session *session)
{
	const char *path = environment_get(session->environment, "PATH");

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

static bool offers(void *opaque, enum delivery_kind kind, const char *executable, const char *path)
{
	const struct session *session = opaque;

	if (kind == DELIVERY_MODULES)
		return program_has_modules_at(&session->program, executable, path);
	return is_in_search_path(search_path(session), path) && program_exists(session->options->root, path);
}

/* A command that a tool runs, of a shell's pipeline say. */
static struct error *deliver_program(struct session *session, struct redirect *redirect, const char *path)
{
	struct program *program = &session->program;
	size_t before = program->files;
	struct error *err;

	if (program_has(program, path, NULL))
		return NULL;
	err = program_add_command(program, session->options->root, path, search_path(session), arch_of(session));
	if (!err)
		err = program_find_modules(program, before);
	return err ? err : deliver_files(redirect, program, before);
}

static void take_note(void *opaque, const char *text)
{
	(void)opaque;
	fprintf(stderr, "xray86: note: %s\n", text);
}

static void deliver(void *opaque, enum delivery_kind kind, struct redirect *redirect, const char *path)
{
	struct session *session = opaque;
	char quoted[QUOTE_NAME];
	struct error *err =
		kind == DELIVERY_MODULES ? deliver_modules(&session->supply, redirect, path) : deliver_program(session, redirect, path);

	if (err)
		note(&(struct notes){take_note, NULL}, "%s: %s", quote_string(quoted, sizeof(quoted), path), err->message);
	error_destroy(err);
}

/* i386: PAGE_OFFSET. */
static uint64_t kernel_start(const struct session *session)
{
	const struct landmarks *landmarks = &session->vm.kernel.landmarks;

	return is_64bit(session) ? 1ull << 63 : landmarks->link_base - landmarks->link_paddr;
}

static struct error *make_redirect(struct session *session)
{
	const struct product *product = &session->target.product;
	const struct supplier supplier = {readers, is_loader, offers, deliver, session};
	const struct redirect_config config = {
		.machine = session->vm.machine,
		.symbols = &session->vm.symbols,
		.constants = &session->vm.kernel.landmarks.constants,
		.constants_shift = session->vm.kernel.base - session->vm.kernel.landmarks.link_base,
		.x86_64 = is_64bit(session),
		.way = session->options->way,
		.policy = session->options->policy ? &session->policy : NULL,
		.host_pid = session->options->host_pid,
		.budget = CALL_BUDGET,
		.cancel = deadline_cancel(&session->deadline),
		.output = output,
		.output_opaque = session,
		.agent = true,
		.first_pid = first_pid(session),
		.supplier = &session->supplier,
		.trusted_only = session->options->no_redirect,
		.product_code = session->options->product_code,
		.notes = {take_note, NULL},
		.losses = &session->losses,
		.trace = session->trace.to ? trace_call : NULL,
		.trace_opaque = &session->trace,
		.product =
			{
				.memory = snapshot_source(session->target.snapshot),
				.paging = product->paging,
				.kernel_start = kernel_start(session),
				.percpu = product->per_cpu_base[0],
			},
	};

	session->supplier = supplier;
	return redirect_create(&config, &session->redirect);
}

static struct error *obey(struct session *session, bool *ret_done)
{
	enum courier_wish wish = session->courier.wish;

	session->courier.wish = COURIER_NONE;
	*ret_done = wish == COURIER_EXIT;
	return wish == COURIER_BEGIN ? redirect_begin(session->redirect) : NULL;
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
	uint64_t limit = session->options->budget;
	struct error *err = NULL;
	bool done = false;

	while (!err && !done) {
		uint64_t used = instructions(session) + redirect_stats(session->redirect)->iterations / WORK_ITERATIONS;
		enum machine_stop stop;

		if (deadline_passed(&session->deadline))
			return error_create("the command was stopped");
		if (used >= limit)
			return error_create("the command did not end within %" PRIu64 " instructions: give it more with --budget", limit);
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

static struct error *read_policy(struct session *session)
{
	const char *path = session->options->policy;

	if (!path)
		return NULL;
	return policy_init(&session->policy) ? policy_file_read(path, &session->policy) : error_create("out of memory");
}

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
	bool failed;

	if (!session->trace.to || session->trace.to == stderr)
		return NULL;
	errno = 0;
	failed = fflush(session->trace.to) || ferror(session->trace.to); /* what failed before has been dropped, and errno with it */
	failed |= fclose(session->trace.to) != 0;
	return failed ? error_create("%s: %s", path, errno ? strerror(errno) : "it could not be written") : NULL;
}

/* Without a cache, every run boots the trusted kernel: slow, but right. */
static void open_cache(struct session *session)
{
	struct error *err = session->options->no_cache ? NULL : cache_open(&session->cache);

	if (err)
		fprintf(stderr,
			"xray86: note: booted kernels are not kept, and every run boots one: %s (XDG_CACHE_HOME=DIR takes another folder,"
			" --no-cache none)\n",
			err->message);
	error_destroy(err);
}

/* Before the snapshot is looked into: what no kernel of either architecture could run need not wait for that. */
static struct error *look_up_command(struct session *session)
{
	return program_collect(session->options->root, session->options->command[0], search_path(session), KERNEL_X86_64,
			       &session->program);
}

/* The snapshot's kernel is known, and so is what it can run. */
static struct error *collect(void *opaque, const struct product *product)
{
	struct session *session = opaque;
	const char *root = session->options->root;
	struct error *err = NULL;

	if (!product->x86_64) {
		program_deinit(&session->program);
		err = program_collect(root, session->options->command[0], search_path(session), KERNEL_I386, &session->program);
	}
	if (!err)
		err = program_find_modules(&session->program, 0);
	return err ? err : program_add_usual_data(&session->program, root, session->environment);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The product is identified and a trusted VM waits: what is left is the command. */
static struct error *run_in_vm(struct session *session, int *ret_status)
{
	struct error *err = make_redirect(session);

	if (err)
		return err;
	session->supply.program = &session->program;
	session->supply.root = session->options->root;
	session->courier.deadline = &session->deadline;
	session->courier.program = &session->program;
	session->courier.argument = session->options->command;
	session->courier.environment = session->environment;
	session->courier.directory = "/";
	session->courier.folders[0] = search_path(session);
	session->courier.folders[1] = program_library_path(arch_of(session));
	session->courier.first_pid = first_pid(session);
	session->courier.uptime = session->target.product.uptime_ms / 1000;
	if (session->options->product_code)
		fputs("xray86: note: code of modules is the snapshot's own, unverified (--code product)\n", stderr);
	session->booted = instructions(session);
	err = converse(session);
	*ret_status = exit_status(session->courier.status);
	if (session->options->stats)
		trace_stats(redirect_stats(session->redirect), &session->losses, instructions(session), session->options->json);
	return err;
}

static struct error *run(struct session *session, int *ret_status)
{
	extern char **environ;
	const struct run_options *options = session->options;
	const struct trusted_vm_options vm_options = {
		.memory = options->memory,
		.cancel = deadline_cancel(&session->deadline),
		.cache = &session->cache,
		.identified = collect,
		.opaque = session,
	};
	struct error *err = deadline_start(&session->deadline, options->timeout);
	bool told = false;

	if (!err)
		err = read_policy(session);
	if (!err)
		err = open_trace(session);
	if (!err)
		err = environment_build(environ, &options->env, &session->environment);
	if (!err)
		err = look_up_command(session);
	if (err)
		return err;
	open_cache(session);
	/* What is to be written is open. From here on, what is looked at may be hostile. */
	sandbox_enter_unless(options->no_sandbox, session->cache.directory < 0 ? SANDBOX_READING : SANDBOX_SAVING, session->cache.directory,
			     &told);
	err = target_open(&session->target, options->snapshot);
	if (!err) {
		session->target.snapshot->cancel = deadline_cancel(&session->deadline);
		err = trusted_vm_open(&session->target, &options->sources, &vm_options, &session->courier, &session->vm);
	}
	if (err)
		return err;
	if (session->cache.directory >= 0)
		sandbox_enter_unless(options->no_sandbox, SANDBOX_READING, -1, &told);
	return run_in_vm(session, ret_status);
}

static void check_file(struct session *session)
{
	static const enum loss_cause causes[] = {
		[SNAPSHOT_SAME] = LOSS_NONE,
		[SNAPSHOT_TRUNCATED] = LOSS_TRUNCATED,
		[SNAPSHOT_CHANGED] = LOSS_CHANGED,
	};
	const struct snapshot *snapshot = session->target.snapshot;

	if (snapshot)
		losses_record(&session->losses, causes[snapshot_change(snapshot)]);
}

/* After all else but the error that the run may end with. */
static void tell_losses(struct session *session, int *ret_status)
{
	const struct run_options *options = session->options;
	const struct closing_options closing = {options->product_code, options->tracing, options->strict};

	if (options->json && session->trace.to)
		closing_tell_json(&session->losses, session->trace.to);
	if (options->json && options->stats && session->trace.to != stderr)
		closing_tell_json(&session->losses, stderr);
	closing_tell(&session->losses, &closing, stderr);
	if (options->strict && losses_any(&session->losses))
		*ret_status = EXIT_XRAY86;
}

static struct error *run_session(struct session *session, int *ret_status)
{
	struct error *err = run(session, ret_status), *close_error;

	check_file(session);
	tell_losses(session, ret_status);
	close_error = close_trace(session);
	if (!err)
		err = close_error;
	else
		error_destroy(close_error);
	if (deadline_passed(&session->deadline)) {
		error_destroy(err);
		err = NULL;
		deadline_tell(&session->deadline);
		*ret_status = EXIT_XRAY86;
	}
	redirect_destroy(session->redirect);
	policy_deinit(&session->policy);
	courier_deinit(&session->courier);
	trusted_vm_close(&session->vm);
	supply_deinit(&session->supply);
	cache_close(&session->cache);
	program_deinit(&session->program);
	target_close(&session->target);
	environment_free(session->environment);
	deadline_stop(&session->deadline);
	return err;
}

struct error *run_command(int argc, char **argv, int *ret_status)
{
	struct run_options options;
	struct session *session;
	struct error *err;
	bool help;

	err = run_parse_arguments(argc, argv, &options, &help);
	if (err || help) {
		if (help && !err)
			run_print_help();
		run_options_deinit(&options);
		return err;
	}
	session = calloc(1, sizeof(*session)); /* buffers are in it, too large for small stacks */
	if (session) {
		session->options = &options;
		session->cache.directory = -1;
		output_open(&session->courier.out, STDOUT_FILENO, options.raw);
		output_open(&session->courier.err, STDERR_FILENO, options.raw);
		session->courier.out.cancel = session->courier.err.cancel = deadline_cancel(&session->deadline);
		err = run_session(session, ret_status);
		free(session);
	} else {
		err = error_create("out of memory");
	}
	run_options_deinit(&options);
	return err;
}
