/* A command of this machine, run in a session as if its process were in the snapshot. */
#ifndef XRAY86_SESSION_COMMAND_H
#define XRAY86_SESSION_COMMAND_H

#include "redirect/redirect.h"
#include "session/courier.h"
#include "session/session.h"

#define COMMAND_DEFAULT_BUDGET 60000000000ull /* instructions */

/* All strings must stay. */
struct command_options {
	char *const *words;       /* the first is looked for in PATH unless it has a slash; ended by NULL */
	char *const *environment; /* NAME=VALUE, ended by NULL */
	const char *root;         /* folder of the file system that it is from; "": this machine's */
	const char *policy;       /* a policy file; NULL: the default policy */
	unsigned host_pid;        /* the process of the snapshot whose view is taken; 0: PID 1 */
	enum redirect_way way;
	bool no_redirect;  /* it looks at the trusted VM itself */
	bool product_code; /* code that the trusted kernel lacks is the snapshot's own */
	uint64_t budget;   /* instructions of the trusted VM that it may take */
	struct courier_streams streams;
	void (*trace)(void *opaque, const struct redirect_call *call); /* of calls that went to the snapshot; or NULL */
	void *trace_opaque;
};

struct command;

/*
 * The three steps of a command. Each may fail, and what is told of the command below is then told of what has been done. options must stay.
 *
 * Making it reads the policy and looks the command up on this machine; that nobody could run it is known before anything is looked into.
 */
struct error *command_create(struct session *session, const struct command_options *options, struct command **ret);
/* Collects what the command needs, and has the session boot. */
struct error *command_prepare(struct command *command);
struct error *command_run(struct command *command);
/* NULL is allowed. */
void command_destroy(struct command *command);

/* As wait4() tells it. */
int command_status(const struct command *command);
const struct losses *command_losses(const struct command *command);
/* NULL: it has not begun to run. */
const struct redirect_stats *command_stats(const struct command *command);
/* Of the trusted VM since it was ready, without what it idled away. */
uint64_t command_instructions(const struct command *command);

#endif
