/* Calls that would sleep. Nobody wakes them, so they are given up; but what that means depends on what they wait for. */
#ifndef XRAY86_REDIRECT_WAITS_H
#define XRAY86_REDIRECT_WAITS_H

#include "redirect/host_task.h"

/* The body is about to sleep, in product context: for what. */
enum loss_cause wait_cause(struct worlds *worlds, const struct call *call, const struct host_task *host);

#endif
