/*
 * Which world a path belongs to. All are the product's, save what xray86 delivered and what is the tool's own. Of the delivered files the
 * programs and libraries are there for the kernel, which executes them, and for the dynamic loader: who else reads /bin/ls, or
 * /etc/ld.so.preload, wants to see the product's.
 */
#include <stdlib.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/session.h"

/* The task_struct, trusted, of the tool that has this number; 0: none has. The product may have processes of such numbers, too. */
static uint64_t task_of_tool(struct redirect *redirect, uint32_t pid)
{
	uint64_t number = pid, task;

	return redirect->config.first_pid && pid >= redirect->config.first_pid &&
			       kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.find_task_by_vpid, &number, 1, &task)
		       ? task
		       : 0;
}

bool is_tool(struct redirect *redirect, uint32_t pid)
{
	return task_of_tool(redirect, pid);
}

/* -- reading -- */

/* Makes the trusted kernel bring in the page of a user address that has not been touched yet. */
static bool touch(struct redirect *redirect, uint64_t address)
{
	uint64_t place = (redirect->cpu->gpr[RSP] - 64) & ~15ull, ignored;

	return redirect->context.phase == CONTEXT_TRUSTED && redirect->function.strncpy_from_user &&
	       kernel_call(&redirect->context, WORLD_TRUSTED, redirect->function.strncpy_from_user, (uint64_t[]){place, address, 1}, 3,
			   &ignored);
}

bool read_path(struct redirect *redirect, uint64_t address, char path[PATH_MAX_BYTES])
{
	for (size_t done = 0; done < PATH_MAX_BYTES;) {
		size_t in_page = PAGE_SIZE - ((address + done) & ~PAGE_MASK), n = PATH_MAX_BYTES - done;

		n = n < in_page ? n : in_page;
		if (!cpu_peek(redirect->cpu, address + done, path + done, n) && !touch(redirect, address + done))
			return false;
		n = cpu_peek(redirect->cpu, address + done, path + done, n);
		if (!n)
			return false;
		if (memchr(path + done, 0, n))
			return true;
		done += n;
	}
	return false;
}

/* -- judging -- */

/*
 * Whether the call comes from the dynamic loader's code. On i386 without a vDSO all system calls of a process are made by a function of
 * the loader's, INT 0x80 and RET: then its caller counts.
 */
static bool is_from_loader(struct redirect *redirect)
{
	enum { WINDOW = 128, RET = 0xc3 };
	uint64_t rip = redirect->call.rip, byte = 0;
	uint8_t code[WINDOW];

	if (redirect->call.abi == POLICY_I386 && cpu_peek_word(redirect->cpu, rip, 1, &byte) && byte == RET &&
	    !cpu_peek_word(redirect->cpu, redirect->call.rsp, 4, &rip))
		return false;
	rip &= ~(uint64_t)(WINDOW - 1);
	return cpu_peek(redirect->cpu, rip, code, WINDOW) == WINDOW && is_delivered_loader(redirect, rip, code, WINDOW);
}

void simplify_path(const char *path, char to[PATH_MAX_BYTES])
{
	size_t length = 0;

	if (*path != '/') {
		memcpy(to, path, strlen(path) + 1);
		return;
	}
	while (*path) {
		const char *name = path + strspn(path, "/");
		size_t size = strcspn(name, "/");

		path = name + size;
		if (size == 2 && name[0] == '.' && name[1] == '.') {
			while (length > 0 && to[--length] != '/')
				;
		} else if (size > 0 && !(size == 1 && name[0] == '.')) {
			to[length++] = '/';
			memcpy(to + length, name, size);
			length += size;
		}
	}
	to[length] = '\0';
}

static bool is_below(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && (path[length] == 0 || path[length] == '/');
}

/*
 * What is below /proc/PID of a process (/net/tcp, or /task/TID/net/tcp): of the machine and of where the process is in it? In the trusted
 * VM that would be the trusted VM's.
 */
static bool tells_of_machine(const char *below)
{
	static const char *const names[] = {"/net", "/ns", "/mounts", "/mountinfo", "/mountstats", "/cgroup", "/cpuset", "/root", "/cwd"};
	static const char task[] = "/task/";

	if (strncmp(below, task, sizeof(task) - 1) == 0)
		below += sizeof(task) - 1 + strcspn(below + sizeof(task) - 1, "/");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_below(below, names[i]))
			return true;
	}
	return false;
}

static const char proc[] = "/proc/";

/* The task of the tool whose /proc/PID the path is in; 0: of none. *ret_below: the rest of the path. */
static uint64_t tool_of_directory(struct redirect *redirect, const char *path, const char **ret_below)
{
	char *end;
	unsigned long pid;

	if (strncmp(path, proc, sizeof(proc) - 1) != 0 || path[sizeof(proc) - 1] < '1' || path[sizeof(proc) - 1] > '9')
		return 0; /* names of processes begin with no zero */
	pid = strtoul(path + sizeof(proc) - 1, &end, 10);
	*ret_below = end;
	return *end == 0 || *end == '/' ? task_of_tool(redirect, pid) : 0;
}

