/*
 * Placeholders in the trusted kernel: made, recognised and released by calls of its own functions (fget(), get_unused_fd_flags(),
 * filp_open(), fd_install(): fs/file.c, fs/open.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/session.h"

static bool call(struct redirect *redirect, enum world world, uint64_t function, const uint64_t *argument, unsigned arguments,
		 uint64_t *ret)
{
	return function && kernel_call(&redirect->context, world, function, argument, arguments, ret);
}

/* An address that holds ERR_PTR(). */
static bool is_error(const struct redirect *redirect, uint64_t value)
{
	return redirect->context.word == 8 ? value >= (uint64_t)-4095 : (uint32_t)value >= (uint32_t)-4095;
}

bool product_descriptor(struct redirect *redirect, uint32_t fd, uint32_t *ret_number)
{
	uint64_t file, ignored;

	if (!redirect->descriptors.count) /* nothing to be found */
		return false;
	if (!call(redirect, WORLD_TRUSTED, redirect->function.fget, (uint64_t[]){fd}, 1, &file) || !file)
		return false;
	call(redirect, WORLD_TRUSTED, redirect->function.fput, &file, 1, &ignored);
	return descriptors_find(&redirect->descriptors, file, ret_number);
}

static void close_in_product(struct redirect *redirect, uint32_t number)
{
	uint64_t ignored;

	call(redirect, WORLD_PRODUCT, redirect->function.close_fd, (uint64_t[]){number}, 1, &ignored);
}

/* Makes file an open /dev/null; false: *ret is a negative errno. */
static bool open_null(struct redirect *redirect, uint64_t *ret_file, int64_t *ret)
{
	static const char path[] = "/dev/null";
	uint64_t place = (redirect->cpu->gpr[RSP] - 64) & ~15ull;

	*ret = -EMFILE;
	if (!cpu_poke(redirect->cpu, place, path, sizeof(path)) ||
	    !call(redirect, WORLD_TRUSTED, redirect->function.filp_open, (uint64_t[]){place, O_RDWR, 0}, 3, ret_file))
		return false;
	if (is_error(redirect, *ret_file))
		*ret = (int32_t)*ret_file;
	return !is_error(redirect, *ret_file);
}

int64_t install_placeholder(struct redirect *redirect, uint32_t number)
{
	uint64_t close_on_exec = 0, fd, file, ignored;
	int64_t error = -EMFILE;

	call(redirect, WORLD_PRODUCT, redirect->function.get_close_on_exec, (uint64_t[]){number}, 1, &close_on_exec);
	if (!open_null(redirect, &file, &error)) {
		close_in_product(redirect, number);
		return error;
	}
	if (!call(redirect, WORLD_TRUSTED, redirect->function.get_unused_fd_flags, (uint64_t[]){close_on_exec & 0xff ? O_CLOEXEC : 0}, 1,
		  &fd) ||
	    (int32_t)fd < 0 || !descriptors_add(&redirect->descriptors, file, number)) {
		call(redirect, WORLD_TRUSTED, redirect->function.fput, &file, 1, &ignored);
		close_in_product(redirect, number);
		return -EMFILE;
	}
	call(redirect, WORLD_TRUSTED, redirect->function.fd_install, (uint64_t[]){fd, file}, 2, &ignored);
	return (int32_t)fd;
}

void release_placeholder(struct redirect *redirect, uint64_t file)
{
	uint32_t number;

	if (descriptors_remove(&redirect->descriptors, file, &number))
		close_in_product(redirect, number);
}
