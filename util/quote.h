/*
 * Text that others wrote (who made a snapshot, a kernel's image, a file name), as it may stand in a message: nothing in it can steer a
 * terminal, end the line, pass for words of ours, or be endless.
 */
#ifndef XRAY86_UTIL_QUOTE_H
#define XRAY86_UTIL_QUOTE_H

#include <stddef.h>
#include <stdint.h>

enum {
	QUOTE_BYTE = 4 /* the most that a byte takes between quotation marks */,
	QUOTE_NAME = 128,
	QUOTE_LINE = 512 /* sizes of `to` that suit */
};

/*
 * Writes a byte as it stands between quotation marks, without a 0 at the end: printable ASCII as it is, quotation mark and backslash after
 * a backslash, newline, tab and carriage return as \n, \t and \r, all others as \ooo, three octal digits. Returns how many characters.
 */
unsigned quote_byte(uint8_t byte, char to[QUOTE_BYTE]);

/*
 * Writes text, which ends at a 0 or after `length` bytes, to to[0..size) and returns `to`; size is 16 or more. Names of letters, digits and
 * _-.+~:/@=,%$ stand bare. Others stand in quotation marks, as quote_byte() has them. What does not fit is cut, and "... follows.
 */
const char *quote(char *to, size_t size, const char *text, size_t length);

/* The same for strings. */
const char *quote_string(char *to, size_t size, const char *text);

#endif
