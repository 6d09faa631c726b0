/*
 * Placeholders in the trusted kernel: made, recognised and released by calls of its own functions (fget(), get_unused_fd_flags(),
 * filp_open(), fd_install(): fs/file.c, fs/open.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/session.h"

/* An address that holds ERR_PTR(). */
bool is_error(const struct redirect *redirect, uint64_t value)
{
	return redirect->context.word == 8 ? value >= (uint64_t)-4095 : (uint32_t)value >= (uint32_t)-4095;
}

bool product_descriptor(struct redirect *redirect, uint32_t fd, uint32_t *ret_number)
{
	uint64_t file, ignored;

	if (!redirect->descriptors.count) /* nothing to be found */
		return false;
	if (!kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fget, (uint64_t[]){fd}, 1, &file) || !file)
		return false;
	kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fput, &file, 1, &ignored);
	return descriptors_find(&redirect->descriptors, file, ret_number);
}

void finish_put_off_work(struct redirect *redirect)
{
	uint64_t ignored;

	if (!redirect->work_put_off)
		return;
	redirect->work_put_off = false;
	kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.task_work_run, NULL, 0, &ignored);
}

static void close_in_product(struct redirect *redirect, uint32_t number)
{
	uint64_t ignored;

	if (redirect->function.close_fd)
		kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.close_fd, (uint64_t[]){number}, 1, &ignored);
	else /* 5.10 had it under another name */
		kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.__close_fd, (uint64_t[]){redirect->host_files, number}, 2,
			    &ignored);
	finish_put_off_work(redirect);
}

/* Makes file an open /dev/null; false: *ret is a negative errno. */
static bool open_null(struct redirect *redirect, uint64_t *ret_file, int64_t *ret)
{
	static const char path[] = "/dev/null";
	uint64_t place = (redirect->cpu->gpr[RSP] - 64) & ~15ull;

	*ret = -EMFILE;
	if (!cpu_poke(redirect->cpu, place, path, sizeof(path)) ||
	    !kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.filp_open, (uint64_t[]){place, O_RDWR, 0}, 3, ret_file))
		return false;
	if (is_error(redirect, *ret_file))
		*ret = (int32_t)*ret_file;
	return !is_error(redirect, *ret_file);
}

int64_t install_placeholder(struct redirect *redirect, uint32_t number)
{
	uint64_t close_on_exec = 0, fd, file, ignored;
	int64_t error = -EMFILE;

	kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.get_close_on_exec, (uint64_t[]){number}, 1, &close_on_exec);
	if (!open_null(redirect, &file, &error)) {
		record_loss(redirect, LOSS_LIMIT);
		close_in_product(redirect, number);
		return error;
	}
	if (!kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.get_unused_fd_flags,
			 (uint64_t[]){close_on_exec & 0xff ? O_CLOEXEC : 0}, 1, &fd) ||
	    (int32_t)fd < 0 || !descriptors_add(&redirect->descriptors, file, number)) {
		kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fput, &file, 1, &ignored);
		close_in_product(redirect, number);
		return -EMFILE;
	}
	kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fd_install, (uint64_t[]){fd, file}, 2, &ignored);
	return (int32_t)fd;
}

int64_t duplicate_placeholder(struct redirect *redirect, uint32_t fd, bool close_on_exec)
{
	uint64_t file, copy, ignored;

	if (!kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fget, (uint64_t[]){fd}, 1, &file) || !file)
		return -EBADF;
	if (!kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.get_unused_fd_flags,
			 (uint64_t[]){close_on_exec ? O_CLOEXEC : 0}, 1, &copy) ||
	    (int32_t)copy < 0) {
		kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fput, &file, 1, &ignored);
		return -EMFILE;
	}
	kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fd_install, (uint64_t[]){copy, file}, 2, &ignored);
	return (int32_t)copy;
}

void show_position(struct redirect *redirect, uint32_t fd)
{
	bool wide = redirect->context.word == 8;
	uint64_t placeholder, file, position = 0, ignored;
	uint32_t number;
	bool known;

	if (!product_descriptor(redirect, fd, &number) ||
	    !kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.fget, (uint64_t[]){number}, 1, &file) || !file)
		return;
	known = kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.vfs_llseek,
			    wide ? (uint64_t[]){file, 0, SEEK_CUR} : (uint64_t[]){file, 0, 0, SEEK_CUR}, wide ? 3 : 4, &position) &&
		!is_error(redirect, position);
	kernel_call(&redirect->context, WORLD_PRODUCT, redirect->function.fput, &file, 1, &ignored);
	if (!known || !kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fget, (uint64_t[]){fd}, 1, &placeholder) ||
	    !placeholder)
		return;
	kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.vfs_setpos,
		    wide ? (uint64_t[]){placeholder, position, INT64_MAX} : (uint64_t[]){placeholder, position, 0, UINT32_MAX, INT32_MAX},
		    wide ? 3 : 5, &ignored);
	kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fput, &placeholder, 1, &ignored);
}

