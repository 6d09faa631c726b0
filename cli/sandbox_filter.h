/* The system calls that are left to the process in each stage of the sandbox (cli/sandbox.h), as a seccomp filter. */
#ifndef XRAY86_CLI_SANDBOX_FILTER_H
#define XRAY86_CLI_SANDBOX_FILTER_H

#include <linux/filter.h>

#include "cli/sandbox.h"

enum { SANDBOX_FILTER_MAX = 1024 };

struct sandbox_filter {
	unsigned short count;
	struct sock_filter code[SANDBOX_FILTER_MAX];
};

/* All that the filter forbids raises SIGSYS. */
void sandbox_filter_build(enum sandbox_stage stage, struct sandbox_filter *ret);

#endif
