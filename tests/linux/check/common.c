/* What several groups of checks need: see check.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

bool check_that(struct check *check, bool holds, const char *what, const char *file, int line)
{
	int error = errno;

	if (holds) {
		check->passed++;
		return true;
	}
	check->failed++;
	printf("FAIL %s:%d: %s (errno %d)\n", file, line, what, error);
	fflush(stdout);
	return false;
}

static int wait_status(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

bool exited(pid_t pid, int status)
{
	int got = wait_status(pid);

	return got != -1 && WIFEXITED(got) && WEXITSTATUS(got) == status;
}

bool killed(pid_t pid, int signal)
{
	int got = wait_status(pid);

	return got != -1 && WIFSIGNALED(got) && WTERMSIG(got) == signal;
}

void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static uint8_t pattern_byte(size_t at, unsigned seed)
{
	return (uint8_t)((at * 2654435761u + seed * 40503u) >> 7);
}

void pattern_fill(void *bytes, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = pattern_byte(i, seed);
}

bool pattern_holds(const void *bytes, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)bytes)[i] != pattern_byte(i, seed))
			return false;
	return true;
}

bool read_all(int fd, void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, (char *)bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

bool write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return false;
	while (done < size - 1 && (n = read(fd, text + done, size - 1 - done)) > 0)
		done += (size_t)n;
	text[done] = 0;
	close(fd);
	return true;
}

long long clock_ms(int clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

void sleep_ms(long long ms)
{
	struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}
