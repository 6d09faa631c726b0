/* Memory: copy on write, shared mappings, protection, remapping, files in memory, big and sparse mappings. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

enum { PAGE = 4096, MEGABYTE = 1 << 20 };

static void *map(size_t size, int protection, int flags)
{
	void *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static sigjmp_buf out;

static void leave(int signal)
{
	(void)signal;
	siglongjmp(out, 1);
}

static bool faults(volatile char *address, bool write)
{
	if (sigsetjmp(out, 1))
		return true;
	if (write)
		*address = *address;
	else
		(void)*address;
	return false;
}

/* -- copy on write -- */

static void check_copy_on_write(struct check *check)
{
	size_t size = 8 * MEGABYTE;
	char *memory = map(size, PROT_READ | PROT_WRITE, 0), *copy = map(size, PROT_READ | PROT_WRITE, 0);
	unsigned char *shared = shared_memory(PAGE);
	pid_t children[4];

	pattern_fill(memory, size, 1);
	memcpy(copy, memory, size);
	for (unsigned i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			bool mine = pattern_holds(memory, size, 1);

			for (size_t at = i * PAGE; at < size; at += 4 * PAGE) /* every fourth page, another one in each process */
				pattern_fill(memory + at, PAGE, 100 + i);
			for (size_t at = i * PAGE; at < size; at += 4 * PAGE)
				mine = mine && pattern_holds(memory + at, PAGE, 100 + i);
			for (size_t at = (i + 1) % 4 * PAGE; at < size; at += 4 * PAGE) /* and no other's */
				mine = mine && !memcmp(memory + at, copy + at, PAGE);
			shared[0] |= 1;
			_exit(mine ? 0 : 1);
		}
	}
	pattern_fill(memory, size / 2, 2);
	for (unsigned i = 0; i < 4; i++)
		CHECK(check, exited(children[i], 0));
	CHECK(check, pattern_holds(memory, size / 2, 2) && shared[0] == 1);
	munmap(memory, size);
	munmap(copy, size);

	/* Generations: each child changes one page and forks the next. */
	memory = map(16 * PAGE, PROT_READ | PROT_WRITE, 0);
	children[0] = fork();
	if (children[0] == 0) {
		for (int generation = 1; generation < 16; generation++) {
			pid_t next;

			memory[generation * PAGE] = (char)generation;
			next = fork();
			if (next != 0)
				_exit(exited(next, 0) && memory[15 * PAGE] == (generation == 15 ? 15 : 0) ? 0 : 1);
		}
		for (int generation = 1; generation < 16; generation++)
			if (memory[generation * PAGE] != generation)
				_exit(1);
		_exit(0);
	}
	CHECK(check, exited(children[0], 0) && memory[PAGE] == 0 && memory[15 * PAGE] == 0);
	munmap(memory, 16 * PAGE);
}

/* The zero page, read first and written then; big pages, where the kernel gives them. */
static void check_zero_pages(struct check *check)
{
	size_t size = 8 * MEGABYTE;
	char *memory = map(size, PROT_READ | PROT_WRITE, 0);
	unsigned long sum = 0;
	pid_t child;

	for (size_t at = 0; at < size; at += PAGE)
		sum += (unsigned char)memory[at + 17];
	CHECK(check, sum == 0);
	for (size_t at = 0; at < size; at += 2 * PAGE)
		memory[at + 17] = 1;
	for (size_t at = 0; at < size; at += PAGE)
		sum += (unsigned char)memory[at + 17];
	CHECK(check, sum == size / PAGE / 2);
	CHECK(check, madvise(memory, size, MADV_DONTNEED) == 0 && memory[17] == 0 && memory[size - 2 * PAGE + 17] == 0);

	madvise(memory, size, MADV_HUGEPAGE); /* no matter whether there are such */
	pattern_fill(memory, size, 5);
	child = fork();
	if (child == 0) {
		for (size_t at = 0; at < size; at += 64 * PAGE)
			memory[at] ^= 1;
		_exit(0);
	}
	CHECK(check, exited(child, 0) && pattern_holds(memory, size, 5));
	mprotect(memory + 3 * PAGE, PAGE, PROT_READ); /* splits one */
	CHECK(check, faults(memory + 3 * PAGE, true) && !faults(memory + 2 * PAGE, true) && pattern_holds(memory, size, 5));
	munmap(memory, size);
}

static void check_protection(struct check *check)
{
	char *memory = map(8 * PAGE, PROT_READ | PROT_WRITE, 0);

	memset(memory, 'x', 8 * PAGE);
	CHECK(check, mprotect(memory + PAGE, PAGE, PROT_READ) == 0 && mprotect(memory + 2 * PAGE, PAGE, PROT_NONE) == 0);
	CHECK(check, !faults(memory + PAGE, false) && faults(memory + PAGE, true));
	CHECK(check, faults(memory + 2 * PAGE, false) && faults(memory + 2 * PAGE, true));
	CHECK(check, mprotect(memory + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE) == 0 && !faults(memory + PAGE, true) &&
			     !faults(memory + 2 * PAGE, true) && memory[2 * PAGE] == 'x');
	CHECK(check, munmap(memory + 4 * PAGE, PAGE) == 0 && faults(memory + 4 * PAGE, false) && !faults(memory + 5 * PAGE, true));
	CHECK(check, mprotect(memory + 4 * PAGE, PAGE, PROT_READ) < 0 && errno == ENOMEM);
	/* The kernel's own accesses meet the same protection. */
	mprotect(memory, PAGE, PROT_READ);
	{
		int fd = open("/dev/zero", O_RDONLY);

		CHECK(check, read(fd, memory, 16) < 0 && errno == EFAULT);
		CHECK(check, read(fd, memory + PAGE, 16) == 16 && memory[PAGE] == 0);
		CHECK(check, read(fd, memory + 4 * PAGE - 8, 16) == 8); /* up to the hole */
		close(fd);
	}
	munmap(memory, 8 * PAGE);
}

