/* Files of the product's kernel: product_files.h. */
#include "redirect/product_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/error.h"

/* The buffer: a path, a position, and the text. */
enum { POSITION_AT = 0xff0, TEXT_AT = PAGE_SIZE, BUFFER = 2 * PAGE_SIZE };

struct error *product_files_begin(struct product_files *files)
{
	struct worlds *worlds = files->worlds;
	uint64_t init_task = worlds_init_task(worlds), task;
	struct error *err;

	files->before = *files->host;
	files->buffer = 0;
	product_memory_hold(&worlds->memory);
	if (!init_task || !worlds->product->function[FUNCTION_kernel_read] || !worlds->product->function[FUNCTION_vmalloc])
		return error_create("the kernel has no kernel_read(), by which its files are read");
	err = host_task_find(files->host, init_task, 1, &task);
	if (err)
		return err;
	host_task_set(files->host, task);
	host_task_reset(files->host);
	host_task_prepare(files->host);
	if (!worlds_call(worlds, WORLD_PRODUCT, FUNCTION_vmalloc, (uint64_t[]){BUFFER}, 1, &files->buffer) || !files->buffer)
		return error_create("the snapshot's kernel has no memory left to read its files with");
	return NULL;
}

void product_files_end(struct product_files *files)
{
	product_memory_let_go(&files->worlds->memory);
	*files->host = files->before;
}

static int64_t open_file(struct product_files *files, const char *path, unsigned flags, uint64_t *ret)
{
	struct worlds *worlds = files->worlds;

	if (strlen(path) >= POSITION_AT || !product_memory_write(&worlds->memory, files->buffer, path, strlen(path) + 1) ||
	    !worlds_call(worlds, WORLD_PRODUCT, FUNCTION_filp_open, (uint64_t[]){files->buffer, flags, 0}, 3, ret))
		return -EIO;
	return kernel_is_error(worlds->product, *ret) ? abi_signed(worlds->context.abi, *ret) : 0;
}

/* function: kernel_read() or kernel_write(), of the `size` bytes of the buffer's text. */
static int64_t transfer(struct product_files *files, enum kernel_function function, uint64_t file, size_t size)
{
	struct worlds *worlds = files->worlds;
	uint64_t position = files->buffer + POSITION_AT, zero = 0, done;

	if (!product_memory_write(&worlds->memory, position, &zero, sizeof(zero)) ||
	    !worlds_call(worlds, WORLD_PRODUCT, function, (uint64_t[]){file, files->buffer + TEXT_AT, size, position}, 4, &done))
		return -EIO;
	return abi_signed(worlds->context.abi, done);
}

int64_t product_files_read(struct product_files *files, const char *path, char to[PRODUCT_FILES_TEXT])
{
	uint64_t file;
	int64_t done = open_file(files, path, O_RDONLY, &file);

	if (!done)
		done = transfer(files, FUNCTION_kernel_read, file, PRODUCT_FILES_TEXT - 1);
	if (done < 0)
		return done;
	if (done >= PRODUCT_FILES_TEXT || !product_memory_read(&files->worlds->memory, files->buffer + TEXT_AT, to, done))
		return -EIO;
	to[done] = '\0';
	return done;
}

bool product_files_write(struct product_files *files, const char *path, const char *text)
{
	uint64_t file;

	return open_file(files, path, O_WRONLY, &file) == 0 &&
	       product_memory_write(&files->worlds->memory, files->buffer + TEXT_AT, text, strlen(text)) &&
	       transfer(files, FUNCTION_kernel_write, file, strlen(text)) == (int64_t)strlen(text);
}
