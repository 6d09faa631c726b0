/*
 * A public session in this process: backend.h.
 *
 * The snapshot is opened twice: facts and memory are told by one, with the kernel found as `xray86 info` finds it, and commands are run on
 * the other, whose kernel is found by that of a checkpoint where there is one.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "session/backend.h"
#include "session/command.h"
#include "session/info.h"
#include "session/report.h"
#include "session/reader.h"

#define NS_PER_S 1000000000ll

struct local {
	const struct xray86_open_options *options;
	char *kernel_path; /* in PATH's form */
	struct session session;
	struct target target; /* of facts and memory */
	bool identified;      /* its kernel has been looked for */
	struct error *lack;   /* why it, or its image, was not found */
	struct reader reader; /* of processes' memory */
	atomic_bool cancelled;
	int64_t end; /* CLOCK_MONOTONIC, in nanoseconds, of the command that runs; 0: none */
};

/* -- ends -- */

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

static bool is_late(const struct local *local)
{
	return local->end && now() >= local->end;
}

static bool is_over(void *opaque)
{
	const struct local *local = opaque;

	return atomic_load_explicit(&local->cancelled, memory_order_relaxed) || is_late(local);
}

static void local_cancel(void *self)
{
	atomic_store(&((struct local *)self)->cancelled, true);
}

/* At the end of each call: whatever it has ended in, whoever wanted its end hears of that. */
static struct error *finish(struct local *local, struct error *err)
{
	bool late = is_late(local);

	local->end = 0;
	if (!err)
		return NULL;
	if (atomic_exchange(&local->cancelled, false)) {
		error_destroy(err);
		return error_create_code(ERROR_CANCELLED, "the call was cancelled");
	}
	if (late) {
		error_destroy(err);
		return error_create_code(ERROR_TIMEOUT, "the command did not end within the time of options.timeout");
	}
	return err;
}

/* At the beginning: the end may be wanted already. */
static struct error *begin(struct local *local)
{
	return is_over(local) ? error_create_code(ERROR_CANCELLED, "the call was cancelled") : NULL;
}

/* -- facts -- */

static struct error *open_target(struct local *local)
{
	struct error *err = target_open(&local->target, local->session.config.snapshot);

	if (!err)
		local->target.snapshot->cancel = local->session.config.cancel;
	return err;
}

static void note_lack(const struct local *local)
{
	const struct notes *notes = &local->session.config.notes;
	const struct target *target = &local->target;

	if (!target->found)
		note(notes, "nothing is known of the kernel: %s", local->lack->message);
	else if (target->own_symbols)
		note(notes, "what is told of the kernel rests on the symbols in its memory: %s", local->lack->message);
	else
		note(notes, "no number of CPUs and uptime: %s; %s", local->lack->message,
		     target->symbols_lack ? target->symbols_lack->message : "");
}

/* Once. A kernel that is not found is no error: facts and physical memory are there without. */
static struct error *identify(struct local *local)
{
	struct error *err, *lack = NULL;

	if (local->identified)
		return NULL;
	if (!local->target.snapshot) { /* after a search that was cancelled */
		err = open_target(local);
		if (err)
			return err;
	}
	err = target_identify(&local->target, &local->session.config.sources, &lack);
	if (err && err->code == ERROR_CANCELLED) {
		error_destroy(lack);
		target_close(&local->target);
		return err;
	}
	local->identified = true;
	local->lack = err ? err : lack;
	if (err)
		error_destroy(lack);
	if (local->lack)
		note_lack(local);
	return NULL;
}

static struct error *local_facts(void *self, struct xray86_facts *ret)
{
	struct local *local = self;
	const struct target *target = &local->target;
	struct error *err = begin(local);

	if (!err)
		err = identify(local);
	if (err)
		return finish(local, err);
	ret->format = snapshot_format_name(target->snapshot);
	ret->memory = target->snapshot->memory_size;
	if (target->found) {
		const struct product *product = &target->product;

		ret->architecture = info_architecture(product);
		ret->release = product->banner.release;
		ret->banner = product->banner.text;
		ret->kernel_base = product->based ? product->vbase : 0;
		ret->cpus = product->cpus ? product->online : 0;
		ret->uptime_ms = product->cpus ? product->uptime_ms : 0;
	}
	return finish(local, NULL);
}

static struct error *local_info(void *self, char **ret_json)
{
	struct local *local = self;
	struct error *err = begin(local);

	if (!err)
		err = identify(local);
	if (!err) {
		*ret_json = info_json(&local->target);
		err = *ret_json ? NULL : error_create("out of memory");
	}
	return finish(local, err);
}

/* -- memory -- */

