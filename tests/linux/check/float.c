/*
 * Floating point: x87 and SSE results and modes, bit for bit; and that each process and thread keeps its own registers when others use
 * theirs.
 */
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

static unsigned short control_word(void)
{
	unsigned short value;

	__asm__ volatile("fnstcw %0" : "=m"(value));
	return value;
}

static void set_control_word(unsigned short value)
{
	__asm__ volatile("fldcw %0" ::"m"(value));
}

static unsigned mxcsr(void)
{
	unsigned value;

	__asm__ volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static void set_mxcsr(unsigned value)
{
	__asm__ volatile("ldmxcsr %0" ::"m"(value));
}

/* -- results in every mode -- */

struct extended { /* as FSTP m80 stores it, in 16 bytes */
	uint64_t significand;
	uint16_t sign_exponent, unused[3];
};
_Static_assert(sizeof(struct extended) == 16, "compute() counts on it");

static struct extended x87_divide(double a, double b)
{
	struct extended result = {0};

	__asm__ volatile("fldl %1; fdivl %2; fstpt %0" : "=m"(result) : "m"(a), "m"(b));
	return result;
}

static uint64_t sse_divide(double a, double b)
{
	uint64_t result;

	__asm__ volatile("movsd %1, %%xmm2; divsd %2, %%xmm2; movsd %%xmm2, %0" : "=m"(result) : "m"(a), "m"(b) : "xmm2");
	return result;
}

static void check_modes(struct check *check)
{
	/* 1/3: rounding (RC: nearest, down, up, zero) by precision control (PC 0, 2, 3: 24, 53, 64 bits). */
	static const uint64_t thirds[3][4] = {
		{0xaaaaab0000000000, 0xaaaaaa0000000000, 0xaaaaab0000000000, 0xaaaaaa0000000000},
		{0xaaaaaaaaaaaaa800, 0xaaaaaaaaaaaaa800, 0xaaaaaaaaaaaab000, 0xaaaaaaaaaaaaa800},
		{0xaaaaaaaaaaaaaaab, 0xaaaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab, 0xaaaaaaaaaaaaaaaa},
	};
	static const uint64_t sse_thirds[4] = {0x3fd5555555555555, 0x3fd5555555555555, 0x3fd5555555555556, 0x3fd5555555555555};
	static const unsigned precisions[3] = {0, 2, 3};

	for (unsigned p = 0; p < 3; p++) {
		for (unsigned rounding = 0; rounding < 4; rounding++) {
			set_control_word((unsigned short)(0x7f | precisions[p] << 8 | rounding << 10));
			CHECK(check, x87_divide(1, 3).significand == thirds[p][rounding]);
		}
	}
	set_control_word(0x37f);
	for (unsigned rounding = 0; rounding < 4; rounding++) {
		set_mxcsr(0x1f80 | rounding << 13);
		CHECK(check, sse_divide(1, 3) == sse_thirds[rounding]);
	}
	set_mxcsr(0x1f80);
	CHECK(check, sse_divide(DBL_MIN, 4) == 0x0004000000000000); /* denormal */
	set_mxcsr(0x9f80);
	CHECK(check, sse_divide(DBL_MIN, 4) == 0); /* flushed to zero */
	set_mxcsr(0x1f80);
}

static void check_library(struct check *check)
{
	volatile double two = 2, big = 1e300, result; /* volatile: rounded to double by being stored, in x87 code too */
	volatile long double extended = 2;

	CHECK(check, sqrtl(extended) == 1.41421356237309504880168872420969807856967187537694L);
	result = sqrt(two);
	CHECK(check, result == 0x1.6a09e667f3bcdp+0);
	CHECK(check, fabsl(sinl(extended) * sinl(extended) + cosl(extended) * cosl(extended) - 1) < 1e-18L);
	CHECK(check, fabsl(atan2l(1, 1) * 4 - 3.14159265358979323846264338327950288L) < 1e-18L);
	CHECK(check, fabsl(expl(logl(extended)) - extended) < 1e-18L && fabsl(powl(extended, 0.5L) - sqrtl(extended)) < 1e-18L);
	CHECK(check, fabs(sin(two) - 0.90929742682568169540) < 1e-15 && fabs(exp(two) - 7.38905609893065022723) < 1e-14);
	feclearexcept(FE_ALL_EXCEPT);
	result = big * big;
	CHECK(check, isinf(result) && fetestexcept(FE_OVERFLOW | FE_INEXACT) == (FE_OVERFLOW | FE_INEXACT));
	feclearexcept(FE_ALL_EXCEPT);
	CHECK(check, isnan(sqrt(-two)) && fetestexcept(FE_INVALID | FE_DIVBYZERO) == FE_INVALID);
	feclearexcept(FE_ALL_EXCEPT);
	CHECK(check, isinf(two / (two - 2)) && fetestexcept(FE_INVALID | FE_DIVBYZERO) == FE_DIVBYZERO);
	fesetround(FE_DOWNWARD);
	CHECK(check, lrint(-two - 0.5) == -3 && nearbyint(two + 0.9) == 2);
	fesetround(FE_UPWARD);
	CHECK(check, lrint(two + 0.1) == 3);
	fesetround(FE_TONEAREST);
	CHECK(check, lrint(two + 0.5) == 2 && lrint(two + 1.5) == 4);
}

/* -- several at once -- */

/*
 * A computation whose every step depends on all modes and registers: x87 stack kept full in the asm, eight XMM registers, both control
 * words. Returns a hash of all results.
 */
static uint64_t compute(unsigned seed, unsigned steps)
{
	double start[8], vector[8][2];
	struct extended stack[8];
	uint64_t hash = 0xcbf29ce484222325;

	for (unsigned i = 0; i < 8; i++) {
		start[i] = 1.0 + (seed * 8 + i) / 97.0;
		vector[i][0] = start[i] * 3;
		vector[i][1] = start[i] / 7;
	}
	set_control_word((unsigned short)(0x7f | (seed % 3 == 0 ? 0x300 : seed % 3 == 1 ? 0x200 : 0) | seed % 4 << 10));
	set_mxcsr(0x1f80 | (seed + 1) % 4 << 13);
	for (unsigned step = 0; step < steps; step++) {
		unsigned spins = 2000;

		/* All registers full across a stretch that is long enough to be interrupted. */
		__asm__ volatile("fldl 56(%[start]); fldl 48(%[start]); fldl 40(%[start]); fldl 32(%[start]);"
				 "fldl 24(%[start]); fldl 16(%[start]); fldl 8(%[start]); fldl (%[start]);"
				 "movupd (%[vector]), %%xmm0; movupd 16(%[vector]), %%xmm1; movupd 32(%[vector]), %%xmm2;"
				 "movupd 48(%[vector]), %%xmm3; movupd 64(%[vector]), %%xmm4; movupd 80(%[vector]), %%xmm5;"
				 "movupd 96(%[vector]), %%xmm6; movupd 112(%[vector]), %%xmm7;"
				 "1: fadd %%st(7), %%st; fsqrt; fxch %%st(3); fadd %%st(6), %%st; fsqrt; fxch %%st(5);"
				 "addpd %%xmm7, %%xmm0; sqrtpd %%xmm0, %%xmm0; mulpd %%xmm1, %%xmm2; divpd %%xmm3, %%xmm2;"
				 "addpd %%xmm4, %%xmm5; sqrtpd %%xmm5, %%xmm5; addpd %%xmm0, %%xmm6; sqrtpd %%xmm6, %%xmm6;"
				 "decl %[spins]; jnz 1b;"
				 "fstpt (%[stack]); fstpt 16(%[stack]); fstpt 32(%[stack]); fstpt 48(%[stack]);"
				 "fstpt 64(%[stack]); fstpt 80(%[stack]); fstpt 96(%[stack]); fstpt 112(%[stack]);"
				 "movupd %%xmm0, (%[vector]); movupd %%xmm1, 16(%[vector]); movupd %%xmm2, 32(%[vector]);"
				 "movupd %%xmm3, 48(%[vector]); movupd %%xmm4, 64(%[vector]); movupd %%xmm5, 80(%[vector]);"
				 "movupd %%xmm6, 96(%[vector]); movupd %%xmm7, 112(%[vector])"
				 : [spins] "+r"(spins)
				 : [start] "r"(start), [vector] "r"(vector), [stack] "r"(stack)
				 : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
		for (unsigned i = 0; i < 8; i++) {
			uint64_t words[2];

			memcpy(words, vector[i], sizeof words);
			hash = (hash ^ stack[i].significand) * 0x100000001b3;
			hash = (hash ^ stack[i].sign_exponent) * 0x100000001b3;
			hash = (hash ^ words[0]) * 0x100000001b3;
			hash = (hash ^ words[1]) * 0x100000001b3;
		}
	}
	hash ^= control_word() ^ (uint64_t)(mxcsr() & 0xffc0) << 16;
	set_control_word(0x37f);
	set_mxcsr(0x1f80);
	return hash;
}

enum { TASKS = 6, STEPS = 25 };

static void tick(int signal)
{
	volatile double value = signal;

	__asm__ volatile("fninit; fldz; fldz" ::: "memory"); /* a handler's own state */
	value = value / 3;
}

struct task {
	unsigned seed;
	uint64_t expected;
	bool right;
};

static void *run_task(void *argument)
{
	struct task *task = argument;

	task->right = compute(task->seed, STEPS) == task->expected;
	return NULL;
}

static void check_concurrent(struct check *check)
{
	struct itimerval often = {.it_interval = {.tv_usec = 900}, .it_value = {.tv_usec = 900}}, off = {0};
	struct task tasks[TASKS];
	pthread_t threads[TASKS];
	pid_t children[TASKS];

	for (unsigned i = 0; i < TASKS; i++)
		tasks[i] = (struct task){.seed = i, .expected = compute(i, STEPS)};
	for (unsigned i = 1; i < TASKS; i++)
		CHECK(check, tasks[i].expected != tasks[0].expected);

	signal(SIGALRM, tick);
	for (unsigned i = 0; i < TASKS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			setitimer(ITIMER_REAL, &often, NULL);
			run_task(&tasks[i]);
			_exit(tasks[i].right ? 0 : 1);
		}
	}
	for (unsigned i = 0; i < TASKS; i++)
		CHECK(check, exited(children[i], 0));

	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned i = 0; i < TASKS; i++)
		pthread_create(&threads[i], NULL, run_task, &tasks[i]);
	for (unsigned i = 0; i < TASKS; i++) {
		pthread_join(threads[i], NULL);
		CHECK(check, tasks[i].right);
	}
	setitimer(ITIMER_REAL, &off, NULL);
}

