/*
 * Host-side errors as returned objects.
 *
 * A function that can fail returns `struct error *`. NULL is success. Anything else says what went wrong, where, and what to do next.
 * The caller owns it: he reports it, wraps it with error_prefix(), or destroys it with error_destroy().
 * The message is for people. A program that has to tell errors apart looks at the code, never at the message.
 * Guest faults (page faults and the like) never travel this way: see emu/exception.h.
 */
#ifndef XRAY86_UTIL_ERROR_H
#define XRAY86_UTIL_ERROR_H

/* A code is here if somebody decides something by it. */
enum error_code {
	ERROR_FAILED,         /* whatever no other code is for */
	ERROR_NOT_FOUND,      /* the command that is to run: `run` ends with status 127 */
	ERROR_CANNOT_EXECUTE, /* it is there and cannot be run: status 126 */
	ERROR_NO_PROCESS,     /* the snapshot has no process of this number */
	ERROR_NO_KERNEL,      /* the snapshot's kernel, or its image, which is needed, was not found */
	ERROR_NOT_THERE,      /* memory that cannot be read */
	ERROR_CANCELLED,      /* struct cancel wanted it */
	ERROR_TIMEOUT,        /* the command has spent its instructions, or its time */
	ERROR_BUSY,           /* a callback called its own session */
	ERROR_INVALID,        /* an argument has no meaning */
	ERROR_WORKER,         /* the isolated worker could not start, or died */
};

struct error {
	char *message; /* one line, no trailing newline or full stop */
	enum error_code code;
};

/* Makes an error with a printf-style message and ERROR_FAILED. Never returns NULL: without memory it returns a static error. */
struct error *error_create(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with another code. */
struct error *error_create_code(enum error_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before err's message, keeps the code, and returns err. err must not be NULL. */
struct error *error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees err. NULL is allowed. */
void error_destroy(struct error *err);

#endif
