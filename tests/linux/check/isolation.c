/* Namespaces and seccomp: the kernel's filter programs are compiled to machine code where it can. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define CALL_NUMBER offsetof(struct seccomp_data, nr)
#define FIRST_ARGUMENT offsetof(struct seccomp_data, args[0])

static bool install_filter(void)
{
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, CALL_NUMBER),    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_chdir, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIRST_ARGUMENT), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x70, 0, 1),    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = (struct sock_filter *)filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static volatile int trapped;

static void on_trap(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	trapped = info->si_syscall;
}

static void check_seccomp(struct check *check)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	pid_t child = fork();

	if (child == 0) {
		sigaction(SIGSYS, &action, NULL);
		if (!install_filter() || syscall(SYS_getppid) != -1 || errno != 77)
			_exit(1);
		chdir("/");
		if (trapped != SYS_chdir || dup(0) < 0 || dup(0x175) >= 0) /* 0x170 & 0xf0 is 0x70: fatal */
			_exit(2);
		_exit(3);
	}
	CHECK(check, killed(child, SIGSYS));
	child = fork();
	if (child == 0) {
		bool right = install_filter();

		for (int i = 0; i < 300; i++)
			right = right && syscall(SYS_getppid) == -1 && errno == 77 && syscall(SYS_getuid) >= 0;
		_exit(right ? 0 : 1);
	}
	CHECK(check, exited(child, 0));
	child = fork();
	if (child == 0) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		syscall(SYS_getpid);
	}
	CHECK(check, killed(child, SIGKILL));
}

static void check_namespaces(struct check *check)
{
	struct utsname name;
	pid_t child = fork();

	if (child == 0) {
		if (unshare(CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWIPC) || sethostname("inside", 6))
			_exit(1);
		child = fork();
		if (child == 0)
			_exit(getpid() == 1 && getppid() == 0 && uname(&name) == 0 && !strcmp(name.nodename, "inside") ? 0 : 1);
		_exit(exited(child, 0) ? 0 : 2);
	}
	CHECK(check, exited(child, 0));
	CHECK(check, uname(&name) == 0 && strcmp(name.nodename, "inside"));
	child = fork();
	if (child == 0) {
		char map[64] = "";
		int fd;

		if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(1);
		fd = open("/proc/self/uid_map", O_RDWR);
		if (!write_all(fd, "0 0 1", 5) || lseek(fd, 0, SEEK_SET) || read(fd, map, sizeof map - 1) <= 0)
			_exit(2);
		_exit(read_text("/proc/self/net/dev", map, sizeof map) ? 0 : 3);
	}
	CHECK(check, exited(child, 0));
}

void check_isolation(struct check *check)
{
	check_seccomp(check);
	check_namespaces(check);
}
