/* Reads the memory of the snapshot's processes: a trusted machine that waits at its first system call, ready for calls on the product. */
#ifndef XRAY86_SESSION_READER_H
#define XRAY86_SESSION_READER_H

#include "redirect/redirect.h"
#include "session/courier.h"
#include "session/session.h"

/* A zeroed reader has not been made yet. */
struct reader {
	struct session *session;
	struct machine *machine;
	struct courier *courier;
	struct redirect *redirect;
	struct losses losses;
};

/* Like process_memory_read(). The session must be booted. */
struct error *reader_read(struct reader *reader, struct session *session, unsigned pid, uint64_t address, void *to, size_t size);
void reader_close(struct reader *reader);

#endif
