/* Futexes: the system call itself, between processes, with priority inheritance and owners that die. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static long futex(atomic_int *word, int operation, int value, const struct timespec *timeout, atomic_int *other, int third)
{
	return syscall(SYS_futex, word, operation, value, timeout, other, third);
}

static void check_waiting(struct check *check)
{
	atomic_int *words = shared_memory(4096);
	struct timespec limit = {.tv_nsec = 20000000};
	long long start = clock_ms(CLOCK_MONOTONIC);
	pid_t children[3];
	int woken = 0;

	CHECK(check, futex(words, FUTEX_WAIT, 1, NULL, NULL, 0) < 0 && errno == EAGAIN);
	CHECK(check, futex(words, FUTEX_WAIT, 0, &limit, NULL, 0) < 0 && errno == ETIMEDOUT && clock_ms(CLOCK_MONOTONIC) - start >= 19);
	CHECK(check, futex(words, FUTEX_WAKE, 9, NULL, NULL, 0) == 0);
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			atomic_fetch_add(&words[2], 1);
			_exit(futex(words, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
		}
	}
	while (atomic_load(&words[2]) < 3)
		sleep_ms(1);
	sleep_ms(30); /* they sleep now */
	CHECK(check, futex(words, FUTEX_CMP_REQUEUE, 1, (void *)1L, &words[1], 0) == 2);
	CHECK(check, futex(words, FUTEX_WAKE, 9, NULL, NULL, 0) == 1); /* one was woken, one moved, this is the third */
	for (int tries = 0; woken < 1 && tries < 100; tries++)
		woken += (int)futex(&words[1], FUTEX_WAKE, 9, NULL, NULL, 0);
	CHECK(check, woken == 1);
	for (int i = 0; i < 3; i++)
		CHECK(check, exited(children[i], 0));
}

/* The lock of "Futexes Are Tricky" (0 free, 1 taken, 2 taken and wanted), between processes. */
static void take(atomic_int *lock)
{
	int seen = 0;

	if (atomic_compare_exchange_strong(lock, &seen, 1))
		return;
	if (seen != 2)
		seen = atomic_exchange(lock, 2);
	while (seen != 0) {
		futex(lock, FUTEX_WAIT, 2, NULL, NULL, 0);
		seen = atomic_exchange(lock, 2);
	}
}

static void give(atomic_int *lock)
{
	if (atomic_fetch_sub(lock, 1) != 1) {
		atomic_store(lock, 0);
		futex(lock, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

static void check_lock(struct check *check)
{
	atomic_int *lock = shared_memory(4096);
	volatile long *counter = (long *)(lock + 16);
	pid_t children[6];

	for (int i = 0; i < 6; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			for (int n = 0; n < 500; n++) {
				long seen;

				take(lock);
				seen = *counter;
				if (n % 50 == i)
					sched_yield();
				*counter = seen + 1;
				give(lock);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 6; i++)
		CHECK(check, exited(children[i], 0));
	CHECK(check, *counter == 3000);
}

/* -- the mutexes that need the kernel's help -- */

static void check_robust(struct check *check)
{
	pthread_mutex_t *mutex = shared_memory(4096);
	pthread_mutexattr_t attributes;
	pid_t child;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attributes);
	child = fork();
	if (child == 0) {
		pthread_mutex_lock(mutex);
		_exit(0);
	}
	CHECK(check, exited(child, 0));
	CHECK(check, pthread_mutex_lock(mutex) == EOWNERDEAD && pthread_mutex_consistent(mutex) == 0);
	CHECK(check, pthread_mutex_unlock(mutex) == 0 && pthread_mutex_lock(mutex) == 0);
}

static long inherited;
static pthread_mutex_t inheriting;

static void *contend(void *argument)
{
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&inheriting);
		inherited++;
		if (i % 30 == 0)
			sleep_ms(1); /* others block in the kernel */
		pthread_mutex_unlock(&inheriting);
	}
	return argument;
}

static void check_inheritance(struct check *check)
{
	pthread_mutexattr_t attributes;
	pthread_t threads[3];

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	CHECK(check, pthread_mutex_init(&inheriting, &attributes) == 0);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, contend, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	CHECK(check, inherited == 900);
}

void check_futexes(struct check *check)
{
	check_waiting(check);
	check_lock(check);
	check_robust(check);
	check_inheritance(check);
}
