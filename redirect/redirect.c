/* Introspection: redirect.h. The life of a session, and the way of a system call through its parts. */
#include "redirect/redirect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "redirect/another_kernel.h"
#include "redirect/bodies.h"
#include "redirect/clocks.h"
#include "redirect/constant_data.h"
#include "redirect/directories.h"
#include "redirect/exceptions.h"
#include "redirect/host_choice.h"
#include "redirect/judge.h"
#include "redirect/process_memory.h"
#include "redirect/spin.h"
#include "redirect/stand_ins.h"
#include "redirect/text.h"
#include "util/error.h"

enum { MAX_COPIED_PAGES = 1 << 16 };

/* The parts; each knows those above it that it needs, and none below it. */
struct redirect {
	struct redirect_config config;
	struct worlds worlds;
	struct tools tools;
	struct calls calls;
	struct code_pages code_pages;
	struct modules modules;
	struct code code;
	struct exceptions exceptions;
	struct clocks clocks;
	struct text text;
	struct entries entries;
	struct constant_data constants;
	struct host_task host;
	struct stand_ins stand_ins;
	struct directories directories;
	struct namespaces namespaces;
	struct placeholders placeholders;
	struct polls polls;
	struct mappings mappings;
	struct deliveries deliveries;
	struct paths paths;
	struct judge judge;
	struct process_memory process_memory;
	struct proof proof;

	bool active, ready;    /* tools run; the product is set up */
	bool namespaces_noted; /* that they cannot be changed */
	uint64_t agent;        /* `current` of the task that is no tool */
	uint64_t again;        /* pt_regs of the call whose body, entered next, has been judged: it goes to the trusted world; 0: none */
};

/* -- the end of a call -- */

/* A program that the product lacks and the host has is delivered, and looked for once more. */
static bool begin_again(struct redirect *redirect)
{
	char path[TOOL_PATH];

	if (!judge_looked_for_program(&redirect->judge, path))
		return false;
	call_undo(&redirect->calls);
	delivery_bring(&redirect->deliveries, DELIVERY_PROGRAM, path);
	redirect->again = redirect->calls.now.regs;
	return true;
}

/* What of the product's code and constant data was passed by. */
static void tell_changes(struct redirect *redirect)
{
	if (worlds_have_two_kernels(&redirect->worlds)) /* it all runs, and nobody knows what it should be */
		return;
	constant_data_tell(&redirect->constants);
	text_tell(&redirect->text);
	entry_tell(&redirect->entries);
}

static enum mark_action on_return(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	const struct context *context = &redirect->worlds.context;
	struct calls *calls = &redirect->calls;
	int64_t result;

	if (context->nested || !context_at_return(context))
		return MARK_CONTINUE;
	if (code_reconsider(&redirect->code)) {
		call_undo(calls);
		return MARK_LOOK;
	}
	result = call_result(calls);
	if (result == -ENOENT && begin_again(redirect))
		return MARK_LOOK;
	if (calls->now.own)
		host_task_hide_files(&redirect->host);
	call_leave(calls, result);
	if (calls->now.row->flags & POLICY_MOVES)
		directory_keep(&redirect->directories);
	if (calls->now.shortened)
		call_record_loss(calls, LOSS_NOT_IN_MEMORY);
	if (calls->now.opens && result >= 0) {
		result = placeholder_install(&redirect->placeholders, result, calls->now.opens_own);
		cpu->gpr[RAX] = abi_value(context->abi, result);
	}
	host_task_finish_work(&redirect->host);
	call_record_gaps(calls); /* those of the two before, too */
	call_finish(calls, result, NULL);
	tell_changes(redirect);
	return MARK_LOOK;
}

/* The call is done without its body. */
static enum mark_action finish(struct redirect *redirect, int64_t result)
{
	enum mark_action action = worlds_return(&redirect->worlds, result);

	if (action == MARK_LOOK)
		call_finish(&redirect->calls, result, result < 0 ? "refused" : NULL);
	return action;
}

