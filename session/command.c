/* Commands: command.h. */
#include "session/command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "session/environment.h"
#include "session/policy_file.h"
#include "session/supply.h"

enum { FIRST_PID = 30000, FIRST_PID_64 = 4100000 };

struct command {
	struct session *session;
	const struct command_options *options;
	struct policy policy;
	struct program program;
	struct supply supply;
	struct supplier supplier;
	struct courier courier;
	struct machine *machine;
	struct redirect *redirect;
	struct losses losses;
	uint64_t booted; /* instructions until then */
};

static bool is_64bit(const struct command *command)
{
	return command->session->target.product.x86_64;
}

static uint32_t first_pid(const struct command *command)
{
	return is_64bit(command) ? FIRST_PID_64 : FIRST_PID;
}

static enum kernel_arch arch_of(const struct command *command)
{
	return is_64bit(command) ? KERNEL_X86_64 : KERNEL_I386;
}

static const char *search_path(const struct command *command)
{
	const char *path = environment_get(command->options->environment, "PATH");

	return path && !*command->options->root ? path : DEFAULT_PATH;
}

/* -- making it -- */

static struct error *read_policy(struct command *command)
{
	const char *path = command->options->policy;

	if (!path)
		return NULL;
	return policy_init(&command->policy) ? policy_file_read(path, &command->policy) : error_create("out of memory");
}

/* The kernel is not known: what none of either architecture could run need not wait for it. */
static struct error *look_up(struct command *command)
{
	return program_collect(command->options->root, command->options->words[0], search_path(command), KERNEL_X86_64, &command->program);
}

struct error *command_create(struct session *session, const struct command_options *options, struct command **ret)
{
	struct command *command = calloc(1, sizeof(*command)); /* buffers are in it, too large for small stacks */
	struct error *err;

	*ret = NULL;
	if (!command)
		return error_create("out of memory");
	command->session = session;
	command->options = options;
	err = read_policy(command);
	if (!err)
		err = look_up(command);
	if (!err)
		*ret = command;
	else
		command_destroy(command);
	return err;
}

/* -- preparing -- */

/* What can be executed by the kernel is known. */
static struct error *collect(void *opaque, const struct product *product)
{
	struct command *command = opaque;
	const struct command_options *options = command->options;
	struct error *err = NULL;

	if (!product->x86_64) {
		program_deinit(&command->program);
		err = program_collect(options->root, options->words[0], search_path(command), KERNEL_I386, &command->program);
	}
	if (!err)
		err = program_find_modules(&command->program, 0);
	return err ? err : program_add_usual_data(&command->program, options->root, options->environment);
}

static void check_file(struct command *command)
{
	static const enum loss_cause causes[] = {
		[SNAPSHOT_SAME] = LOSS_NONE,
		[SNAPSHOT_TRUNCATED] = LOSS_TRUNCATED,
		[SNAPSHOT_CHANGED] = LOSS_CHANGED,
	};

	const struct snapshot *snapshot = command->session->target.snapshot;

	if (snapshot)
		losses_record(&command->losses, causes[snapshot_change(snapshot)]);
}

struct error *command_prepare(struct command *command)
{
	struct error *err = session_boot(command->session, command->options->trusted, collect, command);

	if (err)
		check_file(command);
	return err;
}

/* -- running -- */

static uint64_t output(void *opaque)
{
	return ((const struct command *)opaque)->courier.output;
}

static struct error *make_redirect(struct command *command)
{
	const struct command_options *options = command->options;
	struct redirect_config config;

	session_describe(command->session, command->machine, &config);
	config.way = options->way;
	config.policy = options->policy ? &command->policy : NULL;
	config.host_pid = options->host_pid;
	config.output = output;
	config.output_opaque = command;
	config.agent = true;
	config.first_pid = first_pid(command);
	config.supplier = &command->supplier;
	config.trusted_only = options->no_redirect;
	config.code = options->code;
	config.trust_modules = options->trust_modules;
	config.losses = &command->losses;
	config.trace = options->trace;
	config.trace_opaque = options->trace_opaque;
	if (options->keep)
		config.product.memory = session_kept(command->session);
	return redirect_create(&config, &command->redirect);
}

static void set_supply(struct command *command)
{
	command->supply.program = &command->program;
	command->supply.root = command->options->root;
	command->supply.search_path = search_path(command);
	command->supply.arch = arch_of(command);
	command->supply.notes = command->session->config.notes;
	command->supplier = supply_supplier(&command->supply);
}

