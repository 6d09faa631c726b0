/*
 * Exceptions of the CPU as signals: number, code and address (SDM vol. 3A chapter 6; arch/x86/kernel/traps.c of Linux), and going on after
 * them with a changed context.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

#ifdef __x86_64__
#define PC REG_RIP
#define MOV "movq"
#else
#define PC REG_EIP
#define MOV "movl"
#endif

static siginfo_t last;
static volatile unsigned faults;
static volatile uintptr_t fault_pc, resume_at;
static volatile unsigned long fault_error, fault_trap;

static void skip(int signal, siginfo_t *info, void *opaque)
{
	ucontext_t *context = opaque;

	(void)signal;
	last = *info;
	faults++;
	fault_pc = (uintptr_t)context->uc_mcontext.gregs[PC];
	fault_error = (unsigned long)context->uc_mcontext.gregs[REG_ERR];
	fault_trap = (unsigned long)context->uc_mcontext.gregs[REG_TRAPNO];
	context->uc_mcontext.gregs[PC] = (greg_t)resume_at;
}

static void catch (int signal)
{
	struct sigaction action = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(signal, &action, NULL);
}

/* Executes the instruction and goes on behind it after a fault; at is the instruction's address. */
#define FAULT(at, instruction, ...)                                                                                                        \
	__asm__ volatile(MOV " $1f, %0\n\t" MOV " $2f, %1\n1:\t" instruction "\n2:" : "=&r"(at), "=m"(resume_at) : __VA_ARGS__)

#define FAULTED(at, signal, code)                                                                                                          \
	(faults == 1 && last.si_signo == (signal) && last.si_code == (code) && fault_pc == (at) && ((faults = 0), true))

static void check_traps(struct check *check)
{
	uintptr_t at;
	int zero = 0, most_negative = (int)0x80000000;

	FAULT(at, "mov $7, %%eax; cltd; idivl %2", "m"(zero) : "eax", "edx", "memory");
	CHECK(check,
	      faults == 1 && last.si_signo == SIGFPE && last.si_code == FPE_INTDIV && fault_pc == (uintptr_t)last.si_addr && fault_pc > at);
	faults = 0;
	FAULT(at, "idivl %2", "r"(-1), "a"(most_negative), "d"(-1) : "memory");
	CHECK(check, FAULTED(at, SIGFPE, FPE_INTDIV) && last.si_addr == (void *)at);
	FAULT(at, "ud2", "r"(0) : "memory");
	CHECK(check, FAULTED(at, SIGILL, ILL_ILLOPN) && last.si_addr == (void *)at);
	FAULT(at, "hlt", "r"(0) : "memory");
	CHECK(check, FAULTED(at, SIGSEGV, SI_KERNEL) && fault_trap == 13);
	FAULT(at, "cli", "r"(0) : "memory");
	CHECK(check, FAULTED(at, SIGSEGV, SI_KERNEL));
	FAULT(at, "inb $0x80, %%al", "r"(0) : "eax", "memory");
	CHECK(check, FAULTED(at, SIGSEGV, SI_KERNEL));
	FAULT(at, "mov %%cr3, %2", "r"(0L) : "memory");
	CHECK(check, FAULTED(at, SIGSEGV, SI_KERNEL));
	FAULT(at, "int $0x42", "r"(0) : "memory"); /* a gate that user mode may not use: the error code names it */
	CHECK(check, FAULTED(at, SIGSEGV, SI_KERNEL) && fault_error == 0x42 * 8 + 2);
	FAULT(at, "int3", "r"(0) : "memory");
	CHECK(check, FAULTED(at + 1, SIGTRAP, SI_KERNEL));
	FAULT(at, "mov %w2, %%ds", "r"(0x7f8) : "memory"); /* beyond the GDT: #GP with the selector */
	CHECK(check, FAULTED(at, SIGSEGV, SI_KERNEL) && fault_error == 0x7f8);
}

/*
 * A program that sets its own TF: a trap after each instruction from the one behind POPF on, the POPF that clears TF included. Handlers run
 * without it, their return brings it back.
 */
static void count_steps(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	last = *info;
	faults++;
}

