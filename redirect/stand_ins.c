/* Kernel functions that product context never enters: one table of what happens in their place, and why. */
#include "redirect/stand_ins.h"

#include <errno.h>
#include <string.h>

#include "redirect/bpf.h"
#include "redirect/rt_locks.h"
#include "redirect/waits.h"

enum action {
	RETURN,   /* with a value */
	FLUSH,    /* what is remembered of page tables, and return */
	ASK_DISK, /* return, and remember that it was asked */
	ABORT,    /* the call */
	DIRECT,   /* likewise, of direct I/O */
	TAKE,     /* the lock of PREEMPT_RT, and return */
	FREE,     /* its rw lock, and go on */
	PROGRAM,  /* of BPF, which is interpreted: its answer */
	WAIT,     /* the call, for what the wait is for (waits.c) */
};

static const struct stand_in {
	const char *name;
	enum action action;
	int64_t value;
	enum loss_cause cause; /* why ABORT gives the call up; what is recorded though the call goes on */
	const char *why;
} table[] = {
	{"__request_module", RETURN, -ENOENT, LOSS_MODULE_LOAD, "would wait for modprobe"},
	{"__WARN_trap", RETURN, 0, LOSS_NONE, "a warning of the product's, which goes to its log"},
	{"vprintk_emit", RETURN, 0, LOSS_NONE, "the log is the product's as it was"},
	{"_cond_resched", RETURN, 0, LOSS_NONE, "there is nobody to let run"},
	{"__cond_resched", RETURN, 0, LOSS_NONE, "likewise"},
	{"preempt_schedule", RETURN, 0, LOSS_NONE, "likewise"},
	{"preempt_schedule_notrace", RETURN, 0, LOSS_NONE, "likewise"},
	{"synchronize_rcu", RETURN, 0, LOSS_NONE, "nobody else reads"},
	{"synchronize_rcu_expedited", RETURN, 0, LOSS_NONE, "likewise"},
	{"synchronize_net", RETURN, 0, LOSS_NONE, "likewise"},
	{"rcu_barrier", RETURN, 0, LOSS_NONE, "likewise"},
	{"csd_lock_wait", RETURN, 0, LOSS_NONE, "the other CPUs are done"},
	{"smp_call_function_many_cond", FLUSH, 0, LOSS_NONE, "likewise; this one was to flush its TLB, mostly"},
	{"smp_call_function_single", RETURN, 0, LOSS_NONE, "likewise"},
	{"raise_softirq", RETURN, 0, LOSS_NONE, "no interrupt ever ends here, and ksoftirqd is frozen"},
	{"raise_softirq_irqoff", RETURN, 0, LOSS_NONE, "likewise"},
	{"do_softirq", RETURN, 0, LOSS_NONE, "what was pending at the snapshot stays so"},
	{"handle_softirqs", RETURN, 0, LOSS_NONE, "likewise"},
	{"__do_softirq", RETURN, 0, LOSS_NONE, "likewise"},
	{"native_queued_spin_lock_slowpath", RETURN, 0, LOSS_LOCK_PASSED, "the holder is frozen, so the lock is taken over"},
	{"__pv_queued_spin_lock_slowpath", RETURN, 0, LOSS_LOCK_PASSED, "likewise"},
	{"queued_read_lock_slowpath", RETURN, 0, LOSS_LOCK_PASSED, "likewise"},
	{"queued_write_lock_slowpath", RETURN, 0, LOSS_LOCK_PASSED, "likewise"},
	{"rtlock_slowlock_locked", TAKE, 0, LOSS_LOCK_PASSED, "likewise: a spin lock of PREEMPT_RT, or the one within an rw lock"},
	{"rt_spin_lock_slowlock_locked", TAKE, 0, LOSS_LOCK_PASSED, "likewise, up to 5.14"},
	{"rt_write_lock", FREE, 0, LOSS_LOCK_PASSED, "likewise: would wait until frozen readers, or a writer, have left"},
	{"__audit_reusename", RETURN, 0, LOSS_NONE, "the host task's own call never ends, and one call reads a name only once"},
	{"__audit_getname", RETURN, 0, LOSS_NONE, "likewise: nothing is recorded of what is no call of the host task's"},
	{"__audit_inode", RETURN, 0, LOSS_NONE, "likewise"},
	{"__audit_inode_child", RETURN, 0, LOSS_NONE, "likewise"},
	{"__cgroup_bpf_run_filter_skb", RETURN, 0, LOSS_NONE,
	 "BPF programs are not run; those of cgroups say who may do what, and tools may"},
	{"__cgroup_bpf_run_filter_sk", RETURN, 0, LOSS_NONE, "likewise"},
	{"__cgroup_bpf_run_filter_sock_addr", RETURN, 0, LOSS_NONE, "likewise"},
	{"__cgroup_bpf_run_filter_sock_ops", RETURN, 0, LOSS_NONE, "likewise"},
	{"__cgroup_bpf_run_filter_sysctl", RETURN, 0, LOSS_NONE, "likewise"},
	{"__cgroup_bpf_run_filter_setsockopt", RETURN, 0, LOSS_NONE, "likewise"},
	{"__cgroup_bpf_check_dev_permission", RETURN, 0, LOSS_NONE, "likewise"},
	{"__flush_work", RETURN, 0, LOSS_NONE, "the workers are frozen"},
	{"synchronize_srcu", RETURN, 0, LOSS_NONE, "nobody else reads"},
	{"blk_mq_submit_bio", ASK_DISK, 0, LOSS_NONE, "the disk is not there, and only who waits for it needs it: reading ahead does not"},
	{"io_schedule", ABORT, 0, LOSS_NOT_IN_MEMORY, "the disk is not there"},
	{"io_schedule_timeout", ABORT, 0, LOSS_NOT_IN_MEMORY, "likewise"},
	{"__schedule", WAIT, 0, LOSS_WAIT, "would block"},
	{"schedule", WAIT, 0, LOSS_WAIT, "would block"},
	{"__mutex_lock_slowpath", ABORT, 0, LOSS_LOCK, "the holder is frozen"},
	{"__mutex_lock_killable_slowpath", ABORT, 0, LOSS_LOCK, "the holder is frozen"},
	{"__mutex_lock_interruptible_slowpath", ABORT, 0, LOSS_LOCK, "the holder is frozen"},
	{"rwsem_down_read_slowpath", ABORT, 0, LOSS_LOCK, "the holder is frozen"},
	{"rwsem_down_write_slowpath", ABORT, 0, LOSS_LOCK, "the holder is frozen"},
	{"rt_mutex_slowlock_locked", ABORT, 0, LOSS_LOCK, "likewise: mutexes and semaphores of PREEMPT_RT, up to 5.14"},
	{"get_user_pages_fast", DIRECT, 0, LOSS_NOT_IN_MEMORY, "the disk would write to pages of the tool"},
	{"pin_user_pages_fast", DIRECT, 0, LOSS_NOT_IN_MEMORY, "likewise, from 6.3 on"},
	{"panic", ABORT, 0, LOSS_DAMAGED, "the product's kernel gives up"},
};