static struct error *not_there(uint64_t address, const char *why)
{
	return error_create_code(ERROR_NOT_THERE, "the memory at %#llx cannot be read: %s", (unsigned long long)address, why);
}

/* Within one page. address: as the caller has it, for the message. */
static struct error *read_page(struct snapshot *snapshot, uint64_t address, uint64_t paddr, void *to, size_t size)
{
	static const char *const lacks[] = {
		[PAGE_HOLE] = "the snapshot has no memory there",
		[PAGE_LEFT_OUT] = "the page was left out when the snapshot was made",
		[PAGE_UNREADABLE] = "the snapshot's file cannot be read there",
	};
	enum page_lack lack;
	const uint8_t *page = snapshot_page(snapshot, paddr, &lack);

	if (!page)
		return not_there(address, lacks[lack]);
	memcpy(to, page + (paddr & ~PAGE_MASK), size);
	return NULL;
}

static struct error *read_pages(struct local *local, enum memory_kind kind, uint64_t address, uint8_t *to, size_t size)
{
	struct target *target = &local->target;
	struct error *err = NULL;

	for (size_t done = 0, n; !err && done < size; done += n) {
		uint64_t at = address + done, paddr = at;

		n = PAGE_SIZE - (at & ~PAGE_MASK);
		n = n < size - done ? n : size - done;
		if (kind == MEMORY_KERNEL && !product_translate(&target->product, at, &paddr))
			return not_there(at, "the kernel has nothing mapped there");
		err = read_page(target->snapshot, at, paddr, to + done, n);
	}
	return err;
}

static struct error *no_kernel(const struct local *local)
{
	return error_create_code(ERROR_NO_KERNEL, "%s", local->lack ? local->lack->message : "the snapshot's kernel was not identified");
}

static struct error *nothing_to_collect(void *opaque, const struct product *product)
{
	(void)opaque, (void)product;
	return NULL;
}

static struct error *read_process(struct local *local, unsigned pid, uint64_t address, void *to, size_t size)
{
	struct error *err = session_boot(&local->session, TRUSTED_SAME, nothing_to_collect, NULL);

	return err ? err : reader_read(&local->reader, &local->session, pid, address, to, size);
}

static struct error *local_read(void *self, enum memory_kind kind, unsigned pid, uint64_t address, void *to, size_t size)
{
	struct local *local = self;
	struct error *err = begin(local);

	if (!err && address + (size - 1) < address)
		err = not_there(address, "it would go beyond the last address");
	if (!err)
		err = identify(local);
	if (!err && kind == MEMORY_PROCESS)
		err = read_process(local, pid, address, to, size);
	else if (!err && kind == MEMORY_KERNEL && !local->target.found)
		err = no_kernel(local);
	else if (!err)
		err = read_pages(local, kind, address, to, size);
	return finish(local, err);
}

/* -- commands -- */

struct run {
	const struct xray86_run_options *options;
	struct command *command;
	struct command_options command_options;
};

static ssize_t give_input(void *opaque, void *to, size_t size, bool idle)
{
	const struct run *run = opaque;

	return run->options->input(run->options->opaque, to, size, idle);
}

static int take_output(void *opaque, unsigned stream, const void *bytes, size_t size)
{
	const struct run *run = opaque;

	return run->options->output(run->options->opaque, stream == 2 ? XRAY86_STDERR : XRAY86_STDOUT, bytes, size);
}

static void take_call(void *opaque, const struct redirect_call *call)
{
	const struct run *run = opaque;
	char *text = report_call_json(call);

	if (text)
		run->options->trace(run->options->opaque, text);
	free(text);
}

static enum code_choice code_choice(enum xray86_run_code code)
{
	static const enum code_choice choices[] = {
		[XRAY86_CODE_DEFAULT] = CODE_VERIFIED,
		[XRAY86_CODE_TRUSTED] = CODE_TRUSTED,
		[XRAY86_CODE_PRODUCT] = CODE_PRODUCT,
		[XRAY86_CODE_VERIFIED] = CODE_VERIFIED,
	};

	return choices[code];
}

static enum trusted_choice trusted_choice(enum xray86_run_code code)
{
	static const enum trusted_choice choices[] = {
		[XRAY86_CODE_DEFAULT] = TRUSTED_ANY,
		[XRAY86_CODE_TRUSTED] = TRUSTED_SAME,
		[XRAY86_CODE_PRODUCT] = TRUSTED_GIVEN,
		[XRAY86_CODE_VERIFIED] = TRUSTED_SAME,
	};

	return choices[code];
}

