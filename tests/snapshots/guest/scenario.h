#pragma once
/*
 * product-scenario: the processes of a product VM, each with something to be found in a snapshot.
 *
 * The program is one static file with a symbolic link for each role, so that names, arguments, environments, directories and users are
 * those of ordinary programs. `product-scenario` itself starts the roles in the order of the table (main.c) and waits until each says that
 * it has set up what it is for; after that no role changes anything, so what was true when the ground truth was taken is true in the
 * snapshot.
 */
#include <stddef.h>
#include <sys/types.h>

enum user { ROOT = 0, DAEMON = 1, WWW_DATA = 33, ALICE = 1000, BOB = 1001 };

enum start { ALWAYS, ON_REQUEST /* by name */ };

struct role {
	enum start start;
	const char *name;
	void (*run)(void); /* sets up, calls ready(), and then usually rest() */
	enum user user;    /* and its group, of the same number */
	const char *directory;
	const char *const *arguments;   /* after the name; NULL: none */
	const char *const *environment; /* NULL: empty */
};

/* A failed call ends the role with a line that names it; the start then fails as a whole. */
#define check(call) check_result((long)(call), #call, __FILE__, __LINE__)
long check_result(long result, const char *call, const char *file, int line);

/* Tells the starter that the role is complete. */
void ready(void);

/* For a process of several that belong to one role: another one of them calls ready(). */
void leave_report(void);

/* Sleeps for good. */
_Noreturn void rest(void);

/* roles_process.c */
void run_renamed(void);
void run_zombie_parent(void);
void run_stopped(void);
void run_threads(void);
void run_real_time(void);
void run_tracer(void);
void run_container(void);
void run_terminal(void);
void run_arguments(void);
void run_busy_user(void);
void run_busy_kernel(void);

/* roles_files.c */
void run_file_holder(void);
void run_lock_waiter(void);
void run_event_holder(void);
void run_pipe_ends(void);
void run_mapper(void);

/* roles_ipc.c */
void run_ipc(void);

/* roles_net.c */
void run_web_server(void);
void run_web_client(void);
void run_name_server(void);
void run_resolver(void);
void run_unix_hub(void);
void run_raw_sockets(void);
void run_other_net(void);
