/* Pipes: order, capacity, atomicity, ends; FIFOs, splice and tee, descriptors sent over a socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

enum { CHAIN = 3, BULK = 1 << 20 };

/* Copies with a buffer of an odd size until the end. */
static _Noreturn void copy(int from, int to)
{
	char buffer[1237];
	ssize_t n;

	while ((n = read(from, buffer, sizeof buffer)) > 0)
		if (!write_all(to, buffer, (size_t)n))
			_exit(1);
	_exit(n == 0 ? 0 : 2);
}

/* A megabyte through a chain of processes. */
static void check_chain(struct check *check)
{
	pid_t children[CHAIN + 1];
	char *bytes = malloc(BULK);
	int from, ends[2];

	CHECK(check, pipe(ends) == 0);
	from = ends[0];
	children[0] = fork();
	if (children[0] == 0) {
		pattern_fill(bytes, BULK, 1);
		_exit(write_all(ends[1], bytes, BULK) ? 0 : 1);
	}
	close(ends[1]);
	for (int i = 1; i <= CHAIN; i++) {
		pipe(ends);
		children[i] = fork();
		if (children[i] == 0) {
			close(ends[0]);
			copy(from, ends[1]);
		}
		close(from);
		close(ends[1]);
		from = ends[0];
	}
	CHECK(check, read_all(from, bytes, BULK) && pattern_holds(bytes, BULK, 1));
	CHECK(check, read(from, bytes, 1) == 0);
	for (int i = 0; i <= CHAIN; i++)
		CHECK(check, exited(children[i], 0));
	close(from);
	free(bytes);
}

/* Two writers of records up to PIPE_BUF bytes: none is torn. */
static void check_atomic(struct check *check)
{
	unsigned char record[512];
	pid_t children[2];
	bool whole = true;
	int ends[2], records = 0;

	pipe(ends);
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			memset(record, 'a' + i, sizeof record);
			for (int n = 0; n < 200; n++)
				if (write(ends[1], record, sizeof record) != sizeof record)
					_exit(1);
			_exit(0);
		}
	}
	close(ends[1]);
	while (read_all(ends[0], record, sizeof record)) {
		for (size_t i = 1; i < sizeof record; i++)
			whole = whole && record[i] == record[0];
		records++;
	}
	CHECK(check, whole);
	CHECK(check, records == 400);
	CHECK(check, exited(children[0], 0) && exited(children[1], 0));
	close(ends[0]);
}

static void check_limits(struct check *check)
{
	int ends[2], size = 0, waiting = 0;
	char page[4096];
	pid_t child;

	CHECK(check, pipe2(ends, O_NONBLOCK) == 0);
	CHECK(check, read(ends[0], page, 1) < 0 && errno == EAGAIN);
	memset(page, 0, sizeof page);
	while (write(ends[1], page, sizeof page) == sizeof page)
		size += (int)sizeof page;
	CHECK(check, errno == EAGAIN && size == 65536 && fcntl(ends[1], F_GETPIPE_SZ) == size);
	CHECK(check, ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == size);
	CHECK(check, fcntl(ends[1], F_SETPIPE_SZ, 131072) == 131072 && write(ends[1], page, sizeof page) == sizeof page);
	close(ends[0]);

	child = fork();
	if (child == 0) {
		write(ends[1], page, 1);
		_exit(0);
	}
	CHECK(check, killed(child, SIGPIPE));
	signal(SIGPIPE, SIG_IGN);
	CHECK(check, write(ends[1], page, 1) < 0 && errno == EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(ends[1]);
}

static void check_fifo(struct check *check)
{
	char name[] = "/tmp/linux-check-fifo", text[6] = "";
	pid_t child;
	int fd;

	unlink(name);
	CHECK(check, mkfifo(name, 0600) == 0);
	child = fork();
	if (child == 0) {
		fd = open(name, O_WRONLY);
		_exit(write(fd, "hello", 5) == 5 ? 0 : 1);
	}
	fd = open(name, O_RDONLY);
	CHECK(check, read_all(fd, text, 5) && !strcmp(text, "hello"));
	CHECK(check, exited(child, 0) && unlink(name) == 0);
	close(fd);
}

static void check_splice(struct check *check)
{
	int a[2], b[2];
	char text[20] = "", more[20] = "";
	struct iovec vector[2] = {{"scattered, ", 11}, {"gathered", 8}};

	pipe(a);
	pipe(b);
	CHECK(check, writev(a[1], vector, 2) == 19);
	CHECK(check, tee(a[0], b[1], 19, 0) == 19 && read(b[0], text, 19) == 19 && !strcmp(text, "scattered, gathered"));
	CHECK(check, splice(a[0], NULL, b[1], NULL, 19, 0) == 19);
	vector[0] = (struct iovec){more, 11};
	vector[1] = (struct iovec){more + 11, 8};
	CHECK(check, readv(b[0], vector, 2) == 19 && !strcmp(more, text));
	vector[0] = (struct iovec){text, 19};
	CHECK(check, vmsplice(b[1], vector, 1, 0) == 19 && read(b[0], more, 19) == 19 && !strcmp(more, text));
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

/* A pipe's end sent to another process over a socket. */
static bool send_descriptor(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof fd)];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec vector = {"x", 1};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	return sendmsg(socket, &message, 0) == 1;
}

static int receive_descriptor(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec vector = {&byte, 1};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int fd = -1;

	if (recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

static void check_descriptors(struct check *check)
{
	int sockets[2], ends[2];
	char text[6] = "";
	pid_t child;

	CHECK(check, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	child = fork();
	if (child == 0) {
		int fd = receive_descriptor(sockets[1]);

		_exit(fd >= 0 && write(fd, "right", 5) == 5 ? 0 : 1);
	}
	pipe(ends);
	CHECK(check, send_descriptor(sockets[0], ends[1]));
	close(ends[1]);
	CHECK(check, read_all(ends[0], text, 5) && !strcmp(text, "right"));
	CHECK(check, exited(child, 0));
	close(ends[0]);
	close(sockets[0]);
	close(sockets[1]);
}

void check_pipes(struct check *check)
{
	check_chain(check);
	check_atomic(check);
	check_limits(check);
	check_fifo(check);
	check_splice(check);
	check_descriptors(check);
}