/* -- its beginning -- */

/* Only now is it known where the body will return to. A kernel has a few such places. */
static bool mark_return(struct redirect *redirect)
{
	struct worlds *worlds = &redirect->worlds;
	uint64_t place = worlds->context.back_rip;
	struct error *err =
		worlds_is_marked(worlds, WORLD_PRODUCT, place) ? NULL : worlds_mark_at(worlds, WORLD_PRODUCT, place, on_return, redirect);
	bool marked = !err;

	error_destroy(err);
	return marked;
}

/* The processes of a command have namespaces of their own. A call must not change them for all of them in silence. */
static void note_namespaces(struct redirect *redirect)
{
	if (redirect->namespaces_noted)
		return;
	redirect->namespaces_noted = true;
	note(&redirect->config.notes,
	     "%s() is refused (EPERM), since in this kernel a process of the command cannot have namespaces of its own: --as PID shows "
	     "what a process of the snapshot sees",
	     redirect->calls.now.row->name);
}

/* Task context, preemptible: as at the start of a system call. The count's highest bit is inverted: clear means "reschedule now". */
static void reset_preempt_count(struct worlds *worlds)
{
	const struct kernel *kernel = worlds->product;
	uint64_t at = kernel_symbol(kernel, "__preempt_count");

	if (!at && kernel_symbol(kernel, "pcpu_hot")) /* its second member, 6.2 to 6.14 */
		at = kernel->layout.current + kernel->abi->word;
	if (at)
		product_memory_write_word(&worlds->memory, worlds->context.percpu + at, 4, 0x80000000);
}

/* Then what a tool asks about its own children would be answered by the product. */
static void note_numbers(struct redirect *redirect)
{
	if (!tools_are_numbered(&redirect->tools))
		note(&redirect->config.notes,
		     "processes of the command may have the numbers of processes of the snapshot, since its kernel is built without "
		     "CONFIG_CHECKPOINT_RESTORE or CONFIG_BASE_FULL: what the command asks about its own children is answered from the "
		     "snapshot");
}

/* At the first tool's first call on the product. */
static struct error *set_up_product(struct redirect *redirect)
{
	const struct host_choice choice = {
		.host = &redirect->host,
		.directories = &redirect->directories,
		.pid = redirect->config.host_pid,
		.notes = &redirect->config.notes,
		.cancel = &redirect->config.cancel,
	};
	struct worlds *worlds = &redirect->worlds;
	struct error *err = worlds_find_stack(worlds, redirect->calls.now.regs);

	if (!err)
		err = context_init(&worlds->context);
	if (err)
		return err;
	kernel_find_members(&worlds->trusted);
	if (worlds_have_two_kernels(worlds)) {
		kernel_find_members(worlds->product);
		err = another_kernel_look(worlds, &redirect->host);
		if (err)
			return err;
	}
	reset_preempt_count(worlds);
	err = host_choose(&choice);
	if (err)
		return err;
	clock_set_wall(&redirect->clocks);
	if (!worlds_have_two_kernels(worlds))
		constant_data_look_at_tables(&redirect->constants);
	note_numbers(redirect);
	redirect->ready = true;
	return NULL;
}

static enum mark_action begin_product_call(struct redirect *redirect)
{
	struct context *context = &redirect->worlds.context;
	struct calls *calls = &redirect->calls;
	uint64_t body = 0;

