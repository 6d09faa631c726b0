/*
 * Calls that would sleep: waits.h.
 *
 * The kernel tells what for by the task's state (include/linux/sched.h). Whoever waits for others, a reader of an empty pipe say, sleeps so
 * that a signal wakes it: in the machine it would sleep, too, for as long as nothing happens, and at the moment of the snapshot nothing
 * does. Whoever sleeps uninterruptibly waits for what the machine would have done by itself: a disk, a lock's holder, a kernel thread. So
 * does one in a call that waits for nobody (stat() of a file that a server has).
 */
#include "redirect/waits.h"

#include <string.h>

enum { INTERRUPTIBLE = 1 };

/* Functions that open a FIFO or a device: POLICY_WAITS_TO_OPEN. */
static const char *const openers[] = {"fifo_open", "chrdev_open"};

static bool is_opener(const char *name)
{
	for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]); i++) {
		if (strcmp(name, openers[i]) == 0)
			return true;
	}
	return false;
}

/* Whether one of the return addresses on the body's stack is in an opener. */
static bool is_within_opener(struct worlds *worlds)
{
	uint64_t rsp = worlds->cpu->gpr[RSP], end = (rsp | (context_stack_size(&worlds->context) - 1)) + 1, address = 0;
	unsigned word = worlds->context.abi->word;
	struct symbol symbol;

	for (; rsp < end; rsp += word) {
		if (worlds_read_stack(worlds, rsp, &address, word) == word && symbols_nearest(worlds->product->symbols, address, &symbol) &&
		    is_opener(symbol.name))
			return true;
	}
	return false;
}

static bool waits_for_others(struct worlds *worlds, const struct policy_row *row)
{
	return row && (row->flags & POLICY_WAITS || (row->flags & POLICY_WAITS_TO_OPEN && is_within_opener(worlds)));
}

enum loss_cause wait_cause(struct worlds *worlds, const struct call *call, const struct host_task *host)
{
	unsigned member = worlds->product->layout.state;
	uint64_t state = INTERRUPTIBLE; /* where it cannot be told, the call decides */

	if (call->asked_disk)
		return LOSS_NOT_IN_MEMORY;
	if (member)
		product_memory_read_word(&worlds->memory, host->now + member, 4, &state);
	return state & INTERRUPTIBLE && waits_for_others(worlds, call->row) ? LOSS_WAIT : LOSS_LOCK;
}
