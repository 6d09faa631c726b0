/* The host's end of the conversation with the agent: courier.h. */
#include "session/courier.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emu/peek.h"

enum { CLOCK_OFFSETS = 64 };

enum stage {
	STAGE_DIRECTORIES,
	STAGE_FILES,
	STAGE_PID,
	STAGE_CLOCKS,
	STAGE_VARIABLES,
	STAGE_EACH_VARIABLE,
	STAGE_ARGUMENTS,
	STAGE_EACH_ARGUMENT,
	STAGE_RUN,
	STAGE_DONE
};

static struct cpu *cpu_of(const struct courier *courier)
{
	return courier->machine->cpu;
}

/* Ends the run of the machine, for the caller to see to it. */
static void wish(struct courier *courier, enum courier_wish what)
{
	courier->wish = what;
	cpu_request_exit(cpu_of(courier), CPU_EXIT_CLIENT);
}

static void fail(struct courier *courier, struct error *err)
{
	if (courier->failure)
		error_destroy(err);
	else
		courier->failure = err;
	wish(courier, COURIER_NONE);
}

/* -- messages -- */

static void put_text(struct message *message, const char *text, size_t length)
{
	if (message->text_size + length + 1 > MESSAGE_TEXT)
		length = MESSAGE_TEXT - message->text_size - 1;
	memcpy(message->text + message->text_size, text, length);
	message->text[message->text_size + length] = '\0';
	message->text_size += length + 1;
}

static void begin_message(struct message *message, enum message_kind kind, unsigned mode, const char *text)
{
	message->kind = kind;
	message->mode = mode;
	message->size = 0;
	message->text_size = 0;
	put_text(message, text, strlen(text));
}

/* Calls fn for each folder above path and, if `whole`, for path itself, from the root down. False: fn wants no more. */
static bool walk_folders(const char *path, size_t length, bool whole, bool (*fn)(void *opaque, const char *path, size_t length),
			 void *opaque)
{
	for (size_t i = 1; i < length; i++) {
		if (path[i] == '/' && !fn(opaque, path, i))
			return false;
	}
	return !whole || length < 2 || fn(opaque, path, length);
}

struct folder_search {
	struct courier *courier;
	struct message *message;
	size_t seen;
};

/* Finds the folder number courier->index. */
static bool take_folder(void *opaque, const char *path, size_t length)
{
	struct folder_search *search = opaque;

	if (search->seen++ != search->courier->index)
		return true;
	search->courier->index++;
	begin_message(search->message, MESSAGE_DIRECTORY, 0755, "");
	search->message->text_size = 0;
	put_text(search->message, path, length);
	return false;
}

static bool is_same_folder(const char *a, const char *b)
{
	size_t length = strrchr(a, '/') - a + 1;

	return strncmp(a, b, length) == 0 && !strchr(b + length, '/');
}

/* The folders of all files, and those where commands are looked for. */
static bool next_directory(struct courier *courier, struct message *message)
{
	struct folder_search search = {courier, message, 0};

	for (size_t i = 0; i < courier->program->files; i++) {
		const char *path = courier->program->file[i].path;

		if (i && is_same_folder(path, courier->program->file[i - 1].path))
			continue;
		if (!walk_folders(path, strlen(path), false, take_folder, &search))
			return true;
	}
	for (unsigned i = 0; i < 2; i++) {
		for (const char *at = courier->folders[i]; *at; at += strcspn(at, ":"), at += *at == ':') {
			if (*at == '/' && !walk_folders(at, strcspn(at, ":"), true, take_folder, &search))
				return true;
		}
	}
	return false;
}

static bool next_file(struct courier *courier, struct message *message)
{
	const struct program_file *file;
	struct error *err;

	file_close(&courier->file);
	courier->file = (struct file){0};
	courier->file_done = 0;
	if (courier->index == courier->program->files)
		return false;
	file = &courier->program->file[courier->index++];
	err = file_open(file->source, &courier->file);
	if (err) {
		fail(courier, err);
		return false;
	}
	begin_message(message, MESSAGE_FILE, file->mode, file->path);
	message->size = courier->file.size;
	return true;
}