	if (!redirect->ready) {
		calls->failure = set_up_product(redirect);
		if (calls->failure)
			return MARK_EXIT;
	}
	if (worlds_have_two_kernels(&redirect->worlds)) {
		body = body_of_product(&redirect->worlds, redirect->worlds.cpu->rip);
		if (!body) /* as the product's kernel would say itself */
			return finish(redirect, -ENOSYS);
	}
	calls->failure = namespace_enter(&redirect->namespaces);
	if (calls->failure)
		return MARK_EXIT;
	if (calls->now.row->flags & POLICY_MOVES && !namespace_separate(&redirect->namespaces)) {
		note_namespaces(redirect);
		return finish(redirect, -EPERM);
	}
	proof_of_wanted(&redirect->proof);
	text_refresh(&redirect->text);
	tell_changes(redirect);
	call_shorten(calls);
	directory_enter(&redirect->directories);
	host_task_prepare(&redirect->host);
	context->work.call = WORK_ITERATIONS * call_budget(calls);
	calls->abort = (struct call_abort){0};
	if (!context_enter(context, body)) {
		call_record_loss(calls, LOSS_LIMIT);
		return finish(redirect, -loss_row(LOSS_LIMIT)->error);
	}
	calls->stats.flagged++;
	if (calls->now.own)
		host_task_show_files(&redirect->host);
	if (!mark_return(redirect))
		call_abort(calls, LOSS_LIMIT, "out of memory");
	else if (!call_put_translated(calls))
		call_abort(calls, LOSS_LIMIT, "arguments that cannot be put in place");
	return MARK_LOOK;
}

static bool meet_first_task(struct redirect *redirect)
{
	redirect->calls.failure = kernel_find_current(&redirect->worlds.trusted);
	if (redirect->calls.failure)
		return false;
	if (redirect->config.agent)
		redirect->agent = worlds_current(&redirect->worlds);
	return true;
}

/* Without redirection: delivers programs and modules that the host has and the trusted VM lacks, before anybody notices. */
static void deliver_what_is_looked_for(struct redirect *redirect)
{
	enum policy_rule rule = redirect->calls.now.row->rule;
	char path[TOOL_PATH];
	int64_t ignored;

	if (judge_looked_for_program(&redirect->judge, path)) {
		delivery_bring(&redirect->deliveries, DELIVERY_PROGRAM, path);
	} else if (rule == POLICY_EXEC || rule == POLICY_PATH || rule == POLICY_AT) {
		judge_call(&redirect->judge, &ignored);
		delivery_run_orders(&redirect->deliveries);
	}
}

/* The machine goes no further: what is read of the product is read from here. */
static enum mark_action park(struct redirect *redirect)
{
	if (!redirect->ready)
		redirect->calls.failure = set_up_product(redirect);
	if (!redirect->calls.failure)
		host_task_prepare(&redirect->host);
	return MARK_EXIT;
}

static enum mark_action on_body(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	const struct context *context = &redirect->worlds.context;
	struct calls *calls = &redirect->calls;
	int64_t result;

	(void)cpu;
	if (!redirect->worlds.trusted.layout.current && !meet_first_task(redirect))
		return MARK_EXIT;
	if (!redirect->active || context->phase != CONTEXT_TRUSTED || context->nested ||
	    worlds_current(&redirect->worlds) == redirect->agent || !call_read(calls))
		return MARK_CONTINUE;
	if (redirect->config.park)
		return park(redirect);
	if (redirect->config.trusted_only) {
		deliver_what_is_looked_for(redirect);
		return MARK_CONTINUE;
	}
	if (redirect->again && redirect->again == calls->now.regs) {
		redirect->again = 0;
		return MARK_CONTINUE;
	}
	switch (judge_call(&redirect->judge, &result)) {
	case VERDICT_TRUSTED:
		delivery_run_orders(&redirect->deliveries);
		break;
	case VERDICT_REFUSED:
		return finish(redirect, result);
	case VERDICT_PRODUCT:
		return begin_product_call(redirect);
	}
	return MARK_CONTINUE;
}

/* -- tasks -- */

/*
 * A new task, with all that it shares and has copied, is about to run. What it has copied may stand where that of a task stood which is
 * gone.
 */
