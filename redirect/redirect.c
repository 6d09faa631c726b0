/* Introspection: redirect.h. The life of a session, and the way of a system call through it. */
#include "redirect/redirect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/session.h"
#include "util/error.h"

enum { MAX_COPIED_PAGES = 1 << 16 };

/* -- telling -- */

static void trace(struct redirect *redirect, int64_t result, const char *aborted)
{
	const struct call *call = &redirect->call;
	char path[REDIRECT_ARGUMENTS][PATH_MAX_BYTES];
	struct redirect_call told = {.name = call->row->name, .result = result, .aborted = aborted, .causes = call->lost};

	if (!redirect->config.trace)
		return;
	told.instructions = cpu_instructions(redirect->cpu) - call->started;
	told.traffic.loads = redirect->memory.traffic.loads - call->before.loads;
	told.traffic.stores = redirect->memory.traffic.stores - call->before.stores;
	told.pages = call->pages;
	for (unsigned i = 0; i < REDIRECT_ARGUMENTS; i++) {
		told.argument[i] = call->argument[i];
		if (policy_is_path(call->row, i) && read_path(redirect, call->argument[i], path[i]))
			told.path[i] = path[i];
	}
	redirect->config.trace(redirect->config.trace_opaque, &told);
}

/* -- ends of a call -- */

static bool has_lost(const struct redirect *redirect, enum loss_cause cause)
{
	return redirect->call.lost >> cause & 1;
}

void record_loss(struct redirect *redirect, enum loss_cause cause)
{
	if (!has_lost(redirect, cause))
		losses_record(redirect->config.losses, cause);
	redirect->call.lost |= 1u << cause;
}

/* What the call read that is not there, and what calls of ours did not tell, though it went on. */
static void record_gaps(struct redirect *redirect)
{
	if (redirect->memory.count.holes != redirect->holes)
		record_loss(redirect, LOSS_OUTSIDE);
	if (redirect->memory.count.left_out != redirect->left_out)
		record_loss(redirect, LOSS_LEFT_OUT);
	if (redirect->memory.count.unreadable != redirect->unreadable)
		record_loss(redirect, LOSS_UNREADABLE);
	if (redirect->context.unfinished != redirect->unfinished && !redirect->call.lost)
		record_loss(redirect, LOSS_BUDGET); /* all other reasons have been recorded */
	redirect->unfinished = redirect->context.unfinished;
	redirect->holes = redirect->memory.count.holes;
	redirect->left_out = redirect->memory.count.left_out;
	redirect->unreadable = redirect->memory.count.unreadable;
}

void abort_call(struct redirect *redirect, enum loss_cause cause, const char *reason)
{
	int error = loss_row(cause)->error;
	char near[KSYM_NAME_LEN + 20], note[KSYM_NAME_LEN + 120];

	snprintf(note, sizeof(note), "%s at %s, exception %u code %#x address %#" PRIx64, reason,
		 symbol_near(redirect, redirect->cpu->rip, near), redirect->cpu->exception.vector, redirect->cpu->exception.error_code,
		 redirect->cpu->cr2);
	redirect->stats.aborted++;
	record_loss(redirect, cause);
	record_gaps(redirect);
	redirect->call.pages = overlay_transaction_pages(redirect->memory.overlay);
	context_abort(&redirect->context, -error);
	restore_arguments(redirect);
	trace(redirect, -error, note);
	note_progress(redirect, -error, reason);
}

void give_up(struct redirect *redirect, enum loss_cause cause, const char *reason)
{
	redirect->abort = (struct abort){cause, reason};
	if (redirect->context.nested) {
		record_loss(redirect, cause);
		cpu_request_exit(redirect->cpu, CPU_EXIT_CLIENT);
	} else if (cause != LOSS_NOT_IN_MEMORY || !read_less(redirect)) {
		abort_call(redirect, cause, reason);
	}
}