static void check_single_step(struct check *check)
{
	struct sigaction action = {.sa_sigaction = count_steps, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &action, NULL);
	faults = 0;
#ifdef __x86_64__
	__asm__ volatile("lea -256(%%rsp), %%rsp; pushf; orl $0x100, (%%rsp); popf; nop; nop; nop;"
			 "pushf; andl $~0x100, (%%rsp); popf; nop; lea 256(%%rsp), %%rsp" ::
				 : "memory", "cc");
#else
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf; nop; nop; nop; pushf; andl $~0x100, (%%esp); popf; nop" ::: "memory", "cc");
#endif
	CHECK(check, faults == 6 && last.si_code == TRAP_TRACE);
	faults = 0;
	catch (SIGTRAP);
}

static void check_float_faults(struct check *check)
{
	const unsigned short all_masked = 0x37f, unmasked = 0x37b;
	const unsigned default_mxcsr = 0x1f80, unmasked_mxcsr = 0x1f80 & ~0x200u;
	const double zero = 0, one = 1;
	uintptr_t at;

	/* x87 faults at the next waiting instruction; si_addr is that of the instruction at fault (FIP), not fetched here. */
	FAULT(at, "fldcw %2; fldl %3; fdivl %4; fwait", "m"(unmasked), "m"(one), "m"(zero) : "memory");
	__asm__ volatile("fnclex; fninit; fldcw %0" ::"m"(all_masked));
	CHECK(check, faults == 1 && last.si_signo == SIGFPE && last.si_code == FPE_FLTDIV && fault_trap == 16 && fault_pc > at);
	faults = 0;
	FAULT(at, "ldmxcsr %2; movsd %3, %%xmm1; divsd %4, %%xmm1", "m"(unmasked_mxcsr), "m"(one), "m"(zero) : "memory");
	CHECK(check, faults == 1 && last.si_signo == SIGFPE && last.si_code == FPE_FLTDIV && fault_trap == 19 && fault_pc > at &&
			     fault_pc == (uintptr_t)last.si_addr);
	__asm__ volatile("ldmxcsr %0" ::"m"(default_mxcsr));
	faults = 0;
}

/* -- memory -- */

enum { ERROR_PRESENT = 1, ERROR_WRITE = 2, ERROR_USER = 4, ERROR_FETCH = 16 };

/*
 * Without PAE there is no NX bit; and the i386 kernels since 5.19 that have PAE lose it, bit 63, in vm_get_page_prot()'s unsigned long. So:
 * under a 64-bit kernel, for programs of both kinds.
 */
static bool has_nx(void)
{
	struct utsname name;

	uname(&name);
	return !strcmp(name.machine, "x86_64");
}

