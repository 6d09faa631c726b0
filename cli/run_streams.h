/* What `xray86 run` hands to the session of its own process: standard input and output for the command, stderr for notes and progress. */
#ifndef XRAY86_CLI_RUN_STREAMS_H
#define XRAY86_CLI_RUN_STREAMS_H

#include "cli/deadline.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "session/courier.h"
#include "session/progress.h"
#include "util/note.h"

struct run_streams {
	struct deadline *deadline; /* it does not count time in which a user at a terminal is waited for */
	struct output out, err;    /* the command's */
	struct progress progress;
};

/* raw: output to a terminal is not escaped. */
void run_streams_open(struct run_streams *streams, struct deadline *deadline, bool raw);
/* After the command has ended: writes incomplete characters that were kept back. */
struct error *run_streams_finish(struct run_streams *streams);

struct courier_streams run_streams_command(struct run_streams *streams);
struct progress_watcher run_streams_progress(struct run_streams *streams);
/* Notes become lines on stderr. */
struct notes run_streams_notes(void);

#endif
