/*
 * The task that calls on the product run as: a copy of the host task's task_struct, in the product's overlay, with a table of descriptors
 * of its own, which is empty. So the process itself stays as it was: its files, its stack and its flags may be what a tool looks at.
 *
 * Nothing here knows the layout of a task_struct: its size is the kernel's allocator's to tell, its `files` is what exit_files() loads
 * first, and pointers of the copy into the original, such as those of empty lists, are moved with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/decode.h"
#include "emu/peek.h"
#include "redirect/session.h"
#include "util/error.h"

enum { MIN_TASK = 0x400, MAX_TASK = 0x8000 /* bytes */, GFP_KERNEL = 0xcc0, STANDARD_FILES = 3 };

static bool put_current(struct redirect *redirect, uint64_t task)
{
	return product_memory_write_word(&redirect->memory, redirect->config.product.percpu + redirect->current_offset,
					 redirect->context.word, task);
}

bool set_current(struct redirect *redirect, uint64_t task)
{
	if (!put_current(redirect, task))
		return false;
	redirect->host_task = task;
	return true;
}

/* -- the process -- */

struct error *find_host(struct redirect *redirect, uint64_t init_task, uint64_t pid, uint64_t *ret)
{
	if (!put_current(redirect, init_task))
		return error_create("the per-CPU area at %#llx is not mapped in the snapshot",
				    (unsigned long long)redirect->config.product.percpu);
	if (!kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.find_task_by_vpid, &pid, 1, ret))
		return error_create("looking for process %llu in the snapshot failed: %s", (unsigned long long)pid,
				    redirect->abort.reason ? redirect->abort.reason : "the kernel's search did not end");
	if (!*ret)
		return error_create_code(ERROR_NO_PROCESS, "the snapshot has no process %llu", (unsigned long long)pid);
	return NULL;
}

/* -- the copy -- */

/* Moves the pointers into the original that the copy holds. */
static bool rebase(struct redirect *redirect, uint64_t from, uint64_t to, uint64_t size)
{
	unsigned word = redirect->context.word;
	uint64_t value;

	for (uint64_t at = 0; at + word <= size; at += word) {
		if (!product_memory_read_word(&redirect->memory, to + at, word, &value))
			return false;
		if (value - from < size && !product_memory_write_word(&redirect->memory, to + at, word, value - from + to))
			return false;
	}
	return true;
}

/* Its size is the kernel's allocator's to tell; 0: it is no object of that. */
static uint64_t task_size(struct redirect *redirect, uint64_t task)
{
	uint64_t size;

	return kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.ksize, &task, 1, &size) && size >= MIN_TASK &&
			       size <= MAX_TASK
		       ? size
		       : 0;
}

bool duplicate_task(struct redirect *redirect, uint64_t original, uint64_t *ret)
{
	uint64_t size = task_size(redirect, original);

	return size &&
	       kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.kmemdup, (uint64_t[]){original, size, GFP_KERNEL}, 3,
			   ret) &&
	       *ret && rebase(redirect, original, *ret, size);
}

static struct error *copy_task(struct redirect *redirect, uint64_t original)
{
	if (!task_size(redirect, original))
		return error_create("the host task at %#llx of the snapshot is no object of the kernel's allocator",
				    (unsigned long long)original);
	if (!duplicate_task(redirect, original, &redirect->first_task))
		return error_create("the snapshot's kernel has no memory left for a copy of the host task");
	redirect->host_task = redirect->first_task;
	return NULL;
}

/* -- its descriptors -- */

bool find_member(struct redirect *redirect, uint64_t function, int64_t *ret)
{
	uint8_t code[64];
	size_t size = function ? cpu_peek(redirect->cpu, function, code, sizeof(code)) : 0;
	struct decoded insn;

	for (size_t at = 0; at < size; at += insn.length) {
		if (decode(redirect->cpu->isa, redirect->context.word, code + at, size - at, &insn) != DECODE_OK)
			break;
		if (!insn.has_modrm || insn.mod == 3 || insn.segment_override || insn.base >= 16 || insn.base == RSP ||
		    insn.displacement < 2 * (int64_t)redirect->context.word)
			continue;
		*ret = insn.displacement;
		return true;
	}
	return false;
}

/* As a child has one, but that what it inherits is the table of the kernel's threads, which have nothing open. */
static struct error *make_files(struct redirect *redirect, uint64_t init_task)
{
	unsigned word = redirect->context.word;
	uint64_t none, files, ignored;
	int64_t member;

