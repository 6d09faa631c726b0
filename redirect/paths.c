/* Which world a path belongs to: paths.h. */
#include "redirect/paths.h"

#include <stdlib.h>
#include <string.h>

#include "emu/peek.h"

/* Whether a dynamic loader has this code there. The supplier, who reads its file for that, is asked about each place once. */
static bool is_loaders(struct paths *paths, uint64_t address, const uint8_t code[PATHS_WINDOW])
{
	struct known_code *known = &paths->known[address / PATHS_WINDOW % PATHS_KNOWN];

	if (known->address != address || memcmp(known->code, code, PATHS_WINDOW) != 0) {
		known->address = address;
		memcpy(known->code, code, PATHS_WINDOW);
		known->loaders = delivery_is_loader(paths->deliveries, address, code, PATHS_WINDOW);
	}
	return known->loaders;
}

/* On i386 without a vDSO all system calls of a process are made by a function of the loader's, INT 0x80 and RET: then its caller counts. */
bool path_call_is_loaders(struct paths *paths)
{
	enum { RET = 0xc3 };
	uint64_t rip = paths->calls->now.rip, byte = 0;
	uint8_t code[PATHS_WINDOW];

	if (paths->calls->now.abi == POLICY_I386 && cpu_peek_word(paths->worlds->cpu, rip, 1, &byte) && byte == RET &&
	    !cpu_peek_word(paths->worlds->cpu, paths->calls->now.rsp, 4, &rip))
		return false;
	rip &= ~(uint64_t)(PATHS_WINDOW - 1);
	return cpu_peek(paths->worlds->cpu, rip, code, PATHS_WINDOW) == PATHS_WINDOW && is_loaders(paths, rip, code);
}

void path_simplify(const char *path, char to[TOOL_PATH])
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
 * Whether a path below /proc/PID (/net/tcp, or /task/TID/net/tcp) tells of the machine, and of the process's place in it. In the trusted VM
 * it would tell of the trusted VM.
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
static uint64_t tool_of_directory(struct paths *paths, const char *path, const char **ret_below)
{
	char *end;
	unsigned long pid;

	if (strncmp(path, proc, sizeof(proc) - 1) != 0 || path[sizeof(proc) - 1] < '1' || path[sizeof(proc) - 1] > '9')
		return 0; /* names of processes begin with no zero */
	pid = strtoul(path + sizeof(proc) - 1, &end, 10);
	*ret_below = end;
	return *end == 0 || *end == '/' ? tool_task(paths->tools, pid) : 0;
}

/* ps(1) looks itself up by number. */
static bool is_tool_directory(struct paths *paths, const char *path)
{
	const char *below;

	return tool_of_directory(paths, path, &below) && !tells_of_machine(below);
}

void path_translate_tool_directory(struct paths *paths, uint64_t address, const char *path)
{
	const char *below;
	uint64_t task = tool_of_directory(paths, path, &below);

	if (task && tells_of_machine(below) && namespace_is_shared(paths->namespaces, task) &&
	    !call_put_path(paths->calls, address, "/proc/self", below))
		call_record_loss(paths->calls, LOSS_LIMIT);
}

static bool is_own(struct paths *paths, const char *path)
{
	static const char *const own[] = {
		"/proc/self/exe",
		"/proc/self/maps",
		"/proc/self/fd",
		"/proc/self/fdinfo",
		"/proc/self/task",
		"/proc/thread-self/exe",
		"/proc/thread-self/maps",
		"/proc/thread-self/fd",
		"/proc/thread-self/fdinfo",
		"/dev/fd",
		"/dev/stdin",
		"/dev/stdout",
		"/dev/stderr",
		"/dev/null",
		"/dev/console",
		"/dev/tty",
	};
	static const char self[] = "/proc/self";

	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (is_below(path, own[i]))
			return !is_below(path, self) || !tells_of_machine(path + sizeof(self) - 1);
	}
	return is_tool_directory(paths, path);
}

/* What else the dynamic loader reads. It must not learn of the product's libraries. */
static bool is_configuration_of_loader(const char *path)
{
	return strcmp(path, "/etc/ld.so.cache") == 0 || strcmp(path, "/etc/ld.so.preload") == 0;
}

static enum readers readers_of(const struct paths *paths, const char *path)
{
	if (is_configuration_of_loader(path))
		return READERS_LOADER;
	return delivery_readers(paths->deliveries, path);
}

/* An interpreter, and nobody else, finds the trusted VM's modules. */
static bool is_place_of_modules(struct paths *paths, const char *path)
{
	char executable[TOOL_FILE];

	if (!delivery_offers_modules(paths->deliveries, NULL, path) ||
	    !delivery_offers_modules(paths->deliveries, tool_executable(paths->tools, executable), path))
		return false;
	delivery_order(paths->deliveries, DELIVERY_MODULES, path);
	return true;
}

static bool is_delivered(struct paths *paths, const char *path)
{
	enum readers readers = readers_of(paths, path);

	return readers == READERS_ALL || (readers == READERS_LOADER && path_call_is_loaders(paths));
}

bool path_is_trusted(struct paths *paths, const char *path)
{
	char simple[TOOL_PATH];

	path_simplify(path, simple);
	return is_own(paths, simple) || is_delivered(paths, path) || (strcmp(simple, path) != 0 && is_delivered(paths, simple)) ||
	       is_place_of_modules(paths, simple);
}