/* -- files for the tools -- */

enum { PIECE = 65536 };

/* Runs what the task has put off until it returns to user mode: a file just written must be closed before it can be executed. */
static void run_task_work(struct redirect *redirect)
{
	uint64_t ignored;

	kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.task_work_run, NULL, 0, &ignored);
}

/* Writes by way of a buffer of the kernel's. */
static bool write_file(struct redirect *redirect, uint64_t file, uint64_t buffer, const uint8_t *data, size_t size)
{
	uint64_t position = (redirect->cpu->gpr[RSP] - 64) & ~15ull, zero = 0, written;

	if (!cpu_poke(redirect->cpu, position, &zero, sizeof(zero)))
		return false;
	for (size_t done = 0; done < size; done += written) {
		size_t n = size - done < PIECE ? size - done : PIECE;

		if (!cpu_poke(redirect->cpu, buffer, data + done, n) ||
		    !kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.kernel_write,
				 (uint64_t[]){file, buffer, n, position}, 4, &written) ||
		    !written || written > n)
			return false;
	}
	return true;
}

static bool open_file(struct redirect *redirect, uint64_t buffer, const char *path, unsigned mode, uint64_t *ret)
{
	size_t size = strlen(path) + 1;

	return size <= PIECE && cpu_poke(redirect->cpu, buffer, path, size) &&
	       kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.filp_open,
			   (uint64_t[]){buffer, O_WRONLY | O_CREAT | O_TRUNC, mode}, 3, ret) &&
	       !is_error(redirect, *ret);
}

/*
 * mkdir() as the tool would call it: functions of kernels that make a folder have changed from version to version, the system call has not.
 * The path is put over what the tool has on its stack, for as long as that takes.
 */
static void make_folder(struct redirect *redirect, const char *path, size_t length)
{
	enum { DI = 14, SI = 13, BX = 0, CX = 1, REGISTERS = 21, MODE = 0755, LONGEST = 1024 };
	struct cpu *cpu = redirect->cpu;
	bool wide = redirect->context.word == 8;
	uint64_t rsp = redirect->call.rsp, regs = (cpu->gpr[RSP] - 192) & ~15ull, words[REGISTERS] = {0}, ignored;
	uint64_t place = (rsp & ~PAGE_MASK) > LONGEST ? rsp & PAGE_MASK : rsp; /* the page that RSP is in is there */
	uint32_t narrow[REGISTERS] = {0};
	char old[LONGEST], text[LONGEST];

	if (length >= LONGEST || cpu_peek(cpu, place, old, length + 1) != length + 1)
		return;
	memcpy(text, path, length);
	text[length] = '\0';
	words[DI] = place;
	words[SI] = MODE;
	narrow[BX] = place;
	narrow[CX] = MODE;
	if (cpu_poke(cpu, regs, wide ? (void *)words : (void *)narrow, wide ? sizeof(words) : sizeof(narrow)) &&
	    cpu_poke(cpu, place, text, length + 1)) {
		kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.mkdir, &regs, 1, &ignored);
		cpu_poke(cpu, place, old, length + 1);
	}
}

/* Those above a file; what is there already stays. */
static void make_folders(struct redirect *redirect, const char *path)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
		make_folder(redirect, path, slash - path);
}

void redirect_make_folder(struct redirect *redirect, const char *path)
{
	make_folders(redirect, path);
	make_folder(redirect, path, strlen(path));
}

bool redirect_deliver(struct redirect *redirect, const char *path, unsigned mode, const uint8_t *data, size_t size)
{
	uint64_t buffer, file, ignored;
	bool good = false;

	if (!kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.vmalloc, (uint64_t[]){PIECE}, 1, &buffer) || !buffer)
		return false;
	good = open_file(redirect, buffer, path, mode, &file);
	if (!good) {
		make_folders(redirect, path);
		good = open_file(redirect, buffer, path, mode, &file);
	}
	if (good) {
		good = write_file(redirect, file, buffer, data, size);
		kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.fput, &file, 1, &ignored);
		run_task_work(redirect);
	}
	kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.vfree, &buffer, 1, &ignored);
	return good;
}

void release_placeholder(struct redirect *redirect, uint64_t file)
{
	uint32_t number;

	if (descriptors_remove(&redirect->descriptors, file, &number))
		close_in_product(redirect, number);
}
