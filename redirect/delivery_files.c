/* Files that the trusted kernel makes for the tools, by calls of its own functions: delivery.h. */
#include "redirect/delivery.h"

#include <fcntl.h>
#include <string.h>

#include "emu/peek.h"

enum { PIECE = 65536 };

/*
 * Runs the work that the task has put off until it returns to user mode: a file that was just written must be closed before it can be
 * executed.
 */
static void run_task_work(struct deliveries *deliveries)
{
	uint64_t ignored;

	worlds_call(deliveries->worlds, WORLD_TRUSTED, FUNCTION_task_work_run, NULL, 0, &ignored);
}

/* Writes by way of a buffer of the kernel's. */
static bool write_file(struct deliveries *deliveries, uint64_t file, uint64_t buffer, const uint8_t *data, size_t size)
{
	uint64_t position = context_scratch(&deliveries->worlds->context, sizeof(uint64_t)), zero = 0, written;

	if (!cpu_poke(deliveries->worlds->cpu, position, &zero, sizeof(zero)))
		return false;
	for (size_t done = 0; done < size; done += written) {
		size_t n = size - done < PIECE ? size - done : PIECE;

		if (!cpu_poke(deliveries->worlds->cpu, buffer, data + done, n) ||
		    !worlds_call(deliveries->worlds, WORLD_TRUSTED, FUNCTION_kernel_write, (uint64_t[]){file, buffer, n, position}, 4,
				 &written) ||
		    !written || written > n)
			return false;
	}
	return true;
}

static bool open_file(struct deliveries *deliveries, uint64_t buffer, const char *path, unsigned mode, uint64_t *ret)
{
	size_t size = strlen(path) + 1;

	return size <= PIECE && cpu_poke(deliveries->worlds->cpu, buffer, path, size) &&
	       worlds_call(deliveries->worlds, WORLD_TRUSTED, FUNCTION_filp_open, (uint64_t[]){buffer, O_WRONLY | O_CREAT | O_TRUNC, mode},
			   3, ret) &&
	       !kernel_is_error(&deliveries->worlds->trusted, *ret);
}

/*
 * Calls mkdir() as the tool would. Kernel functions that make a folder have changed from version to version; the system call has not.
 * Meanwhile the path overwrites a part of the tool's stack, which is restored afterwards.
 */
static void make_folder(struct deliveries *deliveries, const char *path, size_t length)
{
	enum { MODE = 0755, LONGEST = 1024 };
	const struct abi *abi = deliveries->worlds->context.abi;
	struct cpu *cpu = deliveries->worlds->cpu;
	uint64_t rsp = deliveries->calls->now.rsp, regs = context_scratch(&deliveries->worlds->context, abi_regs_size(abi)), ignored;
	uint64_t place = (rsp & ~PAGE_MASK) > LONGEST ? rsp & PAGE_MASK : rsp; /* the page that RSP is in is there */
	uint8_t bytes[ABI_REGS_SIZE] = {0};
	char old[LONGEST], text[LONGEST];

	if (length >= LONGEST || cpu_peek(cpu, place, old, length + 1) != length + 1)
		return;
	memcpy(text, path, length);
	text[length] = '\0';
	memcpy(bytes + abi_call_argument_offset(abi, abi->call, 0), &place, abi->word);
	memcpy(bytes + abi_call_argument_offset(abi, abi->call, 1), &(uint64_t){MODE}, abi->word);
	if (cpu_poke(cpu, regs, bytes, abi_regs_size(abi)) && cpu_poke(cpu, place, text, length + 1)) {
		worlds_call(deliveries->worlds, WORLD_TRUSTED, FUNCTION_mkdir, &regs, 1, &ignored);
		cpu_poke(cpu, place, old, length + 1);
	}
}

/* Those above a file; what is there already stays. */
static void make_folders(struct deliveries *deliveries, const char *path)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
		make_folder(deliveries, path, slash - path);
}

void delivery_make_folder(struct deliveries *deliveries, const char *path)
{
	make_folders(deliveries, path);
	make_folder(deliveries, path, strlen(path));
}

bool delivery_make_file(struct deliveries *deliveries, const char *path, unsigned mode, const uint8_t *data, size_t size)
{
	uint64_t buffer, file, ignored;
	bool good = false;

	if (!worlds_call(deliveries->worlds, WORLD_TRUSTED, FUNCTION_vmalloc, (uint64_t[]){PIECE}, 1, &buffer) || !buffer)
		return false;
	good = open_file(deliveries, buffer, path, mode, &file);
	if (!good) {
		make_folders(deliveries, path);
		good = open_file(deliveries, buffer, path, mode, &file);
	}
	if (good) {
		good = write_file(deliveries, file, buffer, data, size);
		worlds_call(deliveries->worlds, WORLD_TRUSTED, FUNCTION_fput, &file, 1, &ignored);
		run_task_work(deliveries);
	}
	worlds_call(deliveries->worlds, WORLD_TRUSTED, FUNCTION_vfree, &buffer, 1, &ignored);
	return good;
}
