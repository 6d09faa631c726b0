/*
 * The host's end of the agent's protocol (guest/protocol.h). The courier hands out the command's files, arguments and environment, takes
 * its output, and learns its exit status.
 */
#ifndef XRAY86_SESSION_COURIER_H
#define XRAY86_SESSION_COURIER_H

#include <sys/types.h>

#include "emu/machine.h"
#include "guest/protocol.h"
#include "loader/file.h"
#include "session/program.h"

enum courier_wish {
	COURIER_NONE,
	COURIER_READY, /* the agent waits for a command */
	COURIER_BEGIN, /* introspection shall begin */
	COURIER_EXIT,  /* the command ended: courier->status */
};

/* The command's standard streams. */
struct courier_streams {
	/*
	 * Copies at most `size` bytes of input to `to` and returns how many. 0 is the end; -1 means nothing yet. idle: only input can make
	 * the command go on, so the function may wait some milliseconds for it.
	 */
	ssize_t (*input)(void *opaque, void *to, size_t size, bool idle);
	/* stream: 1 or 2, as descriptors of the command. Returns 0, or the number of the error that ends the command. */
	int (*output)(void *opaque, unsigned stream, const void *bytes, size_t size);
	void *opaque;
};

struct courier {
	struct machine *machine;
	const struct program *program;
	char *const *argument;    /* ended by NULL */
	char *const *environment; /* ended by NULL */
	const char *directory;
	const char *folders[2]; /* in PATH's form: folders to make for programs and libraries that are delivered later */
	struct courier_streams streams;
	uint32_t first_pid;
	uint64_t uptime; /* of the snapshot, seconds */

	enum courier_wish wish; /* why machine_run() came back with CPU_EXIT_CLIENT; the caller clears it */
	uint64_t output;        /* bytes that the command has put out */
	int status;             /* as wait4() tells it */
	struct error *failure;  /* a file that cannot be read, output that cannot be written, or what the agent cannot do */

	/* where in the conversation */
	unsigned stage;
	size_t index;
	struct file file;
	size_t file_done;
	uint64_t agent; /* the agent's address space, by CR3; 0: it has not called yet */
	uint64_t idle;  /* the machine's idle time at the last request for input */
	struct message message;
	uint8_t bytes[65536]; /* of a stream, on their way */
};

/* Connects to the machine's xray86 port. The courier must outlive the machine's runs. */
void courier_init(struct courier *courier, struct machine *machine);
void courier_deinit(struct courier *courier);

#endif
