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
	struct timeval time = {.tv_sec = 20};
	fd_set only;

	bind(box, (struct sockaddr *)&name, sizeof(name));
	pipe(ends);
	printf("box %d %d", ask(box, POLLIN, 0), ask(box, POLLIN | POLLOUT, 0) == POLLOUT);
	printf(" %d", ask(box, POLLIN, 3000));
	printf(" %d %d", ask(box, POLLIN, -1) == -EAGAIN, ask(box, POLLOUT, -1) == POLLOUT);
	FD_ZERO(&only);
	FD_SET(box, &only);
	printf(" %d", select(box + 1, &only, NULL, NULL, NULL) < 0 && errno == EAGAIN);
	count = select(box + 1, &only, NULL, NULL, &time);
	printf(" %d %d %d\\n", count, FD_ISSET(box, &only), (int)time.tv_sec);
	printf("file %#x\\n", ask(file, POLLIN | POLLOUT, 0));
	printf("sets %d %d %d", ready(box, ends[0], 0), ready(box, ends[1], 1), ready(box, file, 0));
	write(ends[1], "x", 1);
	printf(" %d", ready(box, ends[0], 0));
	sendto(box, "y", 1, 0, (struct sockaddr *)&name, sizeof(name));
	printf(" %d %d\\n", ready(box, ends[0], 0), ask(box, POLLIN, -1));
	count = epoll_ctl(set, EPOLL_CTL_ADD, box, &event) < 0 && errno == EPERM && epoll_ctl(set, EPOLL_CTL_ADD, file, &event) < 0 && errno == EPERM;
	printf("epoll %d %d", count, epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event));
	printf(" %d\\n", epoll_wait(set, seen, 4, 0));
	return 0;
}
"""


def polls(test):
    """
    poll() and select() on descriptors of both worlds. What never becomes ready: a time passes, and without one the wait is refused. epoll takes
    none of the snapshot's.
    """
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["cc", "-x", "c", "-", "-o", f"{directory}/polls"], input=POLLS.encode(), check=True)
        for way in ("context", "tags"):
            seen = test.run("--redirect", way, "--", f"{directory}/polls")
            test.expect(f"waiting for descriptors ({way})", seen == (0, "box 0 1 0 1 1 1 0 0 0\nfile 0x5\nsets 0 3 2 2 3 1\nepoll 1 0 1\n", ""), seen)
    script = "use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0); while () { vec($r = '', fileno(S), 1) = 1; select($r, undef, undef, 25) or recv(S, $b, 1, 0x40) }"
    seen = test.run("--", "perl", "-e", script)
    test.expect("waiting until a clock that stands", seen[:2] == (125, "") and "10000 times in vain" in seen[2], seen)


MAPS = """
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;

static void on_signal(int signal)
{
	siglongjmp(back, signal);
}

/* Whether the mapping holds what read() gives, zeros behind the file's end, and nothing on the next page. */
static void compare(const char *path, int prot, int flags, off_t offset)
{
	static char bytes[1 << 20];
	int file = open(path, O_RDONLY), signal;
	size_t size = pread(file, bytes, sizeof(bytes), offset), pages = (size + 4095) & -4096ul;
	char *map = mmap(NULL, pages + 4096, prot, flags, file, offset);

	close(file);
	if (map == MAP_FAILED) {
		printf("%d ", errno);
		return;
	}
	memset(bytes + size, 0, pages - size);
	signal = sigsetjmp(back, 1);
	if (!signal)
		printf("%c", map[pages]);
	printf("%s%s ", memcmp(map, bytes, pages) ? "differs" : "same", signal == SIGBUS ? "" : " no end");
	if (prot & PROT_WRITE)
		map[0] = '!';
}

int main(int count, char **argument)
{
	int large;

	signal(SIGBUS, on_signal);
	for (int i = 1; i < count; i++) {
		compare(argument[i], PROT_READ, MAP_PRIVATE, 0);
		compare(argument[i], PROT_READ, MAP_SHARED, 0);
		compare(argument[i], PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
		compare(argument[i], PROT_READ, MAP_PRIVATE, 4096);
		compare(argument[i], PROT_READ, MAP_PRIVATE, 4095);
		compare(argument[i], PROT_READ | PROT_WRITE, MAP_SHARED, 0);
		compare(argument[i], PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
		printf("\\n");
	}
	large = open("/tmp/large", O_RDWR | O_CREAT, 0600);
	ftruncate(large, 300 << 20);
	printf("%d\\n", mmap(NULL, 300 << 20, PROT_READ, MAP_PRIVATE, large, 0) == MAP_FAILED ? errno : 0);
	return 0;
}
"""


def maps(test):
    """mmap() of files of the snapshot, to the page after their end; what is too large is told. Code of the snapshot is not loaded."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["cc", "-x", "c", "-", "-o", f"{directory}/maps"], input=MAPS.encode(), check=True)
        words = [f"{directory}/maps", "/srv/files/notes.txt", "/bin/sh", "/srv", "/proc/version"]
        mapped, not_mapped = "same same same same 22 13 1 \n", "19 19 19 19 22 13 1 \n"
        for way in ("context", "tags"):
            status, out, err = test.run("--redirect", way, "--", *words)
            good = (status, out) == (0, 2 * mapped + 2 * not_mapped + "19\n") and "1 call went beyond what xray86 can do" in err and err.count("\n") == 1
            test.expect(f"mapped files ({way})", good, status, out, err)
    load = "require DynaLoader; print DynaLoader::dl_load_file('/tmp/lib.so') ? 'loaded' : DynaLoader::dl_error()"
    seen = test.run("--", "sh", "-c", f'cp /lib/x86_64-linux-gnu/libc.so.6 /tmp/lib.so; perl -e "{load}"')
    test.expect("a library of the snapshot", seen[0] == 0 and "/tmp/lib.so: failed to map segment" in seen[1], seen)


STEPS = (names, polls, maps)
