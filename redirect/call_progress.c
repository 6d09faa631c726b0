/* Whether each call that went to the snapshot brings the command further: repetition.h. */
#include <errno.h>
#include <string.h>

#include "emu/peek.h"
#include "redirect/call.h"
#include "util/error.h"

/* The bytes up to the path's end, or as many as there are: nothing is fetched for it. */
static uint64_t digest_path(const struct calls *calls, uint64_t digest, uint64_t address)
{
	char bytes[64];

	for (size_t done = 0, size; done < TOOL_PATH; done += size) {
		size_t in_page = PAGE_SIZE - ((address + done) & ~PAGE_MASK);

		size = cpu_peek(calls->worlds->cpu, address + done, bytes, in_page < sizeof(bytes) ? in_page : sizeof(bytes));
		if (!size || memchr(bytes, 0, size))
			return repetition_digest(digest, bytes, size ? strlen(bytes) : 0);
		digest = repetition_digest(digest, bytes, size);
	}
	return digest;
}

static uint64_t digest_call(const struct calls *calls, int64_t result)
{
	const struct call *call = &calls->now;
	const uint64_t words[] = {call->abi, call->number, (uint64_t)result};
	uint64_t digest = repetition_digest(0, words, sizeof(words));

	digest = repetition_digest(digest, call->argument, sizeof(call->argument));
	for (unsigned i = 0; i < CALL_ARGUMENTS; i++) {
		if (policy_is_path(call->row, i))
			digest = digest_path(calls, digest, call->argument[i]);
	}
	return digest;
}

void call_note_progress(struct calls *calls, int64_t result, const char *vain)
{
	const struct policy_row *row = calls->now.row;
	struct repeated_call call = {
		.vain = vain || result == -EAGAIN,
		.progress = (calls->now.opens && result >= 0) || (result > 0 && row->flags & POLICY_TRANSFERS),
		.output = calls->output ? calls->output(calls->output_opaque) : 0,
		.idle = calls->worlds->machine->idle,
	};

	if (calls->failure || (!vain && row->flags & POLICY_IDLE) || !repetition_asks(&calls->repetition, &call))
		return;
	call.digest = digest_call(calls, result);
	if (!repetition_note(&calls->repetition, &call))
		return;
	calls->failure = error_create("the command was stopped, since it would not end: it has made the same calls to the snapshot "
				      "%u times in vain, without any output meanwhile (the last one: %s, %s%s%s); --trace shows them",
				      REPETITION_LIMIT, row->name,
				      result < 0 ? strerrorname_np(-result) ? strerrorname_np(-result) : "an error" : "no error",
				      vain ? ": " : "", vain ? vain : "");
	cpu_request_exit(calls->worlds->cpu, CPU_EXIT_CLIENT);
}
