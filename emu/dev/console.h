/*
 * Where the guest's console output goes and its input comes from: the UART and the debug ports talk to one of these. The CLI
 * provides it for the host's stdin and stdout, tests for buffers.
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
	void (*write)(void *opaque, uint8_t byte); /* may be held back until the next read() or wait() */
	/* Up to size bytes that are there now; 0 if none. size may be 0: then it only flushes, and may say CONSOLE_QUIT. */
	int (*read)(void *opaque, uint8_t *to, size_t size);
	/* Returns when read() has something to say, or after so many nanoseconds of the host's clock (UINT64_MAX: never); says how many it
	 * took. */
	uint64_t (*wait)(void *opaque, uint64_t ns);
	bool real_time; /* somebody sits there: time that the guest idles away while it listens for input is waited for, not skipped */
};

#endif
