/* What becomes of a flagged call: call.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "redirect/call.h"
#include "util/error.h"

uint64_t call_budget(const struct calls *calls)
{
	/*
	 * Lists of a damaged snapshot may go in circles. Each call that does not end leaves less patience for the next ones, so that a tool
	 * which makes thousands of them ends, too.
	 */
	enum { MAX_HALVINGS = 6 };
	uint64_t halvings = calls->stats.endless;

	return calls->budget >> (halvings < MAX_HALVINGS ? halvings : MAX_HALVINGS);
}

/* -- telling -- */

static void trace(struct calls *calls, int64_t result, const char *aborted)
{
	const struct call *call = &calls->now;
	const struct tlb_traffic *traffic = &calls->worlds->memory.traffic;
	char path[REDIRECT_ARGUMENTS][TOOL_PATH];
	struct redirect_call told = {.name = call->row->name, .result = result, .aborted = aborted, .causes = call->lost};

	if (!calls->trace)
		return;
	told.instructions = cpu_instructions(calls->worlds->cpu) - call->started;
	told.traffic.loads = traffic->loads - call->before.loads;
	told.traffic.stores = traffic->stores - call->before.stores;
	told.pages = call->pages;
	for (unsigned i = 0; i < REDIRECT_ARGUMENTS; i++) {
		told.argument[i] = call->argument[i];
		if (policy_is_path(call->row, i) && tool_read_path(calls->tools, call->argument[i], path[i]))
			told.path[i] = path[i];
	}
	calls->trace(calls->trace_opaque, &told);
}

/* -- losses -- */

static bool has_lost(const struct calls *calls, enum loss_cause cause)
{
	return calls->now.lost >> cause & 1;
}

void call_record_loss(struct calls *calls, enum loss_cause cause)
{
	if (!has_lost(calls, cause))
		losses_record(calls->losses, cause);
	calls->now.lost |= 1u << cause;
}

void call_record_gaps(struct calls *calls)
{
	const struct product_memory *memory = &calls->worlds->memory;
	const struct call_gaps *recorded = &calls->recorded;
	const struct call_gaps gaps = {memory->count.holes, memory->count.left_out, memory->count.unreadable,
				       calls->worlds->context.unfinished};

	if (gaps.holes != recorded->holes)
		call_record_loss(calls, LOSS_OUTSIDE);
	if (gaps.left_out != recorded->left_out)
		call_record_loss(calls, LOSS_LEFT_OUT);
	if (gaps.unreadable != recorded->unreadable)
		call_record_loss(calls, LOSS_UNREADABLE);
	if (gaps.unfinished != recorded->unfinished && !calls->now.lost)
		call_record_loss(calls, LOSS_BUDGET); /* all other reasons have been recorded */
	calls->recorded = gaps;
}

/* -- the end -- */

int64_t call_result(const struct calls *calls)
{
	int64_t result = abi_signed(calls->worlds->context.abi, calls->worlds->cpu->gpr[RAX]);

	/* The restart codes of the kernel (include/linux/errno.h) are between it and its own entry code. */
	return result <= -512 && result >= -516 ? -EINTR : result;
}

void call_leave(struct calls *calls, int64_t result)
{
	struct worlds *worlds = calls->worlds;

	calls->now.pages = overlay_transaction_pages(worlds->memory.overlay);
	context_leave(&worlds->context, result);
	call_restore_arguments(calls);
	calls->stats.instructions += cpu_instructions(worlds->cpu) - calls->now.started;
}

void call_finish(struct calls *calls, int64_t result, const char *vain)
{
	trace(calls, result, NULL);
	call_note_progress(calls, result, vain);
}

void call_abort(struct calls *calls, enum loss_cause cause, const char *reason)
{
	struct worlds *worlds = calls->worlds;
	const struct cpu *cpu = worlds->cpu;
	int error = loss_row(cause)->error;
	char near[KERNEL_SYMBOL_NEAR], note[KERNEL_SYMBOL_NEAR + 100];

	snprintf(note, sizeof(note), "%s at %s, exception %u code %#x address %#" PRIx64, reason,
		 kernel_symbol_near(worlds->product, cpu->rip, near), cpu->exception.vector, cpu->exception.error_code, cpu->cr2);
	calls->stats.aborted++;
	call_record_loss(calls, cause);
	call_record_gaps(calls);
	calls->now.pages = overlay_transaction_pages(worlds->memory.overlay);
	context_abort(&worlds->context, -error);
	call_restore_arguments(calls);
	trace(calls, -error, note);
	call_note_progress(calls, -error, reason);
}

void call_abort_endless(struct calls *calls)
{
	calls->stats.endless++;
	call_abort(calls, has_lost(calls, LOSS_OUTSIDE) ? LOSS_OUTSIDE : LOSS_BUDGET, "budget"); /* devices are polled */
}

void call_abort_stopped(struct calls *calls)
{
	if (context_call_spent(&calls->worlds->context))
		call_abort_endless(calls);
	else if (calls->abort.reason)
		call_abort(calls, calls->abort.cause, calls->abort.reason);
	else
		call_abort(calls, LOSS_DAMAGED, "stopped");
}

void call_give_up(struct calls *calls, enum loss_cause cause, const char *reason)
{
	calls->abort = (struct call_abort){cause, reason};
	if (calls->worlds->context.nested) {
		if (!calls->tries || cause != LOSS_NOT_IN_MEMORY)
			call_record_loss(calls, cause);
		cpu_request_exit(calls->worlds->cpu, CPU_EXIT_CLIENT);
	} else if (calls->reconsider && calls->reconsider(calls->reconsider_opaque)) {
		call_undo(calls);
	} else if (cause != LOSS_NOT_IN_MEMORY || !call_read_less(calls)) {
		call_abort(calls, cause, reason);
	}
}

void call_deinit(struct calls *calls)
{
	error_destroy(calls->failure);
}