/*
 * Static functions of which a kernel may have several: its sources have the name more than once, or one for each size, or the compiler has
 * made copies. Their names begin with FUNCTION_PREFIX (redirect.c): others are not looked at one by one.
 */
static const struct stand_in several[] = {
	{"__rt_mutex_slowlock_locked", ABORT, 0, LOSS_LOCK, "the holder of a mutex or semaphore of PREEMPT_RT is frozen"},
	{"__bpf_prog_run", PROGRAM, 0, LOSS_NONE, "BPF programs are not run, whether they are compiled or interpreted"},
};

enum { COUNT = sizeof(table) / sizeof(table[0]), SEVERAL = sizeof(several) / sizeof(several[0]) };

_Static_assert((int)COUNT <= (int)STAND_INS && (int)SEVERAL <= (int)STAND_INS_SEVERAL, "room for all");

/* The trusted kernel, which handles a page fault for a call of ours, lets another task run: the call will begin anew. */
static void put_off(struct stand_ins *stand_ins)
{
	stand_ins->calls->stats.restarted++;
	if (!context_schedule(&stand_ins->worlds->context))
		call_record_loss(stand_ins->calls, LOSS_LIMIT);
	/* afterwards: pages of the tool come back as they were at their first write, arguments in place */
	call_restore_arguments(stand_ins->calls);
}