static void describe(struct run *run, const char *const *command)
{
	const struct xray86_run_options *options = run->options;

	run->command_options = (struct command_options){
		.words = (char *const *)command,
		.environment = (char *const *)options->environment,
		.root = options->root ? options->root : "",
		.policy = options->policy,
		.host_pid = options->as,
		.way = options->way == XRAY86_WAY_TAGS ? REDIRECT_TAGS : REDIRECT_CONTEXT,
		.no_redirect = options->flags & XRAY86_NO_REDIRECT,
		.code = code_choice(options->code),
		.trusted = trusted_choice(options->code),
		.trust_modules = options->trust_modules,
		.keep = options->flags & XRAY86_KEEP,
		.budget = options->budget ? options->budget : COMMAND_DEFAULT_BUDGET,
		.streams = {give_input, take_output, run},
		.trace = options->trace ? take_call : NULL,
		.trace_opaque = run,
	};
}

/* What is to be told of the command, in the words of the library. */
static struct error *report(const struct local *local, const struct run *run, struct outcome *ret)
{
	const struct report_words words = {"XRAY86_CODE_PRODUCT", run->command_options.code == CODE_TRUSTED ? "XRAY86_CODE_VERIFIED" : NULL,
					   "options.trust_modules with ", run->options->trace ? NULL : "options.trace"};
	const struct losses *losses = command_losses(run->command);

	for (size_t i = 0; i < losses->codes; i++) {
		char *text = report_code(&losses->code[i], run->command_options.code == CODE_PRODUCT, &words);

		if (text)
			note(&local->session.config.notes, "%s", text);
		free(text);
	}
	ret->status = command_status(run->command);
	ret->unproven = command_is_unproven(run->command);
	ret->losses = losses_any(losses) ? report_losses(losses, &words) : NULL;
	ret->stats = report_stats_json(command_stats(run->command), losses, command_instructions(run->command));
	return ret->stats && !losses_any(losses) == !ret->losses ? NULL : error_create("out of memory");
}

static struct error *local_run(void *self, const char *const *command, const struct xray86_run_options *options, struct outcome *ret)
{
	struct local *local = self;
	struct run run = {.options = options};
	struct error *err;

	local->end = options->timeout ? now() + options->timeout * NS_PER_S : 0;
	describe(&run, command);
	err = begin(local);
	if (!err)
		err = command_create(&local->session, &run.command_options, &run.command);
	if (!err)
		err = command_prepare(run.command);
	if (!err)
		err = command_run(run.command);
	if (!err)
		err = report(local, &run, ret);
	command_destroy(run.command);
	return finish(local, err);
}

/* -- opening -- */

static void local_close(void *self)
{
	struct local *local = self;

	reader_close(&local->reader);
	session_close(&local->session);
	target_close(&local->target);
	error_destroy(local->lack);
	free(local->kernel_path);
	free(local);
}

/* A list of folders in PATH's form; NULL: out of memory. */
static char *join(const char *const *list)
{
	char *text = strdup(""), *longer;

	for (size_t i = 0; text && list[i]; i++) {
		if (asprintf(&longer, "%s%s%s", text, i ? ":" : "", list[i]) < 0)
			longer = NULL;
		free(text);
		text = longer;
	}
	return text;
}

static void init(struct local *local, const char *snapshot, const struct xray86_open_options *options, const struct session_stages *stages)
{
	static const struct session_stages none;
	const struct session_config config = {
		.snapshot = snapshot,
		.sources = {.file = options->kernel, .path = local->kernel_path},
		.memory = options->memory,
		.cache = options->cache,
		.no_cache = options->flags & XRAY86_NO_CACHE,
		.cancel = {is_over, local},
		.notes = {options->note, options->opaque},
		.progress = {options->progress, options->opaque},
		.stages = stages ? *stages : none,
	};

	local->options = options;
	session_init(&local->session, &config);
}

static const struct backend backend = {local_close, local_cancel, local_facts, local_info, local_read, local_run};

struct error *local_open(const char *snapshot, const struct xray86_open_options *options, const struct session_stages *stages,
			 const struct backend **ret, void **ret_self)
{
	struct local *local = calloc(1, sizeof(*local));
	struct error *err = NULL;

	if (local && options->kernel_path)
		local->kernel_path = join(options->kernel_path);
	if (!local || (options->kernel_path && !local->kernel_path)) {
		free(local);
		return error_create("out of memory");
	}
	init(local, snapshot, options, stages);
	session_open_cache(&local->session);
	err = session_open_snapshot(&local->session);
	if (!err)
		err = open_target(local);
	if (err) {
		local_close(local);
		return err;
	}
	*ret = &backend;
	*ret_self = local;
	return NULL;
}
