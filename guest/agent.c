/*
 * The agent: the trusted VM's only program of its own, its init. It tells the host when it is up, unpacks the files that the host delivers,
 * runs the command with its three streams on pipes, carries what goes over them, and reports how it ended. A program without a C library,
 * built for x86-64 and i386, and part of the xray86 binary.
 */
#include "guest/protocol.h"
#include "guest/system.h"

enum {
	O_RDONLY = 0,
	O_WRONLY = 1,
	O_CREAT = 0100,
	O_NONBLOCK = 04000,
	POLLIN = 1,
	POLLOUT = 4,
	POLLERR = 8,
	POLLHUP = 16,
	SIGCHLD = 17,
	WNOHANG = 1,
	CLONE_NEWTIME = 0x80,
	EINTR = 4,
	EAGAIN = 11,
};

enum { ARGUMENTS = 4096, STRINGS = 4 << 20, BUFFER = 65536, INPUT_INTERVAL_MS = 10 };

struct pollfd {
	int fd;
	short events, revents;
};

static struct message message;
static char strings[STRINGS], *next_string = strings;
static char *arguments[ARGUMENTS], *variables[ARGUMENTS];
static unsigned argument_count, variable_count;
static char buffer[BUFFER];

/* The compiler calls these for loops of its own. */
void *memset(void *to, int value, unsigned long size)
{
	char *at = to;

	while (size--)
		*at++ = value;
	return to;
}

void *memcpy(void *to, const void *from, unsigned long size)
{
	char *at = to;
	const char *source = from;

	while (size--)
		*at++ = *source++;
	return to;
}

static unsigned length(const char *text)
{
	unsigned n = 0;

	while (text[n])
		n++;
	return n;
}

/* Pages that the host is to reach must be there. */
static void touch(char *at, unsigned long size)
{
	for (unsigned long i = 0; i < size; i += 4096)
		((volatile char *)at)[i] = 0;
	((volatile char *)at)[size - 1] = 0;
}

static void say(const char *text)
{
	SYSTEM(write, 2, text, length(text));
}

__attribute__((noreturn)) static void fail(const char *text)
{
	say("xray86 agent: ");
	say(text);
	say("\n");
	for (;;)
		hypercall(HYPERCALL_EXIT, 125 << 8, 0, 0);
}

/* -- files -- */

