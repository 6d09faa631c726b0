/* Whether something that may take long is still wanted: asked between steps of well below a second, by functions that know no clock. */
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
