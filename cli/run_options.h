/* The options of `xray86 run`. */
#ifndef XRAY86_CLI_RUN_OPTIONS_H
#define XRAY86_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "session/environment.h"
#include "loader/kernel_find.h"
#include "redirect/redirect.h"
#include "session/trusted_vm.h"

struct run_options {
	const char *snapshot, *root, *trace, *policy;
	char *const *command;
	struct additions env;
	const char **trust_modules; /* NULL, or ended by NULL */
	struct kernel_sources sources;
	enum redirect_way way;
	enum code_choice code;
	enum trusted_choice trusted; /* which kernel may run the command */
	unsigned host_pid;
	uint64_t memory;
	uint64_t budget;  /* instructions of the trusted VM */
	unsigned timeout; /* seconds of this machine */
	bool no_redirect, tracing, stats, json, no_cache, no_sandbox;
	bool strict; /* a loss is a failure */
	bool raw;    /* output is not escaped on a terminal */
};

/* *ret_help: the user wants help; other results may be unset then. The strings are those of argv. */
struct error *run_parse_arguments(int argc, char **argv, struct run_options *options, bool *ret_help);
void run_print_help(void);
/* To be called in any case, also after an error. */
void run_options_deinit(struct run_options *options);

#endif
