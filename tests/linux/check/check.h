/*
 * A check of a Linux system from within: what a process can see of the CPU, the memory and the devices under its kernel.
 *
 * Groups of checks, each run in a process of its own so that none can bring down the others or run for ever. CHECK() counts and reports; a
 * group that ends by a signal, runs out of time or checks nothing has failed. Everything here also passes natively, as root, and in QEMU.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct check {
	const char *program; /* a path to execute this program by: see process_again() */
	const char *module;  /* a kernel module without dependencies, dummy.ko; null: none to load */
	bool machine;        /* the whole machine is ours: its clock may be set, modules loaded, interfaces brought up */
	unsigned passed, failed;
};

/* Counts, says which if it failed, and returns what it was given. */
bool check_that(struct check *check, bool holds, const char *what, const char *file, int line);
#define CHECK(check, condition) check_that(check, condition, #condition, __FILE__, __LINE__)

struct group {
	const char *name;
	void (*run)(struct check *check);
};

void check_processes(struct check *check);
void check_pipes(struct check *check);
void check_signals(struct check *check);
void check_faults(struct check *check);
void check_memory(struct check *check);
void check_code(struct check *check);
void check_threads(struct check *check);
void check_futexes(struct check *check);
void check_timers(struct check *check);
void check_float(struct check *check);
void check_files(struct check *check);
void check_proc(struct check *check);
void check_network(struct check *check);
void check_events(struct check *check);
void check_ipc(struct check *check);
void check_ptrace(struct check *check);
void check_isolation(struct check *check);
void check_module(struct check *check);

/* What this program does when it is executed by one of the groups (argv[1] names it); status for exit(). */
int process_again(int argc, char **argv);
int float_again(void);

/* -- common.c: what several groups need -- */

/* Waits for the process; true if it ended by exit(status). */
bool exited(pid_t pid, int status);

/* Waits for the process; true if it was ended by the signal. */
bool killed(pid_t pid, int signal);

/* Memory of the size, shared with children; never null (ends the group otherwise). */
void *shared_memory(size_t size);

/* Bytes that depend on the seed, and their check; the checksum of any bytes. */
void pattern_fill(void *bytes, size_t size, unsigned seed);
bool pattern_holds(const void *bytes, size_t size, unsigned seed);

/* Whole reads and writes; true if all bytes went. */
bool read_all(int fd, void *bytes, size_t size);
bool write_all(int fd, const void *bytes, size_t size);

/* The beginning of a file as a string in text; false if it cannot be read. */
bool read_text(const char *path, char *text, size_t size);

long long clock_ms(int clock);
void sleep_ms(long long ms);
