/* Stopping work that may take long. Functions that know no clock ask, between steps of well below a second. */
#ifndef XRAY86_UTIL_CANCEL_H
#define XRAY86_UTIL_CANCEL_H

#include <stdbool.h>

struct cancel {
	bool (*wanted)(void *opaque); /* whether to stop; NULL: never */
	void *opaque;
};

static inline bool cancel_wanted(const struct cancel *cancel)
{
	return cancel->wanted && cancel->wanted(cancel->opaque);
}

#endif
