/*
 * Kernel functions that product context does not enter: what happens in their place, and why. One table.
 */
#include <errno.h>

#include "emu/peek.h"
#include "redirect/session.h"

enum action {
	RETURN, /* with a value */
	FLUSH,  /* what is remembered of page tables, and return */
	PASS,   /* likewise, though the lock is held */
	ABORT,  /* the call, for a cause */
};

static const struct stand_in {
	const char *name;
	enum action action;
	int64_t value; /* or enum loss_cause */
	const char *why;
} stand_ins[] = {
	{"__request_module", RETURN, -ENOENT, "would wait for modprobe"},
	{"__WARN_trap", RETURN, 0, "a warning of the product's, which goes to its log"},
	{"vprintk_emit", RETURN, 0, "the log is the product's as it was"},
	{"_cond_resched", RETURN, 0, "there is nobody to let run"},
	{"__cond_resched", RETURN, 0, "likewise"},
	{"preempt_schedule", RETURN, 0, "likewise"},
	{"preempt_schedule_notrace", RETURN, 0, "likewise"},
	{"synchronize_rcu", RETURN, 0, "nobody else reads"},
	{"synchronize_rcu_expedited", RETURN, 0, "likewise"},
	{"synchronize_net", RETURN, 0, "likewise"},
	{"rcu_barrier", RETURN, 0, "likewise"},
	{"csd_lock_wait", RETURN, 0, "the other CPUs are done"},
	{"smp_call_function_many_cond", FLUSH, 0, "likewise; this one was to flush its TLB, mostly"},
	{"smp_call_function_single", RETURN, 0, "likewise"},
	{"raise_softirq", RETURN, 0, "no interrupt ever ends here, and ksoftirqd is frozen"},
	{"raise_softirq_irqoff", RETURN, 0, "likewise"},
	{"do_softirq", RETURN, 0, "what was pending at the snapshot stays so"},
	{"handle_softirqs", RETURN, 0, "likewise"},
	{"__do_softirq", RETURN, 0, "likewise"},
	{"native_queued_spin_lock_slowpath", PASS, 0, "the holder is frozen, so the lock is taken over"},
	{"__pv_queued_spin_lock_slowpath", PASS, 0, "likewise"},
	{"queued_read_lock_slowpath", PASS, 0, "likewise"},
	{"queued_write_lock_slowpath", PASS, 0, "likewise"},
	{"__flush_work", RETURN, 0, "the workers are frozen"},
	{"synchronize_srcu", RETURN, 0, "nobody else reads"},
	{"io_schedule", ABORT, LOSS_NOT_IN_MEMORY, "the disk is not there"},
	{"io_schedule_timeout", ABORT, LOSS_NOT_IN_MEMORY, "likewise"},
	{"__schedule", ABORT, LOSS_WAIT, "would block"},
	{"schedule", ABORT, LOSS_WAIT, "would block"},
	{"__mutex_lock_slowpath", ABORT, LOSS_LOCK, "the holder is frozen"},
	{"__mutex_lock_killable_slowpath", ABORT, LOSS_LOCK, "the holder is frozen"},
	{"__mutex_lock_interruptible_slowpath", ABORT, LOSS_LOCK, "the holder is frozen"},
	{"rwsem_down_read_slowpath", ABORT, LOSS_LOCK, "the holder is frozen"},
	{"rwsem_down_write_slowpath", ABORT, LOSS_LOCK, "the holder is frozen"},
	{"panic", ABORT, LOSS_DAMAGED, "the product's kernel gives up"},
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
	if (redirect->context.phase == CONTEXT_USER_FAULT && stand_in->action == ABORT && stand_in->value == LOSS_WAIT) {
		redirect->stats.restarted++;
		context_schedule(&redirect->context);
		restore_arguments(
			redirect); /* afterwards: pages of the tool come back as they were at their first write, arguments in place */
		return MARK_CONTINUE;
	}
	if (redirect->context.phase != CONTEXT_PRODUCT)
		return MARK_CONTINUE;
	if (stand_in->action == FLUSH)
		product_memory_invalidate(&redirect->memory);
	if (stand_in->action != ABORT) {
		redirect->stats.stand_ins++;
		if (stand_in->action == PASS)
			record_doubt(redirect, LOSS_LOCK_PASSED);
		return return_to_caller(redirect, stand_in->value);
	}
	give_up(redirect, stand_in->value, stand_in->name);
	return MARK_LOOK;
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
