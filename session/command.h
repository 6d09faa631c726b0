/* A command of this machine that runs in a session as if its process were in the snapshot. */
#ifndef XRAY86_SESSION_COMMAND_H
#define XRAY86_SESSION_COMMAND_H

#include "redirect/redirect.h"
#include "session/courier.h"
#include "session/session.h"

#define COMMAND_DEFAULT_BUDGET 60000000000ull /* instructions */

/* All strings must outlive the command. */
struct command_options {
	char *const *words;       /* the first is searched in PATH unless it has a slash; ended by NULL */
	char *const *environment; /* NAME=VALUE, ended by NULL */
	const char *root;         /* folder of the file system with the command; "": this machine's */
	const char *policy;       /* a policy file; NULL: the default policy */
	unsigned host_pid;        /* the process of the snapshot whose view the command has; 0: PID 1 */
	enum redirect_way way;
	bool no_redirect; /* the command looks at the trusted VM itself */
	enum code_choice code;
	enum trusted_choice
		trusted; /* without the image of the snapshot's kernel another one runs the command, and all code is the snapshot's */
	const char *const *trust_modules; /* names of modules whose code is so in any case, ended by NULL; or NULL */
	bool keep;       /* begin with the changes of commands with this flag, and leave this command's changes for others */
	uint64_t budget; /* instructions of the trusted VM that the command may take */
	struct courier_streams streams;
	void (*trace)(void *opaque, const struct redirect_call *call); /* gets each call that went to the snapshot; or NULL */
	void *trace_opaque;
};

struct command;

/*
 * The three steps of a command. Each may fail; the functions below then tell of what has been done so far. options must outlive the
 * command.
 *
 * Making it reads the policy and looks the command up on this machine. So a command that cannot run is known before anything else is looked
 * into.
 */
struct error *command_create(struct session *session, const struct command_options *options, struct command **ret);
/* Collects what the command needs, and has the session boot. */
struct error *command_prepare(struct command *command);
struct error *command_run(struct command *command);
/* NULL is allowed. */
void command_destroy(struct command *command);

/*
 * Whether all of the snapshot's kernel that has run is the snapshot's own code, since its image is not here: nothing of it is proven. Known
 * when the command is prepared.
 */
bool command_is_unproven(const struct command *command);
/* The release of the kernel that runs it. */
const char *command_trusted_release(const struct command *command);
/* As wait4() tells it. */
int command_status(const struct command *command);
const struct losses *command_losses(const struct command *command);
/* NULL before the command begins to run. */
const struct redirect_stats *command_stats(const struct command *command);
/* Instructions that the trusted VM has run since it was ready, idle time excluded. */
uint64_t command_instructions(const struct command *command);

#endif