static enum mark_action on_new_task(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	const struct context *context = &redirect->worlds.context;
	uint64_t parent, child;

	if (context->phase != CONTEXT_TRUSTED || context->nested || !redirect->ready)
		return MARK_CONTINUE;
	parent = worlds_current(&redirect->worlds);
	child = abi_argument(context->abi, cpu, 0);
	if (!namespace_inherit(&redirect->namespaces, parent, child)) {
		redirect->calls.failure = error_create("out of memory");
		return MARK_EXIT;
	}
	directory_inherit(&redirect->directories, parent, child);
	return MARK_CONTINUE;
}

/* -- the session -- */

#define FUNCTION_PREFIX "__" /* of all of these, and of what text_note_function() and stand_in_note_function() want */

static struct error *note_function(void *opaque, const struct symbol *symbol)
{
	struct redirect *redirect = opaque;
	struct error *err = worlds_have_two_kernels(&redirect->worlds) ? NULL : text_note_function(&redirect->text, symbol);

	return err ? err : stand_in_note_function(&redirect->stand_ins, symbol);
}

/* Of the trusted kernel. */
static struct error *look_at_function(void *opaque, const struct symbol *symbol)
{
	struct redirect *redirect = opaque;
	struct worlds *worlds = &redirect->worlds;

	/* A weak body is that of a call which the kernel was built without: the product's own may have it. */
	if (strchr("Ww", symbol->type) && !worlds_have_two_kernels(worlds))
		return NULL;
	if (!body_is(symbol->name))
		return worlds_have_two_kernels(worlds) ? NULL : note_function(redirect, symbol);
	if (worlds_is_marked(worlds, WORLD_TRUSTED, symbol->address)) /* bodies without arguments have two names */
		return NULL;
	return worlds_mark_at(worlds, WORLD_TRUSTED, symbol->address, on_body, redirect);
}

static struct error *look_at_functions(struct redirect *redirect)
{
	struct worlds *worlds = &redirect->worlds;
	struct error *err = kernel_for_each_function(&worlds->trusted, FUNCTION_PREFIX, look_at_function, redirect);

	if (!err && worlds_have_two_kernels(worlds))
		err = kernel_for_each_function(worlds->product, FUNCTION_PREFIX, note_function, redirect);
	return err;
}

static struct error *init_worlds(struct redirect *redirect)
{
	const struct redirect_config *config = &redirect->config;
	const struct worlds_config worlds = {
		.machine = config->machine,
		.symbols = config->symbols,
		.product_symbols = config->product_symbols,
		.word = config->x86_64 ? 8 : 4,
		.way = config->way,
		.percpu = config->product.percpu,
		.cancel = config->cancel,
		.memory =
			{
				.snapshot = config->product.memory,
				.paging = config->product.paging,
				.kernel_start = config->product.kernel_start,
				.shadows = config->way == REDIRECT_TAGS,
				.product_tag = TAG_PRODUCT,
				.max_pages = MAX_COPIED_PAGES,
				.counts = config->trace != NULL,
			},
	};

	return worlds_init(&redirect->worlds, &worlds);
}

static struct calls make_calls(struct redirect *redirect)
{
	const struct redirect_config *config = &redirect->config;

	return (struct calls){
		.worlds = &redirect->worlds,
		.tools = &redirect->tools,
		.policy = config->policy,
		.losses = config->losses,
		.budget = config->budget,
		.trace = config->trace,
		.trace_opaque = config->trace_opaque,
		.output = config->output,
		.output_opaque = config->output_opaque,
	};
}

/* A call of ours needs a module's code. */
static bool prove_again(void *opaque)
{
	return proof_of_wanted(opaque);
}

static bool reconsider(void *opaque)
{
	return code_reconsider(opaque);
}

static void note_read(void *opaque, uint64_t linear)
{
	modules_note_read(opaque, linear);
}

static void note_page_write(void *opaque, uint64_t paddr)
{
	code_note_write(opaque, paddr);
}

