/*
 * Host-side errors as returned objects.
 *
 * A function that can fail returns `struct error *`: NULL is success, anything else says what went wrong, where,
 * and what to do next. The caller owns it: report it, wrap it with error_prefix(), or error_destroy() it.
 * Guest faults (page faults and the like) are a different matter and never travel this way: see emu/exception.h.
 */
#ifndef XRAY86_UTIL_ERROR_H
#define XRAY86_UTIL_ERROR_H

struct error {
	char *message; /* one line, no trailing newline or full stop */
};

/* Makes an error with a printf-style message. Never returns NULL (falls back to a static out-of-memory error). */
struct error *error_create(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Puts "prefix: " before err's message and returns it (takes ownership of err). err must not be NULL. */
struct error *error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees err. NULL is allowed. */
void error_destroy(struct error *err);

#endif
