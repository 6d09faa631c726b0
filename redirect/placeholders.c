/* Placeholders in the trusted kernel: placeholders.h. */
#include "redirect/placeholders.h"

#include <errno.h>
#include <fcntl.h>

#include "emu/peek.h"

/* The open file of the current task with this number, which the caller gives back; 0: there is none. */
static uint64_t get_file(struct placeholders *placeholders, uint32_t fd)
{
	uint64_t file;

	return worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fget, (uint64_t[]){fd}, 1, &file) ? file : 0;
}

/* The same of another task: the kernel looks into its table in the place of the current task's. */
static uint64_t get_file_of(struct placeholders *placeholders, uint64_t task, uint32_t fd)
{
	struct cpu *cpu = placeholders->worlds->cpu;
	unsigned word = placeholders->worlds->context.abi->word, member = placeholders->worlds->trusted.layout.files;
	uint64_t own = worlds_current(placeholders->worlds) + member, files, others, file = 0;

	if (!member || !cpu_peek_word(cpu, own, word, &files) || !cpu_peek_word(cpu, task + member, word, &others) || !others)
		return 0;
	if (cpu_poke(cpu, own, &others, word))
		file = get_file(placeholders, fd);
	cpu_poke(cpu, own, &files, word);
	return file;
}

bool placeholder_find(struct placeholders *placeholders, uint64_t task, uint32_t fd, struct descriptor *ret)
{
	uint64_t file, ignored;

	if (!placeholders->descriptors.count) /* nothing to be found */
		return false;
	file = task ? get_file_of(placeholders, task, fd) : get_file(placeholders, fd);
	if (!file)
		return false;
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fput, &file, 1, &ignored);
	return descriptors_find(&placeholders->descriptors, file, ret);
}

static void close_in_product(struct placeholders *placeholders, uint32_t number)
{
	uint64_t ignored;

	if (placeholders->worlds->product->function[FUNCTION_close_fd])
		worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_close_fd, (uint64_t[]){number}, 1, &ignored);
	else /* 5.10 had it under another name */
		worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION___close_fd, (uint64_t[]){placeholders->host->files, number}, 2,
			    &ignored);
	host_task_finish_work(placeholders->host);
}

/*
 * Opens the placeholder of a new file; false: *ret is a negative errno. It is a file of /proc/sys, at its end, where reading it finds
 * nothing: one that the kernel has a function to poll for (polls.h). Before Linux 3.2 it has none, and the file is always ready.
 */
static bool open_placeholder(struct placeholders *placeholders, uint64_t *ret_file, int64_t *ret)
{
	static const char path[] = "/proc/sys/kernel/ostype";
	struct abi_arguments end = {.abi = placeholders->worlds->context.abi};
	uint64_t place = context_scratch(&placeholders->worlds->context, sizeof(path)), ignored;

	*ret = -EMFILE;
	if (!cpu_poke(placeholders->worlds->cpu, place, path, sizeof(path)) ||
	    !worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_filp_open, (uint64_t[]){place, O_RDONLY, 0}, 3, ret_file))
		return false;
	if (kernel_is_error(&placeholders->worlds->trusted, *ret_file)) {
		*ret = (int32_t)*ret_file;
		return false;
	}
	abi_add(&end, *ret_file);
	abi_add_64(&end, PAGE_SIZE);
	abi_add_64(&end, PAGE_SIZE);
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_vfs_setpos, end.word, end.count, &ignored);
	return true;
}

int64_t placeholder_install(struct placeholders *placeholders, uint32_t number, bool own)
{
	uint64_t close_on_exec = 0, fd, file, ignored;
	int64_t error = -EMFILE;

	worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_get_close_on_exec, (uint64_t[]){number}, 1, &close_on_exec);
	if (!open_placeholder(placeholders, &file, &error)) {
		call_record_loss(placeholders->calls, LOSS_LIMIT);
		close_in_product(placeholders, number);
		return error;
	}
	if (!worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_get_unused_fd_flags,
			 (uint64_t[]){close_on_exec & 0xff ? O_CLOEXEC : 0}, 1, &fd) ||
	    (int32_t)fd < 0 || !descriptors_add(&placeholders->descriptors, (struct descriptor){file, number, own})) {
		worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fput, &file, 1, &ignored);
		close_in_product(placeholders, number);
		return -EMFILE;
	}
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fd_install, (uint64_t[]){fd, file}, 2, &ignored);
	return (int32_t)fd;
}

/* -- their end -- */

static void release(struct placeholders *placeholders, uint64_t file)
{
	struct descriptor descriptor;

	if (descriptors_remove(&placeholders->descriptors, file, &descriptor))
		close_in_product(placeholders, descriptor.number);
}

static enum mark_action on_fput(void *opaque, struct cpu *cpu)
{
	struct placeholders *placeholders = opaque;
	const struct context *context = &placeholders->worlds->context;

	if (context->phase == CONTEXT_TRUSTED && !context->nested)
		release(placeholders, abi_argument(context->abi, cpu, 0));
	return MARK_CONTINUE;
}

struct error *placeholder_mark(struct placeholders *placeholders)
{
	return worlds_mark(placeholders->worlds, WORLD_TRUSTED, "__fput", on_fput, placeholders);
}

void placeholder_deinit(struct placeholders *placeholders)
{
	descriptors_deinit(&placeholders->descriptors);
}
