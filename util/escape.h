/*
 * Bytes of others on their way to a terminal: what could steer it (control characters of C0 and C1, DEL, and bytes that are no character)
 * is shown as backslash and three octal digits for each byte; newline, tab, carriage return and all other characters stay. Bytes come in
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

/* Of one stream; zeros at its start, but for utf8. */
struct escape {
	bool utf8; /* what the terminal takes; else ASCII alone is shown as it is, as other bytes may be anything there, C1 too */
	uint8_t pending[ESCAPE_PENDING];
	unsigned count; /* bytes of a character that is not complete yet */
};

/* Writes what from[0..size) shows as to to[0..ESCAPED_SIZE(size)), and returns its length. */
size_t escape_bytes(struct escape *escape, const uint8_t *from, size_t size, char *to);

/* The same for what is left at the stream's end: an incomplete character. */
size_t escape_end(struct escape *escape, char to[ESCAPED_SIZE(0)]);

#endif
