/*
 * libxray86: look into the frozen memory of a Linux machine with the ordinary tools of that system.
 *
 *     xray86_session *session;
 *     xray86_result *result;
 *     const char *const command[] = {"ps", "aux", NULL};
 *     xray86_error *err = xray86_open("mem.elf", NULL, &session);
 *
 *     if (!err)
 *         err = xray86_run(session, command, NULL, &result);
 *
 * A session is one open snapshot with the trusted virtual machine that runs commands on it. The snapshot is only ever read.
 *
 * Errors: a function that can fail returns NULL for success, else an xray86_error that the caller owns (xray86_error_destroy()). After an
 * error, *ret is NULL. Ownership: whatever has a ..._close() or ..._destroy() is the caller's, both take NULL; strings that a function
 * returns belong to the object that they were asked of, and live as long as it does, unless it says otherwise.
 *
 * Threads: one session is used by one thread at a time; different sessions may be used in different threads at once. The exception is
 * xray86_cancel(), which any thread and any signal handler may call. Callbacks run in the thread that called the library, and must not call
 * it with their own session (xray86_cancel() excepted): XRAY86_BUSY.
 *
 * Nothing process-wide is changed: no signal handler, limit, sandbox, locale, umask, environment variable or working directory; descriptors
 * 0 to 2 are never touched. A hostile snapshot is looked into by this process itself unless XRAY86_ISOLATE is set (docs/security.md).
 *
 * Structs of options and of facts begin with their size, so that programs and libraries of different versions understand each other:
 * initialise them with XRAY86_INIT(struct xray86_...), which leaves every other field zero. Zero is each field's default.
 */
#ifndef XRAY86_H
#define XRAY86_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XRAY86_VERSION "0.1"
#define XRAY86_API __attribute__((visibility("default")))

/* A struct of the type with its size set: struct xray86_run_options options = XRAY86_INIT(struct xray86_run_options); */
#ifdef __cplusplus
#define XRAY86_INIT(type) (xray86_init<type>())
extern "C++" {
template <typename type> inline type xray86_init()
{
	type value = type();

	value.size = sizeof(value);
	return value;
}
}
#else
#define XRAY86_INIT(type) ((type){.size = sizeof(type)})
#endif

typedef struct xray86_session xray86_session;
typedef struct xray86_result xray86_result;
typedef struct xray86_error xray86_error;

/* The library's version, as XRAY86_VERSION was when it was built. */
XRAY86_API const char *xray86_version(void);

/* -- errors -- */

enum xray86_code {
	XRAY86_FAILED = 1,     /* any failure that has no code of its own */
	XRAY86_NOT_FOUND,      /* no such command on this machine */
	XRAY86_CANNOT_EXECUTE, /* the command is there and cannot be run */
	XRAY86_NO_PROCESS,     /* the snapshot has no process of this number */
	XRAY86_NO_KERNEL,      /* the snapshot's kernel image is needed and was not found: the message names its package */
	XRAY86_NOT_THERE,      /* memory that is not mapped, not in the snapshot, or cannot be read */
	XRAY86_CANCELLED,      /* by xray86_cancel() */
	XRAY86_TIMEOUT,        /* options.timeout or options.budget is spent */
	XRAY86_BUSY,           /* a callback called its own session */
	XRAY86_INVALID,        /* an argument that has no meaning */
	XRAY86_WORKER,         /* the isolated worker could not be started, or died: the session is of no use any more */
};

XRAY86_API enum xray86_code xray86_error_code(const xray86_error *err);
/* One line for people: consequence, cause, what to do. No newline at its end. */
XRAY86_API const char *xray86_error_message(const xray86_error *err);
XRAY86_API void xray86_error_destroy(xray86_error *err);

/* -- sessions -- */

enum xray86_open_flag {
	XRAY86_NO_CACHE = 1, /* neither use nor leave booted kernels in the user's cache directory */
	/*
	 * Look into the snapshot in a process of its own, `xray86 --worker`, which has no privilege but reading: the caller is safe from a
	 * snapshot that breaks xray86. Callbacks work as ever.
	 */
	XRAY86_ISOLATE = 2,
};

struct xray86_open_options {
	size_t size;
	unsigned flags;                 /* XRAY86_NO_CACHE, XRAY86_ISOLATE */
	const char *kernel;             /* the kernel's image; NULL: looked for by the snapshot's banner */
	const char *const *kernel_path; /* more folders to look for it in, ended by NULL; or NULL */
	uint64_t memory;                /* of the trusted virtual machine, bytes; 0: as it needs */
	const char *cache;              /* folder for booted kernels; NULL: the user's own (XDG_CACHE_HOME) */
	const char *worker;             /* the xray86 program for XRAY86_ISOLATE; NULL: the one that was installed with the library */
	/* What a user should be told though nothing failed: one line, without a newline. May be NULL, as the next. */
	void (*note)(void *opaque, const char *text);
	/*
	 * Called a few times a second while something takes long (booting): what, and how many instructions it has taken. what is NULL at
	 * its end.
	 */
	void (*progress)(void *opaque, const char *what, uint64_t instructions);
	void *opaque; /* for these two */
};

/*
 * Opens a snapshot. options may be NULL. The kernel in it is looked for when it is first needed; booting its trusted twin (seconds, or
 * milliseconds if the cache has it) waits for the first xray86_run(). A kernel whose image is not found is an error of xray86_run(), not of
 * this: facts and memory are there without.
 */
XRAY86_API xray86_error *xray86_open(const char *snapshot, const struct xray86_open_options *options, xray86_session **ret);
XRAY86_API void xray86_close(xray86_session *session);

/*
 * Ends what the session is doing, soon: the call returns XRAY86_CANCELLED. If it does nothing, or is done already, its next call is ended.
 * Async-signal-safe. The session can be used again.
 */
