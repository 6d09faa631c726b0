/* Waiting for several things: poll, epoll in its modes, eventfd, inotify, signals during a wait. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <unistd.h>

#include "check.h"

static void check_poll(struct check *check)
{
	struct pollfd polls[3];
	int a[2], b[2];
	pid_t child;
	char byte;
	fd_set set;

	pipe(a);
	pipe(b);
	polls[0] = (struct pollfd){.fd = a[0], .events = POLLIN};
	polls[1] = (struct pollfd){.fd = b[0], .events = POLLIN};
	polls[2] = (struct pollfd){.fd = b[1], .events = POLLOUT};
	CHECK(check, poll(polls, 3, -1) == 1 && polls[2].revents == POLLOUT && polls[0].revents == 0);
	child = fork();
	if (child == 0) {
		sleep_ms(20);
		_exit(write(b[1], "x", 1) == 1 ? 0 : 1);
	}
	CHECK(check, poll(polls, 2, -1) == 1 && polls[1].revents == POLLIN && read(b[0], &byte, 1) == 1);
	CHECK(check, exited(child, 0));
	close(b[1]);
	CHECK(check, poll(polls, 2, -1) == 1 && (polls[1].revents & POLLHUP));
	FD_ZERO(&set);
	FD_SET(a[0], &set);
	FD_SET(b[0], &set);
	CHECK(check, select(b[0] + 1, &set, NULL, NULL, NULL) == 1 && FD_ISSET(b[0], &set) && !FD_ISSET(a[0], &set));
	close(a[0]);
	close(a[1]);
	close(b[0]);
	polls[0].fd = a[0];
	CHECK(check, poll(polls, 1, 0) == 1 && polls[0].revents == POLLNVAL);
}

static int ready(int epoll, struct epoll_event *events)
{
	return epoll_wait(epoll, events, 16, 10);
}

static void check_epoll(struct check *check)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef}, events[16];
	int epoll = epoll_create1(EPOLL_CLOEXEC), ends[2], many[50];
	uint64_t one = 1, sum = 0, value;
	char bytes[8];

	pipe(ends);
	CHECK(check, epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0 && ready(epoll, events) == 0);
	write(ends[1], "abc", 3);
	CHECK(check, ready(epoll, events) == 1 && events[0].data.u64 == 0x123456789abcdef && ready(epoll, events) == 1); /* level */
	event.events = EPOLLIN | EPOLLET;
	CHECK(check, epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event) == 0 && ready(epoll, events) == 1 && ready(epoll, events) == 0);
	write(ends[1], "d", 1);
	CHECK(check, ready(epoll, events) == 1 && read(ends[0], bytes, 8) == 4);
	event.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event);
	write(ends[1], "e", 1);
	CHECK(check, ready(epoll, events) == 1 && ready(epoll, events) == 0);
	CHECK(check, epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL) == 0 && epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL) < 0);

	for (int i = 0; i < 50; i++) {
		many[i] = eventfd(0, EFD_NONBLOCK);
		event = (struct epoll_event){.events = EPOLLIN, .data.u32 = (uint32_t)i};
		epoll_ctl(epoll, EPOLL_CTL_ADD, many[i], &event);
	}
	for (int i = 0; i < 50; i += 7)
		write(many[i], &one, sizeof one);
	for (int n = ready(epoll, events), i = 0; i < n; i++)
		sum += events[i].data.u32;
	CHECK(check, sum == 0 + 7 + 14 + 21 + 28 + 35 + 42 + 49);
	write(many[7], &one, sizeof one);
	CHECK(check, read(many[7], &value, sizeof value) == 8 && value == 2 && read(many[7], &value, sizeof value) < 0 && errno == EAGAIN);
	for (int i = 0; i < 50; i++)
		close(many[i]);
	close(ends[0]);
	close(ends[1]);
	close(epoll);
}

/* Is there, among the events that are waiting, one of the kind for the name? */
static bool noticed(int fd, uint32_t mask, const char *name)
{
	_Alignas(struct inotify_event) char bytes[4096];
	ssize_t size = read(fd, bytes, sizeof bytes);
	const struct inotify_event *event;

	for (ssize_t at = 0; at < size; at += (ssize_t)(sizeof *event + event->len)) {
		event = (const struct inotify_event *)(bytes + at);
		if ((event->mask & mask) && event->len && !strcmp(event->name, name))
			return true;
	}
	return false;
}

static void check_inotify(struct check *check)
{
	char place[] = "/tmp/linux-check-notify-XXXXXX", path[64], other[64];
	int fd = inotify_init1(IN_NONBLOCK), file;

	CHECK(check, mkdtemp(place) && inotify_add_watch(fd, place, IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_TO) > 0);
	snprintf(path, sizeof path, "%s/file", place);
	snprintf(other, sizeof other, "%s/moved", place);
	CHECK(check, !noticed(fd, IN_CREATE, "file"));
	file = open(path, O_CREAT | O_WRONLY, 0600);
	CHECK(check, noticed(fd, IN_CREATE, "file"));
	write(file, "x", 1);
	close(file);
	CHECK(check, noticed(fd, IN_MODIFY, "file"));
	rename(path, other);
	CHECK(check, noticed(fd, IN_MOVED_TO, "moved"));
	unlink(other);
	CHECK(check, noticed(fd, IN_DELETE, "moved"));
	rmdir(place);
	close(fd);
}

static volatile sig_atomic_t called;

static void on_signal(int signal)
{
	called = signal;
}

/* ppoll() lets a signal in only while it waits. */
static void check_ppoll(struct check *check)
{
	sigset_t blocked, none;

	signal(SIGUSR1, on_signal);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGUSR1);
	CHECK(check, called == 0);
	CHECK(check, ppoll(NULL, 0, NULL, &none) < 0 && errno == EINTR && called == SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
}

void check_events(struct check *check)
{
	check_poll(check);
	check_epoll(check);
	check_inotify(check);
	check_ppoll(check);
}
