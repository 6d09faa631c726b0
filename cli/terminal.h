/*
 * The guest's console on the host's stdin and stdout.
 *
 * A terminal on stdin is put into raw mode, so that every key but Ctrl-A goes to the guest; terminal_close() restores it. An idle guest
 * waits there in real time, since it would burn the host's CPU to get to the next key faster. With a pipe or file, idle time is skipped.
 * Meanwhile signals that would end the program (INT, TERM, HUP) come through a file descriptor, and end the machine in order. Output is
 * gathered, and written when the machine polls for input.
 */
#ifndef XRAY86_CLI_TERMINAL_H
#define XRAY86_CLI_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "cli/progress.h"
#include "emu/dev/console.h"
#include "util/error.h"

enum { TERMINAL_OUT = 4096, TERMINAL_IN = 256 };

struct terminal {
	struct console console;
	struct progress progress; /* shown until the first output */
	uint64_t written;         /* bytes of output so far */
	bool raw;
	struct termios saved;
	sigset_t saved_signals;
	int signal_fd;
	int signal;  /* the signal that came, or 0; SIGPIPE: nobody reads stdout any more */
	int error;   /* errno of writing to stdout, other than EPIPE, or 0 */
	bool quit;   /* Ctrl-A x, a signal, or stdout cannot be written */
	bool eof;    /* stdin is at its end */
	bool escape; /* Ctrl-A was the last key */
	char out[TERMINAL_OUT];
	size_t out_used;
	uint8_t in[TERMINAL_IN]; /* read and not yet taken */
	size_t in_used;
};

struct error *terminal_open(struct terminal *terminal);
/* Flushes and restores. */
void terminal_close(struct terminal *terminal);

#endif
