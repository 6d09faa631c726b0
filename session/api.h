/* Shared by the functions of include/xray86.h. */
#ifndef XRAY86_SESSION_API_H
#define XRAY86_SESSION_API_H

#include <stdatomic.h>
#include <stdbool.h>

#include "session/backend.h"

struct xray86_session {
	const struct backend *backend;
	void *self;
	struct xray86_open_options options; /* its strings are copies */
	char *snapshot, *info;
	atomic_bool busy; /* in a call */
};

/* Turns an error of util/error.h into one of the library, with the header's codes. (They are the same object.) */
xray86_error *api_error(struct error *err);
xray86_error *api_invalid(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether it can be what a caller's struct begins with. What was never set must not lead us out of the struct. */
bool api_size_makes_sense(size_t size);
/*
 * Copies the caller's struct of options, which begins with its size, as far as this version knows it. Fields that the caller's struct lacks
 * are zero. Error if the caller has set something that this version does not know.
 */
struct error *api_take(void *ret, size_t size, const void *theirs, const char *name);

/* Every call of a session is between these two. Error if the session is in another call already. */
xray86_error *api_enter(xray86_session *session);
xray86_error *api_leave(xray86_session *session, struct error *err);

#endif
