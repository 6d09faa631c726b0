/* Losses: losses.h. */
#include "redirect/losses.h"

#include <errno.h>
#include <string.h>

static const struct loss_row rows[LOSS_CAUSES] = {
	[LOSS_NONE] = {"none", 0, true, NULL, NULL, "nothing was lost", NULL, "nothing was lost"},
	[LOSS_NOT_IN_MEMORY] = {"not_in_memory", EIO, false, "call", "calls",
				"needed data that are not in memory (the page cache does not have them, and a memory image has no disk)",
				NULL, "the machine would have read them"},
	[LOSS_CODE] = {"missing_code", EOPNOTSUPP, false, "call", "calls", "needed code that the trusted kernel does not have", NULL,
		       "the machine has it"},
	[LOSS_LOCK] = {"lock_held", EDEADLK, false, "call", "calls", "waited for a lock, a task or a device (all frozen)",
		       "a snapshot taken at another moment helps", "the machine would have gone on after a while"},
	[LOSS_DAMAGED] = {"damaged", EIO, false, "call", "calls", "met damaged data",
			  "check that the machine was paused while the snapshot was taken", "what lies behind the damage is not found"},
	[LOSS_BUDGET] = {"budget", EIO, false, "call", "calls", "did not end (damaged lists may go in circles)", NULL,
			 "what a call would have told later is not told"},
	[LOSS_LIMIT] = {"limit", ENOMEM, false, "call", "calls", "went beyond what xray86 can do", NULL, "the fault is the tool's"},
	[LOSS_OUTSIDE] = {"outside", EIO, false, "call", "calls", "asked a device, or read memory, that the image does not have", NULL,
			  "the machine has something there"},
	[LOSS_LEFT_OUT] = {"left_out", 0, false, "call", "calls", "read zeros for pages that were left out when the snapshot was made",
			   "make it with all pages (makedumpfile -d 0)", "the machine may have something else there"},
	[LOSS_UNREADABLE] = {"unreadable", EIO, false, "call", "calls", "needed pages of the snapshot's file that could not be read",
			     "copy the file to a good disk", "the file has something there"},
	[LOSS_TRUNCATED] = {"truncated", 0, false, NULL, NULL, "the snapshot's file was truncated during the run", "run it on a copy",
			    "pages beyond the new end are gone"},
	[LOSS_CHANGED] = {"changed", 0, false, NULL, NULL, "the snapshot's file was changed during the run", "run it on a copy",
			  "pages that were read before and after it do not fit together"},
	[LOSS_LOCK_PASSED] = {"lock_passed", 0, false, "call", "calls",
			      "took over locks of frozen CPUs (what they guard may be half changed)",
			      "a snapshot taken at another moment helps", "the holder was about to change what the call has read"},
	[LOSS_WARNING] = {"warning", 0, false, "call", "calls", "made the kernel warn of inconsistent data (WARN)", NULL,
			  "the kernel goes on, and so may the answer, but one of them is wrong"},
	[LOSS_INSTRUCTION] = {"instruction", EOPNOTSUPP, false, "call", "calls", "needed an instruction that xray86 does not have", NULL,
			      "the machine's processor has it"},
	[LOSS_WAIT] = {"wait", EAGAIN, true, "call", "calls", "waited for an event", NULL,
		       "the machine would have waited, too: of a socket without data, a call that does not wait says the same"},
	[LOSS_MODULE_LOAD] = {"module_load", 0, true, "call", "calls", "asked for a module to be loaded", NULL,
			      "what is not loaded has nothing in the snapshot that it could tell of"},
};

const struct loss_row *loss_row(enum loss_cause cause)
{
	return &rows[cause];
}

void losses_record(struct losses *losses, enum loss_cause cause)
{
	losses->count[cause]++;
}

static struct loss_code *find_code(struct losses *losses, const struct loss_code *code)
{
	for (size_t i = 0; i < losses->codes; i++) {
		if (losses->code[i].owner == code->owner && strcmp(losses->code[i].module, code->module) == 0)
			return &losses->code[i];
	}
	return NULL;
}

void losses_record_code(struct losses *losses, const struct loss_code *code)
{
	struct loss_code *known = find_code(losses, code);

	if (known) {
		known->count++;
	} else if (losses->codes < LOSS_CODES) {
		losses->code[losses->codes] = *code;
		losses->code[losses->codes++].count = 1;
	}
}

bool losses_any(const struct losses *losses)
{
	for (unsigned i = 0; i < LOSS_CAUSES; i++) {
		if (losses->count[i] && !rows[i].normal)
			return true;
	}
	return false;
}
