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
 * A session is one open snapshot with the trusted virtual machine that runs commands on it. The snapshot is only read.
 *
 * Errors: a function that can fail returns NULL for success. Otherwise it returns an xray86_error, which the caller owns
 * (xray86_error_destroy()), and *ret is NULL.
 *
 * Ownership: the caller owns everything that has a ..._close() or ..._destroy() function; these take NULL, too. Strings that a function
 * returns belong to the object that was asked, and live as long as it does, unless the function says otherwise.
 *
 * Threads: one thread at a time may use a session; several threads may use different sessions at once. The exception is xray86_cancel(),
 * which any thread and any signal handler may call. Callbacks run in the thread that called the library. They must not call the library
 * with their own session, except for xray86_cancel(): XRAY86_BUSY.
 *
 * The library changes nothing process-wide: no signal handler, limit, sandbox, locale, umask, environment variable or working directory. It
 * never touches descriptors 0 to 2. Unless XRAY86_ISOLATE is set, this process itself looks into a hostile snapshot (docs/security.md).
 *
 * Structs of options and of facts begin with their size, so that programs and libraries of different versions understand each other.
 * Initialise them with XRAY86_INIT(struct xray86_...), which makes every other field zero. Zero is each field's default.
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
	XRAY86_NO_KERNEL,      /* the image of the snapshot's kernel is needed and was not found: the message says how to get it */
	XRAY86_NOT_THERE,      /* memory that is not mapped, not in the snapshot, or not readable */
	XRAY86_CANCELLED,      /* xray86_cancel() was called */
	XRAY86_TIMEOUT,        /* the command has spent options.timeout or options.budget */
	XRAY86_BUSY,           /* a callback called its own session */
	XRAY86_INVALID,        /* an argument has no meaning */
	XRAY86_WORKER,         /* the isolated worker could not start, or died: close the session */
};

XRAY86_API enum xray86_code xray86_error_code(const xray86_error *err);
/* One line for people: consequence, cause, what to do. No newline at its end. */
XRAY86_API const char *xray86_error_message(const xray86_error *err);
XRAY86_API void xray86_error_destroy(xray86_error *err);

/* -- sessions -- */

enum xray86_open_flag {
	XRAY86_NO_CACHE = 1, /* neither use nor keep booted kernels in the user's cache directory */
	/*
	 * Look into the snapshot in another process, `xray86 --worker`, which may only read. So the caller is safe from a snapshot that
	 * breaks xray86. Callbacks work as usual.
	 */
	XRAY86_ISOLATE = 2,
};

struct xray86_open_options {
	size_t size;
	unsigned flags;                 /* XRAY86_NO_CACHE, XRAY86_ISOLATE */
	const char *kernel;             /* the kernel's image; NULL: search it by the snapshot's banner */
	const char *const *kernel_path; /* more folders to search, ended by NULL; or NULL */
	uint64_t memory;                /* bytes of the trusted virtual machine's RAM; 0: as much as it needs */
	const char *cache;              /* folder for booted kernels; NULL: the user's own (XDG_CACHE_HOME) */
	const char *worker;             /* the xray86 program for XRAY86_ISOLATE; NULL: the one that was installed with the library */
	/* Gets what a user should know although nothing failed: one line, without a newline. May be NULL, like the next one. */
	void (*note)(void *opaque, const char *text);
	/*
	 * Called a few times a second while something takes long (booting). `what` says what it is, and is NULL at its end; `instructions`
	 * is how many instructions it has taken.
	 */
	void (*progress)(void *opaque, const char *what, uint64_t instructions);
	void *opaque; /* for these two callbacks */
};

/*
 * Opens a snapshot. options may be NULL. The library searches the kernel in it when it first needs the kernel, and boots its trusted twin
 * at the first xray86_run() (in seconds, or in milliseconds if the cache has it). If the kernel's image is missing, the snapshot's own code
 * answers (enum xray86_run_code); facts and memory need no image.
 */
XRAY86_API xray86_error *xray86_open(const char *snapshot, const struct xray86_open_options *options, xray86_session **ret);
XRAY86_API void xray86_close(xray86_session *session);

/*
 * Soon ends what the session is doing: the running call returns XRAY86_CANCELLED. If no call runs, or it succeeds before it notices, the
 * next one ends. Async-signal-safe. The session can be used again.
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
	uint64_t kernel_base;     /* virtual address of _text; 0: unknown */
	uint64_t uptime_ms;       /* since boot; this and the next are 0 if neither the kernel's image nor its symbols in memory tell */
	unsigned cpus;
};

/*
 * Fills in *ret, whose size the caller has set. The texts belong to the session. A missing kernel is no error; options.note gets the
 * reason.
 */
XRAY86_API xray86_error *xray86_get_facts(xray86_session *session, struct xray86_facts *ret);
/* All that is known, as `xray86 info --json` prints it. The text belongs to the session, until the next call of this function. */
XRAY86_API xray86_error *xray86_get_info(xray86_session *session, const char **ret_json);

/* -- memory -- */

/*
 * Read `size` bytes of the snapshot as it was taken, without the changes of commands. If some byte is missing: XRAY86_NOT_THERE, with the
 * first missing address in the message; the contents of `to` are undefined then.
 */