static void abort_endless(struct redirect *redirect)
{
	redirect->stats.endless++;
	abort_call(redirect, has_lost(redirect, LOSS_OUTSIDE) ? LOSS_OUTSIDE : LOSS_BUDGET, "budget"); /* devices are polled */
}

void abort_stopped_call(struct redirect *redirect)
{
	if (context_call_spent(&redirect->context))
		abort_endless(redirect);
	else if (redirect->abort.reason)
		abort_call(redirect, redirect->abort.cause, redirect->abort.reason);
	else
		abort_call(redirect, LOSS_DAMAGED, "stopped");
}

/* The restart codes of the kernel (include/linux/errno.h) are between it and its own entry code. */
static int64_t visible_result(const struct redirect *redirect)
{
	int64_t result = redirect->context.word == 8 ? (int64_t)redirect->cpu->gpr[RAX] : (int32_t)redirect->cpu->gpr[RAX];

	return result <= -512 && result >= -516 ? -EINTR : result;
}

/* A program that the product lacks and the host has is delivered, and looked for once more. */
static bool begin_again(struct redirect *redirect)
{
	char path[PATH_MAX_BYTES];

	if (!looked_for_program(redirect, path))
		return false;
	context_undo(&redirect->context);
	restore_arguments(redirect);
	deliver(redirect, DELIVERY_PROGRAM, path);
	redirect->again = redirect->call.regs;
	return true;
}

static enum mark_action on_return(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	int64_t result;

	if (redirect->context.nested || !context_at_return(&redirect->context))
		return MARK_CONTINUE;
	result = visible_result(redirect);
	if (result == -ENOENT && begin_again(redirect))
		return MARK_LOOK;
	redirect->call.pages = overlay_transaction_pages(redirect->memory.overlay);
	context_leave(&redirect->context, result);
	restore_arguments(redirect);
	if (redirect->call.row->flags & POLICY_MOVES)
		keep_directory(redirect);
	redirect->stats.instructions += cpu_instructions(cpu) - redirect->call.started;
	record_gaps(redirect);
	if (redirect->call.shortened)
		record_loss(redirect, LOSS_NOT_IN_MEMORY);
	if (redirect->call.opens && result >= 0) {
		result = install_placeholder(redirect, result);
		cpu->gpr[RAX] = redirect->context.word == 8 ? (uint64_t)result : (uint32_t)result;
	}
	finish_put_off_work(redirect);
	trace(redirect, result, NULL);
	note_progress(redirect, result, NULL);
	return MARK_LOOK;
}

/* -- beginnings -- */

static enum mark_action refuse(struct redirect *redirect, int error)
{
	enum mark_action action = return_to_caller(redirect, -error);

	if (action != MARK_LOOK)
		return action;
	trace(redirect, -error, NULL);
	note_progress(redirect, -error, error ? "refused" : NULL);
	return action;
}

/* Where the body will come back to is known only now; there are a few such places in a kernel. */
static bool mark_return(struct redirect *redirect)
{
	uint64_t place = redirect->context.return_rip;
	struct error *err = cpu_is_marked(redirect->cpu, place) ? NULL : cpu_mark(redirect->cpu, place, on_return, redirect);
	bool marked = !err;

	error_destroy(err);
	return marked;
}

/* The processes of a command have their own namespaces; a call that would change them for all, without a word, is none. */
static void note_namespaces(struct redirect *redirect)
{
	if (redirect->namespaces_noted)
		return;
	redirect->namespaces_noted = true;
	note(&redirect->config.notes,
	     "%s() is refused (EPERM), since in this kernel a process of the command cannot have namespaces of its own: --as PID shows "
	     "what a process of the snapshot sees",
	     redirect->call.row->name);
}

/*
 * Lists of a damaged snapshot may go in circles: the more calls do not end, the less patience the next ones meet, so that a tool which
 * makes thousands of them ends, too.
 */
static uint64_t call_budget(const struct redirect *redirect)
{
	enum { MAX_HALVINGS = 6 };
	uint64_t halvings = redirect->stats.endless;

	return redirect->config.budget >> (halvings < MAX_HALVINGS ? halvings : MAX_HALVINGS);
}

