/* Files on a tmpfs: names, contents, holes, locks, permissions, mounts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "check.h"

static void check_names(struct check *check)
{
	char name[64], target[64] = "";
	struct dirent *entry;
	struct stat status;
	int created = 0, seen = 0;
	long sum = 0;
	DIR *directory;

	CHECK(check, mkdir("many", 0755) == 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "many/file-%03d", i);
		created += close(open(name, O_CREAT | O_EXCL | O_WRONLY, 0644)) == 0;
	}
	CHECK(check, created == 500 && open("many/file-007", O_CREAT | O_EXCL | O_WRONLY, 0644) < 0 && errno == EEXIST);
	directory = opendir("many");
	while ((entry = readdir(directory)))
		if (entry->d_type == DT_REG) {
			seen++;
			sum += atoi(entry->d_name + 5);
		}
	closedir(directory);
	CHECK(check, seen == 500 && sum == 499 * 500 / 2);
	CHECK(check, rmdir("many") < 0 && errno == ENOTEMPTY);
	CHECK(check, link("many/file-001", "hard") == 0 && stat("hard", &status) == 0 && status.st_nlink == 2);
	CHECK(check,
	      symlink("many/file-002", "soft") == 0 && readlink("soft", target, sizeof target) == 13 && !strcmp(target, "many/file-002"));
	CHECK(check, lstat("soft", &status) == 0 && S_ISLNK(status.st_mode) && stat("soft", &status) == 0 && S_ISREG(status.st_mode));
	CHECK(check, symlink("loop", "loop") == 0 && open("loop", O_RDONLY) < 0 && errno == ELOOP);
	CHECK(check, rename("many/file-003", "many/file-004") == 0 && access("many/file-003", F_OK) < 0 && errno == ENOENT);
	CHECK(check, renameat2(AT_FDCWD, "hard", AT_FDCWD, "soft", RENAME_EXCHANGE) == 0 && lstat("hard", &status) == 0 &&
			     S_ISLNK(status.st_mode));
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "many/file-%03d", i);
		unlink(name);
	}
	CHECK(check, rmdir("many") == 0);
}

static void check_contents(struct check *check)
{
	size_t size = 1 << 20;
	char *bytes = malloc(size), text[32] = "";
	int fd = open("contents", O_CREAT | O_RDWR, 0600), other;
	struct stat status;
	off_t at = 0;

	pattern_fill(bytes, size, 21);
	CHECK(check, write_all(fd, bytes, size) && lseek(fd, 0, SEEK_SET) == 0);
	memset(bytes, 0, size);
	CHECK(check, read_all(fd, bytes, size) && pattern_holds(bytes, size, 21) && read(fd, bytes, 1) == 0);
	other = open("copy", O_CREAT | O_RDWR, 0600);
	CHECK(check, sendfile(other, fd, &at, size) == (ssize_t)size && at == (off_t)size);
	memset(bytes, 0, size);
	CHECK(check, pread(other, bytes, size, 0) == (ssize_t)size && pattern_holds(bytes, size, 21));
	CHECK(check, ftruncate(other, 5000) == 0 && ftruncate(other, 10000) == 0 && pread(other, bytes, 10000, 0) == 10000);
	CHECK(check, pattern_holds(bytes, 5000, 21) && bytes[5000] == 0 && bytes[9999] == 0);
	close(other);

	other = open("contents", O_WRONLY | O_APPEND);
	CHECK(check, write(other, "end", 3) == 3 && pread(fd, text, 10, (off_t)size) == 3 && !strcmp(text, "end"));
	close(other);

	/* A hole of a gigabyte. */
	CHECK(check, pwrite(fd, "far", 3, 1 << 30) == 3 && fstat(fd, &status) == 0 && status.st_size == (1 << 30) + 3);
	CHECK(check, status.st_blocks < 4096 && pread(fd, text, 4, 1 << 29) == 4 && text[0] == 0);
	CHECK(check, lseek(fd, 1 << 29, SEEK_DATA) == 1 << 30 && lseek(fd, 1 << 29, SEEK_HOLE) == 1 << 29);
	CHECK(check,
	      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536) == 0 && pread(fd, text, 1, 100) == 1 && text[0] == 0);
	CHECK(check, futimens(fd, (struct timespec[]){{1000000000, 5}, {1234567890, 123456789}}) == 0 && fstat(fd, &status) == 0);
	CHECK(check, status.st_mtim.tv_sec == 1234567890 && status.st_mtim.tv_nsec == 123456789);
	CHECK(check, unlink("contents") == 0 && fstat(fd, &status) == 0 && status.st_nlink == 0);
	close(fd);
	free(bytes);
}