/* What decides whose code runs. */
static void connect_code(struct redirect *redirect)
{
	struct worlds *worlds = &redirect->worlds;
	struct notes *notes = &redirect->config.notes;
	struct calls *calls = &redirect->calls;

	redirect->entries = (struct entries){.worlds = worlds, .switches = &redirect->text.switches, .notes = notes};
	redirect->code_pages = (struct code_pages){.machine = worlds->machine};
	redirect->modules =
		(struct modules){.worlds = worlds, .pages = &redirect->code_pages, .prove = redirect->config.code == CODE_VERIFIED};
	redirect->code = (struct code){
		.worlds = worlds,
		.calls = calls,
		.choice = redirect->config.code,
		.trust = redirect->config.trust_modules,
		.switches = &redirect->text.switches,
		.modules = &redirect->modules,
		.code_pages = &redirect->code_pages,
		.notes = notes,
		.entries = &redirect->entries,
	};
	redirect->constants = (struct constant_data){.worlds = worlds, .code = &redirect->code, .notes = notes};
	redirect->text = (struct text){.worlds = worlds, .calls = calls, .code = &redirect->code, .notes = notes};
	redirect->proof = (struct proof){
		.worlds = worlds,
		.modules = &redirect->modules,
		.constants = &redirect->constants,
		.addresses = {.worlds = worlds, .modules = &redirect->modules, .files = {.worlds = worlds, .host = &redirect->host}},
		.supplier = redirect->config.modules,
		.notes = notes,
	};
}

/* What happens in calls on the product. */
static void connect_calls(struct redirect *redirect)
{
	struct worlds *worlds = &redirect->worlds;
	struct calls *calls = &redirect->calls;
	struct host_task *host = &redirect->host;

	*calls = make_calls(redirect);
	calls->reconsider = reconsider;
	calls->reconsider_opaque = &redirect->code;
	*host = (struct host_task){.worlds = worlds, .calls = calls};
	redirect->exceptions = (struct exceptions){worlds, calls, &redirect->code, &redirect->config.notes, false};
	redirect->clocks = (struct clocks){.worlds = worlds, .calls = calls};
	redirect->stand_ins = (struct stand_ins){.worlds = worlds, .calls = calls, .host = host, .code = &redirect->code};
	redirect->process_memory = (struct process_memory){.worlds = worlds, .calls = calls, .host = host};
}

/* What decides where a call goes: what is known of tools, their files and names. */
static void connect_judge(struct redirect *redirect)
{
	struct worlds *worlds = &redirect->worlds;
	struct calls *calls = &redirect->calls;
	struct host_task *host = &redirect->host;
	struct placeholders *placeholders = &redirect->placeholders;

	redirect->tools = (struct tools){worlds, redirect->config.first_pid};
	redirect->directories = (struct directories){.worlds = worlds, .calls = calls, .host = host};
	redirect->namespaces = (struct namespaces){.worlds = worlds, .host = host};
	*placeholders = (struct placeholders){.worlds = worlds, .calls = calls, .host = host};
	redirect->polls = (struct polls){.worlds = worlds, .calls = calls, .host = host, .placeholders = placeholders};
	redirect->mappings = (struct mappings){.worlds = worlds, .calls = calls, .host = host, .placeholders = placeholders};
	redirect->deliveries =
		(struct deliveries){.worlds = worlds, .calls = calls, .supplier = redirect->config.supplier, .redirect = redirect};
	redirect->paths = (struct paths){
		.worlds = worlds,
		.calls = calls,
		.tools = &redirect->tools,
		.deliveries = &redirect->deliveries,
		.namespaces = &redirect->namespaces,
	};
	redirect->judge = (struct judge){
		worlds,           calls, &redirect->tools, placeholders, &redirect->polls, &redirect->mappings, &redirect->deliveries,
		&redirect->paths,
	};
}

/* What is told of reads and writes of the product's memory, and of calls that do not come back. */
static void connect_worlds(struct redirect *redirect)
{
	struct worlds *worlds = &redirect->worlds;

	worlds->memory.protected_read = redirect->modules.prove ? note_read : NULL;
	worlds->memory.protected_opaque = &redirect->modules;
	worlds->memory.page_write = redirect->config.code == CODE_PRODUCT || redirect->config.trust_modules ? note_page_write : NULL;
	worlds->memory.page_write_opaque = &redirect->code;
	worlds->again = prove_again;
	worlds->again_opaque = &redirect->proof;
}

