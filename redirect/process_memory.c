/* The memory of processes: process_memory.h. */
#include "redirect/process_memory.h"

#include "util/error.h"

enum { BUFFER = 65536 };

static struct error *make_buffer(struct process_memory *memory)
{
	if (!memory->buffer &&
	    (!worlds_call(memory->worlds, WORLD_PRODUCT, FUNCTION_vmalloc, (uint64_t[]){BUFFER}, 1, &memory->buffer) || !memory->buffer)) {
		memory->buffer = 0;
		return error_create("the snapshot's kernel has no memory left to read a process's memory with");
	}
	return NULL;
}

static struct error *not_there(const struct process_memory *memory, uint64_t pid, uint64_t address)
{
	const char *reason = memory->calls->abort.reason;

	return error_create_code(ERROR_NOT_THERE, "the memory at %#llx of process %llu cannot be read: %s", (unsigned long long)address,
				 (unsigned long long)pid, reason ? reason : "the process has nothing there, or no right to read it");
}

/* At most a buffer, from `task`. */
static struct error *read_piece(struct process_memory *memory, uint64_t task, uint64_t pid, uint64_t address, void *to, size_t size)
{
	uint64_t count = 0;
	bool done;

	memory->calls->abort = (struct call_abort){0};
	done = worlds_call(memory->worlds, WORLD_PRODUCT, FUNCTION_access_process_vm,
			   (uint64_t[]){task, address, memory->buffer, size, 0 /* to read, and no more than the process could */}, 5,
			   &count);
	if (!done)
		return not_there(memory, pid, address);
	if ((int32_t)count < 0 || (size_t)count < size)
		return not_there(memory, pid, address + ((int32_t)count > 0 ? count : 0));
	return product_memory_read(&memory->worlds->memory, memory->buffer, to, size) ? NULL : not_there(memory, pid, address);
}

static bool is_in_reach(const struct process_memory *memory, uint64_t address, size_t size)
{
	uint64_t last = address + (size - 1);

	return last >= address && (memory->worlds->context.abi->word == 8 || last <= UINT32_MAX);
}

struct error *process_memory_read(struct process_memory *memory, uint64_t pid, uint64_t address, void *to, size_t size)
{
	uint64_t init_task = worlds_init_task(memory->worlds), task;
	struct error *err;

	memory->calls->abort = (struct call_abort){0};
	if (!init_task || !memory->worlds->product->function[FUNCTION_access_process_vm])
		return error_create("the kernel has no access_process_vm(), by which the memory of processes is read");
	if (!is_in_reach(memory, address, size))
		return not_there(memory, pid, address);
	err = host_task_find(memory->host, init_task, pid, &task);
	if (!host_task_set(memory->host, memory->host->now) && !err)
		err = error_create("the per-CPU area cannot be written");
	if (!err)
		err = make_buffer(memory);
	for (size_t done = 0, n; !err && done < size; done += n) {
		n = size - done < BUFFER ? size - done : BUFFER;
		err = read_piece(memory, task, pid, address + done, (uint8_t *)to + done, n);
	}
	return err;
}
