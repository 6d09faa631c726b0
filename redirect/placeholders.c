/* Placeholders in the trusted kernel: placeholders.h. */
#include "redirect/placeholders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "emu/peek.h"

bool placeholder_find(struct placeholders *placeholders, uint32_t fd, uint32_t *ret_number)
{
	uint64_t file, ignored;

	if (!placeholders->descriptors.count) /* nothing to be found */
		return false;
	if (!worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fget, (uint64_t[]){fd}, 1, &file) || !file)
		return false;
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fput, &file, 1, &ignored);
	return descriptors_find(&placeholders->descriptors, file, ret_number);
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

/* Makes file an open /dev/null; false: *ret is a negative errno. */
static bool open_null(struct placeholders *placeholders, uint64_t *ret_file, int64_t *ret)
{
	static const char path[] = "/dev/null";
	uint64_t place = context_scratch(&placeholders->worlds->context, sizeof(path));

	*ret = -EMFILE;
	if (!cpu_poke(placeholders->worlds->cpu, place, path, sizeof(path)) ||
	    !worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_filp_open, (uint64_t[]){place, O_RDWR, 0}, 3, ret_file))
		return false;
	if (kernel_is_error(&placeholders->worlds->trusted, *ret_file))
		*ret = (int32_t)*ret_file;
	return !kernel_is_error(&placeholders->worlds->trusted, *ret_file);
}

int64_t placeholder_install(struct placeholders *placeholders, uint32_t number)
{
	uint64_t close_on_exec = 0, fd, file, ignored;
	int64_t error = -EMFILE;

	worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_get_close_on_exec, (uint64_t[]){number}, 1, &close_on_exec);
	if (!open_null(placeholders, &file, &error)) {
		call_record_loss(placeholders->calls, LOSS_LIMIT);
		close_in_product(placeholders, number);
		return error;
	}
	if (!worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_get_unused_fd_flags,
			 (uint64_t[]){close_on_exec & 0xff ? O_CLOEXEC : 0}, 1, &fd) ||
	    (int32_t)fd < 0 || !descriptors_add(&placeholders->descriptors, file, number)) {
		worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fput, &file, 1, &ignored);
		close_in_product(placeholders, number);
		return -EMFILE;
	}
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fd_install, (uint64_t[]){fd, file}, 2, &ignored);
	return (int32_t)fd;
}

/* Another descriptor for the same open file: a negative errno if there is none. */
static int64_t duplicate(struct placeholders *placeholders, uint32_t fd, bool close_on_exec)
{
	uint64_t file, copy, ignored;

	if (!worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fget, (uint64_t[]){fd}, 1, &file) || !file)
		return -EBADF;
	if (!worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_get_unused_fd_flags, (uint64_t[]){close_on_exec ? O_CLOEXEC : 0}, 1,
			 &copy) ||
	    (int32_t)copy < 0) {
		worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fput, &file, 1, &ignored);
		return -EMFILE;
	}
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fd_install, (uint64_t[]){copy, file}, 2, &ignored);
	return (int32_t)copy;
}

/* Opens the product's file anew, by its path, which is put into `buffer` (PATH_MAX bytes in the product). Returns false if it has none. */
static bool open_again(struct placeholders *placeholders, uint32_t number, uint64_t buffer, uint64_t flags, uint64_t *ret_file)
{
	struct worlds *worlds = placeholders->worlds;
	uint64_t file, path = 0, ignored;
	bool opened;

	if (!worlds_call(worlds, WORLD_PRODUCT, FUNCTION_fget, (uint64_t[]){number}, 1, &file) || !file)
		return false;
	opened = worlds_call(worlds, WORLD_PRODUCT, FUNCTION_file_path, (uint64_t[]){file, buffer, PATH_MAX}, 3, &path) &&
		 !kernel_is_error(worlds->product, path) &&
		 worlds_call(worlds, WORLD_PRODUCT, FUNCTION_filp_open, (uint64_t[]){path, flags, 0}, 3, ret_file) &&
		 !kernel_is_error(worlds->product, *ret_file);
	worlds_call(worlds, WORLD_PRODUCT, FUNCTION_fput, &file, 1, &ignored);
	return opened;
}

/* The product's number of a descriptor for `file`, which it takes over; negative: there is none. */
static int32_t install_in_product(struct placeholders *placeholders, uint64_t file, uint64_t flags)
{
	struct worlds *worlds = placeholders->worlds;
	uint64_t number = 0, ignored;

	if (!worlds_call(worlds, WORLD_PRODUCT, FUNCTION_get_unused_fd_flags, (uint64_t[]){flags & O_CLOEXEC}, 1, &number) ||
	    (int32_t)number < 0) {
		worlds_call(worlds, WORLD_PRODUCT, FUNCTION_fput, &file, 1, &ignored);
		return -1;
	}
	worlds_call(worlds, WORLD_PRODUCT, FUNCTION_fd_install, (uint64_t[]){number, file}, 2, &ignored);
	return number;
}

int64_t placeholder_reopen(struct placeholders *placeholders, uint32_t fd, uint64_t flags)
{
	const uint64_t *function = placeholders->worlds->product->function;
	uint64_t buffer = 0, file, ignored;
	int32_t copy = -1;
	uint32_t number;

	flags &= ~(uint64_t)(O_CREAT | O_EXCL | O_NOFOLLOW); /* it is there, and what leads to it is a link */
	if (function[FUNCTION_vmalloc] && function[FUNCTION_vfree] && function[FUNCTION_file_path] &&
	    placeholder_find(placeholders, fd, &number) &&
	    worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_vmalloc, (uint64_t[]){PATH_MAX}, 1, &buffer) && buffer) {
		if (open_again(placeholders, number, buffer, flags, &file))
			copy = install_in_product(placeholders, file, flags);
		worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_vfree, &buffer, 1, &ignored);
	}
	host_task_finish_work(placeholders->host);
	return copy >= 0 ? placeholder_install(placeholders, copy) : duplicate(placeholders, fd, flags & O_CLOEXEC);
}

void placeholder_show_position(struct placeholders *placeholders, uint32_t fd)
{
	struct abi_arguments seek = {.abi = placeholders->worlds->context.abi}, set = seek;
	uint64_t placeholder, file, position = 0, ignored;
	uint32_t number;
	bool known;

	if (!placeholder_find(placeholders, fd, &number) ||
	    !worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_fget, (uint64_t[]){number}, 1, &file) || !file)
		return;
	abi_add(&seek, file);
	abi_add_64(&seek, 0);
	abi_add(&seek, SEEK_CUR);
	known = worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_vfs_llseek, seek.word, seek.count, &position) &&
		!kernel_is_error(placeholders->worlds->product, position);
	worlds_call(placeholders->worlds, WORLD_PRODUCT, FUNCTION_fput, &file, 1, &ignored);
	if (!known || !worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fget, (uint64_t[]){fd}, 1, &placeholder) || !placeholder)
		return;
	abi_add(&set, placeholder);
	abi_add_64(&set, position);
	abi_add_64(&set, INT64_MAX);
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_vfs_setpos, set.word, set.count, &ignored);
	worlds_call(placeholders->worlds, WORLD_TRUSTED, FUNCTION_fput, &placeholder, 1, &ignored);
}

/* -- their end -- */

static void release(struct placeholders *placeholders, uint64_t file)
{
	uint32_t number;

	if (descriptors_remove(&placeholders->descriptors, file, &number))
		close_in_product(placeholders, number);
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
