/*
 * The host task: host_task.h. Nothing here knows the layout of a task_struct. The kernel's allocator tells its size. Pointers of the copy
 * into the original, such as those of empty lists, are moved with it.
 */
#include "redirect/host_task.h"

#include <string.h>

#include "emu/peek.h"
#include "util/align.h"
#include "util/error.h"

enum { MIN_TASK = 0x400, MAX_TASK = 0x8000 /* bytes */, GFP_KERNEL = 0xcc0, STANDARD_FILES = 3 };

bool host_task_set(struct host_task *host, uint64_t task)
{
	if (!worlds_set_current(host->worlds, task))
		return false;
	host->now = task;
	return true;
}

/* -- the process -- */

struct error *host_task_find(struct host_task *host, uint64_t init_task, uint64_t pid, uint64_t *ret)
{
	if (!worlds_set_current(host->worlds, init_task))
		return error_create("the per-CPU area at %#llx is not mapped in the snapshot",
				    (unsigned long long)host->worlds->context.percpu);
	if (!worlds_call(host->worlds, WORLD_PRODUCT, FUNCTION_find_task_by_vpid, &pid, 1, ret))
		return error_create("looking for process %llu in the snapshot failed: %s", (unsigned long long)pid,
				    host->calls->abort.reason ? host->calls->abort.reason : "the kernel's search did not end");
	if (!*ret)
		return error_create_code(ERROR_NO_PROCESS, "the snapshot has no process %llu", (unsigned long long)pid);
	return NULL;
}

/* -- the copy -- */

/* Moves the pointers into the original that the copy holds. */
static bool rebase(struct host_task *host, uint64_t from, uint64_t to, uint64_t size)
{
	unsigned word = host->worlds->context.abi->word;
	uint64_t value;

	for (uint64_t at = 0; at + word <= size; at += word) {
		if (!product_memory_read_word(&host->worlds->memory, to + at, word, &value))
			return false;
		if (value - from < size && !product_memory_write_word(&host->worlds->memory, to + at, word, value - from + to))
			return false;
	}
	return true;
}

/* Its size, which the kernel's allocator tells. 0: it is no object of the allocator. */
static uint64_t task_size(struct host_task *host, uint64_t task)
{
	uint64_t size;

	return worlds_call(host->worlds, WORLD_PRODUCT, FUNCTION_ksize, &task, 1, &size) && size >= MIN_TASK && size <= MAX_TASK ? size : 0;
}

/*
 * On a machine that audits, a task has an audit context. In it the kernel keeps the paths that a call reads, with their addresses in the
 * tool, until the call's exit; it reads no address twice. But exits are the trusted VM's. So the kernel would take the first path that
 * stood at an address for all later ones. Without a context, audit has nothing to do.
 */
static bool leave_audit(struct host_task *host, uint64_t task)
{
	unsigned member = host->worlds->product->layout.audit;

	return !member || product_memory_write_word(&host->worlds->memory, task + member, host->worlds->context.abi->word, 0);
}

bool host_task_duplicate(struct host_task *host, uint64_t original, uint64_t *ret)
{
	uint64_t size = task_size(host, original);

	return size && worlds_call(host->worlds, WORLD_PRODUCT, FUNCTION_kmemdup, (uint64_t[]){original, size, GFP_KERNEL}, 3, ret) &&
	       *ret && rebase(host, original, *ret, size) && leave_audit(host, *ret);
}

static struct error *copy_task(struct host_task *host, uint64_t original)
{
	if (!task_size(host, original))
		return error_create("the host task at %#llx of the snapshot is no object of the kernel's allocator",
				    (unsigned long long)original);
	if (!host_task_duplicate(host, original, &host->first))
		return error_create("the snapshot's kernel has no memory left for a copy of the host task");
	host->now = host->first;
	host->original = original;
	return NULL;
}

/* -- its descriptors -- */

/* Makes one as a child gets one, but from the table of the kernel's threads, which have nothing open. */
static struct error *make_files(struct host_task *host, uint64_t init_task)
{
	unsigned word = host->worlds->context.abi->word;
	uint64_t member = host->worlds->product->layout.files, none, files, ignored;

	if (!member)
		return error_create("exit_files() of the trusted kernel does not load a member of its task");
	if (!product_memory_read_word(&host->worlds->memory, init_task + member, word, &none) ||
	    !worlds_call(host->worlds, WORLD_PRODUCT, FUNCTION_dup_fd, (uint64_t[]){none, 0, host->now}, 3, &files) || !files ||
	    kernel_is_error(host->worlds->product, files) ||
	    !product_memory_write_word(&host->worlds->memory, host->now + member, word, files))
		return error_create("the snapshot's kernel cannot make a table of descriptors");
	host->files = files;
	for (unsigned i = 0; i < STANDARD_FILES; i++) /* the tool's own, reserved so that other numbers are often the same in both */
		worlds_call(host->worlds, WORLD_PRODUCT, FUNCTION_get_unused_fd_flags, (uint64_t[]){0}, 1, &ignored);
	return NULL;
}