static void check_page_faults(struct check *check)
{
	long page = sysconf(_SC_PAGESIZE);
	volatile char *memory = mmap(NULL, (size_t)page * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at;

	memory[0] = memory[page] = (char)0xc3; /* ret */
	munmap((char *)memory + 3 * page, (size_t)page);
	mprotect((char *)memory + page, (size_t)page, PROT_READ);
	mprotect((char *)memory + 2 * page, (size_t)page, PROT_NONE);
	FAULT(at, "movb (%2), %%al", "r"(memory + 3 * page + 5) : "eax", "memory");
	CHECK(check, FAULTED(at, SIGSEGV, SEGV_MAPERR) && last.si_addr == memory + 3 * page + 5 && fault_error == ERROR_USER);
	FAULT(at, "movb %%al, (%2)", "r"(memory + 3 * page + 9) : "memory");
	CHECK(check,
	      FAULTED(at, SIGSEGV, SEGV_MAPERR) && last.si_addr == memory + 3 * page + 9 && fault_error == (ERROR_USER | ERROR_WRITE));
	FAULT(at, "incl (%2)", "r"(memory + page + 16) : "memory"); /* readable, but its read is a write */
	CHECK(check, FAULTED(at, SIGSEGV, SEGV_ACCERR) && last.si_addr == memory + page + 16 &&
			     fault_error == (ERROR_USER | ERROR_WRITE | ERROR_PRESENT));
	FAULT(at, "movl (%2), %%eax", "r"(memory + 2 * page - 2) : "eax", "memory"); /* across the edge: the address of the second page */
	CHECK(check, FAULTED(at, SIGSEGV, SEGV_ACCERR) && last.si_addr == memory + 2 * page && (fault_error & ERROR_USER));
	if (has_nx()) {
		FAULT(at, "jmp *%2", "r"(memory) : "memory");
		CHECK(check, faults == 1 && last.si_code == SEGV_ACCERR && last.si_addr == memory && fault_pc == (uintptr_t)memory &&
				     (fault_error & ERROR_FETCH));
		faults = 0;
	}
	FAULT(at, "movl 0, %%eax", "r"(0) : "eax", "memory");
	CHECK(check, FAULTED(at, SIGSEGV, SEGV_MAPERR) && last.si_addr == NULL);
#ifdef __x86_64__
	FAULT(at, "movb (%2), %%al", "r"(0x0000900000000000) : "eax", "memory"); /* not canonical: #GP, no address */
	CHECK(check, FAULTED(at, SIGSEGV, SI_KERNEL) && last.si_addr == NULL && fault_trap == 13);
	FAULT(at, "movb (%2), %%al", "r"(0xffffffff81000000) : "eax", "memory");
	CHECK(check, FAULTED(at, SIGSEGV, SEGV_MAPERR) && last.si_addr == (void *)0xffffffff81000000);
#endif
	munmap((char *)memory, (size_t)page * 3);
}

static void check_beyond_file(struct check *check)
{
	long page = sysconf(_SC_PAGESIZE);
	int fd = memfd_create("linux-check", 0);
	volatile char *memory;
	uintptr_t at;

	CHECK(check, ftruncate(fd, page) == 0);
	memory = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memory[page - 1] = 1;
	FAULT(at, "movb %%al, (%2)", "r"(memory + page + 3) : "memory");
	CHECK(check, FAULTED(at, SIGBUS, BUS_ADRERR) && last.si_addr == memory + page + 3);
	munmap((char *)memory, (size_t)page * 2);
	close(fd);
}

/* A handler that provides the missing page, as garbage collectors do; the faulting instruction runs again. */
static char *lazy;
enum { LAZY_PAGES = 64 };

static void provide(int signal, siginfo_t *info, void *context)
{
	char *address = (char *)((uintptr_t)info->si_addr & ~4095ul);

	(void)context;
	if ((size_t)(address - lazy) >= LAZY_PAGES * 4096 || mprotect(address, 4096, PROT_READ | PROT_WRITE))
		_exit(signal);
	faults++;
}

static void check_lazy(struct check *check)
{
	struct sigaction action = {.sa_sigaction = provide, .sa_flags = SA_SIGINFO};
	unsigned count;

	lazy = mmap(NULL, LAZY_PAGES * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &action, NULL);
	faults = 0;
	pattern_fill(lazy, LAZY_PAGES * 4096, 3);
	count = faults;
	CHECK(check, count == LAZY_PAGES && pattern_holds(lazy, LAZY_PAGES * 4096, 3) && faults == count);
	mprotect(lazy, LAZY_PAGES * 4096, PROT_NONE);
	{ /* REP MOVS across pages, started again from the middle; ECX, ESI and EDI must be exact */
		char *source = malloc(3 * 4096), *to = lazy + 4096 * 2 - 100, *from = source;
		size_t left = 3 * 4096;

		pattern_fill(source, left, 9);
		faults = 0;
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(left)::"memory");
		CHECK(check, left == 0 && from == source + 3 * 4096 && to == lazy + 4096 * 5 - 100 && faults == 4);
		CHECK(check, pattern_holds(lazy + 4096 * 2 - 100, 3 * 4096, 9));
		free(source);
	}
	munmap(lazy, LAZY_PAGES * 4096);
}

static void check_uncaught(struct check *check)
{
	static const int cases[] = {SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		pid_t child = fork();

		if (child == 0) {
			signal(cases[i], SIG_DFL);
			switch (cases[i]) {
			case SIGSEGV:
				__asm__ volatile("movl $1, 4" ::: "memory");
				break;
			case SIGILL:
				__asm__ volatile("ud2");
				break;
			case SIGFPE:
				__asm__ volatile("divl %0" ::"r"(0) : "eax", "edx");
				break;
			case SIGABRT:
				abort();
			default:
				__asm__ volatile("int3");
			}
			_exit(0);
		}
		CHECK(check, killed(child, cases[i]));
	}
}

void check_faults(struct check *check)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		catch (signals[i]);
	check_traps(check);
	check_single_step(check);
	check_float_faults(check);
	check_page_faults(check);
	check_beyond_file(check);
	check_lazy(check);
	check_uncaught(check);
}
