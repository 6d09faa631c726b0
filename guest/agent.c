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
	RLIMIT_STACK = 3,
	F_DUPFD_CLOEXEC = 1030,
	WNOHANG = 1,
	CLONE_NEWTIME = 0x80,
	EINTR = 4,
	EAGAIN = 11,
	ENOMEM = 12,
};

enum { BUFFER = 65536, INPUT_INTERVAL_MS = 10 };

struct pollfd {
	int fd;
	short events, revents;
};

/* For execve(): pointers, the last of them 0, and behind them what they point to. */
struct list {
	char **string;
	unsigned count;
	char *next;
	unsigned long size; /* of it all */
};

static struct message message;
static struct list arguments, variables;
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

/* `result` is that of the system call that failed. */
__attribute__((noreturn)) static void fail(enum agent_failure failure, long result)
{
	for (;;)
		hypercall(HYPERCALL_FAIL, failure, result < 0 ? -result : 0, 0);
}

/* -- files -- */

static void write_all(int fd, const char *from, long size)
{
	while (size > 0) {
		long n = SYSTEM(write, fd, from, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			fail(AGENT_FILE, n);
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
		fail(AGENT_FILE, fd);
	while ((n = hypercall(HYPERCALL_DATA, (long)buffer, BUFFER, 0)) > 0)
		write_all(fd, buffer, n);
	SYSTEM(fchmod, fd, message.mode);
	SYSTEM(close, fd);
}

/* -- the command -- */

/* Memory of zeros, behind what the program has. */
static void *more_memory(unsigned long size)
{
	unsigned long start = (SYSTEM(brk, 0) + 15) & ~15ul, end = SYSTEM(brk, start + size);

	if (end < start + size)
		fail(AGENT_STRINGS, -ENOMEM);
	return (void *)start;
}

static void make_list(struct list *list)
{
	unsigned long pointers = (message.mode + 1) * sizeof(*list->string);

	list->size = pointers + message.size;
	list->string = more_memory(list->size);
	list->next = (char *)list->string + pointers;
}

static void add(struct list *list)
{
	unsigned size = length(message.text) + 1;

	memcpy(list->next, message.text, size);
	list->string[list->count++] = list->next;
	list->next += size;
}

/*
 * The kernel gives a quarter of the stack to arguments and environment. Whoever gave xray86 more than fits there had a larger limit, so the
 * command has one, too.
 */
static void make_stack_suffice(void)
{
	struct {
		unsigned long long soft, hard;
	} limit;
	unsigned long long needed = 4ull * (arguments.size + variables.size + sizeof(message));

	if (SYSTEM(prlimit64, 0, RLIMIT_STACK, 0, &limit) == 0 && limit.soft < needed) {
		limit.soft = needed;
		SYSTEM(prlimit64, 0, RLIMIT_STACK, &limit, 0);
	}
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

/* `report`, which a successful execve() closes, is told why one fails. */
__attribute__((noreturn)) static void become_command(int in, int out, int err, int report)
{
	const char *program = message.text, *directory = message.text + length(message.text) + 1;
	long result;

	report = SYSTEM(fcntl, report, F_DUPFD_CLOEXEC, 3);
	SYSTEM(dup2, in, 0);
	SYSTEM(dup2, out, 1);
	SYSTEM(dup2, err, 2);
	SYSTEM(close_range, 3, report - 1, 0);
	SYSTEM(close_range, report + 1, ~0u, 0);
	SYSTEM(setsid);
	SYSTEM(chdir, directory);
	result = SYSTEM(execve, program, arguments.string, variables.string);
	SYSTEM(write, report, &result, sizeof(result));
	SYSTEM(exit_group, 126);
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

enum input { INPUT_ENDS, INPUT_SILENT, INPUT_CAME };

static enum input carry_input(int fd)
{
	long n = hypercall(HYPERCALL_INPUT, (long)buffer, 4096, 0); /* PIPE_BUF: a pipe that is writable takes it whole */

	if (n < 0)
		return INPUT_SILENT;
	if (n > 0 && SYSTEM(write, fd, buffer, n) == n)
		return INPUT_CAME;
	SYSTEM(close, fd);
	return INPUT_ENDS;
}

static void wait_for(long child, int in, int out, int err)
{
	struct pollfd poll[3] = {{out, POLLIN, 0}, {err, POLLIN, 0}, {in, POLLOUT, 0}};
	int status = 0, ended = 0;
	enum input input = INPUT_CAME;

	while (!ended || poll[0].fd >= 0 || poll[1].fd >= 0) {
		/* The pipe has room all the time: while there is nothing to put into it, the agent sleeps. */
		long ready = SYSTEM(poll, poll, input == INPUT_CAME ? 3 : 2, ended ? 0 : INPUT_INTERVAL_MS);

		if (input != INPUT_CAME)
			poll[2].revents = 0;
		if (input == INPUT_SILENT)
			input = INPUT_CAME;
		for (int i = 0; i < 2; i++) {
			if (poll[i].fd >= 0 && poll[i].revents && !carry_output(poll[i].fd, i + 1))
				poll[i].fd = -1;
		}
		if (poll[2].revents & (POLLERR | POLLHUP))
			input = INPUT_ENDS;
		else if (poll[2].revents & POLLOUT)
			input = carry_input(in);
		if (ended && ready <= 0)
			break; /* what still holds the pipes open is in the background */
		if (!ended && SYSTEM(wait4, child, &status, WNOHANG, 0) == child) {
			ended = 1;
			input = INPUT_ENDS;
		}
	}
	for (;;)
		hypercall(HYPERCALL_EXIT, status, 0, 0);
}

static void run(void)
{
	int in[2] = {0}, out[2] = {0}, err[2] = {0}, report[2] = {0};
	long child, result;

	make_stack_suffice();
	if (SYSTEM(pipe, report) || SYSTEM(pipe, in) || SYSTEM(pipe, out) || SYSTEM(pipe, err))
		fail(AGENT_PROCESS, 0);
	if (hypercall(HYPERCALL_BEGIN, 0, 0, 0))
		fail(AGENT_ORDER, 0);
	SYSTEM(iopl, 0); /* the child would inherit it, and what the child executes, too */
	child = SYSTEM(fork);
	if (child == 0)
		become_command(in[0], out[1], err[1], report[1]);
	SYSTEM(iopl, 3);
	if (child < 0)
		fail(AGENT_PROCESS, child);
	SYSTEM(close, in[0]);
	SYSTEM(close, out[1]);
	SYSTEM(close, err[1]);
	SYSTEM(close, report[1]);
	if (SYSTEM(read, report[0], &result, sizeof(result)) == sizeof(result))
		fail(AGENT_EXEC, result);
	SYSTEM(close, report[0]);
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
	case MESSAGE_ARGUMENTS:
		make_list(&arguments);
		break;
	case MESSAGE_ARGUMENT:
		add(&arguments);
		break;
	case MESSAGE_VARIABLES:
		make_list(&variables);
		break;
	case MESSAGE_VARIABLE:
		add(&variables);
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
		SYSTEM(exit_group, 1); /* the kernel panics without its init, which the host sees */
	hypercall(HYPERCALL_READY, 0, 0, 0);
	while (hypercall(HYPERCALL_NEXT, (long)&message, 0, 0) == 0)
		obey();
	fail(AGENT_ORDER, 0);
}

/* The kernel enters with a stack pointer that a function does not expect. */
#ifdef __x86_64__
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall agent\n");
#else
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %esp\n\tcall agent\n");
#endif
