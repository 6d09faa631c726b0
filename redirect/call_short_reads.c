/*
 * Reading a file of which the page cache has the beginning only: Linux returns what it could read, and says EIO when the next call wants
 * the rest. A call that is given up returns nothing of what it has read; so it begins anew, for half as many bytes, until what it wants is
 * there.
 *
 * A short count is a loss by itself: not every tool reads on.
 */
#include "redirect/call.h"

enum { COUNT = 2 /* the argument */, MOST = 1 << 18 /* bytes of the first retry: what tools read at once, and an end to the retries */ };

static bool reads_bytes(const struct call *call)
{
	return call->row && call->row->flags & POLICY_READS;
}

bool call_read_less(struct calls *calls)
{
	struct call *call = &calls->now;
	uint64_t count = call->translated[COUNT] / 2;

	if (!reads_bytes(call) || !count || call->direct)
		return false;
	calls->shorter = (struct call_shorter){call->regs, count < MOST ? count : MOST};
	call_undo(calls);
	return true;
}

void call_shorten(struct calls *calls)
{
	struct call *call = &calls->now;

	if (calls->shorter.regs != call->regs)
		return;
	calls->shorter.regs = 0;
	if (!reads_bytes(call) || call->translated[COUNT] <= calls->shorter.count)
		return;
	call->translated[COUNT] = calls->shorter.count;
	call->shortened = true;
}
