/* The tools: tools.h. */
#include "redirect/tools.h"

#include <string.h>

#include "emu/peek.h"

uint64_t tool_task(struct tools *tools, uint32_t pid)
{
	uint64_t number = pid, task;

	return tools->first_pid && pid >= tools->first_pid &&
			       worlds_call(tools->worlds, WORLD_TRUSTED, FUNCTION_find_task_by_vpid, &number, 1, &task)
		       ? task
		       : 0;
}

bool tools_are_numbered(struct tools *tools)
{
	enum { PIDTYPE_PID = 0, OWN_NAMESPACE = 0 };
	const uint64_t argument[] = {worlds_current(tools->worlds), PIDTYPE_PID, OWN_NAMESPACE};
	uint64_t number;

	return !tools->first_pid || !worlds_call(tools->worlds, WORLD_TRUSTED, FUNCTION_task_pid_nr_ns, argument, 3, &number) ||
	       (uint32_t)number >= tools->first_pid;
}

/* Makes the trusted kernel bring in the page of a user address that has not been touched yet. */
static bool touch(struct tools *tools, uint64_t address)
{
	struct worlds *worlds = tools->worlds;
	uint64_t place = context_scratch(&worlds->context, 1), ignored;

	return worlds->context.phase == CONTEXT_TRUSTED &&
	       worlds_call(worlds, WORLD_TRUSTED, FUNCTION_strncpy_from_user, (uint64_t[]){place, address, 1}, 3, &ignored);
}

bool tool_read_path(struct tools *tools, uint64_t address, char path[TOOL_PATH])
{
	struct cpu *cpu = tools->worlds->cpu;

	for (size_t done = 0; done < TOOL_PATH;) {
		size_t in_page = PAGE_SIZE - ((address + done) & ~PAGE_MASK), n = TOOL_PATH - done;

		n = n < in_page ? n : in_page;
		if (!cpu_peek(cpu, address + done, path + done, n) && !touch(tools, address + done))
			return false;
		n = cpu_peek(cpu, address + done, path + done, n);
		if (!n)
			return false;
		if (memchr(path + done, 0, n))
			return true;
		done += n;
	}
	return false;
}

/* The path of an open file of the trusted VM, which it gives back. NULL: it is too long. */
static const char *file_path(struct tools *tools, uint64_t file, char to[TOOL_FILE])
{
	struct worlds *worlds = tools->worlds;
	uint64_t place = context_scratch(&worlds->context, TOOL_FILE), text, ignored;
	bool good;

	good = worlds_call(worlds, WORLD_TRUSTED, FUNCTION_file_path, (uint64_t[]){file, place, TOOL_FILE}, 3, &text) &&
	       text - place < TOOL_FILE && /* else an errno: it is longer */
	       cpu_peek(worlds->cpu, text, to, place + TOOL_FILE - text) == place + TOOL_FILE - text &&
	       memchr(to, 0, place + TOOL_FILE - text);
	worlds_call(worlds, WORLD_TRUSTED, FUNCTION_fput, &file, 1, &ignored);
	return good ? to : NULL;
}

const char *tool_executable(struct tools *tools, char to[TOOL_FILE])
{
	struct worlds *worlds = tools->worlds;
	uint64_t task = worlds_current(worlds), file;

	if (!task || !worlds_call(worlds, WORLD_TRUSTED, FUNCTION_get_task_exe_file, &task, 1, &file) || !file)
		return NULL;
	return file_path(tools, file, to);
}

const char *tool_open_file(struct tools *tools, uint32_t fd, char to[TOOL_FILE])
{
	uint64_t file;

	if (!worlds_call(tools->worlds, WORLD_TRUSTED, FUNCTION_fget, (uint64_t[]){fd}, 1, &file) || !file)
		return NULL;
	return file_path(tools, file, to);
}
