/* Time: clocks go forward and agree; sleeps, timers and timeouts are never early. How late they may be is for a loaded host to say, so
 * seconds. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { LATE = 5000 }; /* ms */

static long long ns(int clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void check_clocks(struct check *check)
{
	static const int clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_REALTIME};
	struct timespec resolution;
	struct timeval time;

	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		long long before = ns(clocks[i]), first = before;
		bool forward = true;

		for (int n = 0; n < 5000; n++) {
			long long now = ns(clocks[i]);

			forward = forward && now >= before;
			before = now;
		}
		while (ns(clocks[i]) == first && ns(CLOCK_MONOTONIC) - first < LATE * 1000000LL)
			;
		CHECK(check, forward && ns(clocks[i]) > first);
	}
	gettimeofday(&time, NULL);
	CHECK(check, llabs(time.tv_sec - ns(CLOCK_REALTIME) / 1000000000) <= 1 && time.tv_usec < 1000000);
	CHECK(check, llabs(ns(CLOCK_BOOTTIME) - ns(CLOCK_MONOTONIC)) < LATE * 1000000LL);
	CHECK(check, clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0 && resolution.tv_nsec > 0);

	/* The same span by two clocks that may be adjusted against each other, but not by much. */
	{
		long long monotonic = ns(CLOCK_MONOTONIC), raw = ns(CLOCK_MONOTONIC_RAW), real = ns(CLOCK_REALTIME);

		sleep_ms(200);
		monotonic = ns(CLOCK_MONOTONIC) - monotonic;
		raw = ns(CLOCK_MONOTONIC_RAW) - raw;
		real = ns(CLOCK_REALTIME) - real;
		CHECK(check, llabs(monotonic - raw) < monotonic / 10 && llabs(monotonic - real) < monotonic / 10);
	}
}

/* Did at least this many ms pass since start, and not absurdly many? */
static bool took(long long start, long long ms)
{
	long long passed = clock_ms(CLOCK_MONOTONIC) - start;

	return passed >= ms - 1 && passed < ms + LATE;
}

static void check_sleeps(struct check *check)
{
	struct timespec until;
	struct timeval limit = {.tv_usec = 30000};
	struct epoll_event event;
	int epoll = epoll_create1(0);
	long long start = clock_ms(CLOCK_MONOTONIC);

	for (int i = 0; i < 5; i++)
		sleep_ms(3);
	CHECK(check, took(start, 15));
	start = clock_ms(CLOCK_MONOTONIC);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 40000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	CHECK(check, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0 && took(start, 40));
	CHECK(check, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0 && took(start, 40)); /* in the past */
	start = clock_ms(CLOCK_MONOTONIC);
	CHECK(check, epoll_wait(epoll, &event, 1, 25) == 0 && took(start, 25));
	start = clock_ms(CLOCK_MONOTONIC);
	CHECK(check, poll(NULL, 0, 25) == 0 && took(start, 25));
	start = clock_ms(CLOCK_MONOTONIC);
	CHECK(check, select(0, NULL, NULL, NULL, &limit) == 0 && took(start, 30));
	start = clock_ms(CLOCK_MONOTONIC);
	CHECK(check, usleep(1500) == 0 && took(start, 1));
	close(epoll);
}

static volatile sig_atomic_t ticks;

static void tick(int signal)
{
	(void)signal;
	ticks++;
}

static void check_interval_timers(struct check *check)
{
	static const struct {
		int timer, signal;
		bool busy; /* counts the CPU's time */
	} timers[] = {{ITIMER_REAL, SIGALRM, false}, {ITIMER_VIRTUAL, SIGVTALRM, true}, {ITIMER_PROF, SIGPROF, true}};
	struct itimerval off = {0}, now;

	for (size_t i = 0; i < 3; i++) {
		struct itimerval often = {.it_interval = {.tv_usec = 4000}, .it_value = {.tv_usec = 4000}};
		long long start = clock_ms(CLOCK_MONOTONIC);

		ticks = 0;
		signal(timers[i].signal, tick);
		CHECK(check, setitimer(timers[i].timer, &often, NULL) == 0);
		while (ticks < 10 && clock_ms(CLOCK_MONOTONIC) - start < 2 * LATE)
			if (!timers[i].busy)
				pause();
		CHECK(check, ticks >= 10 && clock_ms(CLOCK_MONOTONIC) - start >= 39);
		CHECK(check, getitimer(timers[i].timer, &now) == 0 && now.it_interval.tv_usec == 4000);
		setitimer(timers[i].timer, &off, NULL);
	}
	ticks = 0;
	alarm(1);
	CHECK(check, alarm(0) == 1);
}