/* The interpreter was called with a program. */
static enum mark_action pass_program(struct stand_ins *stand_ins)
{
	struct worlds *worlds = stand_ins->worlds;
	uint32_t answer;

	if (stand_ins->code->choice == CODE_PRODUCT)
		return MARK_CONTINUE;
	if (bpf_answer(worlds, &answer)) {
		stand_ins->calls->stats.stand_ins++;
		return worlds_return(worlds, answer);
	}
	code_record_missing(stand_ins->code, abi_argument(worlds->context.abi, worlds->cpu, 1));
	call_give_up(stand_ins->calls, LOSS_CODE, "a BPF program");
	return MARK_LOOK;
}

static enum mark_action on_stand_in(void *opaque, struct cpu *cpu)
{
	const struct stand_in_mark *mark = opaque;
	const struct stand_in *stand_in = mark->row;
	struct stand_ins *stand_ins = mark->owner;

	(void)cpu;
	if (stand_ins->worlds->context.phase == CONTEXT_USER_FAULT && stand_in->action == WAIT) {
		put_off(stand_ins);
		return MARK_CONTINUE;
	}
	if (stand_ins->worlds->context.phase != CONTEXT_PRODUCT)
		return MARK_CONTINUE;
	switch (stand_in->action) {
	case DIRECT:
		stand_ins->calls->now.direct = true;
		call_give_up(stand_ins->calls, stand_in->cause, stand_in->name);
		return MARK_LOOK;
	case ABORT:
		call_give_up(stand_ins->calls, stand_in->cause, stand_in->name);
		return MARK_LOOK;
	case WAIT:
		call_give_up(stand_ins->calls, wait_cause(stand_ins->worlds, &stand_ins->calls->now, stand_ins->host), stand_in->name);
		return MARK_LOOK;
	case FLUSH:
		product_memory_invalidate(&stand_ins->worlds->memory);
		break;
	case ASK_DISK:
		stand_ins->calls->now.asked_disk = true;
		break;
	case TAKE:
		if (!rt_lock_take_over(stand_ins->worlds))
			return MARK_CONTINUE;
		break;
	case FREE:
		if (rt_write_lock_free(stand_ins->worlds))
			call_record_loss(stand_ins->calls, stand_in->cause);
		return MARK_CONTINUE;
	case PROGRAM:
		return pass_program(stand_ins);
	case RETURN:
		break;
	}
	stand_ins->calls->stats.stand_ins++;
	if (stand_in->cause)
		call_record_loss(stand_ins->calls, stand_in->cause);
	return worlds_return(stand_ins->worlds, stand_in->value);
}

static bool begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Whether the function is one of that name: NAME, NAME.constprop.0 or NAME32; not a part of it (NAME.cold). */
static bool is_one_of(const char *function, const char *name)
{
	const char *rest = function + strlen(name);

	return begins_with(function, name) &&
	       (begins_with(rest, ".constprop.") || begins_with(rest, ".isra.") || !rest[strspn(rest, "0123456789")]);
}

struct error *stand_in_note_function(struct stand_ins *stand_ins, const struct symbol *function)
{
	for (unsigned i = 0; i < SEVERAL; i++) {
		if (!is_one_of(function->name, several[i].name))
			continue;
		stand_ins->several[i] = (struct stand_in_mark){stand_ins, &several[i]};
		return worlds_mark_at(stand_ins->worlds, WORLD_PRODUCT, function->address, on_stand_in, &stand_ins->several[i]);
	}
	return NULL;
}

/* Waits are looked for in both worlds: put_off(). */
static struct error *mark_row(struct stand_ins *stand_ins, struct stand_in_mark *mark)
{
	struct worlds *worlds = stand_ins->worlds;
	struct error *err = worlds_mark(worlds, WORLD_PRODUCT, mark->row->name, on_stand_in, mark);

	if (err || mark->row->action != WAIT || !worlds_have_two_kernels(worlds))
		return err;
	return worlds_mark(worlds, WORLD_TRUSTED, mark->row->name, on_stand_in, mark);
}

struct error *stand_in_mark(struct stand_ins *stand_ins)
{
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < COUNT; i++) {
		stand_ins->mark[i] = (struct stand_in_mark){stand_ins, &table[i]};
		err = mark_row(stand_ins, &stand_ins->mark[i]);
	}
	return err;
}
