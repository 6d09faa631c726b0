/*
 * Messages between a caller and its isolated worker (session/remote.h, cli/worker.c): a header with type and size, then fields. Numbers are
 * in the machine's own order, since both ends are on one machine and of one build, which the first message proves.
 *
 * Neither end trusts the other. A size is compared with its limit before anything is allocated for it. A field that is missing or has a
 * wrong size makes the message bad, and reads as zero: whoever takes the fields asks once, at the end, with message_is_good().
 */
#ifndef XRAY86_SESSION_MESSAGE_H
#define XRAY86_SESSION_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	MESSAGE_PROTOCOL = 3,    /* changes with the meaning of any message */
	MESSAGE_MAX = 16 << 20,  /* bytes of fields in one message */
	MESSAGE_DATA = 1 << 20,  /* bytes of memory, input or output in one message */
	MESSAGE_WORDS = 1 << 16, /* texts in a list */
};

enum message_type {
	/* The worker, when it starts: protocol, version. */
	MESSAGE_HELLO = 1,
	/* Questions of the caller. The worker answers each with MESSAGE_DONE or MESSAGE_ERROR, after any number of calls back. */
	MESSAGE_OPEN,
	MESSAGE_FACTS,
	MESSAGE_INFO,
	MESSAGE_READ,
	MESSAGE_RUN,
	MESSAGE_DONE,  /* what was asked for */
	MESSAGE_ERROR, /* code, text */
	/* Calls back. The caller answers the last two with MESSAGE_ANSWER. */
	MESSAGE_NOTE,     /* text */
	MESSAGE_PROGRESS, /* what, instructions */
	MESSAGE_TRACE,    /* text */
	MESSAGE_OUTPUT,   /* stream, bytes */
	MESSAGE_INPUT,    /* size, idle */
	MESSAGE_ANSWER,   /* what the function returned, bytes */
};

/* A zeroed one is empty. It can be used again and again; message_deinit() at last. */
struct message {
	uint32_t type;
	uint8_t *bytes; /* of the fields */
	size_t size, capacity;
	size_t at; /* the next field to take */
	bool bad;  /* a field did not fit, or is not there */
};

/* Begins a message that is to be sent. */
void message_begin(struct message *message, enum message_type type);
void message_put_number(struct message *message, uint64_t value);
void message_put_bytes(struct message *message, const void *bytes, size_t size);
/* NULL stays NULL. */
void message_put_text(struct message *message, const char *text);
/* Texts ended by NULL. A list that is NULL itself stays so. */
void message_put_list(struct message *message, const char *const *list);

/* Takes the next field, in the order in which they were put. */
uint64_t message_take_number(struct message *message);
/* The bytes are the message's, *ret_size of them; never more than `limit`. */
const uint8_t *message_take_bytes(struct message *message, size_t limit, size_t *ret_size);
/* The text is the message's. NULL: it was, or the message is bad. */
const char *message_take_text(struct message *message);
/* The array is the caller's (free()), the texts are the message's. NULL likewise. */
const char **message_take_list(struct message *message);
/* Every field was there, and nothing is behind the last one. */
bool message_is_good(const struct message *message);

void message_deinit(struct message *message);

/* One end of the connection. */
struct channel {
	/* As read(2) and write(2), without EINTR; 0 from read: the other end is closed. */
	ssize_t (*read)(void *opaque, void *to, size_t size);
	ssize_t (*write)(void *opaque, const void *from, size_t size);
	void *opaque;
};

/* False: a field did not fit (message->bad), or the other end is not there. */
bool channel_send(const struct channel *channel, struct message *message);
/* False: the other end is not there, or what it sent is no message. */
bool channel_receive(const struct channel *channel, struct message *ret);

#endif
