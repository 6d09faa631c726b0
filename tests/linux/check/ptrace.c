/* ptrace: single steps, breakpoints in code and in debug registers, system calls seen and changed, registers and memory of another process.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#ifdef __x86_64__
#define PC rip
#define RESULT rax
#define CALL orig_rax
#else
#define PC eip
#define RESULT eax
#define CALL orig_eax
#endif

/* Forty instructions between two labels: nothing but steps of one. */
__asm__(".text\nsteps:\n.rept 20\n nop\n .endr\n.rept 10\n xor %eax, %eax\n inc %eax\n.endr\nsteps_end:\n ret\n");
extern const char steps[], steps_end[];

static volatile long watched;
static volatile int calls;

static __attribute__((noinline)) void breakpoint_here(void)
{
	calls++;
	__asm__ volatile("" ::: "memory");
}

/* Waits for a stop by the signal. */
static bool stopped(pid_t child, int signal)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == signal;
}

static struct user_regs_struct registers(pid_t child)
{
	struct user_regs_struct registers = {0};

	ptrace(PTRACE_GETREGS, child, NULL, &registers);
	return registers;
}

static pid_t traced(void (*function)(void))
{
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		function();
		_exit(calls == 4711 ? 44 : 0);
	}
	return child;
}

static void run_steps(void)
{
	((void (*)(void))(uintptr_t)steps)();
}

static void check_steps(struct check *check)
{
	pid_t child = traced(run_steps);
	uintptr_t pc = 0;
	int before = 0, within = 0;

	CHECK(check, stopped(child, SIGSTOP));
	for (; before < 20000 && pc != (uintptr_t)steps; before++) {
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		if (!stopped(child, SIGTRAP))
			break;
		pc = registers(child).PC;
	}
	CHECK(check, pc == (uintptr_t)steps);
	while (pc >= (uintptr_t)steps && pc < (uintptr_t)steps_end && within < 100) {
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		if (!stopped(child, SIGTRAP))
			break;
		pc = registers(child).PC;
		within++;
	}
	CHECK(check, within == 40 && pc == (uintptr_t)steps_end && (int)registers(child).RESULT == 1);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	CHECK(check, exited(child, 0));
}

static void run_breakpoint(void)
{
	for (int i = 0; i < 3; i++)
		breakpoint_here();
	watched = 1;
	watched = 2;
	calls = calls == 3 ? 4711 : 0;
}

/* INT3 in the code, put back and stepped over each time, as debuggers do. */
static void check_breakpoint(struct check *check)
{
	pid_t child = traced(run_breakpoint);
	unsigned long at = (unsigned long)breakpoint_here;
	long original;

	CHECK(check, stopped(child, SIGSTOP));
	original = ptrace(PTRACE_PEEKTEXT, child, at, NULL);
	for (int i = 0; i < 3; i++) {
		struct user_regs_struct stop;

		CHECK(check, ptrace(PTRACE_POKETEXT, child, at, (original & ~0xffL) | 0xcc) == 0);
		ptrace(PTRACE_CONT, child, NULL, NULL);
		CHECK(check, stopped(child, SIGTRAP));
		stop = registers(child);
		CHECK(check, (unsigned long)stop.PC == at + 1);
		stop.PC = (long)at;
		CHECK(check, ptrace(PTRACE_SETREGS, child, NULL, &stop) == 0 && ptrace(PTRACE_POKETEXT, child, at, original) == 0);
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		CHECK(check, stopped(child, SIGTRAP));
	}
	ptrace(PTRACE_CONT, child, NULL, NULL);
	CHECK(check, exited(child, 44));
}

static long debug_register(pid_t child, int number)
{
	return ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, u_debugreg) + (size_t)number * sizeof(long), NULL);
}

static bool set_debug_register(pid_t child, int number, long value)
{
	return ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg) + (size_t)number * sizeof(long), value) == 0;
}

