/* Decides about a system call by its row of the policy (policy.h). */
#ifndef XRAY86_REDIRECT_JUDGE_H
#define XRAY86_REDIRECT_JUDGE_H

#include "redirect/mappings.h"
#include "redirect/paths.h"
#include "redirect/polls.h"

struct judge {
	struct worlds *worlds;
	struct calls *calls;
	struct tools *tools;
	struct placeholders *placeholders;
	struct polls *polls;
	struct mappings *mappings;
	struct deliveries *deliveries;
	struct paths *paths;
};

/*
 * Decides about calls->now, translates its arguments, and orders what it needs of the host. VERDICT_REFUSED: the call is done, and its
 * result is *ret_result.
 */
enum verdict judge_call(struct judge *judge, int64_t *ret_result);
/*
 * Shells look for a command in the directories of PATH before they execute it. For a call that found nothing in the product: whether the
 * host has a program of this path, which can be delivered.
 */
bool judge_looked_for_program(struct judge *judge, char path[TOOL_PATH]);

#endif
