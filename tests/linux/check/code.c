/*
 * Code that is written and then run: just-in-time compilers' way, through one address, through two of the same page, in another process;
 * and code that changes itself (SDM vol. 3A 9.1.3: x86 needs no flush, a jump at most).
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

typedef int (*function)(void);

enum { PAGE = 4096 };

/* mov $value, %eax; ret */
static void write_function(uint8_t *at, int value)
{
	at[0] = 0xb8;
	memcpy(at + 1, &value, sizeof value);
	at[5] = 0xc3;
}

static int call(const void *code)
{
	return ((function)(uintptr_t)code)();
}

static void check_rewritten(struct check *check)
{
	uint8_t *code = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool right = true;

	for (int i = 0; i < 2000; i++) {
		write_function(code + i % 3, i * 7919); /* overlapping ones too */
		right = right && call(code + i % 3) == i * 7919;
	}
	CHECK(check, right);
	for (int i = 0; i < 200; i++) { /* across the edge of a page */
		write_function(code + PAGE - 3, i * 31);
		right = right && call(code + PAGE - 3) == i * 31;
	}
	CHECK(check, right);
	write_function(code, 1);
	CHECK(check, call(code) == 1);
	code[1] = 2; /* one byte of the immediate */
	CHECK(check, call(code) == 2);
	CHECK(check, mprotect(code, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
	write_function(code, 3);
	CHECK(check, mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC) == 0 && call(code) == 3);
	munmap(code, 2 * PAGE);
}

static void check_aliased(struct check *check)
{
	int fd = memfd_create("linux-check-code", 0);
	uint8_t *written, *run;
	bool right = true;
	pid_t child;

	CHECK(check, ftruncate(fd, PAGE) == 0);
	written = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	run = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	for (int i = 0; i < 1000; i++) {
		write_function(written + i % 64, i);
		right = right && call(run + i % 64) == i;
	}
	CHECK(check, right);
	for (int i = 0; i < 20; i++) { /* by the kernel */
		uint8_t code[6];

		write_function(code, i * 3);
		right = right && pwrite(fd, code, sizeof code, 100) == sizeof code && call(run + 100) == i * 3;
	}
	CHECK(check, right);
	child = fork();
	if (child == 0) {
		write_function(written, 4711);
		_exit(0);
	}
	CHECK(check, exited(child, 0) && call(run) == 4711);
	munmap(written, PAGE);
	munmap(run, PAGE);
	close(fd);
}

/* Private code after fork: each process has its own. */
static void check_forked(struct check *check)
{
	uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t children[4];

	write_function(code, 50);
	CHECK(check, call(code) == 50);
	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			bool right = call(code) == 50;

			write_function(code, 60 + i);
			for (int n = 0; n < 50; n++) {
				right = right && call(code) == 60 + i;
				if (n % 10 == 0)
					sleep_ms(1);
			}
			_exit(right ? 0 : 1);
		}
	}
	for (int i = 0; i < 4; i++)
		CHECK(check, exited(children[i], 0));
	CHECK(check, call(code) == 50);
	munmap(code, PAGE);
	/* Another page at the same address. */
	for (int i = 0; i < 50; i++) {
		uint8_t *again = mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		write_function(again, i);
		if (!CHECK(check, call(again) == i))
			break;
	}
	munmap(code, PAGE);
}

/* A loop that counts up its own immediate operand: mov $n, %eax; incl n; dec %ecx; jnz. */
static void check_self_changing(struct check *check)
{
	uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t bytes[] = {0x53,                   /* push %rbx */
			   0xe8, 0,    0,    0, 0, /* call 6 */
			   0x5b,                   /* pop %rbx: 6 */
			   0xb9, 0x00, 0x01, 0, 0, /* mov $256, %ecx */
			   0xff, 0x43, 10,         /* incl 10(%rbx): the immediate at 16 */
			   0xb8, 0,    0,    0, 0, /* mov $0, %eax: 15 */
			   0xff, 0xc9,             /* dec %ecx: 20 */
			   0x75, 0xf4,             /* jnz 12 */
			   0x5b, 0xc3};            /* pop %rbx; ret */

	memcpy(code, bytes, sizeof bytes);
	CHECK(check, call(code) == 256);
	CHECK(check, call(code) == 512);
	munmap(code, PAGE);
}

void check_code(struct check *check)
{
	check_rewritten(check);
	check_aliased(check);
	check_forked(check);
	check_self_changing(check);
}