static void write_all(int fd, const char *from, long size)
{
	while (size > 0) {
		long n = SYSTEM(write, fd, from, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			fail("no room for the command's files: give the trusted VM more memory");
		from += n;
		size -= n;
	}
}

static void make_file(void)
{
	long fd, n;

	SYSTEM(unlink, message.text);
	fd = SYSTEM(open, message.text, O_WRONLY | O_CREAT, message.mode);
	if (fd < 0)
		fail("a file of the command cannot be made");
	while ((n = hypercall(HYPERCALL_DATA, (long)buffer, BUFFER, 0)) > 0)
		write_all(fd, buffer, n);
	SYSTEM(fchmod, fd, message.mode);
	SYSTEM(close, fd);
}

/* -- the command -- */

static char *keep(const char *text)
{
	char *kept = next_string;
	unsigned size = length(text) + 1;

	if (size > (unsigned)(strings + STRINGS - next_string))
		fail("the command's arguments are too long");
	memcpy(kept, text, size);
	next_string += size;
	return kept;
}

static void add(char **list, unsigned *count)
{
	if (*count == ARGUMENTS - 1)
		fail("the command has too many arguments");
	list[(*count)++] = keep(message.text);
}

static void write_number(const char *path, unsigned number)
{
	char text[12], *at = text + sizeof(text);
	long fd = SYSTEM(open, path, O_WRONLY, 0);

	do
		*--at = '0' + number % 10;
	while (number /= 10);
	SYSTEM(write, fd, at, text + sizeof(text) - at);
	SYSTEM(close, fd);
}

/* Times that are waited for are told by the snapshot's clocks. A kernel without time namespaces goes without. */
static void set_clocks(void)
{
	long fd;

	if (SYSTEM(unshare, CLONE_NEWTIME))
		return;
	fd = SYSTEM(open, "/proc/self/timens_offsets", O_WRONLY, 0);
	SYSTEM(write, fd, message.text, length(message.text));
	SYSTEM(close, fd);
}

static void set_process_numbers(void)
{
	write_number("/proc/sys/kernel/pid_max", message.size + 10000);
	write_number("/proc/sys/kernel/ns_last_pid", message.size);
}

__attribute__((noreturn)) static void become_command(int in, int out, int err)
{
	const char *program = message.text, *directory = message.text + length(message.text) + 1;
	long result;

	SYSTEM(dup2, in, 0);
	SYSTEM(dup2, out, 1);
	SYSTEM(dup2, err, 2);
	SYSTEM(close_range, 3, ~0u, 0);
	SYSTEM(setsid);
	SYSTEM(chdir, directory);
	result = SYSTEM(execve, program, arguments, variables);
	SYSTEM(exit_group, result == -2 ? 127 : 126);
	for (;;)
		;
}

/* Brings what is there of one stream to the host; false: it is at its end. */
static int carry_output(int fd, int stream)
{
	long n = SYSTEM(read, fd, buffer, BUFFER);

	if (n > 0)
		hypercall(HYPERCALL_OUTPUT, stream, (long)buffer, n);
	return n > 0 || n == -EINTR || n == -EAGAIN;
}

/* False: there will be no more. */
static int carry_input(int fd)
{
	long n = hypercall(HYPERCALL_INPUT, (long)buffer, 4096, 0); /* PIPE_BUF: a pipe that is writable takes it whole */

	if (n < 0)
		return 1;
	if (n > 0 && SYSTEM(write, fd, buffer, n) == n)
		return 1;
	SYSTEM(close, fd);
	return 0;
}

static void wait_for(long child, int in, int out, int err)
{
	struct pollfd poll[3] = {{out, POLLIN, 0}, {err, POLLIN, 0}, {in, POLLOUT, 0}};
	int status = 0, ended = 0;

	while (!ended || poll[0].fd >= 0 || poll[1].fd >= 0) {
		long ready = SYSTEM(poll, poll, 3, ended ? 0 : INPUT_INTERVAL_MS);

		for (int i = 0; i < 2; i++) {
			if (poll[i].fd >= 0 && poll[i].revents && !carry_output(poll[i].fd, i + 1))
				poll[i].fd = -1;
		}
		if (poll[2].fd >= 0 && (poll[2].revents & (POLLERR | POLLHUP) || (poll[2].revents & POLLOUT && !carry_input(in))))
			poll[2].fd = -1;
		if (ended && ready <= 0)
			break; /* what still holds the pipes open is in the background */
		if (!ended && SYSTEM(wait4, child, &status, WNOHANG, 0) == child) {
			ended = 1;
			poll[2].fd = -1;
		}
	}
	for (;;)
		hypercall(HYPERCALL_EXIT, status, 0, 0);
}

static void run(void)
{
	int in[2] = {0}, out[2] = {0}, err[2] = {0};
	long child;

	if (SYSTEM(pipe, in) || SYSTEM(pipe, out) || SYSTEM(pipe, err))
		fail("no pipes");
	if (hypercall(HYPERCALL_BEGIN, 0, 0, 0))
		fail("introspection did not begin");
	SYSTEM(iopl, 0); /* the child would inherit it, and what the child executes, too */
	child = SYSTEM(fork);
	if (child == 0)
		become_command(in[0], out[1], err[1]);
	SYSTEM(iopl, 3);
	if (child < 0)
		fail("no process for the command");
	SYSTEM(close, in[0]);
	SYSTEM(close, out[1]);
	SYSTEM(close, err[1]);
	wait_for(child, in[1], out[0], err[0]);
}

/* -- the whole -- */

static void obey(void)
{
	switch (message.kind) {
	case MESSAGE_FILE:
		make_file();
		break;
	case MESSAGE_DIRECTORY:
		SYSTEM(mkdir, message.text, message.mode);
		break;
	case MESSAGE_LINK:
		SYSTEM(symlink, message.text + length(message.text) + 1, message.text);
		break;
	case MESSAGE_ARGUMENT:
		add(arguments, &argument_count);
		break;
	case MESSAGE_VARIABLE:
		add(variables, &variable_count);
		break;
	case MESSAGE_PID:
		set_process_numbers();
		break;
	case MESSAGE_CLOCKS:
		set_clocks();
		break;
	case MESSAGE_RUN:
		run();
		break;
	}
}

/* What udev makes of them in other machines, so that the names of the command's own streams lead to them: bash's <(...) is /dev/fd/63. */
static void name_streams(void)
{
	SYSTEM(symlink, "/proc/self/fd", "/dev/fd");
	SYSTEM(symlink, "/proc/self/fd/0", "/dev/stdin");
	SYSTEM(symlink, "/proc/self/fd/1", "/dev/stdout");
	SYSTEM(symlink, "/proc/self/fd/2", "/dev/stderr");
}

void agent(void)
{
	SYSTEM(mkdir, "/dev", 0755);
	SYSTEM(mkdir, "/proc", 0755);
	SYSTEM(mount, "devtmpfs", "/dev", "devtmpfs", 0, 0);
	SYSTEM(mount, "proc", "/proc", "proc", 0, 0);
	name_streams();
	touch((char *)&message, sizeof(message));
	touch(buffer, sizeof(buffer));
	if (SYSTEM(iopl, 3))
		fail("the kernel denies access to ports");
	hypercall(HYPERCALL_READY, 0, 0, 0);
	while (hypercall(HYPERCALL_NEXT, (long)&message, 0, 0) == 0)
		obey();
	fail("no command");
}

/* The kernel enters with a stack pointer that a function does not expect. */
#ifdef __x86_64__
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall agent\n");
#else
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %esp\n\tcall agent\n");
#endif