static enum mark_action begin_product_call(struct redirect *redirect)
{
	if (!redirect->ready) {
		redirect->failure = set_up_product(redirect);
		if (redirect->failure)
			return MARK_EXIT;
	}
	redirect->failure = go_to_namespaces(redirect);
	if (redirect->failure)
		return MARK_EXIT;
	if (redirect->call.row->flags & POLICY_MOVES && !separate_namespaces(redirect)) {
		note_namespaces(redirect);
		return refuse(redirect, EPERM);
	}
	shorten_read(redirect);
	go_to_directory(redirect);
	set_call_abi(redirect);
	set_call_stack(redirect);
	redirect->context.work.call = WORK_ITERATIONS * call_budget(redirect);
	redirect->abort = (struct abort){0};
	if (!context_enter(&redirect->context)) {
		record_loss(redirect, LOSS_LIMIT);
		return refuse(redirect, loss_row(LOSS_LIMIT)->error);
	}
	redirect->stats.flagged++;
	if (!mark_return(redirect))
		abort_call(redirect, LOSS_LIMIT, "out of memory");
	else if (!put_translated(redirect))
		abort_call(redirect, LOSS_LIMIT, "arguments that cannot be put in place");
	return MARK_LOOK;
}

static bool meet_first_task(struct redirect *redirect)
{
	redirect->failure = find_current(redirect);
	if (redirect->failure)
		return false;
	if (redirect->config.agent)
		redirect->agent = trusted_current(redirect);
	return true;
}

/* Without redirection: programs and modules that the trusted VM lacks and the host has are there before anyone finds that out. */
static void deliver_what_is_looked_for(struct redirect *redirect)
{
	enum policy_rule rule = redirect->call.row->rule;
	char path[PATH_MAX_BYTES];
	int ignored;

	if (looked_for_program(redirect, path)) {
		deliver(redirect, DELIVERY_PROGRAM, path);
	} else if (rule == POLICY_EXEC || rule == POLICY_PATH || rule == POLICY_AT) {
		judge(redirect, &ignored);
		deliver_orders(redirect);
	}
}

static enum mark_action on_body(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	int error;

	(void)cpu;
	if (!redirect->current_offset && !meet_first_task(redirect))
		return MARK_EXIT;
	if (!redirect->active || redirect->context.phase != CONTEXT_TRUSTED || redirect->context.nested ||
	    trusted_current(redirect) == redirect->agent || !read_call(redirect))
		return MARK_CONTINUE;
	if (redirect->config.trusted_only) {
		deliver_what_is_looked_for(redirect);
		return MARK_CONTINUE;
	}
	if (redirect->again && redirect->again == redirect->call.regs) {
		redirect->again = 0;
		return MARK_CONTINUE;
	}
	switch (judge(redirect, &error)) {
	case VERDICT_TRUSTED:
		deliver_orders(redirect);
		break;
	case VERDICT_REFUSED:
		return refuse(redirect, error);
	case VERDICT_PRODUCT:
		return begin_product_call(redirect);
	}
	return MARK_CONTINUE;
}

static enum mark_action on_fput(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;

	if (redirect->context.phase == CONTEXT_TRUSTED && !redirect->context.nested)
		release_placeholder(redirect, cpu->gpr[redirect->context.word == 8 ? RDI : RAX]);
	return MARK_CONTINUE;
}

/* A task of the product puts something off to its return to user mode, which never comes. */
static enum mark_action on_task_work(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;

	(void)cpu;
	if (redirect->context.phase == CONTEXT_PRODUCT)
		redirect->work_put_off = true;
	return MARK_CONTINUE;
}

/* -- the session -- */