static void connect_parts(struct redirect *redirect)
{
	connect_code(redirect);
	connect_calls(redirect);
	connect_judge(redirect);
	connect_worlds(redirect);
}

struct error *redirect_create(const struct redirect_config *config, struct redirect **ret)
{
	struct redirect *redirect = calloc(1, sizeof(*redirect));
	struct error *err;

	if (!redirect)
		return error_create("starting introspection: out of memory");
	redirect->config = *config;
	if (config->product_symbols) {
		redirect->config.code = CODE_PRODUCT;
		redirect->config.modules = NULL;
	}
	err = init_worlds(redirect);
	if (err) {
		free(redirect);
		return err;
	}
	connect_parts(redirect);
	*ret = redirect;
	return NULL;
}

void redirect_destroy(struct redirect *redirect)
{
	if (!redirect)
		return;
	cpu_set_client(redirect->worlds.cpu, NULL);
	mapping_deinit(&redirect->mappings);
	placeholder_deinit(&redirect->placeholders);
	namespace_deinit(&redirect->namespaces);
	directory_deinit(&redirect->directories);
	text_deinit(&redirect->text);
	entry_deinit(&redirect->entries);
	constant_data_deinit(&redirect->constants);
	code_deinit(&redirect->code);
	modules_deinit(&redirect->modules);
	call_deinit(&redirect->calls);
	worlds_deinit(&redirect->worlds);
	free(redirect);
}

/* The trusted kernel's image runs, and what of the product's differs is followed or passed by. */
static struct error *follow_image(struct redirect *redirect)
{
	struct error *err = text_follow(&redirect->text, redirect->config.constants, redirect->config.constants_shift);

	if (!err)
		err = text_mark(&redirect->text);
	if (!err)
		err = entry_begin(&redirect->entries);
	return err ? err : constant_data_begin(&redirect->constants, redirect->config.rodata, redirect->text.jump_table_end);
}

static struct error *check_kernel(const struct kernel *kernel)
{
	struct error *err = kernel_check(kernel);

	return err ? err : body_check(kernel);
}

/* Whether introspection is possible with the kernels. */
static struct error *check_kernels(const struct redirect *redirect)
{
	const struct worlds *worlds = &redirect->worlds;
	struct error *err;

	if (redirect->config.trusted_only)
		return NULL;
	err = check_kernel(&worlds->trusted);
	return err || !worlds_have_two_kernels(worlds) ? err : check_kernel(worlds->product);
}

struct error *redirect_begin(struct redirect *redirect)
{
	struct error *err = check_kernels(redirect);

	if (!err)
		err = look_at_functions(redirect);
	if (!err)
		err = call_mark_paths(&redirect->calls);
	if (!err)
		err = placeholder_mark(&redirect->placeholders);
	if (!err)
		err = poll_mark(&redirect->polls);
	if (!err)
		err = mapping_mark(&redirect->mappings);
	if (!err)
		err = host_task_mark(&redirect->host);
	if (!err)
		err = stand_in_mark(&redirect->stand_ins);
	if (!err)
		err = clock_mark(&redirect->clocks);
	if (!err)
		err = worlds_have_two_kernels(&redirect->worlds) ? text_mark(&redirect->text) : follow_image(redirect);
	if (!err)
		err = worlds_mark(&redirect->worlds, WORLD_TRUSTED, "wake_up_new_task", on_new_task, redirect);
	if (!err)
		err = namespace_mark(&redirect->namespaces);
	if (err)
		return err;
	exceptions_begin(&redirect->exceptions);
	redirect->active = true;
	return NULL;
}

bool redirect_deliver(struct redirect *redirect, const char *path, unsigned mode, const uint8_t *data, size_t size)
{
	return delivery_make_file(&redirect->deliveries, path, mode, data, size);
}