static void check_timer_descriptors(struct check *check)
{
	struct itimerspec often = {.it_interval = {.tv_nsec = 5000000}, .it_value = {.tv_nsec = 5000000}}, now;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value = {.sival_int = 33}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	long long start = clock_ms(CLOCK_MONOTONIC);
	uint64_t expirations = 0, sum = 0;
	siginfo_t info;
	sigset_t set;
	timer_t timer;

	CHECK(check, read(fd, &expirations, sizeof expirations) < 0 && errno == EAGAIN);
	timerfd_settime(fd, 0, &often, NULL);
	while (sum < 8) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		if (poll(&wait, 1, LATE) != 1 || read(fd, &expirations, sizeof expirations) != sizeof expirations)
			break;
		sum += expirations;
	}
	CHECK(check, sum >= 8 && took(start, (long long)sum * 5));
	CHECK(check, timerfd_gettime(fd, &now) == 0 && now.it_value.tv_nsec <= 5000000);
	sleep_ms(30);
	CHECK(check, read(fd, &expirations, sizeof expirations) == sizeof expirations && expirations >= 5); /* missed ones are counted */
	close(fd);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(check, timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &often, NULL) == 0);
	sleep_ms(40);
	CHECK(check, sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_TIMER && info.si_value.sival_int == 33);
	CHECK(check, info.si_overrun >= 4 && timer_delete(timer) == 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void check_cpu_time(struct check *check)
{
	long long start = clock_ms(CLOCK_MONOTONIC), before = ns(CLOCK_PROCESS_CPUTIME_ID), asleep;
	struct rusage usage;
	struct tms times_;

	sleep_ms(100);
	asleep = ns(CLOCK_PROCESS_CPUTIME_ID) - before;
	CHECK(check, asleep < 50000000);
	while (ns(CLOCK_PROCESS_CPUTIME_ID) - before - asleep < 60000000 && clock_ms(CLOCK_MONOTONIC) - start < 2 * LATE)
		;
	CHECK(check, ns(CLOCK_PROCESS_CPUTIME_ID) - before - asleep >= 60000000 && clock_ms(CLOCK_MONOTONIC) - start >= 159);
	CHECK(check, getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_utime.tv_sec * 1000000LL + usage.ru_utime.tv_usec +
									    usage.ru_stime.tv_sec * 1000000LL + usage.ru_stime.tv_usec >
								    40000);
	CHECK(check, times(&times_) != (clock_t)-1 && times_.tms_utime + times_.tms_stime > 0);
}

static void check_setting(struct check *check)
{
	struct timespec real;
	long long monotonic = ns(CLOCK_MONOTONIC);

	clock_gettime(CLOCK_REALTIME, &real);
	real.tv_sec += 86400;
	CHECK(check, clock_settime(CLOCK_REALTIME, &real) == 0);
	CHECK(check, llabs(ns(CLOCK_REALTIME) / 1000000000 - real.tv_sec) < 10 && ns(CLOCK_MONOTONIC) - monotonic < LATE * 1000000LL);
	real.tv_sec -= 86400;
	CHECK(check, clock_settime(CLOCK_REALTIME, &real) == 0);
}

void check_timers(struct check *check)
{
	check_clocks(check);
	check_sleeps(check);
	check_interval_timers(check);
	check_timer_descriptors(check);
	check_cpu_time(check);
	if (check->machine)
		check_setting(check);
}