void host_task_show_files(struct host_task *host)
{
	struct product_memory *memory = &host->worlds->memory;
	unsigned word = host->worlds->context.abi->word;
	uint64_t member = host->worlds->product->layout.files, files;

	host->hidden = 0;
	if (host->now == host->first && product_memory_read_word(memory, host->now + member, word, &files) &&
	    product_memory_read_word(memory, host->original + member, word, &host->hidden))
		product_memory_write_word(memory, host->original + member, word, files);
}

void host_task_hide_files(struct host_task *host)
{
	if (host->hidden)
		product_memory_write_word(&host->worlds->memory, host->original + host->worlds->product->layout.files,
					  host->worlds->context.abi->word, host->hidden);
	host->hidden = 0;
}

/* -- before a call -- */

/* The product's own kernel has its own kind of thread_info. */
static void put_status(struct host_task *host)
{
	enum { TS_COMPAT = 2 };
	struct worlds *worlds = host->worlds;
	unsigned member = worlds->product->layout.status;
	uint64_t status = host->calls->now.abi == POLICY_I386 ? TS_COMPAT : 0, now;

	if (worlds->context.abi->word != 8)
		return;
	if (!member && status) /* the kernel may take it for a call of a 64-bit program */
		call_record_loss(host->calls, LOSS_LIMIT);
	if (member && product_memory_read_word(&worlds->memory, host->now + member, 4, &now) && now != status)
		product_memory_write_word(&worlds->memory, host->now + member, 4, status);
}

static void put_abi(struct host_task *host)
{
	enum { AFTER_FLAGS = 8, SIZE = 16 }; /* syscall_work and status, or up to 5.10 status and the task's state, which is TASK_RUNNING */
	struct worlds *worlds = host->worlds;
	uint8_t trusted[SIZE], own[SIZE];

	if (worlds->context.abi->word == 8 && cpu_peek(worlds->cpu, worlds_current(worlds) + AFTER_FLAGS, trusted, SIZE) == SIZE &&
	    product_memory_read(&worlds->memory, host->now + AFTER_FLAGS, own, SIZE) && memcmp(trusted, own, SIZE) != 0)
		product_memory_write(&worlds->memory, host->now + AFTER_FLAGS, trusted, SIZE);
}

/*
 * The task's own stack, on which the kernel looks for pt_regs, is the one that the call runs on: in the "tags" way the trusted one, told by
 * its tag.
 */
static void put_stack(struct host_task *host)
{
	struct worlds *worlds = host->worlds;
	const struct context *context = &worlds->context;
	bool tags = context->way == REDIRECT_TAGS;
	uint64_t field = host->now + worlds->product->layout.stack, now;
	uint64_t stack = context_stack_start(context, host->calls->now.regs);

	if (product_memory_read_word(&worlds->memory, field, context->abi->word, &now) && now == stack)
		return;
	product_memory_write_word(&worlds->memory, field, context->abi->word, stack);
	if (tags)
		product_memory_tag(&worlds->memory, field, context->abi->word, TAG_STACK);
}

void host_task_prepare(struct host_task *host)
{
	if (worlds_have_two_kernels(host->worlds))
		put_status(host);
	else
		put_abi(host);
	put_stack(host);
}

/* -- the whole -- */

struct error *host_task_make(struct host_task *host, uint64_t init_task, uint64_t original)
{
	struct error *err = copy_task(host, original);

	if (err)
		return err;
	put_stack(host);
	if (!host_task_set(host, host->now))
		return error_create("the per-CPU area cannot be written");
	return make_files(host, init_task);
}

void host_task_reset(struct host_task *host)
{
	struct worlds *worlds = host->worlds;
	unsigned word = worlds->context.abi->word;

	/* thread_info stands at the task's start: flags and syscall_work. */
	product_memory_write_word(&worlds->memory, host->now, word, 0);
	product_memory_write_word(&worlds->memory, host->now + word, word, 0);
}

/* -- task work -- */

/* A task of the product puts something off to its return to user mode, which never comes. */
static enum mark_action on_task_work(void *opaque, struct cpu *cpu)
{
	struct host_task *host = opaque;

	(void)cpu;
	if (host->worlds->context.phase == CONTEXT_PRODUCT)
		host->work_put_off = true;
	return MARK_CONTINUE;
}

struct error *host_task_mark(struct host_task *host)
{
	return worlds_mark(host->worlds, WORLD_PRODUCT, "task_work_add", on_task_work, host);
}

void host_task_finish_work(struct host_task *host)
{
	uint64_t ignored;

	if (!host->work_put_off)
		return;
	host->work_put_off = false;
	worlds_call(host->worlds, WORLD_PRODUCT, FUNCTION_task_work_run, NULL, 0, &ignored);
}