XRAY86_API void xray86_cancel(xray86_session *session);

/* -- facts -- */

struct xray86_facts {
	size_t size;
	const char *format;       /* of the file: "ELF core", ... */
	const char *architecture; /* "x86_64" or "i386"; NULL: no kernel was found */
	const char *release;      /* of the kernel, as uname -r; NULL likewise */
	const char *banner;       /* as /proc/version begins; NULL likewise */
	uint64_t memory;          /* bytes of physical memory in the snapshot */
	uint64_t kernel_base;     /* virtual address of _text; 0: not known */
	uint64_t uptime_ms;       /* since boot; 0: not known without the kernel's image, as the next */
	unsigned cpus;
};

/*
 * Fills in *ret, whose size the caller has set. The texts are the session's. A kernel that is not found is no error: options.note says why.
 */
XRAY86_API xray86_error *xray86_get_facts(xray86_session *session, struct xray86_facts *ret);
/* All that is known, as `xray86 info --json` prints it: the session's, until the next call of this. */
XRAY86_API xray86_error *xray86_get_info(xray86_session *session, const char **ret_json);

/* -- memory -- */

/*
 * Read `size` bytes of the snapshot as it was taken (no command's changes are seen). If not all of them are there: XRAY86_NOT_THERE, and
 * what `to` holds is undefined; the message names the first address that is missing.
 */
XRAY86_API xray86_error *xray86_read_physical(xray86_session *session, uint64_t paddr, void *to, size_t size);
/* By the kernel's page tables. */
XRAY86_API xray86_error *xray86_read_kernel(xray86_session *session, uint64_t vaddr, void *to, size_t size);
/*
 * The memory of a process, by its number in the initial PID namespace, as the kernel finds it: what the process itself could read. Needs
 * the kernel's image, as xray86_run() does, and boots as that does.
 */
XRAY86_API xray86_error *xray86_read_process(xray86_session *session, unsigned pid, uint64_t vaddr, void *to, size_t size);

/* -- commands -- */

enum xray86_way { XRAY86_WAY_DEFAULT, XRAY86_WAY_CONTEXT, XRAY86_WAY_TAGS };
enum xray86_run_code { XRAY86_CODE_DEFAULT, XRAY86_CODE_TRUSTED, XRAY86_CODE_PRODUCT };
enum xray86_stream { XRAY86_STDOUT = 1, XRAY86_STDERR = 2 };

enum xray86_run_flag {
	/*
	 * Begin with the changes that the session's last command with this flag made (a process killed, a sysctl set), and leave one's own
	 * for the next; those of a command that ended in an error are forgotten. Without the flag a command sees the snapshot as it was
	 * taken, and leaves it so.
	 */
	XRAY86_KEEP = 1,
	XRAY86_NO_REDIRECT = 2, /* look at the trusted virtual machine itself: to measure, and to compare */
};

struct xray86_run_options {
	size_t size;
	unsigned flags;                 /* XRAY86_KEEP, XRAY86_NO_REDIRECT */
	const char *const *environment; /* NAME=VALUE, ended by NULL; NULL: only PATH, which is the usual one */
	const char *root;               /* folder of the file system that the command and its libraries are from; NULL: this machine's */
	unsigned as;                    /* the process of the snapshot whose view is taken; 0: PID 1 */
	enum xray86_way way;
	enum xray86_run_code code;
	const char *policy; /* a policy file; NULL: the default policy */
	uint64_t budget;    /* instructions that the command may take; 0: no limit but the default one */
	unsigned timeout;   /* seconds of this machine's clock, booting included; 0: none */
	/*
	 * Standard input: copies at most `size` bytes to `to` and returns how many; 0: the end; -1: nothing yet, ask again. `idle`: the
	 * command can do nothing but wait for it, so the callback may wait some milliseconds. NULL: an empty input.
	 */
	long (*input)(void *opaque, void *to, size_t size, int idle);
	/*
	 * What the command writes, in order; `stream` is XRAY86_STDOUT or XRAY86_STDERR. Returns 0, or the number of an error (errno.h),
	 * which ends the command. NULL: it is kept, for xray86_result_output().
	 */
	int (*output)(void *opaque, enum xray86_stream stream, const void *bytes, size_t size);
	/* Each system call that went to the snapshot, after its end: a JSON object without a newline, as `xray86 run --trace --json`
	 * prints. */
	void (*trace)(void *opaque, const char *json);
	void *opaque; /* for these three */
};

/*
 * Runs a command of this machine as if its process were in the snapshot. command: its words, ended by NULL; the first is looked for in
 * the PATH of options.environment unless it has a slash. options may be NULL. Each command begins from the same trusted state: output and
 * counts are those of a first one.
 */
XRAY86_API xray86_error *xray86_run(xray86_session *session, const char *const *command, const struct xray86_run_options *options,
				    xray86_result **ret);

/* As waitpid(2) tells it: for WIFEXITED() and the like. */
XRAY86_API int xray86_result_status(const xray86_result *result);
/* What it wrote to a stream, if options.output was NULL: *ret_size bytes, and a NUL behind them. */
XRAY86_API const char *xray86_result_output(const xray86_result *result, enum xray86_stream stream, size_t *ret_size);
/*
 * Whether something was given up, or could not be read, so that the answer may be incomplete: one line that says what, how often and why;
 * NULL: nothing was.
 */
XRAY86_API const char *xray86_result_losses(const xray86_result *result);
/* Counters, as `xray86 run --stats --json` prints them; those of the losses are in it. */
XRAY86_API const char *xray86_result_stats(const xray86_result *result);
XRAY86_API void xray86_result_destroy(xray86_result *result);

#ifdef __cplusplus
}
#endif

#endif
