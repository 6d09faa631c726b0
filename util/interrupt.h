/*
 * Ctrl-C while another process works for this one: it ends that process, and this one learns of it and can tidy up. So do Ctrl-\ and the
 * end of the terminal. A signal that is ignored stays ignored.
 */
#ifndef XRAY86_UTIL_INTERRUPT_H
#define XRAY86_UTIL_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

struct interrupt {
	sigset_t held, before; /* `before`: the signals that were blocked, as they are to be again in the other process */
};

/* From here on such signals do not end this process. Call it before the other one is made. */
void interrupt_hold(struct interrupt *interrupt);
/* Ends that. Returns whether such a signal came. */
bool interrupt_release(struct interrupt *interrupt);

#endif