/* How many strings are to come, and their size. */
static void begin_list(struct message *message, enum message_kind kind, char *const *list)
{
	begin_message(message, kind, 0, "");
	for (; *list; list++) {
		message->mode++;
		message->size += strlen(*list) + 1;
	}
}

static bool next_text(struct courier *courier, struct message *message, enum message_kind kind, char *const *list)
{
	if (!list[courier->index])
		return false;
	begin_message(message, kind, 0, list[courier->index++]);
	return true;
}

static bool once(struct courier *courier)
{
	return courier->index++ == 0;
}

/* CLOCK_MONOTONIC and CLOCK_BOOTTIME: the trusted VM has been up for a second or two. */
static const char *clock_offsets(const struct courier *courier, char to[CLOCK_OFFSETS])
{
	snprintf(to, CLOCK_OFFSETS, "%d %" PRIu64 " 0\n%d %" PRIu64 " 0\n", CLOCK_MONOTONIC, courier->uptime, CLOCK_BOOTTIME,
		 courier->uptime);
	return to;
}

/* The next message of the present stage; false: the stage is over. */
static bool next_of_stage(struct courier *courier, struct message *message)
{
	char offsets[CLOCK_OFFSETS];

	switch ((enum stage)courier->stage) {
	case STAGE_DIRECTORIES:
		return next_directory(courier, message);
	case STAGE_FILES:
		return next_file(courier, message);
	case STAGE_PID:
		begin_message(message, MESSAGE_PID, 0, "");
		message->size = courier->first_pid;
		return once(courier);
	case STAGE_CLOCKS:
		begin_message(message, MESSAGE_CLOCKS, 0, clock_offsets(courier, offsets));
		return once(courier);
	case STAGE_VARIABLES:
		begin_list(message, MESSAGE_VARIABLES, courier->environment);
		return once(courier);
	case STAGE_EACH_VARIABLE:
		return next_text(courier, message, MESSAGE_VARIABLE, courier->environment);
	case STAGE_ARGUMENTS:
		begin_list(message, MESSAGE_ARGUMENTS, courier->argument);
		return once(courier);
	case STAGE_EACH_ARGUMENT:
		return next_text(courier, message, MESSAGE_ARGUMENT, courier->argument);
	case STAGE_RUN:
		begin_message(message, MESSAGE_RUN, 0, courier->program->path);
		put_text(message, courier->directory, strlen(courier->directory));
		return once(courier);
	case STAGE_DONE:
		break;
	}
	return false;
}

static int64_t send_message(struct courier *courier, uint64_t to)
{
	struct message *message = &courier->message;

	while (!next_of_stage(courier, message)) {
		if (courier->stage == STAGE_DONE)
			return -1;
		courier->stage++;
		courier->index = 0;
	}
	return cpu_poke(cpu_of(courier), to, message, offsetof(struct message, text) + message->text_size) ? 0 : -1;
}

static int64_t send_data(struct courier *courier, uint64_t to, uint64_t size)
{
	size_t left = courier->file.size - courier->file_done, n = left < size ? left : size;

	if (!cpu_poke(cpu_of(courier), to, courier->file.data + courier->file_done, n))
		return 0;
	courier->file_done += n;
	return n;
}

/* -- streams -- */

static int64_t take_output(struct courier *courier, uint64_t stream, uint64_t from, uint64_t size)
{
	size_t n = cpu_peek(cpu_of(courier), from, courier->bytes, size < sizeof(courier->bytes) ? size : sizeof(courier->bytes));
	int error;

	courier->output += n;
	error = courier->streams.output(courier->streams.opaque, stream == 2 ? 2 : 1, courier->bytes, n);
	if (!error)
		return n;
	fail(courier, error_create("writing the command's output: %s", strerror(error)));
	return -1;
}