/* DR0 on code, DR1 on four bytes of data when they are written. */
static void check_debug_registers(struct check *check)
{
	pid_t child = traced(run_breakpoint);
	int writes = 0, executions = 0;
	long values[2] = {0};

	CHECK(check, stopped(child, SIGSTOP));
	CHECK(check,
	      set_debug_register(child, 0, (long)(uintptr_t)breakpoint_here) && set_debug_register(child, 1, (long)(uintptr_t)&watched));
	CHECK(check, set_debug_register(child, 7, 0x1 | 0x4 | 0xd << 20));
	for (int i = 0; i < 5; i++) {
		ptrace(PTRACE_CONT, child, NULL, NULL);
		if (!stopped(child, SIGTRAP))
			break;
		if (debug_register(child, 6) & 1)
			executions += (unsigned long)registers(child).PC == (unsigned long)breakpoint_here;
		else if ((debug_register(child, 6) & 2) && writes < 2)
			values[writes++] = ptrace(PTRACE_PEEKDATA, child, &watched, NULL);
		set_debug_register(child, 6, 0);
	}
	CHECK(check, executions == 3 && writes == 2 && values[0] == 1 && values[1] == 2);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	CHECK(check, exited(child, 44));
}

static void run_calls(void)
{
	calls = (int)syscall(SYS_getppid) == 1234567 && (int)syscall(SYS_getuid) == 0 ? 4711 : 0;
}

static void check_system_calls(struct check *check)
{
	pid_t child = traced(run_calls);
	struct user_regs_struct stop;
	bool seen = false;

	CHECK(check, stopped(child, SIGSTOP));
	ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD);
	for (int i = 0; i < 20 && !seen; i++) {
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		if (!stopped(child, SIGTRAP | 0x80))
			break;
		stop = registers(child);
		seen = (int)stop.CALL == SYS_getppid;
	}
	CHECK(check, seen && (int)stop.RESULT == -ENOSYS);
	ptrace(PTRACE_SYSCALL, child, NULL, NULL);
	CHECK(check, stopped(child, SIGTRAP | 0x80));
	stop = registers(child);
	CHECK(check, (pid_t)stop.RESULT == getpid());
	stop.RESULT = 1234567;
	CHECK(check, ptrace(PTRACE_SETREGS, child, NULL, &stop) == 0);
	ptrace(PTRACE_CONT, child, NULL, NULL);
	CHECK(check, exited(child, 44));
}

static void check_attached(struct check *check)
{
	struct user_fpregs_struct floats;
	volatile char secret[32] = "mine";
	char copy[32] = "";
	struct iovec here = {copy, sizeof copy}, there = {(void *)secret, sizeof secret};
	double constant = 1.5;
	pid_t child = fork();

	if (child == 0) {
		strcpy((char *)secret, "the child's");
		__asm__ volatile("fninit; fldl %0" ::"m"(constant));
		while (secret[0] == 't')
			;
		_exit(secret[0] == 'x' ? 0 : 1);
	}
	for (int tries = 0; tries < 1000 && copy[0] != 't'; tries++) {
		process_vm_readv(child, &here, 1, &there, 1, 0);
		sleep_ms(1);
	}
	CHECK(check, !strcmp(copy, "the child's") && !strcmp((char *)secret, "mine"));
	sleep_ms(20);
	CHECK(check, ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0 && stopped(child, SIGSTOP));
	CHECK(check, ptrace(PTRACE_GETFPREGS, child, NULL, &floats) == 0);
	{
		static const unsigned char expected[10] = {0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0x3f};

		CHECK(check, !memcmp(floats.st_space, expected, sizeof expected));
	}
	copy[0] = 'x';
	here.iov_len = there.iov_len = 1;
	CHECK(check, process_vm_writev(child, &here, 1, &there, 1, 0) == 1);
	CHECK(check, ptrace(PTRACE_DETACH, child, NULL, NULL) == 0 && exited(child, 0));
}

void check_ptrace(struct check *check)
{
	check_steps(check);
	check_breakpoint(check);
	check_debug_registers(check);
	check_system_calls(check);
	check_attached(check);
}
