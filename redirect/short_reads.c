/*
 * Reading a file of which the page cache has the beginning only: Linux returns what it could read, and says EIO when the next call wants
 * the rest. A call that is given up returns nothing of what it has read; so it begins anew, for half as many bytes, until what it wants is
 * there.
 *
 * A short count is a loss by itself: not every tool reads on.
 */
#include <string.h>

#include "redirect/session.h"

enum { COUNT = 2 /* the argument */, MOST = 1 << 18 /* bytes of the first retry: what tools read at once, and an end to the retries */ };

static bool reads_bytes(const struct call *call)
{
	return call->row && (strcmp(call->row->name, "read") == 0 || strcmp(call->row->name, "pread64") == 0);
}

bool read_less(struct redirect *redirect)
{
	struct call *call = &redirect->call;
	uint64_t count = call->translated[COUNT] / 2;

	if (!reads_bytes(call) || !count)
		return false;
	redirect->shorter = (struct shorter){call->regs, count < MOST ? count : MOST};
	context_undo(&redirect->context);
	restore_arguments(redirect);
	return true;
}

void shorten_read(struct redirect *redirect)
{
	struct call *call = &redirect->call;

	if (redirect->shorter.regs != call->regs)
		return;
	redirect->shorter.regs = 0;
	if (!reads_bytes(call) || call->translated[COUNT] <= redirect->shorter.count)
		return;
	call->translated[COUNT] = redirect->shorter.count;
	call->shortened = true;
}
