/* Whole files in memory: see file.h. */
#include "loader/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

static struct error *read_all(int fd, struct file *ret)
{
	uint8_t *data = NULL;
	size_t size = 0, room = 0;

	for (;;) {
		uint8_t *grown;
		ssize_t got;

		if (size == room) {
			grown = realloc(data, room += CHUNK);
			if (!grown) {
				free(data);
				return error_create("out of memory after %zu bytes", size);
			}
			data = grown;
		}
		got = read(fd, data + size, room - size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(data);
			return error_create("%s", strerror(errno));
		}
		if (!got)
			break;
		size += got;
	}
	*ret = (struct file){.data = data, .size = size};
	return NULL;
}

static struct error *load(int fd, struct file *ret)
{
	struct stat status;
	void *data;

	if (fstat(fd, &status) < 0)
		return error_create("%s", strerror(errno));
	if (S_ISDIR(status.st_mode))
		return error_create("%s", strerror(EISDIR));
	if (!S_ISREG(status.st_mode) || !status.st_size)
		return read_all(fd, ret);
	data = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return read_all(fd, ret);
	*ret = (struct file){.data = data, .size = status.st_size, .mapped = true};
	return NULL;
}

static struct error *open_descriptor(const char *path, int fd, struct file *ret)
{
	struct error *err;

	if (fd < 0)
		return error_create("%s: %s", path, strerror(errno));
	err = load(fd, ret);
	close(fd);
	return err ? error_prefix(err, "%s", path) : NULL;
}

/* Opening a FIFO would wait for its writer. */
int file_open_descriptor(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)))
		return fd;
	close(fd);
	errno = EACCES;
	return -1;
}

struct error *file_open(const char *path, struct file *ret)
{
	int fd = file_open_descriptor(path);
	struct stat status;

	if (fd < 0 && errno == EACCES && stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return error_create("%s: %s", path, S_ISDIR(status.st_mode) ? strerror(EISDIR) : "not a regular file");
	return open_descriptor(path, fd, ret);
}

struct error *file_open_any(const char *path, struct file *ret)
{
	return open_descriptor(path, open(path, O_RDONLY | O_CLOEXEC), ret);
}

void file_close(struct file *file)
{
	if (file->mapped)
		munmap((void *)(uintptr_t)file->data, file->size);
	else
		free((void *)(uintptr_t)file->data);
	*file = (struct file){0};
}