/* If the machine has been idle since it asked last, nothing but input can make it go on: then the host may wait a little. */
static int64_t give_input(struct courier *courier, uint64_t to, uint64_t size)
{
	bool idle = courier->machine->idle != courier->idle;
	size_t wanted = size < sizeof(courier->bytes) ? size : sizeof(courier->bytes);
	ssize_t n;

	courier->idle = courier->machine->idle;
	n = courier->streams.input(courier->streams.opaque, courier->bytes, wanted, idle);
	if (n <= 0 || (size_t)n > wanted)
		return n < 0 ? -1 : 0;
	return cpu_poke(cpu_of(courier), to, courier->bytes, n) ? n : 0;
}

/* -- what the agent cannot do -- */

static const char *const failures[] = {
	[AGENT_FILE] = "making a file that the command needs", [AGENT_STRINGS] = "keeping the command's arguments and environment",
	[AGENT_PROCESS] = "making a process for the command",  [AGENT_EXEC] = "executing the command",
	[AGENT_ORDER] = "getting a command from the host",
};

static struct error *describe_failure(const struct courier *courier, uint64_t failure, int number)
{
	const char *reason = number ? strerror(number) : "no reason is known";
	struct error *err;

	if (failure == AGENT_EXEC)
		return error_create_code(number == ENOENT ? ERROR_NOT_FOUND : ERROR_CANNOT_EXECUTE, "%s: %s", courier->program->path,
					 reason);
	if (failure >= sizeof(failures) / sizeof(failures[0]) || !failures[failure])
		return error_create("the trusted VM's agent failed in an unknown way");
	err = error_create("%s failed in the trusted VM: %s%s", failures[failure], reason,
			   number == ENOSPC || number == ENOMEM ? ": give it more with --memory" : "");
	if (failure == AGENT_FILE && courier->stage == STAGE_FILES && courier->index)
		err = error_prefix(err, "%s", courier->program->file[courier->index - 1].path);
	return err;
}

/* -- calls -- */

static void on_call(void *opaque, uint32_t function)
{
	struct courier *courier = opaque;
	struct cpu *cpu = cpu_of(courier);
	uint64_t a = cpu->gpr[RBX], b = cpu->gpr[RCX], c = cpu->gpr[RSI];
	int64_t result = 0;

	switch ((enum hypercall)function) {
	case HYPERCALL_READY:
		wish(courier, COURIER_READY);
		break;
	case HYPERCALL_NEXT:
		result = send_message(courier, a);
		break;
	case HYPERCALL_DATA:
		result = send_data(courier, a, b);
		break;
	case HYPERCALL_BEGIN:
		wish(courier, COURIER_BEGIN);
		break;
	case HYPERCALL_OUTPUT:
		result = take_output(courier, a, b, c);
		break;
	case HYPERCALL_INPUT:
		result = give_input(courier, a, b);
		break;
	case HYPERCALL_EXIT:
		courier->status = a;
		wish(courier, COURIER_EXIT);
		break;
	case HYPERCALL_FAIL:
		fail(courier, describe_failure(courier, a, b));
		break;
	default:
		result = -1;
		break;
	}
	cpu->gpr[RAX] = cpu_code64(cpu) ? (uint64_t)result : (uint32_t)result;
}

/*
 * The port is the agent's alone: whatever else comes by I/O privilege must not end the command or speak for it. Before the agent's first
 * call there is no other program. CR3 tells address spaces apart, but for what its low bits hold with PCIDs, and without (PWT, PCD; page
 * tables of PAE are aligned to 32 bytes).
 */
static bool is_agent(void *opaque)
{
	struct courier *courier = opaque;
	const struct cpu *cpu = cpu_of(courier);
	uint64_t space = cpu->cr3 & ~(uint64_t)(cpu->cr4 & CR4_PCIDE ? 0xfff : 0x1f);

	if (cpu->cpl != 3)
		return false;
	if (!courier->agent)
		courier->agent = space;
	return courier->agent == space;
}

void courier_init(struct courier *courier, struct machine *machine)
{
	courier->machine = machine;
	machine->hypercall.opaque = courier;
	machine->hypercall.call = on_call;
	machine->hypercall.answers = is_agent;
}

void courier_deinit(struct courier *courier)
{
	file_close(&courier->file);
	error_destroy(courier->failure);
}
