/*
 * The other end of the guest's console: the UART and the debug ports write to it and read from it. The command line provides one for the
 * host's stdin and stdout, tests provide one for buffers.
 */
#ifndef XRAY86_EMU_DEV_CONSOLE_H
#define XRAY86_EMU_DEV_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What read() says besides the number of bytes. */
enum { CONSOLE_EOF = -1 /* there will never be more */, CONSOLE_QUIT = -2 /* the user wants the machine stopped */ };

struct console {
	void *opaque;
	void (*write)(void *opaque, uint8_t byte); /* the byte may wait until the next read() or wait() */
	/* Reads up to size bytes that are there now; returns 0 if there are none. With size 0 it only flushes, and may say CONSOLE_QUIT. */
	int (*read)(void *opaque, uint8_t *to, size_t size);
	/* Waits until read() has something to say, for at most `ns` of the host's clock (UINT64_MAX: without end). Returns how many ns it
	 * took. */
	uint64_t (*wait)(void *opaque, uint64_t ns);
	bool real_time; /* somebody sits there: while the guest listens for input, its idle time is waited for instead of skipped */
};

#endif