static void check_remapping(struct check *check)
{
	char *memory = map(64 * PAGE, PROT_READ | PROT_WRITE, 0), *moved, *fixed;

	pattern_fill(memory, 64 * PAGE, 7);
	moved = mremap(memory, 64 * PAGE, 4096 * PAGE, MREMAP_MAYMOVE);
	CHECK(check, moved != MAP_FAILED && pattern_holds(moved, 64 * PAGE, 7) && moved[4095 * PAGE] == 0);
	fixed = map(64 * PAGE, PROT_NONE, 0);
	CHECK(check, mremap(moved, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, fixed) == fixed);
	CHECK(check, pattern_holds(fixed, 64 * PAGE, 7) && faults(moved, false) && !faults(moved + 64 * PAGE, true));
	CHECK(check,
	      mremap(fixed, 64 * PAGE, 8 * PAGE, 0) == fixed && faults(fixed + 8 * PAGE, false) && pattern_holds(fixed, 8 * PAGE, 7));
	munmap(fixed, 8 * PAGE);
	munmap(moved + 64 * PAGE, 4032 * PAGE);
	CHECK(check, mmap(moved, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == moved && moved[0] == 0);
	munmap(moved, PAGE);
	CHECK(check,
	      mmap((void *)0x10000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)0x10000000);
	CHECK(check, mmap((void *)0x10000000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
			     errno == EEXIST);
}

static void check_files_in_memory(struct check *check)
{
	char name[] = "/tmp/linux-check-map-XXXXXX", bytes[64];
	char *shared, *private, *alias;
	int fd = mkstemp(name);
	pid_t child;

	CHECK(check, ftruncate(fd, 4 * PAGE) == 0);
	shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	alias = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
	private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	pattern_fill(shared, 4 * PAGE, 11);
	CHECK(check, pattern_holds(private, 4 * PAGE, 11) && !memcmp(alias, shared + PAGE, PAGE));
	private[PAGE] = 'p';
	shared[PAGE] = 's';
	CHECK(check, private[PAGE] == 'p' && alias[0] == 's');
	CHECK(check, pread(fd, bytes, 1, PAGE) == 1 && bytes[0] == 's');
	CHECK(check,
	      pwrite(fd, "file", 4, 2 * PAGE) == 4 && !memcmp(shared + 2 * PAGE, "file", 4) && !memcmp(private + 2 * PAGE, "file", 4));
	child = fork();
	if (child == 0) {
		shared[0] = 'c';
		private[0] = 'c';
		_exit(0);
	}
	CHECK(check, exited(child, 0) && shared[0] == 'c' && private[0] == 'c');
	private[0] = 'q';
	CHECK(check, shared[0] == 'c');
	CHECK(check, msync(shared, 4 * PAGE, MS_SYNC) == 0);
	munmap(shared, 4 * PAGE);
	munmap(private, 4 * PAGE);
	munmap(alias, PAGE);
	close(fd);
	unlink(name);
}

/* Far more address space than memory, with pages here and there; the heap, up and down. */
static void check_sparse(struct check *check)
{
	size_t size = sizeof(void *) == 8 ? (size_t)64 << 30 : (size_t)512 << 20, step = size / 256;
	char *memory = map(size, PROT_READ | PROT_WRITE, MAP_NORESERVE), *end, resident[2];
	bool all = true;

	for (size_t at = 0; at < size; at += step)
		pattern_fill(memory + at, 64, (unsigned)(at / step));
	for (size_t at = 0; at < size; at += step)
		all = all && pattern_holds(memory + at, 64, (unsigned)(at / step)) && memory[at + step / 2] == 0;
	CHECK(check, all);
	munmap(memory, size);

	memory = map(2 * PAGE, PROT_READ | PROT_WRITE, 0);
	memory[0] = 1;
	CHECK(check, mincore(memory, 2 * PAGE, (unsigned char *)resident) == 0 && (resident[0] & 1) && !(resident[1] & 1));
	CHECK(check, mlock(memory, 2 * PAGE) == 0 && mincore(memory, 2 * PAGE, (unsigned char *)resident) == 0 && (resident[1] & 1));
	munmap(memory, 2 * PAGE);

	end = sbrk(0);
	CHECK(check, sbrk(4 * MEGABYTE) == end);
	pattern_fill(end, 4 * MEGABYTE, 13);
	CHECK(check, pattern_holds(end, 4 * MEGABYTE, 13));
	CHECK(check, brk(end) == 0 && sbrk(0) == end);

	/* Pages given back and taken again are clean, whoever had them. */
	for (int round = 0; round < 5; round++) {
		memory = map(4 * MEGABYTE, PROT_READ | PROT_WRITE, MAP_POPULATE);
		for (size_t at = 0; at < 4 * MEGABYTE; at += 512)
			all = all && memory[at] == 0;
		memset(memory, 0xa5, 4 * MEGABYTE);
		munmap(memory, 4 * MEGABYTE);
	}
	CHECK(check, all);
}

void check_memory(struct check *check)
{
	struct sigaction action = {.sa_handler = leave};

	sigaction(SIGSEGV, &action, NULL);
	check_copy_on_write(check);
	check_zero_pages(check);
	check_protection(check);
	check_remapping(check);
	check_files_in_memory(check);
	check_sparse(check);
}
