/*
 * Where the product's kernel is another one than the trusted: what has to be known of both before the product's own code runs. All of it is
 * told by their code and data, and nothing by their version.
 */
#ifndef XRAY86_REDIRECT_ANOTHER_KERNEL_H
#define XRAY86_REDIRECT_ANOTHER_KERNEL_H

#include "redirect/host_task.h"

/* At the first call on the product. The error says what is not found. */
struct error *another_kernel_look(struct worlds *worlds, struct host_task *host);

#endif
