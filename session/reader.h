/* Reading the memory of the snapshot's processes: a trusted machine that stands at its first system call, with the product at hand. */
#ifndef XRAY86_SESSION_READER_H
#define XRAY86_SESSION_READER_H

#include "redirect/redirect.h"
#include "session/courier.h"
#include "session/session.h"

/* Zeroed: it has not been made yet. */
struct reader {
	struct trusted_machine vm;
	struct courier *courier;
	struct redirect *redirect;
	struct losses losses;
};

/* The session is booted. As process_memory_read(). */
struct error *reader_read(struct reader *reader, struct session *session, unsigned pid, uint64_t address, void *to, size_t size);
void reader_close(struct reader *reader);

#endif