static void check_locks(struct check *check)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
	int fd = open("lock", O_CREAT | O_RDWR, 0600);
	pid_t child;

	CHECK(check, fcntl(fd, F_SETLK, &lock) == 0 && flock(fd, LOCK_EX) == 0);
	child = fork();
	if (child == 0) {
		int own = open("lock", O_RDWR);
		struct flock same = lock, apart = lock;

		apart.l_start = 20;
		_exit(fcntl(own, F_SETLK, &same) < 0 && fcntl(own, F_SETLK, &apart) == 0 && fcntl(own, F_GETLK, &same) == 0 &&
				      same.l_pid == getppid() && flock(own, LOCK_EX | LOCK_NB) < 0
			      ? 0
			      : 1);
	}
	CHECK(check, exited(child, 0));
	child = fork();
	if (child == 0) {
		int own = open("lock", O_RDWR);

		_exit(fcntl(own, F_SETLKW, &lock) == 0 ? 0 : 1); /* waits */
	}
	sleep_ms(30);
	lock.l_type = F_UNLCK;
	CHECK(check, fcntl(fd, F_SETLK, &lock) == 0 && exited(child, 0));
	close(fd);
}

static void check_permissions(struct check *check)
{
	int fd = open("secret", O_CREAT | O_RDWR, 0600);
	pid_t child;

	close(fd);
	mkdir("closed", 0700);
	child = fork();
	if (child == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		_exit(open("secret", O_RDONLY) < 0 && errno == EACCES && mkdir("closed/in", 0700) < 0 && errno == EACCES &&
				      unlink("secret") < 0 && setuid(0) < 0 && errno == EPERM && kill(getppid(), 0) < 0
			      ? 0
			      : 1);
	}
	CHECK(check, exited(child, 0));
	CHECK(check, chmod("secret", 0644) == 0);
	child = fork();
	if (child == 0)
		_exit(setuid(65534) == 0 && open("secret", O_RDONLY) >= 0 && open("secret", O_WRONLY) < 0 ? 0 : 1);
	CHECK(check, exited(child, 0));
}

static void check_mounts(struct check *check, const char *place)
{
	char bytes[4096] = {1};
	struct statfs status;
	int fd, pages = 0;
	pid_t child;

	CHECK(check, statfs(".", &status) == 0 && status.f_type == 0x01021994 && status.f_bsize == 4096 && status.f_blocks == 8192);
	CHECK(check, mkdir("small", 0755) == 0 && mount("none", "small", "tmpfs", 0, "size=64k") == 0);
	fd = open("small/file", O_CREAT | O_WRONLY, 0600);
	while (pages < 100 && write(fd, bytes, sizeof bytes) == sizeof bytes)
		pages++;
	CHECK(check, pages == 16 && errno == ENOSPC);
	CHECK(check, umount("small") < 0 && errno == EBUSY);
	close(fd);
	CHECK(check, mkdir("bound", 0755) == 0 && mount("small", "bound", NULL, MS_BIND, NULL) == 0 && access("bound/file", F_OK) == 0);
	CHECK(check, mount(NULL, "bound", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0 &&
			     open("bound/x", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
	CHECK(check, umount("bound") == 0 && umount("small") == 0 && access("small/file", F_OK) < 0);
	child = fork();
	if (child == 0)
		_exit(chroot(place) == 0 && chdir("/") == 0 && access("/secret", F_OK) == 0 && access("/proc", F_OK) < 0 ? 0 : 1);
	CHECK(check, exited(child, 0));
}

void check_files(struct check *check)
{
	char place[] = "/tmp/linux-check-files-XXXXXX";

	if (!CHECK(check, unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mkdtemp(place)))
		return;
	if (!CHECK(check, mount("none", place, "tmpfs", 0, "size=32m,mode=755") == 0 && chdir(place) == 0))
		return;
	check_names(check);
	check_contents(check);
	check_locks(check);
	check_permissions(check);
	check_mounts(check, place);
	CHECK(check, chdir("/") == 0 && umount(place) == 0 && rmdir(place) == 0);
}
