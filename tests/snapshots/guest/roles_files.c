/*
 * Roles with open files: regular, deleted, locked, mapped, and the kinds that are no files (pipe, eventfd, epoll, inotify, timerfd,
 * signalfd).
 *
 * The files are made here and in ../init, in /srv/files, which is a tmpfs.
 */
#include "scenario.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int file_with(const char *path, const char *content, int flags)
{
	int fd = check(open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644));
	check(write(fd, content, strlen(content)));
	return fd;
}

static struct flock record(short type, off_t start, off_t length)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

void run_file_holder(void)
{
	int notes = check(open("notes.txt", O_RDWR | O_CLOEXEC));
	check(lseek(notes, 6, SEEK_SET));
	file_with("holder.log", "opened for appending\n", O_APPEND);
	check(open("/srv/files", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	check(open("/etc/passwd", O_PATH | O_CLOEXEC));
	file_with("a name with spaces", "spaces\n", 0);

	file_with("deleted.txt", "deleted, but still open\n", 0);
	check(unlink("deleted.txt"));

	int locked = file_with("locked", "for locks\n", 0);
	check(flock(locked, LOCK_SH));
	int records = file_with("records", "for record locks\n", 0);
	check(fchmod(records, 0666));
	struct flock shared = record(F_RDLCK, 0, 4), exclusive = record(F_WRLCK, 8, 8);
	check(fcntl(records, F_SETLK, &shared));
	check(fcntl(records, F_SETLK, &exclusive));
	struct flock whole = record(F_WRLCK, 0, 0);
	check(fcntl(check(open("description", O_RDWR | O_CREAT | O_CLOEXEC, 0600)), F_OFD_SETLK, &whole));
	ready();
	rest();
}

/* Waits for a lock of file-holder's: blocked in the kernel for good, and a line with an arrow in /proc/locks. */
void run_lock_waiter(void)
{
	int fd = check(open("records", O_RDWR | O_CLOEXEC));
	ready();
	struct flock taken = record(F_WRLCK, 8, 1);
	check(fcntl(fd, F_SETLKW, &taken));
}

void run_event_holder(void)
{
	int event = check(eventfd(5, EFD_CLOEXEC)), epoll = check(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event watched = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x1234};
	check(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &watched));

	int notify = check(inotify_init1(IN_CLOEXEC));
	check(inotify_add_watch(notify, "/etc", IN_CREATE | IN_DELETE));
	check(inotify_add_watch(notify, "/srv/files", IN_MODIFY));

	int timer = check(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC));
	struct itimerspec far = {.it_value.tv_sec = time(NULL) + 1000000, .it_interval.tv_sec = 3600};
	check(timerfd_settime(timer, TFD_TIMER_ABSTIME, &far, NULL));

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	check(sigprocmask(SIG_BLOCK, &set, NULL));
	check(signalfd(-1, &set, SFD_CLOEXEC));
	check(raise(SIGUSR1)); /* stays pending */
	signal(SIGUSR2, SIG_IGN);
	ready();
	rest();
}

/* Two processes with a pipe between them, some bytes in it; and a named one. */
void run_pipe_ends(void)
{
	int pipe_ends[2];
	check(pipe(pipe_ends));
	check(mkfifo("/home/bob/fifo", 0600));
	check(open("/home/bob/fifo", O_RDWR));
	check(write(pipe_ends[1], "in the pipe\n", 12));
	if (check(fork()) == 0) {
		close(pipe_ends[0]);
		ready();
	} else {
		close(pipe_ends[1]);
		leave_report();
	}
	rest();
}

static void *map(size_t pages, int protection, int flags, int fd)
{
	void *at = mmap(NULL, pages * getpagesize(), protection, flags, fd, 0);
	check(at == MAP_FAILED ? -1 : 0);
	return at;
}

void run_mapper(void)
{
	int fd = file_with("mapped", "mapped shared\n", 0);
	check(ftruncate(fd, 4 * getpagesize()));
	char *shared = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	strcpy(shared + getpagesize(), "second page");
	map(4, PROT_READ, MAP_PRIVATE, fd);
	memset(map(64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1), 0xaa, getpagesize());
	char *locked = map(16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	check(mlock(locked, 4 * getpagesize()));
	map(1000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	check(ftruncate(check(memfd_create("named memory", MFD_CLOEXEC)), 12345));
	ready();
	rest();
}
