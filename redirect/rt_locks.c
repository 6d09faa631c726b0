/*
 * Locks of PREEMPT_RT: rt_locks.h.
 *
 * A spin lock has its owner, a task, in one word, whose bit 0 says that others wait. Locking and unlocking without contention are each one
 * CMPXCHG of that word: 0 to the task, and back. So a word that is the current task alone makes a lock that can be unlocked: nobody looks
 * at the waiters of the frozen owner, and nobody wakes them.
 *
 * A reader-writer lock consists of such a lock and a count of readers, from READER_BIAS on. A writer takes the lock, takes the bias away,
 * and sleeps until the count is 0; then it is WRITER_BIAS (include/linux/rwbase_rt.h). A reader that finds no bias takes and releases the
 * lock, and counts itself: that goes by rt_lock_take_over(). Only a writer would wait for the count.
 */
#include "redirect/rt_locks.h"

#define READER_BIAS 0x80000000u
#define WRITER_BIAS 0x40000000u

enum { MOST_READERS = 0xffff };

bool rt_lock_take_over(struct worlds *worlds)
{
	const struct abi *abi = worlds->context.abi;
	unsigned owner = worlds->product->layout.rt_owner;
	uint64_t lock = abi_argument(abi, worlds->cpu, 0), current;

	return owner &&
	       product_memory_read_word(&worlds->memory, worlds->context.percpu + worlds->product->layout.current, abi->word, &current) &&
	       product_memory_write_word(&worlds->memory, lock + owner, abi->word, current);
}

/* Whether somebody has the lock, or is about to; a number that is no such count is left alone. */
static bool is_taken(uint32_t readers)
{
	uint32_t count = readers & ~(READER_BIAS | WRITER_BIAS), bias = readers & (READER_BIAS | WRITER_BIAS);

	return readers != READER_BIAS && count <= MOST_READERS && bias != (READER_BIAS | WRITER_BIAS);
}

bool rt_write_lock_free(struct worlds *worlds)
{
	const struct kernel_layout *layout = &worlds->product->layout;
	uint64_t at = abi_argument(worlds->context.abi, worlds->cpu, 0) + layout->rt_readers, readers;

	return layout->has_rt_readers && product_memory_read_word(&worlds->memory, at, 4, &readers) && is_taken(readers) &&
	       product_memory_write_word(&worlds->memory, at, 4, READER_BIAS);
}