	if (!find_member(redirect, redirect->function.exit_files, &member))
		return error_create("exit_files() of the trusted kernel does not load a member of its task");
	if (!product_memory_read_word(&redirect->memory, init_task + member, word, &none) ||
	    !kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.dup_fd, (uint64_t[]){none, 0, redirect->host_task}, 3,
			 &files) ||
	    !files || is_error(redirect, files) || !product_memory_write_word(&redirect->memory, redirect->host_task + member, word, files))
		return error_create("the snapshot's kernel cannot make a table of descriptors");
	redirect->host_files = files;
	for (unsigned i = 0; i < STANDARD_FILES; i++) /* the tool's own, reserved so that other numbers are often the same in both */
		kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.get_unused_fd_flags, (uint64_t[]){0}, 1, &ignored);
	return NULL;
}

/* -- the whole -- */

/* thread_info stands at the task's start: flags and syscall_work as at the start of a system call. */
static void reset_thread_info(struct redirect *redirect)
{
	unsigned word = redirect->context.word;

	product_memory_write_word(&redirect->memory, redirect->host_task, word, 0);
	product_memory_write_word(&redirect->memory, redirect->host_task + word, word, 0);
}

void set_call_abi(struct redirect *redirect)
{
	enum { AFTER_FLAGS = 8, SIZE = 16 }; /* syscall_work and status, or up to 5.10 status and the task's state, which is TASK_RUNNING */
	uint8_t trusted[SIZE], own[SIZE];

	if (redirect->context.word == 8 && cpu_peek(redirect->cpu, trusted_current(redirect) + AFTER_FLAGS, trusted, SIZE) == SIZE &&
	    product_memory_read(&redirect->memory, redirect->host_task + AFTER_FLAGS, own, SIZE) && memcmp(trusted, own, SIZE) != 0)
		product_memory_write(&redirect->memory, redirect->host_task + AFTER_FLAGS, trusted, SIZE);
}

/*
 * The task's own stack, on which the kernel looks for pt_regs, is the one that the call runs on: in the "tags" way the trusted one, told by
 * its tag.
 */
void set_call_stack(struct redirect *redirect)
{
	const struct context *context = &redirect->context;
	bool tags = context->way == REDIRECT_TAGS;
	uint64_t field = redirect->host_task + redirect->task_stack, now;
	uint64_t stack = tags ? redirect->cpu->gpr[RSP] & ~(context->stack_size - 1) : redirect->memory.window;

	if (product_memory_read_word(&redirect->memory, field, context->word, &now) && now == stack)
		return;
	product_memory_write_word(&redirect->memory, field, context->word, stack);
	if (tags)
		product_memory_tag(&redirect->memory, field, context->word, TAG_STACK);
}

struct error *become_host(struct redirect *redirect, uint64_t init_task, uint64_t original)
{
	struct error *err = copy_task(redirect, original);

	if (err)
		return err;
	set_call_stack(redirect);
	if (!set_current(redirect, redirect->host_task))
		return error_create("the per-CPU area cannot be written");
	err = make_files(redirect, init_task);
	if (!err && !make_directories(redirect))
		err = error_create("the snapshot's kernel cannot make a copy of the host task's working directory");
	reset_thread_info(redirect); /* dup_fd() has had it for its error code, in kernels where it wants a place */
	return err;
}

/* PID 1, or another one for it: no command could be run on a snapshot that lacks the page with its task. */
static struct error *host_init(struct redirect *redirect, uint64_t init_task, struct error *damage)
{
	uint64_t pid = choose_host(redirect, init_task);

	if (!pid)
		return damage->code == ERROR_NO_PROCESS ? error_prefix(damage, "no process of the snapshot can be looked through: it was "
									       "taken before init started, or is damaged")
							: error_prefix(damage, "no process of the snapshot can be looked through");
	note(&redirect->config.notes, "commands see what process %llu of the snapshot sees, since process 1 is damaged: %s",
	     (unsigned long long)pid, damage->message);
	error_destroy(damage);
	return NULL;
}

struct error *make_host_task(struct redirect *redirect)
{
	uint64_t init_task = find_symbol(redirect, "init_task"), pid = redirect->config.host_pid, original;
	struct error *err;

	if (!init_task || !redirect->function.find_task_by_vpid)
		return error_create("the kernel has no symbol %s", init_task ? "find_task_by_vpid" : "init_task");
	err = find_host(redirect, init_task, pid ? pid : 1, &original);
	if (!err)
		err = become_host(redirect, init_task, original);
	if (err && !pid)
		return host_init(redirect, init_task, err);
	if (err && err->code != ERROR_NO_PROCESS)
		err = error_prefix(err, "process %llu of the snapshot is damaged, take another one with --as", (unsigned long long)pid);
	return err;
}