static bool is_body(const char *name)
{
	static const char *const prefixes[] = {"__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"};

	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

static struct error *mark_body(struct redirect *redirect, const struct symbol *symbol)
{
	if (!is_body(symbol->name) || cpu_is_marked(redirect->cpu, symbol->address)) /* bodies without arguments have two names */
		return NULL;
	return cpu_mark(redirect->cpu, symbol->address, on_body, redirect);
}

static struct error *mark_bodies(struct redirect *redirect)
{
	uint64_t fput = find_symbol(redirect, "__fput"), task_work = find_symbol(redirect, "task_work_add");
	struct error *err = for_each_function(redirect, mark_body);

	if (!err && fput)
		err = cpu_mark(redirect->cpu, fput, on_fput, redirect);
	if (!err && task_work)
		err = cpu_mark(redirect->cpu, task_work, on_task_work, redirect);
	return err;
}

/* Allocators have another name from 6.10 on (include/linux/alloc_tag.h). */
static uint64_t find_allocator(const struct redirect *redirect, const char *name, const char *newer)
{
	uint64_t address = find_symbol(redirect, name);

	return address ? address : find_symbol(redirect, newer);
}

static void find_functions(struct redirect *redirect)
{
#define FIND(name) redirect->function.name = find_symbol(redirect, #name)
#define FIND_ALLOCATOR(name) redirect->function.name = find_allocator(redirect, #name, #name "_noprof")
	FIND(bpf_get_current_task);
	FIND(find_task_by_vpid);
	FIND(fixup_exception);
	FIND(fget);
	FIND(fput);
	FIND(get_unused_fd_flags);
	FIND(filp_open);
	FIND(fd_install);
	FIND(get_close_on_exec);
	FIND(close_fd);
	FIND(__close_fd);
	FIND(task_work_run);
	FIND(strncpy_from_user);
	FIND_ALLOCATOR(vmalloc);
	FIND(vfree);
	FIND(kernel_write);
	FIND(find_bug);
	FIND(search_exception_tables);
	FIND(ksize);
	FIND_ALLOCATOR(kmemdup);
	FIND(exit_files);
	FIND(dup_fd);
	FIND(exit_fs);
	FIND(copy_fs_struct);
	FIND(vfs_llseek);
	FIND(vfs_setpos);
	FIND(ktime_get);
	FIND(ktime_get_real_seconds);
	FIND(do_settimeofday64);
	FIND(__module_address);
	FIND(get_task_exe_file);
	FIND(file_path);
	redirect->function.mkdir = find_symbol(redirect, redirect->config.x86_64 ? "__x64_sys_mkdir" : "__ia32_sys_mkdir");
	FIND(copy_namespaces);
	FIND(copy_creds);
	FIND(copy_semundo);
	FIND(task_active_pid_ns);
	FIND(get_task_pid);
	FIND(alloc_pid);
	FIND(attach_pid);
#undef FIND
#undef FIND_ALLOCATOR
}

struct error *redirect_create(const struct redirect_config *config, struct redirect **ret)
{
	struct redirect *redirect = calloc(1, sizeof(*redirect));
	const struct product_memory_config memory = {
		.snapshot = config->product.memory,
		.paging = config->product.paging,
		.kernel_start = config->product.kernel_start,
		.shadows = config->way == REDIRECT_TAGS,
		.product_tag = TAG_PRODUCT,
		.max_pages = MAX_COPIED_PAGES,
		.counts = config->trace != NULL,
	};
	struct error *err;

	if (!redirect)
		return error_create("starting introspection: out of memory");
	redirect->config = *config;
	redirect->machine = config->machine;
	redirect->cpu = config->machine->cpu;
	err = product_memory_init(&redirect->memory, &memory);
	if (err) {
		free(redirect);
		return err;
	}
	redirect->context.cpu = redirect->cpu;
	redirect->context.memory = &redirect->memory;
	redirect->context.way = config->way;
	redirect->context.word = config->x86_64 ? 8 : 4;
	redirect->context.percpu = config->product.percpu;
	redirect->context.cancel = config->cancel;
	redirect->context.client = client_template;
	redirect->context.client.opaque = redirect;
	find_functions(redirect);
	*ret = redirect;
	return NULL;
}

void redirect_destroy(struct redirect *redirect)
{
	if (!redirect)
		return;
	cpu_set_client(redirect->cpu, NULL);
	context_deinit(&redirect->context);
	product_memory_deinit(&redirect->memory);
	descriptors_deinit(&redirect->descriptors);
	code_deinit(redirect);
	free(redirect->site);
	directories_deinit(redirect);
	namespaces_deinit(redirect);
	error_destroy(redirect->failure);
	free(redirect);
}

struct error *redirect_begin(struct redirect *redirect)
{
	struct error *err = mark_bodies(redirect);

	if (!err)
		err = mark_stand_ins(redirect);
	if (!err)
		err = mark_clocks(redirect);
	if (!err)
		err = mark_constants(redirect);
	if (!err)
		err = mark_directories(redirect);
	if (!err)
		err = mark_namespaces(redirect);
	if (err)
		return err;
	cpu_set_client(redirect->cpu, &redirect->context.client);
	redirect->active = true;
	return NULL;
}

/* The running call's last instruction; UINT64_MAX: none runs. */
static uint64_t call_deadline(const struct redirect *redirect)
{
	return redirect->context.phase == CONTEXT_PRODUCT ? redirect->context.started + call_budget(redirect) : UINT64_MAX;
}

/* Looks after the call that runs: gives it up if it has spent its budget, or waits for what will not come. */
static void look_after_call(struct redirect *redirect)
{
	bool spins;

	if (redirect->context.phase != CONTEXT_PRODUCT)
		return;
	if (call_deadline(redirect) <= cpu_instructions(redirect->cpu))
		abort_endless(redirect);
	else if (!end_spin(redirect, &spins) && spins)
		abort_call(redirect, LOSS_LOCK, "wait for a frozen CPU");
}

/* Whether the machine has stopped in a call for the call's sake; then it is seen to. */
static bool see_to_call(struct redirect *redirect, enum machine_stop stop)
{
	if (stop != MACHINE_STOP_CPU || redirect->machine->cpu_exit != CPU_EXIT_CLIENT || redirect->context.phase != CONTEXT_PRODUCT)
		return false;
	if (!work_ended_run(redirect->cpu) || context_call_spent(&redirect->context))
		abort_stopped_call(redirect);
	return true;
}

/* Runs a slice of work, up to the instruction `until` at most. True: there is more to do. */
static bool run_slice(struct redirect *redirect, uint64_t until, enum machine_stop *ret_stop)
{
	enum { SLICE = 2000000 /* instructions, and iterations; few calls take as many */ };
	uint64_t step = cpu_instructions(redirect->cpu) + SLICE, deadline = call_deadline(redirect);

	if (deadline < step)
		step = deadline;
	context_begin_slice(&redirect->context, SLICE);
	*ret_stop = machine_run(redirect->machine, step < until ? step : until);
	redirect->stats.iterations = context_iterations(&redirect->context);
	if (see_to_call(redirect, *ret_stop))
		return true;
	if (*ret_stop != MACHINE_STOP_LIMIT || cpu_instructions(redirect->cpu) >= until)
		return false;
	look_after_call(redirect);
	return true;
}

enum machine_stop redirect_run(struct redirect *redirect, uint64_t until)
{
	uint64_t before = redirect->stats.iterations, work = 0;
	enum machine_stop stop;

	while (run_slice(redirect, until - work, &stop)) {
		work = (redirect->stats.iterations - before) / WORK_ITERATIONS;
		if (work >= until || cancel_wanted(&redirect->config.cancel))
			return MACHINE_STOP_LIMIT;
	}
	return stop;
}

struct error *redirect_failure(struct redirect *redirect)
{
	struct error *err = redirect->failure;

	redirect->failure = NULL;
	return err;
}

const struct redirect_stats *redirect_stats(const struct redirect *redirect)
{
	return &redirect->stats;
}