XRAY86_API xray86_error *xray86_read_physical(xray86_session *session, uint64_t paddr, void *to, size_t size);
/* Virtual addresses, by the kernel's page tables. */
XRAY86_API xray86_error *xray86_read_kernel(xray86_session *session, uint64_t vaddr, void *to, size_t size);
/*
 * The memory of a process, by its number in the initial PID namespace, as the kernel finds it: what the process itself could read. Like
 * xray86_run(), it needs the kernel's image, and boots the kernel.
 */
XRAY86_API xray86_error *xray86_read_process(xray86_session *session, unsigned pid, uint64_t vaddr, void *to, size_t size);

/* -- commands -- */

enum xray86_way { XRAY86_WAY_DEFAULT, XRAY86_WAY_CONTEXT, XRAY86_WAY_TAGS };
/*
 * For code of modules, which the trusted kernel lacks: run that of the module's file, if it is the one that the snapshot's kernel has
 * loaded (XRAY86_CODE_VERIFIED, which is the default); give the call up; or run the snapshot's own.
 *
 * Without the image of the snapshot's kernel, XRAY86_CODE_DEFAULT and XRAY86_CODE_PRODUCT run all of its code out of the snapshot,
 * unverified (xray86_result_unproven()), and the command on any other kernel that is found; the others fail: XRAY86_NO_KERNEL.
 * XRAY86_CODE_PRODUCT does so, too, where options.kernel is the image of another build.
 */
enum xray86_run_code { XRAY86_CODE_DEFAULT, XRAY86_CODE_TRUSTED, XRAY86_CODE_PRODUCT, XRAY86_CODE_VERIFIED };
enum xray86_stream { XRAY86_STDOUT = 1, XRAY86_STDERR = 2 };

enum xray86_run_flag {
	/*
	 * Begin with the changes of the session's last command with this flag (a killed process, a changed sysctl), and leave the changes
	 * to the next one. Changes of a command that ended in an error are forgotten. Without the flag a command sees the snapshot as it
	 * was taken, and leaves it so.
	 */
	XRAY86_KEEP = 1,
	XRAY86_NO_REDIRECT = 2, /* look at the trusted virtual machine itself: to measure, and to compare */
};

struct xray86_run_options {
	size_t size;
	unsigned flags;                 /* XRAY86_KEEP, XRAY86_NO_REDIRECT */
	const char *const *environment; /* NAME=VALUE, ended by NULL; NULL: the usual PATH, and nothing else */
	const char *root;               /* folder of the file system with the command and its libraries; NULL: this machine's */
	unsigned as;                    /* the process of the snapshot whose view the command has; 0: PID 1 */
	enum xray86_way way;
	enum xray86_run_code code;
	const char *policy; /* a policy file; NULL: the default policy */
	uint64_t budget;    /* instructions that the command may take; 0: the default limit */
	unsigned timeout;   /* seconds of this machine's clock, booting included; 0: no limit */
	/*
	 * Standard input: copies at most `size` bytes to `to` and returns how many. 0 is the end; -1 means nothing yet, ask again. `idle`:
	 * the command can only wait for input, so the callback may wait some milliseconds. NULL: an empty input.
	 */
	long (*input)(void *opaque, void *to, size_t size, int idle);
	/*
	 * Gets what the command writes, in order; `stream` is XRAY86_STDOUT or XRAY86_STDERR. Returns 0, or the number of an error
	 * (errno.h), which ends the command. NULL: the output is kept for xray86_result_output(), at most 256 MiB of
	 * each stream; a command that writes more is ended with an error.
	 */
	int (*output)(void *opaque, enum xray86_stream stream, const void *bytes, size_t size);
	/* Each system call that went to the snapshot, after its end: a JSON object without a newline, as `xray86 run --trace --json`
	 * prints. */
	void (*trace)(void *opaque, const char *json);
	void *opaque; /* for these three callbacks */
	/* Names of modules, ended by NULL, whose code is the snapshot's own in any case; or NULL. */
	const char *const *trust_modules;
};

/*
 * Runs a command of this machine as if its process were in the snapshot. `command` has its words, ended by NULL; a first word without a
 * slash is searched in the PATH of options.environment. options may be NULL. Each command begins from the same trusted state, so its output
 * and counts are those of a first command.
 */
XRAY86_API xray86_error *xray86_run(xray86_session *session, const char *const *command, const struct xray86_run_options *options,
				    xray86_result **ret);

/* The status as waitpid(2) gives it, for WIFEXITED() and the like. */
XRAY86_API int xray86_result_status(const xray86_result *result);
/* The output on a stream, if options.output was NULL: *ret_size bytes, with a NUL behind them. ret_size may be NULL. */
XRAY86_API const char *xray86_result_output(const xray86_result *result, enum xray86_stream stream, size_t *ret_size);
/*
 * 1: the image of the snapshot's kernel is not here, so the snapshot's own kernel code has answered, and nothing of it is verified. The
 * answer is only as honest as that code is. Otherwise 0.
 */
XRAY86_API int xray86_result_unproven(const xray86_result *result);
/*
 * If something was given up, or could not be read, so that the answer may be incomplete: one line that says what, how often and why.
 * Otherwise NULL.
 */
XRAY86_API const char *xray86_result_losses(const xray86_result *result);
/* Counters, also those of losses, as `xray86 run --stats --json` prints them. */
XRAY86_API const char *xray86_result_stats(const xray86_result *result);
XRAY86_API void xray86_result_destroy(xray86_result *result);

#ifdef __cplusplus
}
#endif

#endif
