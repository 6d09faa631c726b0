/*
 * Locks of PREEMPT_RT kernels that stand for spin and rw locks (kernel/locking/spinlock_rt.c): a frozen task may hold them, and product
 * context takes them over, as it does with those of other kernels.
 */
#ifndef XRAY86_REDIRECT_RT_LOCKS_H
#define XRAY86_REDIRECT_RT_LOCKS_H

#include "redirect/worlds.h"

/*
 * The CPU is at the first instruction of the function that waits for a spin lock, in product context: makes the lock the current task's.
 * Returns false if that cannot be done; the function is to run then.
 */
bool rt_lock_take_over(struct worlds *worlds);
/*
 * The same at rt_write_lock(): makes the count of readers that of a lock which nobody has. Returns false if it is. The function is to run
 * in either case.
 */
bool rt_write_lock_free(struct worlds *worlds);

#endif