static void set_courier(struct command *command)
{
	struct courier *courier = &command->courier;

	courier_init(courier, command->machine);
	courier->program = &command->program;
	courier->argument = command->options->words;
	courier->environment = command->options->environment;
	courier->directory = "/";
	courier->folders[0] = search_path(command);
	courier->folders[1] = program_library_path(arch_of(command));
	courier->streams = command->options->streams;
	courier->first_pid = first_pid(command);
	courier->uptime = command->session->target.product.uptime_ms / 1000;
}

static struct error *obey(struct command *command, bool *ret_done)
{
	enum courier_wish wish = command->courier.wish;

	command->courier.wish = COURIER_NONE;
	*ret_done = wish == COURIER_EXIT;
	return wish == COURIER_BEGIN ? redirect_begin(command->redirect) : NULL;
}

/* Explains an unexpected stop. */
static struct error *describe_stop(const struct command *command, enum machine_stop stop)
{
	if (stop == MACHINE_STOP_RESET || stop == MACHINE_STOP_SHUTDOWN)
		return error_create("the trusted kernel panicked: try more --memory");
	return error_create("the trusted VM stopped before the command was done (%d) at RIP %#" PRIx64, stop, command->machine->cpu->rip);
}

static struct error *converse(struct command *command)
{
	uint64_t limit = command->options->budget;
	struct error *err = NULL;
	bool done = false;

	while (!err && !done) {
		uint64_t used = command_instructions(command) + redirect_stats(command->redirect)->iterations / WORK_ITERATIONS;
		enum machine_stop stop;

		if (cancel_wanted(&command->session->config.cancel))
			return error_create_code(ERROR_CANCELLED, "the command was stopped");
		if (used >= limit)
			return error_create_code(ERROR_TIMEOUT,
						 "the command did not end within %" PRIu64 " instructions: give it more with --budget",
						 limit);
		stop = redirect_run(command->redirect, cpu_instructions(command->machine->cpu) + (limit - used));
		err = redirect_failure(command->redirect);
		if (!err && command->courier.failure) {
			err = command->courier.failure;
			command->courier.failure = NULL;
		} else if (!err && stop == MACHINE_STOP_CPU && command->courier.wish != COURIER_NONE) {
			err = obey(command, &done);
		} else if (!err && stop != MACHINE_STOP_LIMIT) {
			err = describe_stop(command, stop);
		}
	}
	return err;
}

/* Whose code answers, if it is not proven. */
static void tell_code(const struct command *command)
{
	const struct session *session = command->session;
	const struct notes *notes = &session->config.notes;

	if (session->vm.lack)
		note(notes,
		     "the answer is only as honest as the snapshot's own kernel, whose code runs unverified, since its image is not here "
		     "(Linux %s runs the command); xray86 kernel SNAPSHOT --get gets the image",
		     command_trusted_release(command));
	else if (command->options->code == CODE_PRODUCT)
		note(notes, "code of modules is the snapshot's own, unverified (--code product)");
}

struct error *command_run(struct command *command)
{
	struct error *err = trusted_vm_start(&command->session->vm, &command->machine);

	set_supply(command);
	if (!err)
		err = make_redirect(command);
	if (!err) {
		set_courier(command);
		tell_code(command);
		command->booted = command_instructions(command);
		err = converse(command);
	}
	if (!err && command->options->keep)
		err = session_keep(command->session, command->redirect);
	check_file(command);
	return err;
}

void command_destroy(struct command *command)
{
	if (!command)
		return;
	redirect_destroy(command->redirect);
	policy_deinit(&command->policy);
	courier_deinit(&command->courier);
	trusted_vm_end(&command->session->vm, command->machine);
	supply_deinit(&command->supply);
	program_deinit(&command->program);
	free(command);
}

/* -- what is told of it -- */

bool command_is_unproven(const struct command *command)
{
	return command->session->booted && command->session->vm.lack;
}

const char *command_trusted_release(const struct command *command)
{
	return command->session->vm.kernel.landmarks.banner.release;
}

int command_status(const struct command *command)
{
	return command->courier.status;
}

const struct losses *command_losses(const struct command *command)
{
	return &command->losses;
}

const struct redirect_stats *command_stats(const struct command *command)
{
	return command->redirect ? redirect_stats(command->redirect) : NULL;
}

uint64_t command_instructions(const struct command *command)
{
	const struct machine *machine = command->machine;

	return machine ? cpu_instructions(machine->cpu) - machine->idle - command->booted : 0;
}
