/* What the functions of include/xray86.h share. */
#ifndef XRAY86_SESSION_API_H
#define XRAY86_SESSION_API_H

#include <stdatomic.h>

#include "session/backend.h"

struct xray86_session {
	const struct backend *backend;
	void *self;
	struct xray86_open_options options; /* with strings of our own */
	char *snapshot, *info;
	atomic_bool busy; /* in a call */
};

/* The two are one: an error of the library's is one of util/error.h, with the codes of the header for those of there. */
xray86_error *api_error(struct error *err);
xray86_error *api_invalid(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Copies the caller's struct of options, which begins with its size, as far as this version knows it; what the caller's does not have is
 * zero. An error if it has something set that this version does not know.
 */
struct error *api_take(void *ret, size_t size, const void *theirs, const char *name);

/* Every call of a session lies between these. An error: it is in another one already. */
xray86_error *api_enter(xray86_session *session);
xray86_error *api_leave(xray86_session *session, struct error *err);

#endif
