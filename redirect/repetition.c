/* Commands that will never end: repetition.h. */
#include "redirect/repetition.h"

uint64_t repetition_digest(uint64_t digest, const void *bytes, unsigned size)
{
	const uint8_t *at = bytes;

	for (; size; size--, at++) /* FNV-1a */
		digest = (digest ^ 0xcbf29ce484222325 ^ *at) * 0x100000001b3;
	return digest;
}

static bool slept(const struct repetition *repetition, const struct repeated_call *call)
{
	return call->idle != repetition->idle;
}

bool repetition_asks(const struct repetition *repetition, const struct repeated_call *call)
{
	return repetition->vain || call->vain || slept(repetition, call);
}

static bool is_known(const struct repetition *repetition, uint64_t digest)
{
	for (unsigned i = 0; i < REPETITION_KINDS && i < repetition->kinds; i++) {
		if (repetition->kind[i] == digest)
			return true;
	}
	return false;
}

bool repetition_note(struct repetition *repetition, const struct repeated_call *call)
{
	bool known = is_known(repetition, call->digest), again = known && slept(repetition, call);

	if (!known)
		repetition->kind[repetition->kinds++ % REPETITION_KINDS] = call->digest;
	if (!known || call->progress || call->output != repetition->output)
		repetition->vain = 0;
	repetition->vain += call->vain || again;
	repetition->output = call->output;
	repetition->idle = call->idle;
	return repetition->vain >= REPETITION_LIMIT;
}
