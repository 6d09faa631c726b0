/* The sandbox: a process that breaks its rules on purpose is ended before anything has happened, with a message; what a run does is let
 * through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/sandbox.h"

static char folder[] = "/tmp/xray86-test-XXXXXX";
static char victim[64]; /* a file that is there */

enum { X32 = 0x40000000, UNKNOWN_CALL = 100000, DONE = 42 };

/* -- processes that break the rules -- */

static void do_fork(void)
{
	fork();
}

static void do_execute(void)
{
	char *const arguments[] = {"true", NULL};

	execv("/bin/true", arguments);
}

static void do_write(void)
{
	open(victim, O_WRONLY);
}

static void do_append(void)
{
	open(victim, O_RDONLY | O_APPEND | O_CREAT, 0600);
}

static void do_truncate(void)
{
	open(victim, O_RDONLY | O_TRUNC);
}

static void do_create(void)
{
	char name[80];

	snprintf(name, sizeof(name), "%s/new", folder);
	open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static void do_make_folder(void)
{
	char name[80];

	snprintf(name, sizeof(name), "%s/folder", folder);
	mkdirat(AT_FDCWD, name, 0700);
}

static void do_link(void)
{
	char name[80];

	snprintf(name, sizeof(name), "%s/link", folder);
	if (symlinkat("/tmp", AT_FDCWD, name) != 0)
		_exit(1);
}

static void do_unnamed(void)
{
	open(folder, O_TMPFILE | O_RDWR, 0600);
}

static void do_unlink(void)
{
	unlink(victim);
}

static void do_chmod(void)
{
	chmod(victim, 0777);
}

static void do_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_make_code(void)
{
	static _Alignas(4096) char page[4096];

	mprotect(page, sizeof(page), PROT_READ | PROT_EXEC);
}

static void do_socket(void)
{
	socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_trace(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void do_kill(void)
{
	syscall(SYS_kill, 1, 0); /* by the null signal: whoever breaks this test harms nobody */
}

static void do_own(void)
{
	fcntl(0, F_SETOWN, getpid());
}

static void do_type(void)
{
	ioctl(0, TIOCSTI, "x");
}

static void do_limit(void)
{
	const struct rlimit limit = {1, 1};

	setrlimit(RLIMIT_NOFILE, &limit);
}

static void do_prctl(void)
{
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void do_x32(void)
{
	syscall(X32 | SYS_getpid);
}

static void do_memory_file(void)
{
	syscall(SYS_memfd_create, "name", 0);
}

static void do_ring(void)
{
	syscall(SYS_io_uring_setup, 1, NULL);
}

/* -- those that do not -- */

static void do_what_runs_do(void)
{
	int fd = open(victim, O_RDONLY | O_CLOEXEC);
	char *block = malloc(10 << 20);
	struct rlimit limit;
	struct stat status;
	char text[2];

	if (fd < 0 || read(fd, text, 1) != 1 || pread(fd, text, 1, 0) != 1 || fstat(fd, &status) || access(victim, R_OK))
		_exit(1);
	if (!block || !realloc(block, 100 << 20) || mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		_exit(2);
	if (write(1, "", 0) || getrlimit(RLIMIT_NOFILE, &limit) || fcntl(0, F_GETFL) < 0 || isatty(fd))
		_exit(3);
	if (open("/proc/self/maps", O_RDONLY | O_CLOEXEC) < 0) /* cli/bus_error.c */
		_exit(5);
	/* Calls whose arguments no filter sees, and those of kernels to come: as if there were none. */
	if (syscall(SYS_openat2, AT_FDCWD, victim, NULL, 0) != -1 || errno != ENOSYS || syscall(UNKNOWN_CALL) != -1 || errno != ENOSYS)
		_exit(4);
}

static void do_abort(void)
{
	abort();
}

/* -- */

/* How a process that enters the stage and then does something ends; what it has on stderr. */
static int run(enum sandbox_stage stage, void (*act)(void), char err[1024])
{
	int stream[2], status, folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
	size_t length = 0;
	ssize_t got;
	pid_t child;

	assert_int_equal(pipe(stream), 0);
	child = fork();
	if (!child) {
		struct error *lack;

		dup2(stream[1], 2);
		lack = sandbox_enter(stage < SANDBOX_SAVING ? stage : SANDBOX_SAVING, folder_fd);
		if (!lack && stage > SANDBOX_SAVING)
			lack = sandbox_enter(stage, -1);
		if (lack)
			_exit(77);
		act();
		_exit(DONE);
	}
	close(stream[1]);
	while (length < 1023 && (got = read(stream[0], err + length, 1023 - length)) > 0)
		length += got;
	err[length] = '\0';
	close(stream[0]);
	close(folder_fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* Under sanitizers there is no sandbox, and some containers allow none. */
static bool has_sandbox(void)
{
	char err[1024];
	int status = run(SANDBOX_READING, do_socket, err);

	return !(WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == DONE));
}

static const struct {
	void (*act)(void);
	const char *call;
} bad[] = {
	{do_fork, "clone"},          {do_execute, "execve"},      {do_write, "openat"},        {do_append, "openat"},
	{do_truncate, "openat"},     {do_create, "openat"},       {do_unnamed, "openat"},      {do_unlink, "unlink"},
	{do_chmod, "chmod"},         {do_code, "mmap"},           {do_make_code, "mprotect"},  {do_socket, "socket"},
	{do_trace, "ptrace"},        {do_kill, "kill"},           {do_own, "fcntl"},           {do_type, "ioctl"},
	{do_limit, "prlimit64"},     {do_prctl, "prctl"},         {do_x32, "of another kind"}, {do_memory_file, "memfd_create"},
	{do_ring, "io_uring_setup"}, {do_make_folder, "mkdirat"},
};

static void test_bad(void **state)
{
	char err[1024], expected[80];
	struct stat status;

	(void)state;
	if (!has_sandbox())
		skip();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int end = run(SANDBOX_READING, bad[i].act, err);

		snprintf(expected, sizeof(expected), "the system call %s. Either", bad[i].call);
		if (!WIFEXITED(end) || WEXITSTATUS(end) != EXIT_XRAY86 || !strstr(err, expected))
			fail_msg("%s: ended with %#x, said: %s", bad[i].call, end, err);
	}
	assert_int_equal(stat(victim, &status), 0);
	assert_int_equal(status.st_size, 5);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_good(void **state)
{
	char err[1024];
	int end;

	(void)state;
	end = run(SANDBOX_READING, do_what_runs_do, err);
	if (!WIFEXITED(end) || (WEXITSTATUS(end) != DONE && WEXITSTATUS(end) != 77 && has_sandbox()))
		fail_msg("ended with %#x, said: %s", end, err);
}

/* An internal error is still one. */
static void test_abort(void **state)
{
	char err[1024];
	int end;

	(void)state;
	if (!has_sandbox())
		skip();
	end = run(SANDBOX_READING, do_abort, err);
	assert_true(WIFSIGNALED(end) && WTERMSIG(end) == SIGABRT && !WCOREDUMP(end));
}

/* While a checkpoint is to be saved, there may be new files, and where the kernel has Landlock, in that folder only. */
static void do_create_elsewhere(void)
{
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
	int fd = open("/tmp/xray86-test-elsewhere", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0 ? landlock : errno != EACCES)
		_exit(1);
	if (fd >= 0)
		syscall(SYS_unlinkat, AT_FDCWD, "/tmp/xray86-test-elsewhere", 0);
	do_create();
	if (unlinkat(AT_FDCWD, victim, 0) != 0)
		_exit(2);
}

static void test_saving(void **state)
{
	char err[1024], name[80];
	int end;

	(void)state;
	if (!has_sandbox())
		skip();
	end = run(SANDBOX_SAVING, do_create_elsewhere, err);
	if (!WIFEXITED(end) || WEXITSTATUS(end) != DONE)
		fail_msg("ended with %#x, said: %s", end, err);
	snprintf(name, sizeof(name), "%s/new", folder);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(access(victim, F_OK), -1);
	end = run(SANDBOX_SAVING, do_execute, err);
	assert_true(WIFEXITED(end) && WEXITSTATUS(end) == EXIT_XRAY86);
}

/* While packages are unpacked, there may be new files and folders, likewise. */
static void do_unpack(void)
{
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
	char name[80];
	int fd;

	if (landlock && (mkdirat(AT_FDCWD, "/tmp/xray86-test-elsewhere", 0700) == 0 || errno != EACCES))
		_exit(1);
	do_make_folder();
	snprintf(name, sizeof(name), "%s/folder/file", folder);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || ftruncate(fd, 1) != 0)
		_exit(2);
}

static void test_unpacking(void **state)
{
	char err[1024], name[80];
	int end;

	(void)state;
	if (!has_sandbox())
		skip();
	end = run(SANDBOX_UNPACKING, do_unpack, err);
	if (!WIFEXITED(end) || WEXITSTATUS(end) != DONE)
		fail_msg("ended with %#x, said: %s", end, err);
	snprintf(name, sizeof(name), "%s/folder/file", folder);
	assert_int_equal(unlink(name), 0);
	*strrchr(name, '/') = '\0';
	assert_int_equal(rmdir(name), 0);
	for (size_t i = 0; i < 2; i++) {
		end = run(SANDBOX_UNPACKING, i ? do_execute : do_link, err);
		if (!WIFEXITED(end) || WEXITSTATUS(end) != EXIT_XRAY86)
			fail_msg("ended with %#x, said: %s", end, err);
	}
}

/* A checkpoint that is not kept is made in memory, and nowhere else. */
static void do_hold(void)
{
	int fd = syscall(SYS_memfd_create, "name", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 4096) != 0 || pwrite(fd, "x", 1, 0) != 1)
		_exit(1);
}

static void test_holding(void **state)
{
	char err[1024];
	int end;

	(void)state;
	if (!has_sandbox())
		skip();
	end = run(SANDBOX_HOLDING, do_hold, err);
	if (!WIFEXITED(end) || WEXITSTATUS(end) != DONE)
		fail_msg("ended with %#x, said: %s", end, err);
	end = run(SANDBOX_HOLDING, do_create, err);
	if (!WIFEXITED(end) || WEXITSTATUS(end) != EXIT_XRAY86 || !strstr(err, "openat"))
		fail_msg("ended with %#x, said: %s", end, err);
}

/* Reads what the stages say, and returns how many lines that is. */
static unsigned count_lines(int fd)
{
	char text[1024];
	ssize_t size = read(fd, text, sizeof(text));
	unsigned lines = 0;

	for (ssize_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	return lines;
}

/* A container that allows no filters: that is said, once, and the program goes on. */
static void test_forbidden(void **state)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
	int status;
	pid_t child;

	(void)state;
	if (!has_sandbox())
		skip();
	child = fork();
	if (!child) {
		struct error *err;
		bool told = false;
		int said[2];

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
		err = sandbox_enter(SANDBOX_READING, -1);
		if (!err || strcmp(err->message, "seccomp: Function not implemented") != 0)
			_exit(1);
		if (pipe(said) || dup2(said[1], STDERR_FILENO) < 0)
			_exit(2);
		sandbox_enter_unless(false, SANDBOX_SAVING, -1, &told);
		sandbox_enter_unless(false, SANDBOX_READING, -1, &told);
		_exit(count_lines(said[0]) == 1 && told ? DONE : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == DONE);
}

static int make_files(void **state)
{
	FILE *file;

	(void)state;
	if (!mkdtemp(folder))
		return 1;
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	umask(077);
	file = fopen(victim, "w");
	return !file || fputs("text\n", file) < 0 || fclose(file) != 0;
}

static int remove_files(void **state)
{
	(void)state;
	unlink(victim);
	return rmdir(folder); /* nothing else was left there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),       cmocka_unit_test(test_good),    cmocka_unit_test(test_abort),
		cmocka_unit_test(test_saving),    cmocka_unit_test(test_holding), cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_unpacking),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
