/*
 * Kernel functions that product context does not enter: what happens in their place, and why. One table.
 */
#include <errno.h>

#include "emu/peek.h"
#include "redirect/session.h"

enum action {
	RETURN,   /* with a value */
	FLUSH,    /* what is remembered of page tables, and return */
	ASK_DISK, /* return, and remember that it was asked */
	ABORT,    /* the call */
	WAIT,     /* the call, for what the wait is for (waits.c) */
};

static const struct stand_in {
	const char *name;
	enum action action;
	int64_t value;
	enum loss_cause cause; /* why ABORT gives the call up; what is recorded though the call goes on */
	const char *why;
} stand_ins[] = {
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
	{"panic", ABORT, 0, LOSS_DAMAGED, "the product's kernel gives up"},
};

enum { COUNT = sizeof(stand_ins) / sizeof(stand_ins[0]) };

enum mark_action return_to_caller(struct redirect *redirect, int64_t value)
{
	struct cpu *cpu = redirect->cpu;
	unsigned word = redirect->context.word;
	bool in_window = redirect->context.phase == CONTEXT_PRODUCT && redirect->context.way == REDIRECT_CONTEXT;
	uint64_t rip = 0;

	if (!(in_window ? product_memory_read_word(&redirect->memory, cpu->gpr[RSP], word, &rip)
			: cpu_peek_word(cpu, cpu->gpr[RSP], word, &rip)))
		return MARK_CONTINUE; /* and faults */
	cpu->gpr[RAX] = word == 8 ? (uint64_t)value : (uint32_t)value;
	cpu->gpr[RSP] += word;
	cpu->rip = rip;
	return MARK_LOOK;
}

static enum mark_action on_stand_in(void *opaque, struct cpu *cpu)
{
	struct redirect *redirect = opaque;
	const struct stand_in *stand_in = NULL;

	for (unsigned i = 0; i < COUNT; i++) {
		if (redirect->stand_in[i] == cpu->rip)
			stand_in = &stand_ins[i];
	}
	if (redirect->context.phase == CONTEXT_USER_FAULT && stand_in->action == WAIT) {
		redirect->stats.restarted++;
		if (!context_schedule(&redirect->context))
			record_loss(redirect, LOSS_LIMIT);
		restore_arguments(
			redirect); /* afterwards: pages of the tool come back as they were at their first write, arguments in place */
		return MARK_CONTINUE;
	}
	if (redirect->context.phase != CONTEXT_PRODUCT)
		return MARK_CONTINUE;
	switch (stand_in->action) {
	case ABORT:
		give_up(redirect, stand_in->cause, stand_in->name);
		return MARK_LOOK;
	case WAIT:
		give_up(redirect, cause_of_wait(redirect), stand_in->name);
		return MARK_LOOK;
	case FLUSH:
		product_memory_invalidate(&redirect->memory);
		break;
	case ASK_DISK:
		redirect->call.asked_disk = true;
		break;
	case RETURN:
		break;
	}
	redirect->stats.stand_ins++;
	if (stand_in->cause)
		record_loss(redirect, stand_in->cause);
	return return_to_caller(redirect, stand_in->value);
}

struct error *mark_stand_ins(struct redirect *redirect)
{
	_Static_assert(COUNT <= sizeof(redirect->stand_in) / sizeof(redirect->stand_in[0]), "room for all");
	struct error *err = NULL;

	for (unsigned i = 0; !err && i < COUNT; i++) {
		redirect->stand_in[i] = find_symbol(redirect, stand_ins[i].name);
		if (redirect->stand_in[i])
			err = cpu_mark(redirect->cpu, redirect->stand_in[i], on_stand_in, redirect);
	}
	return err;
}
