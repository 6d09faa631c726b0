/* Threads: contention, conditions, barriers, thread-local storage, cancellation, signals to threads. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { THREADS = 8, ROUNDS = 3000 };

struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	pthread_barrier_t barrier;
	pthread_rwlock_t rwlock;
	sem_t free, used;
	long counter, turn, ring[4];
	atomic_long atomic, spin, spun;
	atomic_bool stop;
};

/* Runs the function in THREADS threads; the sum of what they return. */
static long in_threads(void *(*function)(void *), struct shared *shared)
{
	pthread_t threads[THREADS];
	void *result;
	long sum = 0;

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, function, shared))
			abort();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		sum += (long)(intptr_t)result;
	}
	return sum;
}

static void *count(void *argument)
{
	struct shared *shared = argument;

	for (int i = 0; i < ROUNDS; i++) {
		long seen;

		pthread_mutex_lock(&shared->mutex);
		seen = shared->counter;
		if (i % 256 == 0)
			sched_yield(); /* with the lock: others must wait */
		shared->counter = seen + 1;
		pthread_mutex_unlock(&shared->mutex);
		atomic_fetch_add(&shared->atomic, 3);
		while (atomic_exchange(&shared->spin, 1))
			sched_yield();
		atomic_store_explicit(&shared->spun, atomic_load_explicit(&shared->spun, memory_order_relaxed) + 1, memory_order_relaxed);
		atomic_store(&shared->spin, 0);
	}
	return NULL;
}

/* Takes turns: every one waits for its number. */
static void *take_turns(void *argument)
{
	struct shared *shared = argument;
	long mine, laps = 0;

	pthread_mutex_lock(&shared->mutex);
	mine = shared->counter++;
	for (; laps < 50; laps++) {
		while (shared->turn % THREADS != mine)
			pthread_cond_wait(&shared->condition, &shared->mutex);
		shared->turn++;
		pthread_cond_broadcast(&shared->condition);
	}
	pthread_mutex_unlock(&shared->mutex);
	return (void *)(intptr_t)laps;
}

