"""Descriptors of files of the snapshot, by other ways than read() and write(): checks of `usage`."""
import subprocess
import tempfile

# A file by every name of its descriptor: what a link leads to, what it leads on to, and what the kernel tells of it.
NAMES = """
exec 3</srv/files/notes.txt 4</srv
for name in /proc/self/fd/3 /dev/fd/3 /proc/thread-self/fd/3 /proc/$$/fd/3 /proc/$$/task/$$/fd/3; do
  stat -L -c '%F %s %i' $name; readlink $name
done
stat -L -c '%F %s %i' /srv/files/notes.txt; echo /srv/files/notes.txt
stat -L -c '%F %s %i' /dev/stdin </srv/files/notes.txt; (readlink /dev/stdin) </srv/files/notes.txt
stat -c '%F %N' /proc/self/fd/3
test -r /dev/fd/3 && test ! -d /dev/fd/3 && test -d /dev/fd/4 && echo tested
test "$(cat /dev/fd/4/files/notes.txt)" = "$(cat /srv/files/notes.txt)" && cd /dev/fd/4/files && pwd -P
read -r line <&3; sed -n 's/pos:.//p' /proc/$$/fdinfo/3; sed -n 's/flags:.//p' /proc/self/fdinfo/3
find /proc/$$/fd -mindepth 1 -printf '%f %l\\n' | sort | sed -n '/^[34] /p'
exec 5>/tmp/gone; echo text >&5; rm /tmp/gone; readlink /proc/self/fd/5; cat /dev/fd/5; rm -f /tmp/gone
readlink /proc/1/fd/5 || echo none
"""


def names(test):
    """The tool's own placeholders are /dev/null; nobody is to see that, whatever name of the descriptor he uses."""
    for snapshot, options in ((test.snapshot, []), (test.snapshot, ["--redirect", "tags"]), (test.other, ["--root", f"{test.other.directory}/root"])):
        kernel = ["--kernel-path", snapshot.kernel_path]
        status, out, err = test.run(*kernel, *options, "--", "sh", "-c", NAMES, snapshot=snapshot)
        lines, size = out.splitlines(), len(snapshot.truth("cat-notes", "out"))
        inode = lines[0].split()[-1] if lines else ""
        file = [f"regular file {size} {inode}", "/srv/files/notes.txt"] * 7
        link = ["symbolic link '/proc/self/fd/3' -> '/srv/files/notes.txt'", "tested", "/srv/files", str(size)]
        found = ["3 /srv/files/notes.txt", "4 /srv", "/tmp/gone (deleted)", "text", "none"]
        flags = [line for line in lines if line in ("0100000", "0300000")]  # O_LARGEFILE of each ABI
        good = status == 0 and err == "" and len(flags) == 1 and [line for line in lines if line not in flags] == file + link + found
        test.expect(f"names of descriptors on {snapshot.name} {options}", good, status, out, err)


POLLS = """
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int ask(int fd, int events, int wait)
{
	struct pollfd entry = {.fd = fd, .events = events};
	int count = poll(&entry, 1, wait);

	return count > 0 ? entry.revents : count ? -errno : 0;
}

static int ready(int a, int b, int writes)
{
	struct timeval none = {0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(a, &set);
	FD_SET(b, &set);
	if (select((a > b ? a : b) + 1, writes ? NULL : &set, writes ? &set : NULL, NULL, &none) < 0)
		return -errno;
	return FD_ISSET(a, &set) | FD_ISSET(b, &set) << 1;
}

int main(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\\0polls"};
	int box = socket(AF_UNIX, SOCK_DGRAM, 0), file = open("/srv/files/notes.txt", O_RDONLY), ends[2], set = epoll_create1(0), count;
	struct epoll_event event = {.events = EPOLLIN}, seen[4];
	fd_set only;

	bind(box, (struct sockaddr *)&name, sizeof(name));
	pipe(ends);
	printf("box %d %d", ask(box, POLLIN, 0), ask(box, POLLIN | POLLOUT, 0) == POLLOUT);
	printf(" %d", ask(box, POLLIN, 3000));
	printf(" %d %d", ask(box, POLLIN, -1) == -EAGAIN, ask(box, POLLOUT, -1) == POLLOUT);
	FD_ZERO(&only);
	FD_SET(box, &only);
	printf(" %d\\n", select(box + 1, &only, NULL, NULL, NULL) < 0 && errno == EAGAIN);
	printf("file %#x\\n", ask(file, POLLIN | POLLOUT, 0));
	printf("sets %d %d %d", ready(box, ends[0], 0), ready(box, ends[1], 1), ready(box, file, 0));
	write(ends[1], "x", 1);
	printf(" %d", ready(box, ends[0], 0));
	sendto(box, "y", 1, 0, (struct sockaddr *)&name, sizeof(name));
	printf(" %d %d\\n", ready(box, ends[0], 0), ask(box, POLLIN, -1));
	event.data.fd = 1;
	count = epoll_ctl(set, EPOLL_CTL_ADD, box, &event);
	event.data.fd = 2;
	count += epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
	printf("epoll %d %d", count, epoll_wait(set, seen, 4, 0));
	read(box, &name, 1);
	count = epoll_wait(set, seen, 4, 0);
	printf(" %d %d", count, seen[0].data.fd);
	read(ends[0], &name, 1);
	printf(" %d %d\\n", epoll_wait(set, seen, 4, 2000), epoll_ctl(set, EPOLL_CTL_ADD, file, &event) < 0 ? errno : 0);
	return 0;
}
"""


def polls(test):
    """poll(), select() and epoll on descriptors of both worlds. What never becomes ready: a time passes, and without one the wait is refused."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["cc", "-x", "c", "-", "-o", f"{directory}/polls"], input=POLLS.encode(), check=True)
        for way in ("context", "tags"):
            seen = test.run("--redirect", way, "--", f"{directory}/polls")
            test.expect(f"waiting for descriptors ({way})", seen == (0, "box 0 1 0 1 1 1\nfile 0x5\nsets 0 3 2 2 3 1\nepoll 0 2 1 2 0 1\n", ""), seen)


STEPS = (names, polls)