/* ps(1) looks itself up by number. */
static bool is_tool_directory(struct redirect *redirect, const char *path)
{
	const char *below;

	return tool_of_directory(redirect, path, &below) && !tells_of_machine(below);
}

void translate_tool_directory(struct redirect *redirect, uint64_t address, const char *path)
{
	enum { PATCHED = 8, LONGEST_NUMBER = 7 /* PID_MAX_LIMIT's; longer ones name no process */ };
	const char *below, *number = path + sizeof(proc) - 1;
	uint64_t task = tool_of_directory(redirect, path, &below);
	size_t digits = task ? below - number : 0;
	char self[PATCHED + 1] = "self////"; /* as long as the number: slashes are as good as one */

	if (digits < 4 || digits > LONGEST_NUMBER || !tells_of_machine(below) || !shares_namespaces(redirect, task))
		return;
	memcpy(self + digits, below, strnlen(below, PATCHED - digits));
	if (digits + strlen(below) < PATCHED) /* cannot be: the first tool's number has 5 digits, and /ns is the shortest name */
		return;
	patch_memory(redirect, address + (number - path), self);
	patch_memory(redirect, address + (number - path) + 4, self + 4);
}

static bool is_own(struct redirect *redirect, const char *path)
{
	static const char *const own[] = {"/proc/self/exe",  "/proc/self/maps", "/proc/self/fd", "/proc/self/fdinfo",
					  "/proc/self/task", "/dev/fd",         "/dev/stdin",    "/dev/stdout",
					  "/dev/stderr",     "/dev/null",       "/dev/console",  "/dev/tty"};
	static const char self[] = "/proc/self";

	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (is_below(path, own[i]))
			return !is_below(path, self) || !tells_of_machine(path + sizeof(self) - 1);
	}
	return is_tool_directory(redirect, path);
}

/* What the dynamic loader reads besides: of the product's libraries it is not to know. */
static bool is_configuration_of_loader(const char *path)
{
	return strcmp(path, "/etc/ld.so.cache") == 0 || strcmp(path, "/etc/ld.so.preload") == 0;
}

static enum readers readers_of(const struct redirect *redirect, const char *path)
{
	if (is_configuration_of_loader(path))
		return READERS_LOADER;
	return readers_of_delivered(redirect, path);
}

/* The path of the program that the calling process runs, in the trusted VM; NULL: it cannot be told. */
enum { EXECUTABLE_BYTES = 176 /* on the stack, where kernel_call() leaves room */ };
static const char *executable_of_caller(struct redirect *redirect, char to[EXECUTABLE_BYTES])
{
	uint64_t place = (redirect->cpu->gpr[RSP] - EXECUTABLE_BYTES) & ~15ull, task = trusted_current(redirect), file, text, ignored;
	const struct functions *function = &redirect->function;
	bool good;

	if (!task || !kernel_call(&redirect->context, WORLD_TRUSTED, function->get_task_exe_file, &task, 1, &file) || !file)
		return NULL;
	good = kernel_call(&redirect->context, WORLD_TRUSTED, function->file_path, (uint64_t[]){file, place, EXECUTABLE_BYTES}, 3, &text) &&
	       text - place < EXECUTABLE_BYTES && /* else an errno: it is longer */
	       cpu_peek(redirect->cpu, text, to, place + EXECUTABLE_BYTES - text) == place + EXECUTABLE_BYTES - text &&
	       memchr(to, 0, place + EXECUTABLE_BYTES - text);
	kernel_call(&redirect->context, WORLD_TRUSTED, function->fput, &file, 1, &ignored);
	return good ? to : NULL;
}

/* An interpreter's modules are those of the trusted VM, to it alone. */
static bool is_place_of_modules(struct redirect *redirect, const char *path)
{
	char executable[EXECUTABLE_BYTES];

	if (!offers_modules(redirect, NULL, path) || !offers_modules(redirect, executable_of_caller(redirect, executable), path))
		return false;
	order_delivery(redirect, DELIVERY_MODULES, path);
	return true;
}

static bool is_delivered(struct redirect *redirect, const char *path)
{
	enum readers readers = readers_of(redirect, path);

	return readers == READERS_ALL || (readers == READERS_LOADER && is_from_loader(redirect));
}

bool is_trusted_path(struct redirect *redirect, const char *path)
{
	char simple[PATH_MAX_BYTES];

	simplify_path(path, simple);
	return is_own(redirect, simple) || is_delivered(redirect, path) || (strcmp(simple, path) != 0 && is_delivered(redirect, simple)) ||
	       is_place_of_modules(redirect, simple);
}
