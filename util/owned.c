/* Folders and files of this user alone: owned.h. */
#include "util/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The group's bits also stand for the rights that an access control list gives to others (acl(5)). */
static struct error *check_owner(const struct stat *status, const char *name)
{
	if (status->st_uid != geteuid())
		return error_create("%s belongs to another user (number %u, and you are %u)", name, (unsigned)status->st_uid,
				    (unsigned)geteuid());
	if (status->st_mode & (S_IWGRP | S_IWOTH))
		return error_create("others can write %s: take that right away (chmod go-w)", name);
	return NULL;
}

static struct error *check(int fd, mode_t type, const char *name)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_create("%s: %s", name, strerror(errno));
	if ((status.st_mode & S_IFMT) != type)
		return error_create("%s is not a regular file", name);
	return check_owner(&status, name);
}

static struct error *keep_if_good(int fd, struct error *err, int *ret_fd)
{
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

static struct error *describe(const char *name)
{
	return errno == ELOOP ? error_create("%s is a symbolic link", name) : error_create("%s: %s", name, strerror(errno));
}

struct error *owned_directory_open(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	*ret_fd = -1;
	if (fd < 0 && errno == ENOTDIR && lstat(path, &status) == 0 && S_ISLNK(status.st_mode))
		errno = ELOOP; /* Linux says so of a link, too */
	return fd < 0 ? describe(path) : keep_if_good(fd, check(fd, S_IFDIR, path), ret_fd);
}

struct error *owned_file_open(int directory, const char *name, int *ret_fd)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	*ret_fd = -1;
	if (fd < 0)
		return errno == ENOENT ? NULL : describe(name);
	return keep_if_good(fd, check(fd, S_IFREG, name), ret_fd);
}