/* -- across fork and exec -- */

int float_again(void)
{
	struct { /* FNSTENV, 32-bit format */
		unsigned short control, x, status, y, tag, z;
		unsigned rest[4];
	} environment;

	__asm__ volatile("fnstenv %0" : "=m"(environment));
	return environment.control == 0x37f && mxcsr() == 0x1f80 && environment.tag == 0xffff && (environment.status & 0x3800) == 0 ? 43
																    : 1;
}

static void check_inherited(struct check *check)
{
	pid_t child;
	double kept = 0;

	set_control_word(0xf7f); /* truncates: pi in a double is the same */
	set_mxcsr(0x7f80);
	__asm__ volatile("fldpi");
	child = fork();
	if (child == 0) {
		__asm__ volatile("fstpl %0" : "=m"(kept));
		_exit(control_word() == 0xf7f && (mxcsr() & 0xffc0) == 0x7f80 && kept == 0x1.921fb54442d18p+1 ? 0 : 1);
	}
	__asm__ volatile("fstpl %0" : "=m"(kept));
	CHECK(check, exited(child, 0) && control_word() == 0xf7f && kept == 0x1.921fb54442d18p+1);
	child = fork();
	if (child == 0) {
		__asm__ volatile("fldpi; fldpi");
		execl(check->program, "linux-check", "again-float", NULL);
		_exit(99);
	}
	CHECK(check, exited(child, 43));
	set_control_word(0x37f);
	set_mxcsr(0x1f80);
}

void check_float(struct check *check)
{
	check_modes(check);
	check_library(check);
	check_concurrent(check);
	check_inherited(check);
}
