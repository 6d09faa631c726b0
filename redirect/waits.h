/* Calls that would sleep are given up, since nobody would wake them. What that means depends on what they wait for. */
#ifndef XRAY86_REDIRECT_WAITS_H
#define XRAY86_REDIRECT_WAITS_H

#include "redirect/host_task.h"

/* The cause to record for a body that is about to sleep in product context. */
enum loss_cause wait_cause(struct worlds *worlds, const struct call *call, const struct host_task *host);

#endif