void redirect_make_folder(struct redirect *redirect, const char *path)
{
	delivery_make_folder(&redirect->deliveries, path);
}

/* -- running -- */

/* The running call's last instruction; UINT64_MAX: none runs. */
static uint64_t call_deadline(const struct redirect *redirect)
{
	const struct context *context = &redirect->worlds.context;

	return context->phase == CONTEXT_PRODUCT ? context->started + call_budget(&redirect->calls) : UINT64_MAX;
}

/* Looks after the running call: gives it up if it has spent its budget, or waits for something that will not come. */
static void look_after_call(struct redirect *redirect)
{
	bool spins;

	if (redirect->worlds.context.phase != CONTEXT_PRODUCT)
		return;
	if (call_deadline(redirect) <= cpu_instructions(redirect->worlds.cpu))
		call_abort_endless(&redirect->calls);
	else if (!spin_end(&redirect->code, &spins) && spins)
		call_abort(&redirect->calls, LOSS_LOCK, "wait for a frozen CPU");
}

/* Whether the machine has stopped because of a call; then takes care of that. */
static bool see_to_call(struct redirect *redirect, enum machine_stop stop)
{
	struct worlds *worlds = &redirect->worlds;

	if (stop != MACHINE_STOP_CPU || worlds->machine->cpu_exit != CPU_EXIT_CLIENT || worlds->context.phase != CONTEXT_PRODUCT)
		return false;
	if (!work_ended_run(worlds->cpu) || context_call_spent(&worlds->context))
		call_abort_stopped(&redirect->calls);
	return true;
}

/* Runs a slice of work, up to the instruction `until` at most. True: there is more to do. */
static bool run_slice(struct redirect *redirect, uint64_t until, enum machine_stop *ret_stop)
{
	enum { SLICE = 2000000 /* instructions, and iterations; few calls take as many */ };
	struct worlds *worlds = &redirect->worlds;
	uint64_t step = cpu_instructions(worlds->cpu) + SLICE, deadline = call_deadline(redirect);

	if (deadline < step)
		step = deadline;
	context_begin_slice(&worlds->context, SLICE);
	*ret_stop = machine_run(worlds->machine, step < until ? step : until);
	redirect->calls.stats.iterations = context_iterations(&worlds->context);
	if (see_to_call(redirect, *ret_stop))
		return true;
	if (*ret_stop != MACHINE_STOP_LIMIT || cpu_instructions(worlds->cpu) >= until)
		return false;
	look_after_call(redirect);
	return true;
}

enum machine_stop redirect_run(struct redirect *redirect, uint64_t until)
{
	const struct redirect_stats *stats = &redirect->calls.stats;
	uint64_t before = stats->iterations, work = 0;
	enum machine_stop stop;

	while (run_slice(redirect, until - work, &stop)) {
		work = (stats->iterations - before) / WORK_ITERATIONS;
		if (work >= until || cancel_wanted(&redirect->config.cancel))
			return MACHINE_STOP_LIMIT;
	}
	return stop;
}

struct error *redirect_failure(struct redirect *redirect)
{
	struct error *err = redirect->calls.failure;

	redirect->calls.failure = NULL;
	return err;
}

const struct redirect_stats *redirect_stats(const struct redirect *redirect)
{
	return &redirect->calls.stats;
}

struct error *redirect_read_process(struct redirect *redirect, unsigned pid, uint64_t address, void *to, size_t size)
{
	return process_memory_read(&redirect->process_memory, pid, address, to, size);
}

bool redirect_for_each_change(const struct redirect *redirect, bool (*fn)(void *opaque, uint64_t paddr, const uint8_t *page), void *opaque)
{
	return overlay_for_each(redirect->worlds.memory.overlay, fn, opaque);
}

size_t redirect_changes(const struct redirect *redirect)
{
	return overlay_pages(redirect->worlds.memory.overlay);
}
