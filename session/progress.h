/* Progress of functions that take long. They tell it a few times a second. */
#ifndef XRAY86_SESSION_PROGRESS_H
#define XRAY86_SESSION_PROGRESS_H

#include <stdint.h>

struct progress_watcher {
	/* what: a few words, "booting the trusted kernel"; NULL: it is over. instructions: that it has taken so far. NULL: nobody watches.
	 */
	void (*tell)(void *opaque, const char *what, uint64_t instructions);
	void *opaque;
};

static inline void progress_tell(const struct progress_watcher *watcher, const char *what, uint64_t instructions)
{
	if (watcher->tell)
		watcher->tell(watcher->opaque, what, instructions);
}

#endif