static void *meet(void *argument)
{
	struct shared *shared = argument;
	long serial = 0;

	for (int i = 0; i < 50; i++) {
		atomic_fetch_add(&shared->atomic, 1);
		serial += pthread_barrier_wait(&shared->barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
		if (atomic_load(&shared->atomic) != (i + 1) * THREADS)
			serial += 1000;
		pthread_barrier_wait(&shared->barrier);
	}
	return (void *)(intptr_t)serial;
}

static __thread struct {
	long number;
	char space[1000];
	long check;
} local = {5, "", 6};

static void *use_local(void *argument)
{
	struct shared *shared = argument;
	long mine = atomic_fetch_add(&shared->atomic, 1) + 100, wrong = local.number != 5 || local.check != 6;

	local.number = mine;
	local.check = -mine;
	for (int i = 0; i < 200; i++) {
		errno = (int)mine;
		if (i % 20 == 0)
			sleep_ms(1);
		else
			sched_yield();
		wrong += local.number != mine || local.check != -mine || errno != (int)mine;
		local.number = mine = mine + THREADS;
		local.check = -mine;
	}
	return (void *)(intptr_t)wrong;
}

static void *read_and_write(void *argument)
{
	struct shared *shared = argument;
	long wrong = 0;

	for (int i = 0; i < 300; i++) {
		if (i % 10 == 0) {
			pthread_rwlock_wrlock(&shared->rwlock);
			for (int at = 0; at < 4; at++) {
				shared->ring[at]++;
				sched_yield();
			}
		} else {
			pthread_rwlock_rdlock(&shared->rwlock);
			for (int at = 1; at < 4; at++)
				wrong += shared->ring[at] != shared->ring[0];
		}
		pthread_rwlock_unlock(&shared->rwlock);
	}
	return (void *)(intptr_t)wrong;
}

/* Half produce, half consume, through a ring of four. */
static void *exchange(void *argument)
{
	struct shared *shared = argument;
	bool producer = atomic_fetch_add(&shared->atomic, 1) % 2;
	long sum = 0;

	for (int i = 1; i <= 400; i++) {
		sem_wait(producer ? &shared->free : &shared->used);
		pthread_mutex_lock(&shared->mutex);
		if (producer) {
			shared->ring[shared->counter++ % 4] = i;
			sum -= i;
		} else {
			sum += shared->ring[shared->turn++ % 4];
		}
		pthread_mutex_unlock(&shared->mutex);
		sem_post(producer ? &shared->used : &shared->free);
	}
	return (void *)(intptr_t)sum;
}

static void shared_init(struct shared *shared)
{
	*shared = (struct shared){
		.mutex = PTHREAD_MUTEX_INITIALIZER, .condition = PTHREAD_COND_INITIALIZER, .rwlock = PTHREAD_RWLOCK_INITIALIZER};
	pthread_barrier_init(&shared->barrier, NULL, THREADS);
	sem_init(&shared->free, 0, 4);
	sem_init(&shared->used, 0, 0);
}

static void check_sharing(struct check *check, struct shared *shared)
{
	shared_init(shared);
	in_threads(count, shared);
	CHECK(check, shared->counter == THREADS * ROUNDS);
	CHECK(check, shared->atomic == 3 * THREADS * ROUNDS);
	CHECK(check, shared->spun == THREADS * ROUNDS);
	shared_init(shared);
	CHECK(check, in_threads(take_turns, shared) == 50 * THREADS && shared->turn == 50 * THREADS);
	shared_init(shared);
	CHECK(check, in_threads(meet, shared) == 50);
	shared_init(shared);
	CHECK(check, in_threads(use_local, shared) == 0 && local.number == 5);
	shared_init(shared);
	CHECK(check, in_threads(read_and_write, shared) == 0 && shared->ring[3] == 30 * THREADS);
	shared_init(shared);
	CHECK(check, in_threads(exchange, shared) == 0 && shared->counter == 200 * THREADS && shared->turn == shared->counter);
}

/* -- single threads -- */

static void clean(void *argument)
{
	*(int *)argument += 1;
}

static int cleaned, wrong_thread;
static pthread_t signalled;

static void *sleep_for_ever(void *argument)
{
	pthread_cleanup_push(clean, &cleaned);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return argument;
}

static void *spin_for_ever(void *argument)
{
	struct shared *shared = argument;

	while (!atomic_load(&shared->stop))
		;
	return argument;
}

static void on_signal(int signal)
{
	(void)signal;
	wrong_thread += !pthread_equal(pthread_self(), signalled);
	cleaned += 10;
}

static void *nothing(void *argument)
{
	return argument;
}

static void check_lives(struct check *check, struct shared *shared)
{
	struct timespec limit;
	pthread_t thread;
	void *result;
	int joined = 0;

	for (int i = 0; i < 200; i++) {
		pthread_create(&thread, NULL, nothing, (void *)(intptr_t)i);
		joined += pthread_join(thread, &result) == 0 && result == (void *)(intptr_t)i;
	}
	CHECK(check, joined == 200);

	cleaned = 0;
	pthread_create(&thread, NULL, sleep_for_ever, NULL);
	CHECK(check, pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && cleaned == 1);

	/* A signal to one that computes; it must be interrupted, this thread must not. */
	signal(SIGUSR1, on_signal);
	shared_init(shared);
	cleaned = 0;
	pthread_create(&signalled, NULL, spin_for_ever, shared);
	for (int i = 0; i < 20; i++) {
		pthread_kill(signalled, SIGUSR1);
		sleep_ms(2);
	}
	CHECK(check, cleaned >= 10 && wrong_thread == 0);
	atomic_store(&shared->stop, true);
	CHECK(check, pthread_join(signalled, NULL) == 0);

	pthread_mutex_lock(&shared->mutex);
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_nsec += 20000000;
	if (limit.tv_nsec >= 1000000000) {
		limit.tv_nsec -= 1000000000;
		limit.tv_sec++;
	}
	CHECK(check, pthread_cond_timedwait(&shared->condition, &shared->mutex, &limit) == ETIMEDOUT);
	pthread_mutex_unlock(&shared->mutex);
	CHECK(check, syscall(SYS_gettid) == getpid());
}

void check_threads(struct check *check)
{
	struct shared *shared = calloc(1, sizeof *shared);

	check_sharing(check, shared);
	check_lives(check, shared);
	free(shared);
}
