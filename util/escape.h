/*
 * Escapes bytes of others for a terminal. A byte that could steer the terminal becomes a backslash and three octal digits: control
 * characters of C0 and C1, DEL, and bytes that are no character. Newline, tab, carriage return and all other characters stay. Bytes come in
 * pieces that may end within a character.
 */
#ifndef XRAY86_UTIL_ESCAPE_H
#define XRAY86_UTIL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ESCAPE_PENDING = 4, ESCAPE_BYTE = 4 };

/* Room for what `size` bytes become. */
#define ESCAPED_SIZE(size) (((size) + ESCAPE_PENDING) * ESCAPE_BYTE)

/* The state of one stream. At its start everything but utf8 is zero. */
struct escape {
	bool utf8; /* the terminal takes UTF-8; false: only ASCII stays as it is, since other bytes may mean anything there, even C1 */
	uint8_t pending[ESCAPE_PENDING];
	unsigned count; /* bytes of a character that is not complete yet */
};

/* Writes the escaped form of from[0..size) to to[0..ESCAPED_SIZE(size)), and returns its length. */
size_t escape_bytes(struct escape *escape, const uint8_t *from, size_t size, char *to);

/* The same at the stream's end, for an incomplete character that is left. */
size_t escape_end(struct escape *escape, char to[ESCAPED_SIZE(0)]);

#endif
